/**
 * A channel's memory: messages one behind the other in a ring, and what is known of those who send and receive them.
 *
 * Positions count bytes since the beginning, modulo 2^32, and are multiples of 8. Messages have been consumed up to
 * `head` and committed up to `tail`. Each of the two is changed by one store, by the thread that holds the lock for
 * it. So a thread that is killed, at any instruction, has either sent a message or not, and consumed it or not.
 *
 * |    bytes | what                                                                                          |
 * | -------: | :--------------------------------------------------------------------------------------------- |
 * |     0, 4 | the capacity: bytes of the ring, a power of two                                                |
 * |    40, 4 | the magic number, "CHN1"                                                                        |
 * |    64, 4 | tail                                                                                           |
 * |   128, 4 | head                                                                                           |
 * |   192, 4 | whether somebody waits for messages (for tail to change)                                        |
 * |   256, 4 | whether somebody waits for room (for head to change)                                            |
 * |   320, 4 | how many have ever sent                                                                        |
 * |   324, 4 | how the last of them to end ended: 1 it closed, 2 it died                                        |
 * |   328, 8 | the same two of those who receive                                                              |
 * |  384, 64 | the lock of whoever commits: an owned word, as a {@linkcode Mutex} has it                        |
 * |  448, 64 | the lock of whoever consumes                                                                   |
 * |    512 … | 64 owned words: each is owned by one who sends                                                  |
 * |   4608 … | 64 owned words: each is owned by one who receives                                               |
 * |   8704 … | the ring                                                                                       |
 *
 * A message in the ring is a word with its length, a word with its position, and its bytes, padded to a multiple of
 * 8. It never runs over the ring's end: where it doesn't fit, there is a filler, whose first word is its whole length
 * with bit 31 set.
 *
 * Others may have written anything here. So each word is read once, and checked before it is used.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import type { Place } from "./place.ts";

/** Where things are, in bytes. */
export const LAYOUT = {
  CAPACITY: 0,
  TAIL: 64,
  HEAD: 128,
  RECEIVERS_WAIT: 192,
  SENDERS_WAIT: 256,
  SENDERS: 320,
  RECEIVERS: 328,
  COMMIT_LOCK: 384,
  CONSUME_LOCK: 448,
  SENDER_SLOTS: 512,
  RECEIVER_SLOTS: 4608,
  RING: 8704,
} as const;

/** How many may send, and how many receive, at one time. */
export const SLOTS = 64;
/** The smallest and the largest ring. */
export const SMALLEST = 1024;
export const LARGEST = 2 ** 30;

/** What comes before a message's bytes. */
const HEADER = 8;
const FILLER = 0x8000_0000 | 0;

const TAIL = LAYOUT.TAIL / 4;
const HEAD = LAYOUT.HEAD / 4;

/** Up to this many bytes a loop is faster than the call that copies them. */
const SHORT = 24;

/** There is no room, or no message. */
export const NONE = -1;

/** How many bytes of the ring a message takes. */
function sizeOf(length: number): number {
  return HEADER + ((length + 7) & ~7);
}

/** A channel's memory, as one end of the channel sees it. */
export class Ring {
  readonly #place: Place;
  readonly #mask: number;
  readonly capacity: number;
  /** The longest message, in bytes: it has to fit with a filler before it. */
  readonly longest: number;
  /** The header. Without elements when the region was closed, moved or protected. */
  words: Int32Array<ArrayBuffer> = new Int32Array(0);
  /** The ring: a view for the library's own use, and one to be lent to the program, made when first needed. */
  #lent: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #cells: Int32Array<ArrayBuffer> = new Int32Array(0);
  /**
   * The other side's position when last looked at. Looking at it with each message would fetch it from another CPU's
   * cache.
   */
  #headSeen = 0;
  #tailSeen = 0;
  /** Where the next message is written, and where the next one is read. */
  #tail = 0;
  #head = 0;
  /** Where the first message was that has been found since `beginConsume`. */
  #first = 0;
  /** The message that `next` found: how many bytes it has, and how many it takes in the ring. */
  length = 0;
  #size = 0;

