/**
 * Walking the lines of a region.
 *
 * Whole lines are taken from a chunk at a time: where each of them ends is found out at once, and so is the text, of which
 * each line is then a slice. That costs a fraction of searching and decoding anew for each line.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { libc } from "../ffi/libc.ts";
import type { LinesOptions } from "./options.ts";
import type { RegionMemory } from "./memory.ts";
import { CHUNK, findLines } from "./simd/scan.ts";
import { Window } from "./window.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The smallest page of any platform, in bytes. */
const SMALLEST_PAGE = 2 ** 12;

/** Some lines of a region, one behind the other: those numbered from `first` to before `count`. */
class Lines {
  /** Where in the region the part begins in which they are, and where they end, in bytes. */
  start = 0;
  end = 0;
  first = 0;
  count = 0;
  /** Where in the part each ends, less its newline. In bytes; in characters of the text once that has been asked for. */
  ends: Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer> = new Uint32Array(0);
  /** Whether the last one has no newline: then a `\r` at its end is its own. */
  unended = false;
  readonly reverse: boolean;
  readonly #memory: RegionMemory;
  /** The part of the region that is walked; undefined for the region's end, wherever that is by then. */
  readonly #begin: number;
  readonly #stop: number | undefined;
  /** Where in the region the next lines begin, or end. */
  #next: number;
  /** The part's bytes, and whether all are ASCII: until somebody's next lines are found. */
  #bytes = new Uint8Array(0);
  #ascii = false;

  constructor(memory: RegionMemory, { offset = 0, length, reverse = false }: LinesOptions) {
    this.#memory = memory;
    this.reverse = reverse;
    this.#begin = offset;
    this.#stop = length === undefined ? undefined : offset + length;
    this.#next = reverse ? this.#stop ?? Infinity : offset;
  }

  /** Where the part ends that is walked, by now. */
  #reach(): number {
    const length = this.#memory.length("lines");
    return Math.min(this.#stop ?? length, length);
  }

  /** Whether a line has no newline. */
  isUnended(index: number): boolean {
    return this.unended && index === this.count - 1;
  }

  /** Takes the next lines. Returns whether there are any; if not, there never will be, even if the region grows. */
  take(): boolean {
    if (this.reverse ? this.#takeBefore(this.#next) : this.#takeAfter(this.#next)) {
      this.#next = this.reverse ? this.start + this.startOf(this.first) : this.end;
      return true;
    }
    this.#next = this.reverse ? 0 : Infinity;
    return false;
  }

  /** Takes what has not been walked of these lines again, since the region has been resized. */
  takeAgain(index: number): boolean {
    this.#next = this.start + (this.reverse ? this.startOf(index + 1) : this.startOf(index));
    return this.take();
  }

  /** Where in the part a line begins. */
  startOf(index: number): number {
    return index === 0 ? 0 : (this.ends[index - 1] ?? 0) + 1;
  }

  #takeAfter(start: number): boolean {
    const memory = this.#memory;
    const length = this.#reach();
    if (start >= length) {
      memory.confirm("lines", this.#begin, length - this.#begin);
      return false;
    }
    this.#find(start, Math.min(start + CHUNK, length));
    if (this.unended && this.end < length) {
      const { end } = this;
      this.unended = false;
      this.count--; // the rest of it is behind the part
      if (this.count === 0) this.#takeLong(start, nextLine(memory, end, length));
      else this.end = start + this.startOf(this.count);
    }
    return true;
  }

  #takeBefore(offset: number): boolean {
    const memory = this.#memory;
    const end = Math.min(offset, this.#reach());
    const begin = this.#begin;
    if (end <= begin) return false;
    this.#find(Math.max(begin, end - CHUNK), end);
    if (this.start > begin) {
      this.first = 1; // the line before began before the part
      if (this.count === 1) this.#takeLong(lastLine(memory, begin, end), end);
    }
    return true;
  }

