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
import type { Buffer } from "node:buffer";
import { builtin } from "../ffi/builtins.ts";
import { Math } from "../ffi/captured.ts";
import { libc } from "../ffi/libc.ts";
import type { LinesOptions } from "./options.ts";
import type { RegionMemory } from "./memory.ts";
import { firstHit, lastHit, type LinesFound, Search, toNeedle } from "./search.ts";
import { countByte, type Ends, findLines, searchAgain } from "./simd/scan.ts";

/**
 * The size of a chunk in bytes. A program that keeps one line keeps the text of its chunk: so chunks are small. Not
 * 64 KiB: for texts from that size on, Bun takes a fifth longer.
 */
const CHUNK = 60 * 2 ** 10;

/**
 * The size of the first chunk at a line that was looked for. Each one after it is twice as large, as long as there are
 * such lines.
 */
const NEAR = 2 ** 12;

/** The same for lines that are found where they lie; and the most bytes that are looked through for them at a time. */
const FAR = 2 ** 24;

/** Lines that are larger are looked for otherwise: 32 bits tell where a line lies in what was looked through. */
const LARGEST = 2 ** 29;

/** The most lines that are found where they lie at a time. */
const MANY = 1024;

const NEWLINE = 0x0a;
const ONE_NEWLINE = Uint8Array.of(NEWLINE);
const RETURN = 0x0d;

/** Places in a chunk. A line that is larger than a chunk may be larger than 32 bits can tell. */
type Places = Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Bytes with the method of Node's Buffer that copies faster than Uint8Array's own. */
interface Chunk extends Uint8Array<ArrayBuffer> {
  copy(target: Uint8Array, targetStart: number, sourceStart: number, sourceEnd: number): number;
}

