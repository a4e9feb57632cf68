/**
 * Walking the lines of a region.
 *
 * The lines of a whole chunk are found and decoded at once; each line is then a slice of the chunk's text. Searching
 * and decoding line by line would take many times as long.
 *
 * Chunks are copies: others may store to the region meanwhile.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { libc } from "../ffi/libc.ts";
import type { LinesOptions } from "./options.ts";
import type { RegionMemory } from "./memory.ts";
import { type Ends, findLines } from "./simd/scan.ts";

/** The size of a chunk in bytes. A program that keeps one line keeps the text of its chunk: so chunks are small. */
const CHUNK = 2 ** 16;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

type Offsets = Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Where a line lies in its region, in bytes: from `start` up to `end`, where its `\n` or `\r\n` begins. */
export interface LineOffsets {
  /** Where the line begins. */
  start: number;
  /** Where its end begins. */
  end: number;
}

/** The lines of a chunk: those numbered from `first` to `count - 1`. */
class Lines {
  /** Where in the region the chunk begins, and where its lines end, in bytes. */
  start = 0;
  end = 0;
  first = 0;
  count = 0;
  /** Where in the chunk each line's newline is: the next line begins behind it. */
  newlines: Offsets = new Uint32Array(0);
  /**
   * Where in the chunk each line ends, without its `\n` or `\r\n`. The same array as `newlines` if there is no `\r`.
   */
  ends: Offsets = this.newlines;
  /**
   * The chunk's bytes, valid until anybody looks for other lines. Empty for a line larger than a chunk, unless its
   * bytes are wanted.
   */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Whether they are known to be ASCII. */
  ascii = false;
  /** Whether the last line has no newline. */
  unended = false;
  readonly reverse: boolean;
  readonly #memory: RegionMemory;
  readonly #keepsBytes: boolean;
  /** Whether to leave out a last line without a newline. */
  readonly #finished: boolean;
  /** Which part of the region is walked, and how far the walk has come. */
  readonly #start: number;
  readonly #end: number;
  #next: number;
  readonly #offsets = { newlines: new Uint32Array(0), ends: new Uint32Array(0) };

  /** @param keepsBytes Whether the bytes of lines larger than a chunk are wanted. */
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

  /** Where the walk ends. The region may have been resized since the last chunk. */
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

  /**
   * Takes the next chunk's lines. Returns whether there are any. If not, the walk is over, even if the region grows
   * later.
   */
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

  /** Where in the chunk a line begins. */
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
    if (!this.unended) this.end = start + this.startOf(this.count); // behind it begins a line that goes on in the next chunk
  }

  #takeBefore(end: number): void {
    const size = Math.min(CHUNK, end - this.#start);
    const start = end - size;
    const found = this.#find(start, size);
    this.#take(start, size, found, true);
    this.first = start > this.#start ? 1 : 0; // the first line began before this chunk
    if (this.first === this.count) this.#takeLongBefore(start, found);
  }

  #find(start: number, size: number): Ends {
    return this.#memory.watch("lines", start, size, () => findLines(this.#memory, start, size));
  }

  /** @param whole Whether what is behind the last newline counts as a line. */
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
    if (this.unended) ends[count - 1] = size; // a \r at its end is part of the line
    this.ends = ends;
  }

  /** Takes one line that goes on behind its chunk. */
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

  /** Takes one line that began before its chunk. */
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

  /**
   * The lines' text. After this, `newlines` and `ends` count its characters instead of bytes. To be called before
   * anybody looks for other lines.
   */
  text(decoder: TextDecoder): string {
    const { bytes, ascii, first, count, unended } = this;
    if (ascii) {
      const { Buffer } = builtin("node:buffer"); // its "latin1" is the fastest way from ASCII to a string
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

  /** A copy of the lines' bytes. */
  copy(): ArrayBuffer {
    const { bytes } = this;
    return bytes.length === bytes.buffer.byteLength ? bytes.buffer : new Uint8Array(bytes).buffer; // a long one is a copy already
  }

  /** Keeps the lines up to the first one that is not UTF-8, and drops that one and those after it. */
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
 * Not a generator, nor are the others: one step of a generator takes longer than this does for a line.
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
  /** The error to throw at the line behind the last. */
  #error: unknown;

  constructor(memory: RegionMemory, options: LinesOptions) {
    const { fatal = false } = options;
    this.#memory = memory;
    this.#lines = new Lines(memory, options, true);
    // A byte order mark is part of the first line. Without ignoreBOM the decoder would drop one at the start of every
    // chunk.
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

/**
 * Where the lines lie. The same object is returned each time, changed: making one for each line would cost more than
 * all else.
 */
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
 * The lines as bytes: views of a copy of the chunk. Views of the region itself would cost many times as much, since
 * each of them would have to be checked for lost pages.
 */
export class ByteLines implements IterableIterator<Uint8Array<ArrayBuffer>, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #step: number;
  #buffer = new ArrayBuffer(0);
  #bytes = new Uint8Array(0); // over all of it
  /**
   * Whether copying a line costs less than making a view of it: yes in JavaScriptCore, which lists each view with its
   * buffer; in V8 a copy takes 30 times as long.
   */
  readonly #copies = libc().countsBuffers;
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
    const end = this.#ends[index] ?? 0;
    const value = this.#copies
      ? this.#bytes.slice(start, end)
      : new Uint8Array(this.#buffer, start, end - start);
    return { done: false, value };
  }

  #take(): boolean {
    const lines = this.#lines;
    if (!lines.take()) return false;
    const { reverse, first, count } = lines;
    this.#buffer = lines.copy();
    this.#bytes = new Uint8Array(this.#buffer);
    this.#newlines = lines.newlines;
    this.#ends = lines.ends;
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}
