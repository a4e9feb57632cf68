/**
 * Searching memory by address, through libc: no buffer over the region is needed, so any size can be searched.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import { CHUNK, countByte, LONGEST_NEEDLE, search } from "./simd/scan.ts";

/** What can be searched for: a byte (0 to 255), a string (as UTF-8), or bytes. */
export type Needle = number | string | Uint8Array;

/** A needle as bytes of our own: the program's may be detached, or change, while it is searched for. */
export function toNeedle(needle: unknown, call: string): Uint8Array {
  if (typeof needle === "string") return Buffer.from(needle);
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

/** The first offset of [start, end) at which the needle stands, all of it within; -1 if there is none. */
export function indexOf(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const length = end - start;
  if (needle.length === 0) return Math.min(start, end);
  if (length < needle.length) return -1;
  const address = memory.at(start, length, operation);
  const { functions } = libc();
  const found = memory.watch(
    operation,
    start,
    length,
    () =>
      needle.length === 1
        ? functions.memchr(address, needle[0] ?? 0, length)
        : functions.memmem(address, length, needle, needle.length),
  );
  if (found !== 0) return start + (found - address);
  memory.confirm(operation, start, length);
  return -1;
}

/** Searched backwards in one go, in bytes: libc can't search backwards for more than a byte. */
const WINDOW = 2 ** 20;

/** The last offset of [start, end) at which the needle stands, all of it within; -1 if there is none. */
export function lastIndexOf(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): number {
  const length = end - start;
  if (length < needle.length || end < start) return -1;
  if (needle.length === 0) return end;
  const address = memory.at(start, length, operation);
  memory.confirm(operation, start, length);
  if (needle.length === 1) {
    const found = memory.watch(
      operation,
      start,
      length,
      () => libc().functions.memrchr(address, needle[0] ?? 0, length),
    );
    return found === 0 ? -1 : start + (found - address);
  }
  // Windows overlap by a needle less one byte, so that none is missed between two of them.
  for (let stop = end; stop - start >= needle.length;) {
    const begin = Math.max(start, stop - WINDOW - needle.length);
    const size = stop - begin;
    const bytes = memory.borrow(begin, size, operation);
    const found = memory.watch(
      operation,
      begin,
      size,
      () => Buffer.from(bytes.buffer, bytes.byteOffset, size).lastIndexOf(needle),
    );
    if (found !== -1) return begin + found;
    if (begin === start) return -1;
    stop = begin + needle.length - 1;
  }
  return -1;
}

/** How often the needle stands in [start, end); hits don't overlap. */
export function count(memory: RegionMemory, needle: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (needle.length === 0) return length + 1; // as often as it can be found by indexOf
  const hits = memory.watch("count", start, length, () => countHits(memory, needle, start, end));
  memory.confirm("count", start, length);
  return hits;
}

function countHits(memory: RegionMemory, needle: Uint8Array, start: number, end: number): number {
  if (needle.length === 1) return countByte(memory, needle[0] ?? 0, start, end - start);
  let hits = 0;
  if (needle.length > LONGEST_NEEDLE) {
    for (let at = start; (at = indexOf(memory, needle, at, end, "count")) !== -1; at += needle.length) hits++;
    return hits;
  }
  let next = start;
  for (let at = start; at < end; at += CHUNK) {
    const found = search(memory, needle, at, CHUNK, end, next - at, "count");
    hits += found.offsets.length;
    next = at + found.end;
  }
  return hits;
}

/** How far it is looked for the first match, in bytes: twice as far each time, up to a chunk. */
const REACH = 2 ** 12;

/**
 * The offsets at which the needle stands in [start, end); hits don't overlap.
 *
 * @param end Undefined for the region's end, wherever that is by then.
 */
export function matches(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number | undefined,
): IterableIterator<number, undefined> {
  return needle.length === 0 || needle.length > LONGEST_NEEDLE
    ? matchesOneByOne(memory, needle, start, end)
    : new Matches(memory, needle, start, end);
}

function reach(memory: RegionMemory, end: number | undefined): number {
  const length = memory.length("matches");
  return Math.min(end ?? length, length);
}

function* matchesOneByOne(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number | undefined,
): Generator<number, undefined> {
  const step = Math.max(1, needle.length);
  for (let at = start, stop; at <= (stop = reach(memory, end)); at += step) {
    at = indexOf(memory, needle, at, stop, "matches");
    if (at === -1) return;
    yield at;
  }
}

/** The offsets of hits, found a chunk of the region at a time. Written out: a generator takes longer for a step. */
class Matches implements IterableIterator<number, undefined> {
  readonly #memory: RegionMemory;
  readonly #needle: Uint8Array;
  readonly #stop: number | undefined;
  /** Where in the region to look next, and how far. */
  #next: number;
  #reach = REACH;
  /** Where in the region these hits are: they count from `#start`. */
  #start = 0;
  #hits = new Uint32Array(0);
  #index = 0;

  constructor(memory: RegionMemory, needle: Uint8Array, start: number, end: number | undefined) {
    this.#memory = memory;
    this.#needle = needle;
    this.#next = start;
    this.#stop = end;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<number, undefined> {
    const length = reach(this.#memory, this.#stop); // the program may have closed the region, or resized it
    while (this.#index === this.#hits.length) {
      if (this.#next >= length) return this.#end();
      this.#search(length);
    }
    const value = this.#start + (this.#hits[this.#index++] ?? 0);
    return value > length - this.#needle.length ? this.#end() : { done: false, value };
  }

  /** Ends for good, even if the region grows. */
  #end(): IteratorResult<number, undefined> {
    this.#next = Infinity;
    this.#index = this.#hits.length;
    return { done: true, value: undefined };
  }

  #search(length: number): void {
    const start = this.#next;
    const size = Math.min(this.#reach, length - start);
    const { offsets, end } = this.#memory.watch(
      "matches",
      start,
      size,
      () => search(this.#memory, this.#needle, start, size, length, 0, "matches"),
    );
    this.#start = start;
    this.#hits = offsets.slice(); // others may search before these have been walked
    this.#index = 0;
    this.#next = start + Math.max(size, end);
    this.#reach = Math.min(2 * this.#reach, CHUNK);
  }
}
