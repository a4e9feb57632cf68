/**
 * Walking the lines of a region.
 *
 * A chunk of whole lines is taken at a time: one decoding of 64 KiB, and then a slice of its text for each line, cost a
 * fraction of a decoding for each line.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import type { LinesOptions } from "./options.ts";
import type { Memory } from "./memory.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** How many bytes are decoded at a time, unless a single line is longer. */
const CHUNK = 2 ** 16;

/** A part of the region that begins and ends with a line. */
interface Chunk {
  readonly start: number;
  readonly end: number;
}

/**
 * The lines as strings.
 *
 * Written out as an iterator: a generator takes longer for a step than this does for a line.
 */
export class TextLines implements IterableIterator<string, undefined> {
  readonly #memory: Memory;
  readonly #chunks: Iterator<Chunk, undefined>;
  readonly #decoder: TextDecoder;
  readonly #reverse: boolean;
  #lines: readonly string[] = [];
  #next = 0;
  /** What was wrong with the line behind `#lines`. */
  #error: unknown;

  constructor(memory: Memory, options: LinesOptions) {
    const { reverse = false, fatal = false } = options;
    this.#memory = memory;
    this.#chunks = chunks(memory, options);
    // A byte order mark belongs to the first line; without ignoreBOM one would be taken from the start of every chunk.
    this.#decoder = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
    this.#reverse = reverse;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<string, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    while (this.#next >= this.#lines.length) {
      if (this.#error !== undefined) throw this.#error;
      const chunk = this.#chunks.next();
      if (chunk.done === true) return chunk;
      this.#fill(chunk.value);
    }
    const value = this.#lines[this.#next++];
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  #fill({ start, end }: Chunk): void {
    const memory = this.#memory;
    const bytes = memory.borrow(start, end - start, "lines");
    this.#next = 0;
    try {
      this.#lines = split(memory.watch("lines", start, end - start, () => this.#decoder.decode(bytes)));
      if (this.#reverse) this.#lines = [...this.#lines].reverse();
    } catch (error) {
      if (!this.#decoder.fatal || !(error instanceof TypeError)) throw error;
      this.#lines = this.#goodLines({ start, end });
      this.#error = error;
    }
  }

  /** The lines before the one that is not UTF-8. */
  #goodLines(chunk: Chunk): readonly string[] {
    const lines: string[] = [];
    try {
      for (const bytes of bytesOf(this.#memory, chunk, this.#reverse)) {
        lines.push(this.#decoder.decode(bytes));
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    return lines;
  }
}

/** The lines of a text of whole lines. */
function split(text: string): string[] {
  const lines = text.split("\n");
  if (text.endsWith("\n")) lines.pop();
  if (!text.includes("\r")) return lines;
  const last = text.endsWith("\n") ? undefined : lines.pop(); // it has no end, so that its \r is its own
  const stripped = lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
  return last === undefined ? stripped : [...stripped, last];
}

/** The lines as views of their bytes, without the line's end. */
export function* byteLines(
  memory: Memory,
  options: LinesOptions,
): Generator<Uint8Array<ArrayBuffer>, undefined> {
  for (const chunk of chunks(memory, options)) {
    yield* bytesOf(memory, chunk, options.reverse === true);
  }
}

/** The lines of a chunk, each as its bytes; what is between two of them may close the region, or resize it. */
function* bytesOf(
  memory: Memory,
  { start, end }: Chunk,
  reverse: boolean,
): Generator<Uint8Array<ArrayBuffer>, undefined> {
  for (let from = start, to = end; from < to;) {
    const size = Math.min(to, memory.length("lines")) - from;
    if (size <= 0) return;
    const bytes = memory.borrow(from, size, "lines");
    const at = from;
    const ended = memory.watch("lines", at, size, () => bytes[size - 1] === NEWLINE);
    const newline = memory.watch(
      "lines",
      at,
      size,
      () => reverse ? bytes.lastIndexOf(NEWLINE, ended ? size - 2 : size - 1) : bytes.indexOf(NEWLINE),
    );
    if (reverse) {
      // lastIndexOf takes -1 for the last byte.
      const before = ended && size === 1 ? -1 : newline;
      const first = at + before + 1;
      yield line(memory, first, at + size);
      to = first;
    } else {
      const next = newline === -1 ? at + size : at + newline + 1;
      yield line(memory, at, next);
      from = next;
    }
  }
}

/** A line's bytes without its end. */
function line(memory: Memory, start: number, end: number): Uint8Array<ArrayBuffer> {
  const bytes = memory.lend(start, end - start, "lines");
  let { length } = bytes;
  if (bytes[length - 1] === NEWLINE) {
    length--;
    if (bytes[length - 1] === RETURN) length--;
  }
  return bytes.subarray(0, length);
}

function* chunks(memory: Memory, { from, reverse = false }: LinesOptions): Generator<Chunk, undefined> {
  if (reverse) {
    for (let end = Math.min(from ?? Infinity, memory.length("lines")); end > 0;) {
      const start = chunkStart(memory, end);
      yield { start, end };
      end = Math.min(start, memory.length("lines"));
    }
  } else {
    for (let start = from ?? 0; start < memory.length("lines");) {
      const end = chunkEnd(memory, start);
      yield { start, end };
      start = end;
    }
  }
}

/** Where a chunk that starts with a line ends: behind the last newline within reach, or the next one. */
function chunkEnd(memory: Memory, start: number): number {
  const length = memory.length("lines");
  const reach = Math.min(start + CHUNK, length);
  if (reach === length) return length;
  const bytes = memory.borrow(start, reach - start, "lines");
  const newline = memory.watch("lines", start, reach - start, () => bytes.lastIndexOf(NEWLINE));
  if (newline !== -1) return start + newline + 1;
  const { address } = memory.haystack("lines");
  const { functions } = libc();
  const found = memory.watch(
    "lines",
    reach,
    length - reach,
    () => functions.memchr(address + reach, NEWLINE, length - reach),
  );
  return found === 0 ? length : found - address + 1;
}

/** Where a chunk that ends with a line starts: behind the first newline within reach, or the one before. */
function chunkStart(memory: Memory, end: number): number {
  for (let reach = CHUNK;; reach *= 2) {
    const start = Math.max(0, end - reach);
    if (start === 0) return 0;
    const size = end - 1 - start; // less the newline of the last line itself
    const bytes = memory.borrow(start, size, "lines");
    const newline = memory.watch("lines", start, size, () => bytes.indexOf(NEWLINE));
    if (newline !== -1) return start + newline + 1;
  }
}