/** A walk over lines. */
export interface LineIterator<Line> extends IterableIterator<Line, undefined> {
  /**
   * The number of the line that was returned last: 1 for the first of the part that is walked, whatever the direction; 0
   * before any was returned. The lines that were skipped are counted when the number is asked for.
   */
  readonly number: number;
}

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
  start: number;
  end: number;
  first = 0;
  count = 0;
  /** Where in the chunk each line's beginning is, less one: there is the newline of the line before. */
  befores: Places = new Int32Array(0);
  /** Where in the chunk each line ends, without its `\n` or `\r\n`. */
  ends: Places = this.befores;
  /**
   * The lines' bytes, valid until anybody looks for other lines. Empty for a line larger than a chunk, unless its bytes
   * are wanted.
   */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Whether they are known to be ASCII. */
  ascii = false;
  /** Over the buffer of the bytes, once there was ASCII among them. */
  #buffer: Buffer | undefined;
  /** Whether there may be a `\r` before a newline. */
  returns = false;
  /** Whether the last line has no newline. */
  unended = false;
  readonly reverse: boolean;
  readonly #memory: RegionMemory;
  readonly #keepsBytes: boolean;
  /** Whether chunks are copied. */
  readonly #copies: boolean;
  /** Whether to leave out a last line without a newline. */
  readonly #finished: boolean;
  /** What has to stand in a line. */
  readonly #needle: Uint8Array | undefined;
  readonly #search: Search | undefined;
  /** Which part of the region is walked, and how far the walk has come. */
  readonly #start: number;
  readonly #end: number;
  #next: number;
  /** The size of the next chunk; 0 if it may be far to the next line that is wanted. */
  #reach: number;
  /** How many bytes are looked through next for lines where they lie. */
  #span = NEAR;
  readonly #places = {
    marks: new Int32Array(1),
    behind: new Int32Array(0), // the marks without the first
    befores: new Int32Array(0),
    ends: new Int32Array(0),
    picked: new Int32Array(0),
  };
  /** Which of the chunk's lines these are: undefined if all from `#skipped` on. */
  #picked: Int32Array | undefined;
  #skipped = 0;
  /** How many newlines there are in the chunk. */
  #newlines = 0;
  /** Up to which offset newlines have been counted, and how many there were. */
  #countedTo: number;
  #counted = 0;

  /** @param keepsBytes Whether the lines' bytes are wanted. */
  constructor(
    memory: RegionMemory,
    { offset = 0, length, reverse = false, finished = false, containing }: LinesOptions,
    keepsBytes: boolean,
  ) {
    memory.check(offset, length, "lines");
    this.#memory = memory;
    this.#keepsBytes = keepsBytes;
    this.reverse = reverse;
    this.#start =
      this.start =
      this.end =
      this.#countedTo =
        offset;
    this.#end = length === undefined ? Infinity : offset + length;
    this.#finished = finished;
    this.#next = reverse ? this.#end : offset;
    const needle = containing === undefined ? undefined : toNeedle(containing, "lines");
    this.#needle = needle?.length === 0 ? undefined : needle; // every line contains an empty one
    this.#reach = this.#needle === undefined ? CHUNK : 0;
    this.#copies = keepsBytes || this.#needle !== undefined;
    if (this.#needle !== undefined) this.#search = new Search(memory, this.#needle, "lines");
  }

  /** Where the walk ends. The region may have been resized since the last chunk. */
  #limit(): number {
    const memory = this.#memory;
    const limit = Math.min(this.#end, memory.length("lines"));
    if (!this.#finished || limit <= this.#start) return limit;
    const newline = lastHit(memory, ONE_NEWLINE, this.#start, limit, "lines");
    const end = newline === -1 ? this.#start : newline + 1;
    memory.assertNotLost("lines", end, limit - end);
    return end;
  }

  /**
   * Takes the next chunk's lines. Returns whether there are any. If not, the walk is over, even if the region grows
   * later.
   */
  take(): boolean {
    const { start, end } = this;
    const [picked, skipped, newlines] = [this.#picked, this.#skipped, this.#newlines];
    if (this.#takeNext()) return true;
    // What was looked through since then has no lines to give out: the number that may be asked for is of those before.
    this.start = start;
    this.end = end;
    this.#picked = picked;
    this.#skipped = skipped;
    this.#newlines = newlines;
    return false;
  }

  #takeNext(): boolean {
    do {
      const limit = this.#limit();
      this.#count();
      if (this.reverse) {
        let end = Math.min(this.#next, limit);
        if (this.#reach === 0 && end > this.#start) end = this.#skipBefore(end);
        if (end <= this.#start) {
          this.#next = this.#start;
          return false;
        }
        this.#takeBefore(end);
        this.#next = this.start + this.#startOf(this.first);
      } else {
        if (!this.#keepsBytes && this.#search !== undefined && this.#takeInPlace(this.#search, limit)) {
          return true;
        }
        if (this.#reach === 0 && this.#next < limit) this.#next = this.#skipAfter(this.#next, limit);
        if (this.#next >= limit) {
          if (this.#next === limit) this.#memory.confirm("lines", this.#start, limit - this.#start);
          this.#next = Infinity;
          return false;
        }
        this.#takeAfter(this.#next, limit);
        this.#next = this.end;
      }
    } while (this.#needle !== undefined && !this.#pick(this.#needle));
    return true;
  }

  /** Counts the newlines of the chunk, if those up to it have been counted. */
  #count(): void {
    if (this.#countedTo !== this.start || this.reverse) return;
    this.#counted += this.#newlines;
    this.#countedTo = this.end;
  }

  /**
   * Takes the next lines in which the needle stands, found where they lie. Returns whether there are any; if not, they
   * shall be looked for otherwise, from `#next` on.
   */
  #takeInPlace(search: Search, limit: number): boolean {
    const memory = this.#memory;
    const from = this.#next;
    let newlines = 0; // from there on
    while (this.#next < limit) {
      const start = this.#next;
      const size = Math.min(this.#span, limit - start);
      const find = (): LinesFound | undefined => search.lines(start, start + size, MANY);
      const found = memory.watch("lines", start, size, find);
      if (found === undefined || found.givenUp && found.next === 0) return false;
      const isLast = start + size === limit;
      const isDone = !found.givenUp && (found.unended || found.hits < MANY);
      const goesOn = isDone && !isLast && found.next === 0; // one line, and more of it
      if (goesOn && this.#span > LARGEST) return false;
      this.#span = goesOn ? 2 * this.#span : Math.min(2 * this.#span, Math.max(FAR, this.#span));
      this.#next = isDone && isLast ? limit : start + found.next;
      const count = found.unended && !isLast ? found.hits - 1 : found.hits;
      if (count > 0) {
        this.#count();
        if (this.#countedTo === from) {
          this.#counted += newlines;
          this.#countedTo = start;
        }
        this.start = start;
        this.end = this.#next;
        this.#newlines = found.newlines;
        this.#place(found.offsets, count);
        return true;
      }
      newlines += found.newlines;
    }
    return false;
  }

  /** Writes down where lines lie that were found where they lie. */
  #place(offsets: Uint32Array, count: number): void {
    const places = this.#places;
    if (places.picked.length < MANY) {
      places.befores = new Int32Array(MANY);
      places.ends = new Int32Array(MANY);
      places.picked = new Int32Array(MANY);
    }
    const { befores, ends, picked } = places;
    for (let index = 0; index < count; index++) {
      befores[index] = (offsets[3 * index] ?? 0) - 1;
      ends[index] = offsets[3 * index + 1] ?? 0;
      picked[index] = offsets[3 * index + 2] ?? 0;
    }
    this.befores = befores;
    this.ends = ends;
    this.first = 0;
    this.count = count;
    this.#picked = picked;
  }

  /** Where the line begins in which the needle stands next; `limit` if it doesn't. */
  #skipAfter(start: number, limit: number): number {
    const memory = this.#memory;
    const hit = this.#search?.first(start, limit) ?? -1;
    memory.assertNotLost("lines", start, (hit === -1 ? limit : hit) - start);
    this.#reach = NEAR;
    return hit === -1 ? limit : 1 + Math.max(start - 1, lastHit(memory, ONE_NEWLINE, start, hit, "lines"));
  }

  /** Where the line ends, with its newline, in which the needle stands last; the walk's end if it doesn't. */
  #skipBefore(end: number): number {
    const memory = this.#memory;
    const hit = lastHit(memory, this.#needle ?? ONE_NEWLINE, this.#start, end, "lines");
    const from = hit === -1 ? this.#start : hit;
    memory.assertNotLost("lines", from, end - from);
    this.#reach = NEAR;
    if (hit === -1) {
      memory.confirm("lines", this.#start, end - this.#start);
      return this.#start;
    }
    const newline = firstHit(memory, ONE_NEWLINE, hit, end, "lines");
    return newline === -1 ? end : newline + 1;
  }

  /** Where in the chunk a line begins. */
  #startOf(index: number): number {
    return (this.befores[index] ?? 0) + 1;
  }

  #takeAfter(start: number, limit: number): void {
    const size = Math.min(this.#reach, limit - start);
    const found = this.#find(start, size);
    const isLast = start + size === limit;
    if (found.offsets.length === 0 && !isLast) return this.#takeLongAfter(start, size, found, limit);
    this.#take(start, size, found, isLast);
    this.first = 0;
  }

  #takeBefore(end: number): void {
    const size = Math.min(this.#reach, end - this.#start);
    const start = end - size;
    const found = this.#find(start, size);
    this.#take(start, size, found, true);
    this.first = start > this.#start ? 1 : 0; // the first line began before this chunk
    if (this.first === this.count) this.#takeLongBefore(start, found);
  }

  #find(start: number, size: number): Ends {
    return this.#memory.watch("lines", start, size, () => findLines(this.#memory, start, size, this.#copies));
  }

  /** @param whole Whether what is behind the last newline counts as a line. */
  #take(start: number, size: number, { bytes, offsets, ascii, returns }: Ends, whole: boolean): void {
    const places = this.#places;
    let count = offsets.length;
    if (places.marks.length < count + 2) {
      places.marks = new Int32Array(2 * count + 2);
      places.marks[0] = -1; // as if there were a newline before the chunk
      places.behind = places.marks.subarray(1);
      places.befores = new Int32Array(2 * count + 1);
      places.ends = new Int32Array(2 * count + 1);
      if (this.#needle !== undefined) places.picked = new Int32Array(2 * count + 1);
    }
    const { marks, behind, ends } = places;
    marks.set(offsets, 1);
    this.#newlines = count;
    const last = (marks[count] ?? 0) + 1; // behind it begins a line that may go on in the next chunk
    this.unended = whole && last < size;
    if (this.unended) marks[++count] = size;
    this.start = start;
    this.end = start + (whole ? size : last);
    this.bytes = bytes.subarray(0, whole ? size : last);
    this.ascii = ascii;
    this.returns = returns;
    this.count = count;
    this.befores = marks;
    this.ends = returns ? ends : behind;
    this.#picked = undefined;
    this.#skipped = 0;
    if (!returns) return;
    for (let index = 0; index < count; index++) {
      const newline = marks[index + 1] ?? 0;
      ends[index] = newline > this.#startOf(index) && bytes[newline - 1] === RETURN ? newline - 1 : newline;
    }
    if (this.unended) ends[count - 1] = size; // a \r at its end is part of the line
  }

  /** Takes one line that goes on behind its chunk. */
  #takeLongAfter(start: number, first: number, chunk: Ends, limit: number): void {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let at = start;
    let size = first;
    let found = chunk;
    let newline: number | undefined;
    let last: number | undefined;
    for (;;) {
      newline = found.offsets[0];
      const { bytes } = found;
      if (this.#keepsBytes) parts.push(bytes.slice(0, newline ?? size));
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
    this.befores = Float64Array.of(-1);
    this.returns = ended && returns;
    this.ends = Float64Array.of(this.returns ? size - 1 : size);
    this.bytes = new Uint8Array(this.#keepsBytes ? this.end - start : 0);
    if (ended) this.bytes[size] = NEWLINE;
    let at = 0;
    for (const part of parts) {
      this.bytes.set(part, at);
      at += part.length;
    }
    this.ascii = false;
    this.#picked = undefined;
    this.#skipped = 0;
    this.#newlines = ended ? 1 : 0;
  }

  /** Keeps the lines that contain a needle, and drops the others. Returns whether there are any. */
  #pick(needle: Uint8Array): boolean {
    const { befores: marks, first, count } = this;
    const picked = marks instanceof Int32Array ? this.#pickLines(needle, marks) : this.#pickLong(needle);
    this.#reach = picked === 0 ? 0 : Math.min(2 * this.#reach, CHUNK);
    if (picked > 0 && picked < count - first && marks instanceof Int32Array) this.#keep(picked, marks);
    return picked > 0;
  }

  /** Whether a line that is larger than a chunk contains a needle, as a number. */
  #pickLong(needle: Uint8Array): number {
    const size = this.ends[0] ?? 0;
    const look = (): number => firstHit(this.#memory, needle, this.start, this.start + size, "lines");
    return this.#memory.watch("lines", this.start, size, look) === -1 ? 0 : 1;
  }

  /** Writes down which lines contain a needle; returns how many. */
  #pickLines(needle: Uint8Array, marks: Int32Array): number {
    const { count, ends } = this;
    const { picked } = this.#places;
    const hits = searchAgain(needle, this.bytes);
    let found = 0;
    let line = this.first;
    let before = -1; // where the line ends that was picked last
    for (let index = 0; index < hits.length; index++) {
      const hit = hits[index] ?? 0;
      if (hit < before) continue;
      while (line < count && (marks[line + 1] ?? 0) < hit) line++;
      if (line === count) break;
      if (hit <= (marks[line] ?? 0) || hit + needle.length > (ends[line] ?? 0)) continue;
      before = marks[line + 1] ?? 0;
      picked[found++] = line;
    }
    return found;
  }

  /** Keeps the lines of a chunk that were picked, and moves their bytes together. */
  #keep(count: number, marks: Int32Array): void {
    const { picked, befores, ends } = this.#places;
    const { bytes, ends: allEnds } = this;
    this.unended &&= picked[count - 1] === this.count - 1;
    let size = 0;
    for (let index = 0; index < count; index++) {
      const line = picked[index] ?? 0;
      const start = (marks[line] ?? 0) + 1;
      const newline = marks[line + 1] ?? 0;
      const to = this.#keepsBytes ? size : start;
      if (to !== start) bytes.copyWithin(to, start, newline + 1);
      befores[index] = to - 1;
      ends[index] = to + (allEnds[line] ?? 0) - start;
      size += newline + 1 - start;
    }
    this.bytes = bytes.subarray(0, this.unended ? size - 1 : size);
    this.befores = befores;
    this.ends = ends;
    this.first = 0;
    this.count = count;
    this.#picked = picked;
  }

  /** The number of a line in its part of the region, by its place in `befores`. */
  number(index: number): number {
    const [from, to] = [Math.min(this.#countedTo, this.start), Math.max(this.#countedTo, this.start)];
    if (from < to) {
      const memory = this.#memory;
      memory.check(from, to - from, "lines");
      const newlines = memory.watch(
        "lines",
        from,
        to - from,
        () => countByte(memory, NEWLINE, from, to, "lines"),
      );
      this.#counted += from < this.start ? newlines : -newlines;
      this.#countedTo = this.start;
    }
    return this.#counted + (this.#picked?.[index] ?? this.#skipped + index) + 1;
  }

  /**
   * The lines' text. After this, `befores` and `ends` count its characters instead of bytes. To be called before anybody
   * looks for other lines.
   */
  text(decoder: TextDecoder): string {
    const { bytes, ascii, first, count, unended, returns } = this;
    if (ascii) {
      if (this.#buffer?.buffer !== bytes.buffer) {
        this.#buffer = builtin("node:buffer").Buffer.from(bytes.buffer);
      }
      const { byteOffset, length } = bytes;
      return this.#buffer.toString("latin1", byteOffset, byteOffset + length); // the fastest way from ASCII to a string
    }
    const last = bytes.length - (unended ? 0 : 1); // without the last newline
    const text = decoder.decode(bytes.subarray(this.#startOf(first), last));
    const marks = new Int32Array(count - first + 1);
    marks[0] = -1;
    for (let index = 1; index < marks.length; index++) {
      const newline = text.indexOf("\n", (marks[index - 1] ?? 0) + 1);
      marks[index] = newline === -1 ? text.length : newline;
    }
    this.befores = marks;
    this.ends = marks.subarray(1);
    this.first = 0;
    this.count = count - first;
    this.#skipped = first;
    if (!returns) return text;
    this.ends = this.ends.map((newline, index) =>
      newline > this.#startOf(index) && text.charCodeAt(newline - 1) === RETURN ? newline - 1 : newline
    );
    if (unended) this.ends[this.count - 1] = text.length;
    return text;
  }

  /** A copy of the lines' bytes. */
  copy(): ArrayBuffer {
    const { bytes } = this;
    return bytes.length === bytes.buffer.byteLength ? bytes.buffer : new Uint8Array(bytes).buffer; // a long one is a copy already
  }

  /** Copies the lines' bytes into a buffer that was returned before, if there is room for them; or returns another one. */
  into(buffer: Chunk | undefined): Chunk {
    const { Buffer } = builtin("node:buffer");
    const { bytes } = this;
    if (bytes.length > CHUNK) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length); // a copy already
    const into = buffer?.length === CHUNK ? buffer : Buffer.allocUnsafeSlow(CHUNK);
    into.set(bytes);
    return into;
  }

  /** Keeps the lines up to the first one that is not UTF-8, and drops that one and those after it. */
  keepGood(decoder: TextDecoder): void {
    const isGood = (index: number): boolean => {
      try {
        decoder.decode(this.bytes.subarray(this.#startOf(index), this.ends[index]));
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
      this.bytes = this.bytes.subarray(0, this.#startOf(first));
    }
  }
}

/** The index of a walk that has not begun: no line has it, and none stands behind it. */
const NOWHERE = -2;

/**
 * A walk over lines. What it returns for one is up to the classes below.
 *
 * Not a generator: one step of a generator takes longer than this does for a line.
 */
abstract class Walk<Line> implements LineIterator<Line> {
  readonly #memory: RegionMemory;
  protected readonly lines: Lines;
  #befores: Places = new Int32Array(0);
  #ends: Places = this.#befores;
  /** The next line, the one behind the last, and how far it is from one to the next. */
  #index = NOWHERE;
  #stop = NOWHERE;
  readonly #step: number;

  constructor(memory: RegionMemory, options: LinesOptions, keepsBytes: boolean) {
    this.#memory = memory;
    this.lines = new Lines(memory, options, keepsBytes);
    this.#step = this.lines.reverse ? -1 : 1;
  }

  /** Takes the next chunk's lines. Returns whether there are any. */
  protected abstract take(lines: Lines): boolean;

  /** What a line is given out as, by its places in the chunk. */
  protected abstract line(start: number, end: number): Line;

  get number(): number {
    this.#memory.length("lines");
    return this.#stop === NOWHERE ? 0 : this.lines.number(this.#index - this.#step);
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Line, undefined> {
    this.#memory.length("lines"); // the program may have closed the region since the last line
    let value: Line | undefined;
    const done = this.#index === this.#stop && !this.#take();
    if (!done) {
      const index = this.#index;
      this.#index = index + this.#step;
      value = this.line((this.#befores[index] ?? 0) + 1, this.#ends[index] ?? 0);
    }
    // One place where results are made: V8 makes none then in a loop over lines, which saves a fifth of its time.
    return { done, value } as IteratorResult<Line, undefined>;
  }

  #take(): boolean {
    const { lines } = this;
    if (!this.take(lines)) return false;
    const { reverse, first, count } = lines;
    this.#befores = lines.befores;
    this.#ends = lines.ends;
    this.#index = reverse ? count - 1 : first;
    this.#stop = reverse ? first - 1 : count;
    return true;
  }
}

/** The lines as strings. */
export class TextLines extends Walk<string> {
  readonly #decoder: TextDecoder;
  #text = "";
  /** The error to throw at the line behind the last. */
  #error: unknown;

  constructor(memory: RegionMemory, options: LinesOptions) {
    super(memory, options, true);
    // A byte order mark is part of the first line. Without ignoreBOM the decoder would drop one at the start of every
    // chunk.
    this.#decoder = new TextDecoder("utf-8", { fatal: options.fatal ?? false, ignoreBOM: true });
  }

  protected line(start: number, end: number): string {
    return this.#text.substring(start, end);
  }

  protected take(lines: Lines): boolean {
    if (this.#error !== undefined) throw this.#error;
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
    return true;
  }
}

/**
 * Where the lines lie. The same object is returned each time, changed: making one for each line would cost more than
 * all else.
 */
export class LinePlaces extends Walk<LineOffsets> {
  readonly #place: LineOffsets = { start: 0, end: 0 };
  #start = 0;

  constructor(memory: RegionMemory, options: LinesOptions) {
    super(memory, options, false);
  }

  protected line(start: number, end: number): LineOffsets {
    const place = this.#place;
    place.start = this.#start + start;
    place.end = this.#start + end;
    return place;
  }

  protected take(lines: Lines): boolean {
    if (!lines.take()) return false;
    this.#start = lines.start;
    return true;
  }
}

/**
 * The lines as bytes: views of a copy of the chunk. Views of the region itself would cost many times as much, since
 * each of them would have to be checked for lost pages.
 *
 * Where runtimes list each view with its buffer (JavaScriptCore), making a view costs more than copying a line, so each
 * line is a copy there. In V8 a copy takes 30 times as long as a view.
 */
export class ByteLines extends Walk<Uint8Array<ArrayBuffer>> {
  readonly #copies = libc().countsBuffers;
  /** The chunk that lines are views of. */
  #buffer = new ArrayBuffer(0);
  /** The chunk that lines are copied from, if they are. */
  #chunk: Chunk | undefined;

  constructor(memory: RegionMemory, options: LinesOptions) {
    super(memory, options, true);
  }

  protected line(start: number, end: number): Uint8Array<ArrayBuffer> {
    const size = end - start;
    if (!this.#copies) return new Uint8Array(this.#buffer, start, size);
    const line = new Uint8Array(size);
    this.#chunk?.copy(line, 0, start, end); // faster than slice
    return line;
  }

  protected take(lines: Lines): boolean {
    if (!lines.take()) return false;
    if (this.#copies) this.#chunk = lines.into(this.#chunk);
    else this.#buffer = lines.copy();
    return true;
  }
}
