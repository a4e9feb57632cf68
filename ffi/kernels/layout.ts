/**
 * The task that a kernel is called with: one buffer that JavaScript and the machine code share.
 *
 * This is the only place that knows the numbers: `scripts/assemble.ts` hands them to the assembler under their
 * names. Fields are u64 unless it says otherwise.
 *
 * @module
 */

/** Where things are in a task, in bytes from its beginning, and how large they are. */
export const TASK = {
  /** Bytes of the text: at most `MOST_LINES` for `lines`, fewer than 2^32 for `search` and `containing`. */
  TEXT_LENGTH: 0,
  /** `search`, `containing`: bytes of the needle, 1 to `NEEDLE_ROOM`. */
  NEEDLE_LENGTH: 8,
  /** Where in the needle the two bytes are that are looked for together. */
  FIRST: 16,
  SECOND: 24,
  /** How many hits may be written down: 1 to `MOST_HITS`; lines that contain the needle, a third of that. */
  LIMIT: 32,
  /** How much work on places that turn out not to be hits may exceed the bytes that were searched. */
  PATIENCE: 40,
  /** `lines`: whether the text is copied to `COPY`, 0 or 1. */
  COPIES: 48,

  /** How many hits there are; of `containing`, lines. */
  HITS: 56,
  /**
   * `search`: behind the last hit, or where it was given up. `containing`: where the line begins in which to go on.
   * `lines`: not 0 if a byte is not ASCII.
   */
  NEXT: 64,
  /**
   * `search`, `containing`: 1 if it was given up. `containing`: 2 if the last line has no newline. `lines`: not 0 if the
   * other byte is in the text.
   */
  BESIDES: 72,
  /** `containing`: how many newlines there are before `NEXT`. */
  NEWLINES: 80,

  /** The needle; a byte; for `lines`, the byte and the other byte. */
  NEEDLE: 128,
  NEEDLE_ROOM: 1024,
  /** u32 each: the offsets of the hits in the text. Of a line, three: its beginning, its end, the newlines before it. */
  OFFSETS: 1152,
  /** There is room for a few more: `lines` stores numbers behind the last hit that mean nothing. */
  MOST_HITS: 65_536,
  /** A copy of the text. */
  COPY: 0x4_1000,
  MOST_LINES: 65_536,
  /** Bytes of a task. */
  SIZE: 0x5_1000,

  /** What a place costs that turns out not to be a hit, beside the bytes that were compared there: `PATIENCE`. */
  CANDIDATE: 16,
} as const;
