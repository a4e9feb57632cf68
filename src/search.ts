/**
 * Searching memory by address: no buffer over the region is needed, so any size can be searched.
 *
 * A needle's two least frequent bytes are looked for together. Which these are is a guess at first; where it was wrong, or
 * the region is full of what is nearly the needle, the scanner gives up, and samples of the region tell better.
 *
 * @module
 */
import { byteLengthOf, encode, Math } from "../ffi/captured.ts";
import type { FoundContaining } from "../ffi/kernels/mod.ts";
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { countByte, scanner } from "./simd/scan.ts";

/** A copy of the needle: the program's own bytes may change, or be detached, during the search. */
export function toNeedle(needle: unknown, call: string): Uint8Array {
  if (typeof needle === "string") return encode(needle);
  if (needle instanceof Uint8Array) return new Uint8Array(needle);
  if (typeof needle !== "number") {
    throw new TypeError(
      `${call}: the needle must be a byte, a string or a Uint8Array: received ${show(needle)}`,
    );
  }
  if (!Number.isInteger(needle) || needle < 0 || needle > 255) {
    throw new RangeError(`${call}: a byte must be a whole number from 0 to 255: received ${needle}`);
  }
  return Uint8Array.of(needle);
}

/** How far to go on at first when the scanner has given up, in bytes, and at most: twice as far each time. */
const NEAR = 2 ** 16;
const FAR = 2 ** 24;

/** The first this many bytes are searched by libc: preparing a search would take as long. */
const FIRST = 2 ** 12;

/** Longer needles can take long to be compared: libc, which never takes long, goes on with them for a while. */
const SHORT = 16;

/** How many hits are looked for at a time. */
const MANY = 4096;

/** Where samples are taken: this many, this far apart, of this size. */
const SAMPLES = 4;
const APART = 2 ** 18;
const SAMPLE = 2 ** 12;

/** What is frequent in most files, the most frequent first. */
const FREQUENT =
  "\0 etaoinsrlhdcumpfg\nwyb,.vk01-_:/\"=23456789'()TSACIERNjxqzMLPDOBFUHGWVKYJXQZ;<>{}[]|#@\r\t*+";

/** How frequent each byte is in most files: the larger, the more. */
function guess(): Uint32Array {
  const frequencies = new Uint32Array(256);
  for (let index = 0; index < FREQUENT.length; index++) {
    frequencies[FREQUENT.charCodeAt(index)] = FREQUENT.length - index;
  }
  return frequencies;
}

let guessed: Uint32Array | undefined;

/** Where in a needle the two bytes are that are least frequent; if all are the same, the first and the last. */
function rarest(needle: Uint8Array, frequencies: Uint32Array): readonly [number, number] {
  let first = 0;
  let least = Infinity;
  let second = byteLengthOf(needle) - 1;
  let next = Infinity;
  for (let index = 0; index < byteLengthOf(needle); index++) {
    const byte = needle[index] ?? 0;
    const frequency = frequencies[byte] ?? 0;
    if (frequency < least) {
      if (least !== Infinity) {
        second = first;
        next = least;
      }
      first = index;
      least = frequency;
    } else if (frequency < next && byte !== needle[first]) {
      second = index;
      next = frequency;
    }
  }
  return [first, second];
}

/** Hits that don't overlap, in the region's order. */
interface Hits {
  /** Their offsets, counted from `from` on; use them before the next search. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly from: number;
  /** Where in the region to go on: behind the last hit, and behind what was searched. */
  readonly next: number;
}

const NO_HIT = new Uint32Array(0);
const ONE_HIT = Uint32Array.of(0);

/** Lines in which a needle stands: three numbers in `offsets` for each, as `containing` of the kernels tells. */
export interface LinesFound extends FoundContaining {
  /** Use them before the next search. */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/** The search for a needle that isn't empty. Who uses it checks for lost pages. */
export class Search {
  readonly #memory: RegionMemory;
  readonly #needle: Uint8Array;
  readonly #operation: string;
  /** Where the two bytes are in the needle. */
  #pair: readonly [number, number];
  /** How much work for nothing the scanner may do, and how far libc goes on when it has given up. */
  #step = NEAR;
  /** How many bytes libc still has to look through. */
  #detour = 0;
  /** How many the scanner has looked through since it gave up last. */
  #progress = 0;

  constructor(memory: RegionMemory, needle: Uint8Array, operation: string) {
    this.#memory = memory;
    this.#needle = needle;
    this.#operation = operation;
    this.#pair = rarest(needle, guessed ??= guess());
  }