  constructor(place: Place, capacity: number) {
    this.#place = place;
    this.capacity = capacity;
    this.#mask = capacity - 1;
    this.longest = capacity / 2 - HEADER;
    this.renew();
  }

  /** Makes the views anew. */
  renew(): void {
    this.words = this.#place.part(0, LAYOUT.RING).words();
    this.bytes = this.#place.part(LAYOUT.RING, this.capacity).bytes();
    const { buffer, byteOffset } = this.bytes;
    this.#cells = new Int32Array(buffer, byteOffset, this.capacity / 4);
  }

  /** The ring, as the program may have it. */
  lend(): Uint8Array<ArrayBuffer> {
    if (this.#lent.length === 0) this.#lent = this.#place.lend(LAYOUT.RING, this.capacity);
    return this.#lent;
  }

  /**
   * How many bytes a message has now. It is the program's: while it waited for room, its buffer may have been resized or
   * detached.
   */
  lengthOf(message: Uint8Array, call: string): number {
    const { length } = message;
    if (length === 0 && !(message.buffer instanceof SharedArrayBuffer) && message.buffer.detached) {
      throw new TypeError(`${call}: the message's buffer was detached`);
    }
    this.checkLength(length, call);
    return length;
  }

  /** Throws if there is never room for a message of so many bytes. */
  checkLength(length: number, call: string): void {
    if (length >= 0 && length <= this.longest) return;
    throw new RangeError(
      `${call}: a message of this channel has ${this.longest} bytes at most: received ${length}`,
    );
  }

  // Committing: only for the thread that holds the lock for it.

  /** Looks where the next message goes. */
  beginCommit(): void {
    if (this.words.length === 0) this.renew();
    this.#tail = Atomics.load(this.words, TAIL) >>> 0;
    this.#headSeen = Atomics.load(this.words, HEAD) >>> 0;
    this.#used(this.#tail, this.#headSeen);
  }

  /** Finds room for a message of so many bytes; returns where in the ring its bytes go, or NONE. */
  room(length: number): number {
    const size = sizeOf(length);
    let at = this.#tail & this.#mask;
    const skipped = at + size > this.capacity ? this.capacity - at : 0;
    const needed = skipped + size;
    if (needed > this.capacity - ((this.#tail - this.#headSeen) >>> 0)) {
      this.#headSeen = Atomics.load(this.words, HEAD) >>> 0;
      if (needed > this.capacity - this.#used(this.#tail, this.#headSeen)) return NONE;
    }
    if (skipped > 0) {
      this.#cells[at >> 2] = FILLER | skipped;
      this.#cells[(at >> 2) + 1] = this.#tail | 0;
      this.#tail = (this.#tail + skipped) >>> 0;
      at = 0;
    }
    return at + HEADER;
  }

  /** Writes a message, and how many bytes it has, to where there is room for it. It is not committed yet. */
  put(at: number, message: Uint8Array, length: number): void {
    if (length <= SHORT) {
      const { bytes } = this;
      for (let index = 0; index < length; index++) bytes[at + index] = message[index] ?? 0;
    } else {
      this.bytes.set(message, at);
    }
    this.putHeader(at, length);
  }

  /** Writes the header of a message whose bytes are there. */
  putHeader(at: number, length: number): void {
    this.#cells[(at - HEADER) >> 2] = length;
    this.#cells[(at - HEADER + 4) >> 2] = this.#tail | 0;
    this.#tail = (this.#tail + sizeOf(length)) >>> 0;
  }

  /** Writes messages, from one of them on, until there is no room; returns how many. They are not committed yet. */
  putAll(messages: readonly Uint8Array[], from: number, call: string): number {
    let index = from;
    for (; index < messages.length; index++) {
      const message = messages[index] as Uint8Array;
      const length = this.lengthOf(message, call);
      const at = this.room(length);
      if (at === NONE) break;
      this.put(at, message, length);
    }
    return index - from;
  }

  /** Commits what has been written since `beginCommit`; returns whether somebody waits for it. */
  commit(): boolean {
    Atomics.store(this.words, TAIL, this.#tail | 0);
    return Atomics.load(this.words, LAYOUT.RECEIVERS_WAIT / 4) !== 0;
  }

  // Consuming: only for the thread that holds the lock for it.

  /** Looks where the next message is. */
  beginConsume(): void {
    if (this.words.length === 0) this.renew();
    this.#head = this.#first = Atomics.load(this.words, HEAD) >>> 0;
    this.#tailSeen = Atomics.load(this.words, TAIL) >>> 0;
    this.#used(this.#tailSeen, this.#head);
  }

  /** Finds the next message; returns where in the ring its bytes are, or NONE. */
  next(): number {
    for (let fillers = 0; fillers < 2; fillers++) {
      const head = this.#head;
      if (head === this.#tailSeen) {
        this.#tailSeen = Atomics.load(this.words, TAIL) >>> 0;
        // What was found is not consumed yet. So there is no more than one ring full of it, whatever a peer stores.
        this.#used(this.#tailSeen, this.#first);
        if (this.#used(this.#tailSeen, head) === 0) return NONE;
      }
      const committed = (this.#tailSeen - head) >>> 0;
      const at = head & this.#mask;
      const length = this.#cells[at >> 2] ?? 0;
      if (this.#cells[(at >> 2) + 1] !== (head | 0)) {
        throw this.corrupted("a message is not where it says it is");
      }
      if (length >= 0) {
        const size = sizeOf(length);
        if (length > this.longest || size > committed || at + size > this.capacity) {
          throw this.corrupted("a message is longer than there is room for");
        }
        this.length = length;
        this.#size = size;
        return at + HEADER;
      }
      const skipped = length & ~FILLER;
      if (skipped !== this.capacity - at || skipped >= committed) {
        throw this.corrupted("a filler has a wrong length");
      }
      this.#head = (head + skipped) >>> 0;
    }
    throw this.corrupted("there are two fillers in a row");
  }

  /** A copy of the message that was found. */
  take(at: number): Uint8Array<ArrayBuffer> {
    const copy = this.bytes.slice(at, at + this.length);
    this.#place.assertIntact();
    return copy;
  }

  /** Goes on behind the message that was found. */
  skip(): void {
    this.#head = (this.#head + this.#size) >>> 0;
  }

  /** Consumes the messages since `beginConsume`; returns whether somebody waits for room. */
  consume(): boolean {
    Atomics.store(this.words, HEAD, this.#head | 0);
    return Atomics.load(this.words, LAYOUT.SENDERS_WAIT / 4) !== 0;
  }

  // For everybody.

  /** What a word of the header is now. */
  load(offset: number): number {
    if (this.words.length === 0) this.renew();
    const value = Atomics.load(this.words, offset / 4);
    this.#place.assertIntact();
    return value;
  }

  /** How many bytes there are between two positions. */
  #used(tail: number, head: number): number {
    const used = (tail - head) >>> 0;
    if (used > this.capacity || ((tail | head) & 7) !== 0) {
      this.#place.assertIntact();
      throw this.corrupted(`${used} bytes can't be in a ring of ${this.capacity}`);
    }
    return used;
  }

  /** The error for a ring whose contents make no sense: somebody else has stored to it. */
  corrupted(what: string): MmapError {
    return new MmapError(errorNumber("EBADMSG"), undefined, {
      operation: this.#place.what,
      path: this.#place.path,
      explanation: `the channel is corrupted: ${what}; somebody else has written there, so make a new one`,
    });
  }
}
