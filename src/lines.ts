/**
 * Walking the lines of a region.
 *
 * Whole lines are taken from a chunk at a time: where each of them ends is found out at once, and so is the text, of which
 * each line is then a slice. That costs a fraction of searching and decoding anew for each line.
 *
 * What is looked through and decoded is a copy: others may store to the region meanwhile.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { libc } from "../ffi/libc.ts";
import type { LinesOptions } from "./options.ts";
import type { RegionMemory } from "./memory.ts";
import { type Ends, findLines } from "./simd/scan.ts";

/** How much is looked through at a time, in bytes: a line that is kept as a string keeps the text of so many. */
const CHUNK = 2 ** 16;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

type Offsets = Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Where a line lies in its region, in bytes: from `start` to before `end`, which is where its `\n` or `\r\n` begins. */
export interface LineOffsets {
  /** Where the line begins. */
  start: number;
  /** Where its end begins. */
  end: number;
}

/** Some lines of a region, one behind the other: those numbered from `first` to before `count`. */
class Lines {
  /** Where in the region the part begins in which they are, and where they end, in bytes. */
  start = 0;
  end = 0;
  first = 0;
  count = 0;
  /** Where in the part the newline of each stands: the next line begins behind it. */
  newlines: Offsets = new Uint32Array(0);
  /** Where in the part each ends, less its newline and its `\r`. The same array, if there is no `\r` before a newline. */
  ends: Offsets = this.newlines;
  /** The part's bytes, to be used before anybody looks for other lines. None of a line larger than a chunk, unless they are wanted. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Whether they are known to be ASCII. */
  ascii = false;
  /** Whether the last line has no newline. */
  unended = false;
  readonly reverse: boolean;
  readonly #memory: RegionMemory;
  readonly #keepsBytes: boolean;
  /** Whether a last line without a newline is left out. */
  readonly #finished: boolean;
  /** Which part of the region is walked, and what of it is left. */
  readonly #start: number;
  readonly #end: number;
  #next: number;
  readonly #offsets = { newlines: new Uint32Array(0), ends: new Uint32Array(0) };

  /** @param keepsBytes Whether the bytes of a line are wanted that is larger than a chunk. */
  constructor(
    memory: RegionMemory,
    { offset = 0, length, reverse = false, finished = false }: LinesOptions,
    keepsBytes: boolean,
  ) {
    memory.check(offset, length, "lines");
    this.#memory = memory;
    this.#keepsBytes = keepsBytes;
    this.reverse = reverse;
    this.#start = offset;
    this.#end = length === undefined ? Infinity : offset + length;
    this.#finished = finished;
    this.#next = reverse ? this.#end : offset;
  }