  /**
   * Looks for hits that lie in [start, end). There may be more behind them; there is none at all if it finds none.
   *
   * @param limit How many are wanted: more may be found.
   */
  find(start: number, end: number, limit: number): Hits {
    const size = byteLengthOf(this.#needle);
    const scan = scanner();
    const { longestNeedle, reach } = scan;
    const stop = end - size + 1; // it begins before
    for (let at = start; at < stop;) {
      if (size > longestNeedle || this.#detour > 0) {
        const count = size > longestNeedle ? stop - at : Math.min(this.#detour, stop - at);
        const found = byLibc(this.#memory, this.#needle, at, at + count + size - 1, this.#operation);
        const next = found === -1 ? at + count : found + size;
        this.#detour -= next - at;
        if (found !== -1) return { offsets: ONE_HIT, from: found, next };
        at = next;
        continue;
      }
      const from = at;
      const length = Math.min(reach, stop - at) + size - 1;
      const address = this.#memory.at(at, length, this.#operation);
      const found = scan.search(address, length, this.#needle, this.#pair, limit, this.#step);
      at += found.next;
      this.#progress += found.next;
      if (found.givenUp) this.#thinkOver(at, end);
      if (found.hits > 0) return { offsets: scan.offsets.subarray(0, found.hits), from, next: at };
    }
    return { offsets: NO_HIT, from: start, next: Math.max(start, stop) };
  }

  /** The first hit in [start, end); -1 if there is none. */
  first(start: number, end: number): number {
    const { offsets: [hit], from } = this.find(start, end, 1);
    return hit === undefined ? -1 : from + hit;
  }

  /**
   * Looks for lines of [start, end) in which the needle stands. There is none but these up to where it tells to go on.
   *
   * @param start Where a line begins.
   * @param limit How many are wanted.
   * @returns Undefined where this can't be told without a copy, or had better be left to `find` for a while.
   */
  lines(start: number, end: number, limit: number): LinesFound | undefined {
    const needle = this.#needle;
    const scan = scanner();
    const isLong = byteLengthOf(needle) > scan.longestNeedle;
    if (this.#detour > 0 || isLong || needle.includes(0x0a) || needle.includes(0x0d)) return undefined;
    const length = end - start;
    const address = this.#memory.at(start, length, this.#operation);
    const found = scan.containing?.(address, length, needle, this.#pair, limit, this.#step);
    if (found === undefined) return undefined;
    this.#progress += found.next;
    if (found.givenUp) this.#thinkOver(start + found.next, end);
    return { ...found, offsets: scan.offsets.subarray(0, 3 * found.hits) };
  }

  /** The scanner has given up: chooses two bytes by samples of what lies ahead. */
  #thinkOver(start: number, end: number): void {
    this.#step = this.#progress > FAR ? NEAR : Math.min(2 * this.#step, FAR);
    this.#progress = 0;
    if (byteLengthOf(this.#needle) > SHORT) this.#detour = this.#step;
    const frequencies = new Uint32Array(256);
    const sample = new Uint8Array(SAMPLE);
    for (let taken = 0; taken < SAMPLES; taken++) {
      const at = start + taken * APART;
      const size = Math.min(SAMPLE, end - at);
      if (size <= 0) break;
      this.#memory.copy(at, size, sample, this.#operation);
      for (let index = 0; index < size; index++) {
        const byte = sample[index] ?? 0;
        frequencies[byte] = (frequencies[byte] ?? 0) + 1;
      }
    }
    this.#pair = rarest(this.#needle, frequencies);
  }
}

/** The first offset at which the needle occurs, all of it within [start, end); -1 if there is none. */
export function indexOf(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const needed = byteLengthOf(needle);
  if (needed === 0) return Math.min(start, end);
  const length = end - start;
  if (length < needed) return -1;
  const found = firstHit(memory, needle, start, end, operation);
  // Pages that were lost behind the hit don't matter.
  const size = found === -1 ? length : found + needed - start;
  memory.assertNotLost(operation, start, size);
  // If nothing was found, or a needle of zeros, that may be because the file was cut off.
  if (found === -1 || needle.at(-1) === 0) memory.confirm(operation, start, size);
  return found;
}

/** The same, for a needle that isn't empty. The caller checks for lost pages. */
export function firstHit(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const size = byteLengthOf(needle);
  if (start > end - size) return -1;
  const near = Math.min(end, start + FIRST + size - 1);
  const found = byLibc(memory, needle, start, size === 1 ? end : near, operation);
  if (found !== -1 || size === 1 || near === end) return found;
  return new Search(memory, needle, operation).first(start + FIRST, end);
}

/** The first hit in [start, end), by libc; -1 if there is none. */
function byLibc(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const length = end - start;
  const address = memory.at(start, length, operation);
  const { functions } = libc();
  const size = byteLengthOf(needle);
  const found = size === 1
    ? functions.memchr(address, needle[0] ?? 0, length)
    : functions.memmem(address, length, needle, size);
  return offset(address - start, found);
}

/** Where libc's answer is in the memory; -1 for none. */
function offset(address: number, found: number): number {
  return found === 0 ? -1 : found - address;
}

/** The last offset at which the needle occurs, all of it within [start, end); -1 if there is none. */
export function lastIndexOf(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const length = end - start;
  if (length < byteLengthOf(needle)) return -1;
  if (byteLengthOf(needle) === 0) return end;
  const found = lastHit(memory, needle, start, end, operation);
  const from = found === -1 ? start : found; // pages that were lost before the hit don't matter
  memory.assertNotLost(operation, from, end - from);
  memory.confirm(operation, from, end - from);
  return found;
}

/** The same, for a needle that isn't empty. The caller checks for lost pages. */
export function lastHit(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const size = byteLengthOf(needle);
  if (size === 1) {
    const length = end - start;
    const address = memory.at(start, length, operation);
    return offset(address - start, libc().functions.memrchr(address, needle[0] ?? 0, length));
  }
  // libc can search backwards for a single byte only. So we search forwards, in parts: the last one first, each twice
  // as long as the one before.
  const search = new Search(memory, needle, operation);
  const firstIn = (from: number, to: number): number => search.first(from, to + size - 1);
  let to = end - size + 1; // the needle begins before this
  for (let reach = Math.max(NEAR, 4 * size);; reach = Math.min(2 * reach, Math.max(FAR, 4 * size))) {
    const from = Math.max(start, to - reach);
    let found = firstIn(from, to);
    if (found !== -1) {
      // That is the first hit of this part. The last one is in the second half of what is left, or else in the first.
      // Halving again and again takes no longer in all than the part did.
      while (found + 1 < to) {
        const middle = found + 1 + Math.floor((to - found - 1) / 2);
        const later = firstIn(middle, to);
        if (later !== -1) found = later;
        else to = middle;
      }
      return found;
    }
    if (from === start) return -1;
    to = from;
  }
}

/** How often the needle occurs in [start, end); hits don't overlap. */
export function count(memory: RegionMemory, needle: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (byteLengthOf(needle) === 0) return length + 1; // once at each offset, and at the end: as indexOf finds it
  const hits = memory.watch("count", start, length, () => countHits(memory, needle, start, end));
  memory.confirm("count", start, length);
  return hits;
}

function countHits(memory: RegionMemory, needle: Uint8Array, start: number, end: number): number {
  if (byteLengthOf(needle) === 1) return countByte(memory, needle[0] ?? 0, start, end, "count");
  const search = new Search(memory, needle, "count");
  let hits = 0;
  for (let at = start, found = -1; found !== 0; hits += found) {
    const { offsets, next } = search.find(at, end, MANY);
    found = offsets.length;
    at = next;
  }
  return hits;
}

/** How far the first match is looked for, in bytes. After that twice as far each time, up to FAR. */
const REACH = 2 ** 12;

/**
 * The offsets at which the needle occurs in [start, end); hits don't overlap.
 *
 * @param end Undefined: the region's end, even if the region is resized meanwhile.
 */
export function matches(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number | undefined,
): IterableIterator<number, undefined> {
  return byteLengthOf(needle) === 0
    ? everyOffset(memory, start, end)
    : new Matches(memory, needle, start, end);
}

/** The offsets of an empty needle: all of them, and the end. */
function* everyOffset(memory: RegionMemory, start: number, end = Infinity): Generator<number, undefined> {
  for (let at = start; at <= Math.min(end, memory.length("matches")); at++) yield at;
}

/** The offsets of hits, found a part of the region at a time. Not a generator, since that is slower. */
class Matches implements IterableIterator<number, undefined> {
  readonly #memory: RegionMemory;
  readonly #size: number;
  readonly #search: Search;
  readonly #begin: number;
  readonly #end: number;
  /** Where in the region to look next, and how far. */
  #next: number;
  #reach = REACH;
  /** Where in the region these hits begin: their offsets count from here. */
  #start = 0;
  #hits = new Uint32Array(0);
  #index = 0;

  constructor(memory: RegionMemory, needle: Uint8Array, start: number, end = Infinity) {
    this.#memory = memory;
    this.#size = byteLengthOf(needle);
    this.#search = new Search(memory, needle, "matches");
    this.#begin = this.#next = start;
    this.#end = end;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<number, undefined> {
    const length = this.#memory.length("matches"); // the program may have closed the region, or resized it
    const last = Math.min(this.#end, length) - this.#size;
    while (this.#index === this.#hits.length) {
      if (this.#next > last) return this.#finish(length);
      this.#look(this.#next, Math.min(this.#reach, last + 1 - this.#next) + this.#size - 1);
    }
    const value = this.#start + (this.#hits[this.#index++] ?? 0);
    return value > last ? this.#finish(length) : { done: false, value };
  }

  /** Ends for good, even if the region grows. */
  #finish(length: number): IteratorResult<number, undefined> {
    if (this.#next !== Infinity) {
      const end = Math.min(this.#end, length);
      this.#memory.confirm("matches", Math.min(this.#begin, end), Math.max(0, end - this.#begin));
    }
    this.#next = Infinity;
    this.#index = this.#hits.length;
    return { done: true, value: undefined };
  }

  /** Looks for the hits in a part. */
  #look(offset: number, size: number): void {
    const find = (): Hits => this.#search.find(offset, offset + size, MANY);
    const { offsets, from, next } = this.#memory.watch("matches", offset, size, find);
    this.#hits = offsets.slice(); // copied, since the next search of anybody overwrites them
    this.#index = 0;
    this.#start = from;
    this.#next = next;
    this.#reach = Math.min(2 * this.#reach, FAR);
  }
}
