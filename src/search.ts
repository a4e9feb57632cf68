/**
 * Searching memory by address: no buffer over the region is needed, so any size can be searched.
 *
 * libc's memchr is as fast as memory, its memmem half as fast. So for a needle of several bytes, memchr looks for the
 * byte of it that is least frequent, as long as that byte is rare. If no byte is rare, two of them are looked for
 * together.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { CHUNK, countByte, LONGEST_NEEDLE, type Rarest, rarest, search } from "./simd/scan.ts";

/** A copy of the needle: the program's own bytes may change, or be detached, during the search. */
export function toNeedle(needle: unknown, call: string): Uint8Array {
  if (typeof needle === "string") return new TextEncoder().encode(needle);
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

/** The first this many bytes are searched by memmem: finding a rare byte would take as long. */
const NEAR = 2 ** 16;

/** After this many bytes at most, the rare byte is looked for again: what comes next in a file may be different. */
const FAR = 2 ** 24;

/** What a candidate (an occurrence of the rare byte) costs, in bytes by which memchr gets ahead of memmem meanwhile. */
const CANDIDATE = 2 ** 13;

/** How many candidates may come in a row before memmem goes on. */
const PATIENCE = 16;

/** A byte that is seen more often than this in the samples is not rare. */
const RARE = 2;

/** The first offset at which the needle occurs, all of it within [start, end); -1 if there is none. */
export function indexOf(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  if (needle.length === 0) return Math.min(start, end);
  const length = end - start;
  if (length < needle.length) return -1;
  const found = firstHit(memory, needle, start, end, operation);
  // Pages that were lost behind the hit don't matter.
  const size = found === -1 ? length : found + needle.length - start;
  memory.watch(operation, start, size, () => undefined);
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
  const size = needle.length;
  const last = end - size;
  if (start > last) return -1;
  const address = memory.at(start, end - start, operation) - start;
  const { functions } = libc();
  if (size === 1) return offset(address, functions.memchr(address + start, needle[0] ?? 0, end - start));

  let at = start; // it doesn't begin before
  /** Looks for a needle that begins within `count` bytes, by memmem. */
  const byMemmem = (count: number): number => {
    const length = Math.min(count + size - 1, end - at);
    const found = functions.memmem(address + at, length, needle, size);
    at += count;
    return offset(address, found);
  };
  /** Looks for it by its rarest byte, as long as that turns out to be rare, whatever the samples said. */
  const byByte = ({ index }: Rarest): number => {
    const byte = needle[index] ?? 0;
    // Candidates may take as much time as the search up to here.
    let credit = PATIENCE * CANDIDATE + size;
    while (credit > 0 && at <= last) {
      const place = functions.memchr(address + at + index, byte, last - at + 1);
      if (place === 0) {
        at = end;
        return -1;
      }
      const candidate = place - address - index;
      if (functions.memmem(address + candidate, size, needle, size) !== 0) return candidate;
      credit += candidate + 1 - at - CANDIDATE - size;
      at = candidate + 1;
    }
    return -1;
  };
  /** Looks for a needle that begins within `count` bytes, by two of its bytes. */
  const byPair = (count: number, { index, other }: Rarest): number => {
    const pair = [index, other] as const;
    for (const stop = at + count; at < stop && at <= last;) {
      const reach = Math.min(CHUNK, last + 1 - at);
      const [hit] = search(memory, needle, at, reach, end, operation, pair).offsets;
      if (hit !== undefined) return at + hit;
      at += reach;
    }
    return -1;
  };

  let step = Math.max(NEAR, size); // steps overlap by a needle less a byte: none is shorter than that
  let found = byMemmem(step);
  while (found === -1 && at <= last) {
    const rare = rarest(memory, needle, at, end, operation);
    if (rare !== undefined && rare.seen <= RARE) {
      const from = at;
      found = byByte(rare);
      if (found !== -1 || at > last) break;
      if (at - from > FAR) step = Math.max(NEAR, size);
    }
    found = rare !== undefined && size <= LONGEST_NEEDLE ? byPair(step, rare) : byMemmem(step);
    step = Math.min(2 * step, Math.max(FAR, size));
  }
  return found;
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
  if (length < needle.length) return -1;
  if (needle.length === 0) return end;
  const found = lastHit(memory, needle, start, end, operation);
  const from = found === -1 ? start : found; // pages that were lost before the hit don't matter
  memory.watch(operation, from, end - from, () => undefined);
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
  const size = needle.length;
  if (size === 1) {
    const length = end - start;
    const address = memory.at(start, length, operation);
    return offset(address - start, libc().functions.memrchr(address, needle[0] ?? 0, length));
  }
  // libc can search backwards for a single byte only. So we search forwards, in parts: the last one first, each twice
  // as long as the one before.
  const firstIn = (from: number, to: number): number =>
    firstHit(memory, needle, from, to + size - 1, operation);
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
  if (needle.length === 0) return length + 1; // once at each offset, and at the end: as indexOf finds it
  const hits = memory.watch("count", start, length, () => countHits(memory, needle, start, end));
  memory.confirm("count", start, length);
  return hits;
}

function countHits(memory: RegionMemory, needle: Uint8Array, start: number, end: number): number {
  const call = "count";
  const size = needle.length;
  if (size === 1) return countByte(memory, needle[0] ?? 0, start, end);
  let hits = 0;
  for (let at = start; (at = firstHit(memory, needle, at, end, call)) !== -1;) {
    if (size > LONGEST_NEEDLE) {
      hits++;
      at += size;
      continue;
    }
    // Where there is one hit there may be more: the next ones are looked for a chunk at a time.
    for (let found = -1; found !== 0 && at < end;) {
      const { offsets, next } = search(memory, needle, at, CHUNK, end, call);
      found = offsets.length;
      hits += found;
      at += next;
    }
  }
  return hits;
}

/**
 * How far the first match is looked for, in bytes. After that twice as far each time: up to a chunk while there are
 * matches, up to FAR while there are none.
 */
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
  return needle.length === 0 ? everyOffset(memory, start, end) : new Matches(memory, needle, start, end);
}