  #find(start: number, end: number): void {
    const size = end - start;
    const memory = this.#memory;
    const { bytes, offsets, ascii } = memory.watch(
      "lines",
      start,
      size,
      () => findLines(memory, start, size, "lines"),
    );
    this.#bytes = bytes;
    this.#ascii = ascii;
    this.start = start;
    this.end = end;
    this.first = 0;
    this.count = offsets.length;
    if (this.ends.length <= this.count) this.ends = new Uint32Array(2 * this.count + 1);
    this.ends.set(offsets);
    this.unended = this.startOf(this.count) < size;
    if (this.unended) this.ends[this.count++] = size;
  }

  /** Takes one line, which is larger than a chunk. */
  #takeLong(start: number, end: number): void {
    const size = end - start;
    const bytes = this.#memory.borrow(start, size, "lines");
    this.unended = this.#memory.watch("lines", end - 1, 1, () => bytes[size - 1] !== NEWLINE);
    this.#bytes = bytes;
    this.#ascii = false;
    this.start = start;
    this.end = end;
    this.first = 0;
    this.count = 1;
    if (size >= 2 ** 32) this.ends = new Float64Array(1);
    this.ends[0] = this.unended ? size : size - 1;
  }

  /** Their text. To be asked for before anybody looks for other lines. */
  text(decoder: TextDecoder): string {
    const from = this.startOf(this.first);
    const to = this.end - this.start;
    if (this.#ascii) return Buffer.from(this.#bytes.buffer, 0, to).toString("latin1");
    const bytes = this.#bytes.subarray(from, to);
    const text = this.#memory.watch("lines", this.start, to, () => decoder.decode(bytes));
    this.first = 0;
    this.count = 0;
    for (let at = 0; (at = text.indexOf("\n", at)) !== -1; at++) this.ends[this.count++] = at;
    if (this.unended) this.ends[this.count++] = text.length;
    return text;
  }

  /** Leaves out the next line that is not UTF-8, and all that come after it. */
  keepGood(decoder: TextDecoder): void {
    const isGood = (index: number): boolean => {
      try {
        decoder.decode(this.#bytes.subarray(this.startOf(index), this.ends[index]));
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
 * Written out as an iterator: a generator takes longer for a step than this does for a line.
 */
export class TextLines implements IterableIterator<string, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #decoder: TextDecoder;
  readonly #step: number;
  #text = "";
  #ends: Lines["ends"] = new Uint32Array(0);
  #returns = false;
  /** The next line, and the one behind the last. */
  #index = 0;
  #stop = 0;
  /** What is wrong with that one. */
  #error: unknown;

  constructor(memory: RegionMemory, options: LinesOptions) {
    const { fatal = false } = options;
    this.#memory = memory;
    this.#lines = new Lines(memory, options);
    // A byte order mark belongs to the first line; without ignoreBOM one would be taken from the start of every chunk.
    this.#decoder = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
    this.#step = this.#lines.reverse ? -1 : 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<string, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    if (this.#index === this.#stop && !this.#take()) return { done: true, value: undefined };
    const index = this.#index;
    this.#index = index + this.#step;
    const ends = this.#ends;
    const text = this.#text;
    const start = index === 0 ? 0 : (ends[index - 1] ?? 0) + 1;
    let end = ends[index] ?? 0;
    if (
      this.#returns && text.charCodeAt(end - 1) === RETURN && end > start && !this.#lines.isUnended(index)
    ) end--;
    return { done: false, value: text.substring(start, end) };
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
    this.#ends = lines.ends;
    this.#returns = this.#text.includes("\r");
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}

/** The lines as views of their bytes. */
export class ByteLines implements IterableIterator<Uint8Array<ArrayBuffer>, undefined> {
  readonly #memory: RegionMemory;
  readonly #lines: Lines;
  readonly #window: Window;
  readonly #step: number;
  /** The bytes of `#lines`. */
  #bytes = new Uint8Array(0);
  /** What was read of each page of the line: kept, so that no compiler leaves the reads out. */
  touched = 0;
  /** The next line, and the one behind the last. */
  #index = 0;
  #stop = 0;

  constructor(memory: RegionMemory, options: LinesOptions) {
    this.#memory = memory;
    this.#lines = new Lines(memory, options);
    this.#window = new Window(memory);
    this.#step = this.#lines.reverse ? -1 : 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Uint8Array<ArrayBuffer>, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    const lines = this.#lines;
    if (this.#index === this.#stop) {
      if (!this.#show(lines.take())) return { done: true, value: undefined };
    } else if (this.#bytes.length === 0) {
      if (!this.#show(lines.takeAgain(this.#index))) return { done: true, value: undefined };
    }
    const index = this.#index;
    const start = lines.startOf(index);
    let end = lines.ends[index] ?? 0;
    // These bytes are the program's from now on: it must not get zeros for them because their pages were lost meanwhile.
    this.#touch(start, end);
    if (end > start && this.#bytes[end - 1] === RETURN && !lines.isUnended(index)) end--;
    this.#index = index + this.#step;
    const { buffer, byteOffset } = this.#bytes;
    return { done: false, value: new Uint8Array(buffer, byteOffset + start, end - start) };
  }

  #show(taken: boolean): boolean {
    if (!taken) return false;
    const { reverse, start, end, first, count } = this.#lines;
    this.#bytes = this.#memory.lend(start, end - start, "lines");
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }

  #touch(start: number, end: number): void {
    const bytes = this.#bytes;
    const touch = (): void => {
      // Not by Atomics.load: Bun's stores, on x86-64.
      let touched = bytes[end - 1] ?? 0;
      for (let at = start; at < end; at += SMALLEST_PAGE) touched += bytes[at] ?? 0;
      this.touched = touched;
    };
    try {
      touch();
      this.#window.look();
    } catch {
      this.#window.slowly(this.#lines.start + start, end - start, false, "lines", touch);
    }
  }
}

/** Where the line ends, behind its newline, that goes on at an offset. */
function nextLine(memory: RegionMemory, offset: number, length: number): number {
  const { functions } = libc();
  const rest = length - offset;
  const address = memory.at(offset, rest, "lines");
  const found = memory.watch("lines", offset, rest, () => functions.memchr(address, NEWLINE, rest));
  return found === 0 ? length : offset + (found - address) + 1;
}

/** Where the line begins that ends, behind its newline if it has one, at an offset. */
function lastLine(memory: RegionMemory, begin: number, end: number): number {
  for (let reach = 2 * CHUNK;; reach *= 2) {
    const start = Math.max(begin, end - reach);
    const size = end - 1 - start; // less the newline of the line itself
    const bytes = memory.borrow(start, size, "lines");
    const newline = memory.watch("lines", start, size, () => bytes.lastIndexOf(NEWLINE));
    if (newline !== -1 || start === begin) return start + newline + 1;
  }
}
