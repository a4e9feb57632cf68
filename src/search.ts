/**
 * Searching memory by address, through libc: no buffer over the region is needed, so any size can be searched.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { Haystack, Memory } from "./memory.ts";
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

/** A whole number that may be negative: an offset that then counts from the end. */
export function toOffset(from: unknown, call: string): number {
  if (typeof from !== "number" || Number.isNaN(from)) {
    throw new TypeError(`${call}: 'from' must be a number: received ${show(from)}`);
  }
  return Math.trunc(from);
}

/** The first offset, `from` or later, at which the needle stands; -1 if there is none. */
export function indexOf({ address, length }: Haystack, needle: Uint8Array, from: number): number {
  const first = from < 0 ? Math.max(0, length + from) : from;
  if (needle.length === 0) return Math.min(first, length);
  if (first >= length) return -1;
  const { functions } = libc();
  const found = needle.length === 1
    ? functions.memchr(address + first, needle[0] ?? 0, length - first)
    : functions.memmem(address + first, length - first, needle, needle.length);
  return found === 0 ? -1 : found - address;
}

/** Searched backwards in one go, in bytes: libc can't search backwards for more than a byte. */
const WINDOW = 2 ** 20;

/** The last offset, `from` or earlier, at which the needle stands; -1 if there is none. */
export function lastIndexOf(memory: Memory, needle: Uint8Array, from: number): number {
  const call = "lastIndexOf";
  const { address, length } = memory.haystack(call);
  const last = Math.min(from < 0 ? length + from : from, length - needle.length);
  if (last < 0) return -1;
  if (needle.length === 0) return last;
  if (needle.length === 1) {
    const found = libc().functions.memrchr(address, needle[0] ?? 0, last + 1);
    return found === 0 ? -1 : found - address;
  }
  // Windows overlap by a needle less one byte, so that none is missed between two of them.
  for (let end = last + needle.length; end >= needle.length;) {
    const start = Math.max(0, end - WINDOW - needle.length);
    const bytes = memory.borrow(start, end - start, call);
    const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).lastIndexOf(needle);
    if (found !== -1) return start + found;
    if (start === 0) return -1;
    end = start + needle.length - 1;
  }
  return -1;
}

/** How often the needle stands in a part of the memory; hits don't overlap. */
export function count(memory: Memory, needle: Uint8Array, offset: number, length: number): number {
  if (needle.length === 0) return length + 1; // as often as it can be found by indexOf
  if (needle.length === 1) return countByte(memory, needle[0] ?? 0, offset, length);
  const end = offset + length;
  let hits = 0;
  if (needle.length > LONGEST_NEEDLE) {
    const { address } = memory.haystack("count");
    const part = { address: address + offset, length };
    for (let at = 0; (at = indexOf(part, needle, at)) !== -1; at += needle.length) hits++;
    return hits;
  }
  let next = offset;
  for (let at = offset; at < end; at += CHUNK) {
    const found = search(memory, needle, at, CHUNK, end, next - at, "count");
    hits += found.offsets.length;
    next = at + found.end;
  }
  return hits;
}

/** How far it is looked for the first match, in bytes: twice as far each time, up to a chunk. */
const REACH = 2 ** 12;

/** The offsets at which the needle stands, from an offset on; hits don't overlap. */
export function matches(
  memory: Memory,
  needle: Uint8Array,
  from: number,
): IterableIterator<number, undefined> {
  const length = memory.length("matches");
  const start = from < 0 ? Math.max(0, length + from) : from;
  return needle.length === 0 || needle.length > LONGEST_NEEDLE
    ? matchesOneByOne(memory, needle, start)
    : new Matches(memory, needle, start);
}

function* matchesOneByOne(memory: Memory, needle: Uint8Array, from: number): Generator<number, undefined> {
  const call = "matches";
  const step = Math.max(1, needle.length);
  for (let at = from; at <= memory.length(call); at += step) {
    const haystack = memory.haystack(call);
    const start = at;
    at = memory.watch(call, 0, haystack.length, () => indexOf(haystack, needle, start));
    if (at === -1) return;
    yield at;
  }
}

/** The offsets of hits, found a chunk of the region at a time. Written out: a generator takes longer for a step. */
class Matches implements IterableIterator<number, undefined> {
  readonly #memory: Memory;
  readonly #needle: Uint8Array;
  /** Where in the region to look next, and how far. */
  #next: number;
  #reach = REACH;
  /** Where in the region these hits are: they count from `#start`. */
  #start = 0;
  #hits = new Uint32Array(0);
  #index = 0;

  constructor(memory: Memory, needle: Uint8Array, from: number) {
    this.#memory = memory;
    this.#needle = needle;
    this.#next = from;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<number, undefined> {
    const length = this.#memory.length("matches"); // the program may have closed the region, or resized it
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