/** The offsets of an empty needle: all of them, and the end. */
function* everyOffset(memory: RegionMemory, start: number, end = Infinity): Generator<number, undefined> {
  for (let at = start; at <= Math.min(end, memory.length("matches")); at++) yield at;
}

const ONE_HIT = Uint32Array.of(0);

/** The offsets of hits, found a chunk of the region at a time. Not a generator, since that is slower. */
class Matches implements IterableIterator<number, undefined> {
  readonly #memory: RegionMemory;
  readonly #needle: Uint8Array;
  readonly #begin: number;
  readonly #end: number;
  /** Where in the region to look next, and how far. */
  #next: number;
  #reach = REACH;
  /** Whether the last search had a hit: then there may be more. */
  #near: boolean;
  /** Where in the region these hits begin: their offsets count from here. */
  #start = 0;
  #hits = new Uint32Array(0);
  #index = 0;

  constructor(memory: RegionMemory, needle: Uint8Array, start: number, end = Infinity) {
    this.#memory = memory;
    this.#needle = needle;
    this.#begin = this.#next = start;
    this.#end = end;
    this.#near = needle.length <= LONGEST_NEEDLE;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<number, undefined> {
    const length = this.#memory.length("matches"); // the program may have closed the region, or resized it
    const last = Math.min(this.#end, length) - this.#needle.length;
    while (this.#index === this.#hits.length) {
      if (this.#next > last) return this.#finish(length);
      const size = Math.min(this.#reach, last + 1 - this.#next);
      this.#memory.watch(
        "matches",
        this.#next,
        size,
        () => this.#near ? this.#searchNear(size, last) : this.#searchFar(size, last),
      );
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

  /** Finds all that begin within a chunk. */
  #searchNear(size: number, last: number): void {
    const end = last + this.#needle.length;
    const { offsets, next } = search(this.#memory, this.#needle, this.#next, size, end, "matches");
    this.#take(offsets.slice(), this.#next); // copied, since the next search of anybody overwrites them
    this.#next += next;
    if (this.#reach === CHUNK) this.#near = offsets.length > 0;
    else this.#reach *= 2;
  }

  /** Finds the next one. */
  #searchFar(size: number, last: number): void {
    const end = Math.min(this.#next + size - 1, last) + this.#needle.length;
    const found = firstHit(this.#memory, this.#needle, this.#next, end, "matches");
    if (found === -1) {
      this.#next += size;
      this.#reach = Math.min(2 * this.#reach, FAR);
    } else {
      this.#near = this.#needle.length <= LONGEST_NEEDLE;
      this.#reach = CHUNK;
      if (this.#near) this.#next = found;
      else {
        this.#take(ONE_HIT, found);
        this.#next = found + this.#needle.length;
      }
    }
  }

  #take(hits: Uint32Array<ArrayBuffer>, start: number): void {
    this.#hits = hits;
    this.#index = 0;
    this.#start = start;
  }
}