  /** Where the lines end that are walked, by now. */
  #limit(): number {
    const memory = this.#memory;
    const limit = Math.min(this.#end, memory.length("lines"));
    if (!this.#finished || limit <= this.#start) return limit;
    const address = memory.at(this.#start, limit - this.#start, "lines");
    const newline = libc().functions.memrchr(address, NEWLINE, limit - this.#start);
    const end = newline === 0 ? this.#start : this.#start + (newline - address) + 1;
    memory.watch("lines", end, limit - end, () => undefined);
    return end;
  }

  /** Takes the next lines. Returns whether there are any; if not, there never will be, even if the region grows. */
  take(): boolean {
    const limit = this.#limit();
    if (this.reverse) {
      const end = Math.min(this.#next, limit);
      if (end > this.#start) {
        this.#takeBefore(end);
        this.#next = this.start + this.startOf(this.first);
        return true;
      }
      this.#next = this.#start;
    } else {
      if (this.#next < limit) {
        this.#takeAfter(this.#next, limit);
        this.#next = this.end;
        return true;
      }
      if (this.#next === limit) this.#memory.confirm("lines", this.#start, limit - this.#start);
      this.#next = Infinity;
    }
    return false;
  }

  /** Where in the part a line begins. */
  startOf(index: number): number {
    return index === 0 ? 0 : (this.newlines[index - 1] ?? 0) + 1;
  }

  #takeAfter(start: number, limit: number): void {
    const size = Math.min(CHUNK, limit - start);
    const found = this.#find(start, size);
    const isLast = start + size === limit;
    if (found.offsets.length === 0 && !isLast) return this.#takeLongAfter(start, size, found, limit);
    this.#take(start, size, found, isLast);
    this.first = 0;
    if (!this.unended) this.end = start + this.startOf(this.count); // the rest is the beginning of another line
  }

  #takeBefore(end: number): void {
    const size = Math.min(CHUNK, end - this.#start);
    const start = end - size;
    const found = this.#find(start, size);
    this.#take(start, size, found, true);
    this.first = start > this.#start ? 1 : 0; // the line before began before the part
    if (this.first === this.count) this.#takeLongBefore(start, found);
  }

  #find(start: number, size: number): Ends {
    return this.#memory.watch("lines", start, size, () => findLines(this.#memory, start, size));
  }

  /** @param whole Whether what stands behind the last newline is a line. */
  #take(start: number, size: number, { bytes, offsets, ascii, returns }: Ends, whole: boolean): void {
    const kept = this.#offsets;
    let count = offsets.length;
    if (kept.newlines.length <= count) {
      kept.newlines = new Uint32Array(2 * count + 1);
      kept.ends = new Uint32Array(2 * count + 1);
    }
    const { newlines } = kept;
    newlines.set(offsets);
    this.start = start;
    this.end = start + size;
    this.bytes = bytes;
    this.ascii = ascii;
    this.unended = whole && (count === 0 || (newlines[count - 1] ?? 0) + 1 < size);
    if (this.unended) newlines[count++] = size;
    this.count = count;
    this.newlines = this.ends = newlines;
    if (!returns) return;
    const { ends } = kept;
    for (let index = 0; index < count; index++) {
      const newline = newlines[index] ?? 0;
      ends[index] = newline > this.startOf(index) && bytes[newline - 1] === RETURN ? newline - 1 : newline;
    }
    if (this.unended) ends[count - 1] = size; // its \r is its own
    this.ends = ends;
  }

  /** Takes one line that goes on behind a chunk. */
  #takeLongAfter(start: number, first: number, chunk: Ends, limit: number): void {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let [at, size, found] = [start, first, chunk];
    let newline: number | undefined;
    let last: number | undefined;
    for (;;) {
      newline = found.offsets[0];
      const { bytes } = found;
      if (this.#keepsBytes) parts.push(bytes.slice(0, newline));
      if (newline !== 0) last = bytes[(newline ?? size) - 1];
      at += newline ?? size;
      if (newline !== undefined || at === limit) break;
      size = Math.min(CHUNK, limit - at);
      found = this.#find(at, size);
    }
    this.#takeLong(start, at, newline !== undefined, last === RETURN, parts);
  }

  /** Takes one line that began before a chunk. */
  #takeLongBefore(chunkStart: number, chunk: Ends): void {
    const unended = this.unended;
    const end = this.end - (unended ? 0 : 1);
    const size = end - chunkStart;
    const last = chunk.bytes[size - 1];
    const parts = this.#keepsBytes ? [chunk.bytes.slice(0, size)] : [];
    let start = chunkStart;
    while (start > this.#start) {
      const size = Math.min(CHUNK, start - this.#start);
      const { bytes, offsets } = this.#find(start - size, size);
      const begin = (offsets.at(-1) ?? -1) + 1;
      if (this.#keepsBytes) parts.push(bytes.slice(begin, size));
      start -= size - begin;
      if (begin > 0) break;
    }
    this.#takeLong(start, end, !unended, last === RETURN, parts.reverse());
  }

  #takeLong(
    start: number,
    end: number,
    ended: boolean,
    returns: boolean,
    parts: readonly Uint8Array[],
  ): void {
    const size = end - start;
    this.start = start;
    this.end = ended ? end + 1 : end;
    this.first = 0;
    this.count = 1;
    this.unended = !ended;
    this.newlines = Float64Array.of(size);
    this.ends = ended && returns ? Float64Array.of(size - 1) : this.newlines;
    this.bytes = new Uint8Array(this.#keepsBytes ? size : 0);
    let at = 0;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
    this.ascii = false;
  }

  /** Their text; `newlines` and `ends` count its characters then. To be asked for before anybody looks for other lines. */
  text(decoder: TextDecoder): string {
    const { bytes, ascii, first, count, unended } = this;
    if (ascii) {
      const { Buffer } = builtin("node:buffer"); // whose "latin1" is the fastest way from bytes to a string
      return Buffer.from(bytes.buffer, bytes.byteOffset, this.end - this.start).toString("latin1");
    }
    const from = this.startOf(first);
    const to = this.newlines[count - 1] ?? 0; // without the last newline
    const text = decoder.decode(bytes.subarray(from, to));
    const returns = this.ends !== this.newlines;
    const newlines = new Uint32Array(count - first);
    const ends = returns ? new Uint32Array(count - first) : newlines;
    for (let index = 0, start = 0; index < newlines.length; index++) {
      const found = text.indexOf("\n", start);
      const newline = found === -1 ? text.length : found;
      newlines[index] = ends[index] = newline;
      const isReturn = returns && newline > start && text.charCodeAt(newline - 1) === RETURN;
      if (isReturn && !(unended && index === newlines.length - 1)) ends[index] = newline - 1;
      start = newline + 1;
    }
    this.newlines = newlines;
    this.ends = ends;
    this.first = 0;
    this.count = newlines.length;
    return text;
  }

  /** A copy of their bytes. */
  copy(): ArrayBuffer {
    const { bytes } = this;
    return bytes.length === bytes.buffer.byteLength ? bytes.buffer : new Uint8Array(bytes).buffer; // a long one is a copy already
  }

  /** Leaves out the next line that is not UTF-8, and all that come after it. */
  keepGood(decoder: TextDecoder): void {
    const isGood = (index: number): boolean => {
      try {
        decoder.decode(this.bytes.subarray(this.startOf(index), this.ends[index]));
        return true;
      } catch {
        return false;
      }
    };
    let { first, count } = this;
    if (this.reverse) {
      while (count > first && isGood(count - 1)) count--;
      this.first = count;
    } else {
      while (first < count && isGood(first)) first++;
      this.unended &&= first === count;
      this.count = first;
      this.end = this.start + this.startOf(first);
    }
  }
}

/**
 * The lines as strings.
 *
 * Written out as an iterator, as the others are: a generator takes longer for a step than this does for a line.
 */
export class TextLines implements IterableIterator<string, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #decoder: TextDecoder;
  readonly #step: number;
  #text = "";
  #newlines: Offsets = new Uint32Array(0);
  #ends: Offsets = this.#newlines;
  /** The next line, and the one behind the last. */
  #index = 0;
  #stop = 0;
  /** What is wrong with that one. */
  #error: unknown;

  constructor(memory: RegionMemory, options: LinesOptions) {
    const { fatal = false } = options;
    this.#memory = memory;
    this.#lines = new Lines(memory, options, true);
    // A byte order mark belongs to the first line; without ignoreBOM one would be taken from the start of every chunk.
    this.#decoder = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
    this.#step = this.#lines.reverse ? -1 : 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<string, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    const index = this.#index;
    if (index === this.#stop) return this.#take() ? this.next() : { done: true, value: undefined };
    this.#index = index + this.#step;
    const start = index === 0 ? 0 : (this.#newlines[index - 1] ?? 0) + 1;
    return { done: false, value: this.#text.substring(start, this.#ends[index]) };
  }

  #take(): boolean {
    if (this.#error !== undefined) throw this.#error;
    const lines = this.#lines;
    if (!lines.take()) return false;
    try {
      this.#text = lines.text(this.#decoder);
    } catch (error) {
      if (!this.#decoder.fatal || !(error instanceof TypeError)) throw error;
      this.#error = error;
      lines.keepGood(this.#decoder);
      if (lines.first === lines.count) throw error;
      this.#text = lines.text(this.#decoder);
    }
    const { reverse, first, count } = lines;
    this.#newlines = lines.newlines;
    this.#ends = lines.ends;
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}

/** Where the lines lie. One object tells of all of them, in turn: objects are what a walk over bytes costs most. */
export class LinePlaces implements IterableIterator<LineOffsets, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #step: number;
  readonly #place: LineOffsets = { start: 0, end: 0 };
  readonly #result = { done: false as const, value: this.#place };
  #start = 0;
  #newlines: Offsets = new Uint32Array(0);
  #ends: Offsets = this.#newlines;
  /** The next line, and the one behind the last. */
  #index = 0;
  #stop = 0;

  constructor(memory: RegionMemory, options: LinesOptions) {
    this.#memory = memory;
    this.#lines = new Lines(memory, options, false);
    this.#step = this.#lines.reverse ? -1 : 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<LineOffsets, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    const index = this.#index;
    if (index === this.#stop) return this.#take() ? this.next() : { done: true, value: undefined };
    this.#index = index + this.#step;
    const place = this.#place;
    place.start = this.#start + (index === 0 ? 0 : (this.#newlines[index - 1] ?? 0) + 1);
    place.end = this.#start + (this.#ends[index] ?? 0);
    return this.#result;
  }

  #take(): boolean {
    const lines = this.#lines;
    if (!lines.take()) return false;
    const { reverse, first, count } = lines;
    this.#start = lines.start;
    this.#newlines = lines.newlines;
    this.#ends = lines.ends;
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}

/**
 * The lines as bytes: views of a copy, of many lines at a time. That costs a fraction of what it takes to look after a view
 * of the region itself, of which the program must not get zeros once its pages are lost.
 */
export class ByteLines implements IterableIterator<Uint8Array<ArrayBuffer>, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #step: number;
  #buffer = new ArrayBuffer(0);
  #newlines: Offsets = new Uint32Array(0);
  #ends: Offsets = this.#newlines;
  /** The next line, and the one behind the last. */
  #index = 0;
  #stop = 0;

  constructor(memory: RegionMemory, options: LinesOptions) {
    this.#memory = memory;
    this.#lines = new Lines(memory, options, true);
    this.#step = this.#lines.reverse ? -1 : 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Uint8Array<ArrayBuffer>, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    const index = this.#index;
    if (index === this.#stop) return this.#take() ? this.next() : { done: true, value: undefined };
    this.#index = index + this.#step;
    const start = index === 0 ? 0 : (this.#newlines[index - 1] ?? 0) + 1;
    return { done: false, value: new Uint8Array(this.#buffer, start, (this.#ends[index] ?? 0) - start) };
  }

  #take(): boolean {
    const lines = this.#lines;
    if (!lines.take()) return false;
    const { reverse, first, count } = lines;
    this.#buffer = lines.copy();
    this.#newlines = lines.newlines;
    this.#ends = lines.ends;
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}
