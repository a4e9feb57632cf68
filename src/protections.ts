/**
 * What the pages of a region may be used for, range by range.
 *
 * The kernel knows that, too, but tells only by a fault. So the library asks here before it touches memory.
 *
 * @module
 */

import { append, Math } from "../ffi/captured.ts";
import { constants } from "../ffi/platform.ts";
import type { Protection } from "./options.ts";

const { PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC } = constants;

const BITS: Readonly<Record<Protection, number>> = {
  "none": PROT_NONE,
  "read": PROT_READ,
  "read-write": PROT_READ | PROT_WRITE,
  "read-execute": PROT_READ | PROT_EXEC,
  "read-write-execute": PROT_READ | PROT_WRITE | PROT_EXEC,
};

/** The `PROT_*` bits that a word stands for. */
export function protectionBits(word: Protection): number {
  return BITS[word];
}

/** The word for `PROT_*` bits. */
export function protectionOf(bits: number): Protection {
  if ((bits & PROT_READ) === 0) return "none";
  if ((bits & PROT_EXEC) !== 0) return (bits & PROT_WRITE) !== 0 ? "read-write-execute" : "read-execute";
  return (bits & PROT_WRITE) !== 0 ? "read-write" : "read";
}

interface Run {
  /** The first byte behind the run, counted from the start of the mapping. */
  readonly end: number;
  /** `PROT_*` bits. */
  readonly bits: number;
}

/** The protections of a mapping: runs of pages with equal bits, in order. There may be tens of thousands. */
export class Protections {
  readonly #runs: Run[];

  constructor(size: number, bits: number) {
    this.#runs = [{ end: size, bits }];
  }

  /** How many runs there are. */
  get count(): number {
    return this.#runs.length;
  }

  /** The bits that every page has. */
  get common(): number {
    let bits = ~0;
    for (let i = 0; i < this.#runs.length; i++) bits &= this.#runs[i]?.bits ?? 0;
    return bits;
  }

  /** The bits that any page has. */
  get any(): number {
    let bits = 0;
    for (let i = 0; i < this.#runs.length; i++) bits |= this.#runs[i]?.bits ?? 0;
    return bits;
  }

  /** The bits of the last page. Pages that are added after it get the same. */
  get last(): number {
    return this.#runs[this.#runs.length - 1]?.bits ?? 0;
  }

  /** Which run a byte is in; the number of runs if it lies behind all of them. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.end ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Where a run starts. */
  #start(index: number): number {
    return index === 0 ? 0 : this.#runs[index - 1]?.end ?? 0;
  }

  /** The bits of the page of a byte. */
  at(offset: number): number {
    return this.#runs[this.#find(offset)]?.bits ?? 0;
  }

  /** Where the run of pages around a byte starts and ends that all have `bits`. */
  around(offset: number, bits: number): { readonly start: number; readonly end: number } {
    const has = (index: number): boolean => ((this.#runs[index]?.bits ?? ~bits) & bits) === bits;
    let first = this.#find(offset);
    let behind = first;
    while (first > 0 && has(first - 1)) first--;
    while (behind < this.#runs.length && has(behind)) behind++;
    return { start: this.#start(first), end: this.#start(behind) };
  }

  /** Sets the bits of the pages from `start` on, those up to `behind`. */
  set(start: number, behind: number, bits: number): void {
    const runs = this.#runs;
    const end = Math.min(behind, this.#start(runs.length));
    if (start >= end) return;
    const first = this.#find(start);
    const last = this.#find(end - 1);
    const before = runs[first];
    const after = runs[last];
    if (before === undefined || after === undefined) return;
    const put: Run[] = [];
    const add = (runEnd: number, runBits: number): void => {
      if (put[put.length - 1]?.bits === runBits) put[put.length - 1] = { end: runEnd, bits: runBits };
      else append(put, { end: runEnd, bits: runBits });
    };
    // The neighbours on both sides may become one with these.
    const from = Math.max(0, first - 1);
    const to = Math.min(runs.length, last + 2);
    if (first > 0) add(this.#start(first), runs[first - 1]?.bits ?? 0);
    if (start > this.#start(first)) add(start, before.bits);
    add(end, bits);
    if (after.end > end) add(after.end, after.bits);
    if (last + 1 < to) add(runs[last + 1]?.end ?? 0, runs[last + 1]?.bits ?? 0);
    this.#replace(from, to, put);
  }

  /** Puts other runs in the place of some. */
  #replace(from: number, to: number, put: readonly Run[]): void {
    const runs = this.#runs;
    const { length } = runs;
    const shift = put.length - (to - from);
    if (shift > 0) { for (let i = length - 1; i >= to; i--) runs[i + shift] = runs[i] as Run; }
    if (shift < 0) { for (let i = to; i < length; i++) runs[i + shift] = runs[i] as Run; }
    for (let i = 0; i < put.length; i++) runs[from + i] = put[i] as Run;
    runs.length = length + shift;
  }

  /** Whether every byte from `start` to `end` has all of `bits`. */
  allow(start: number, end: number, bits: number): boolean {
    return (this.#any(start, end, ~0) & bits) === 0;
  }

  /** Whether giving the bytes from `start` to `end` these bits takes a right from any of them. */
  narrows(start: number, end: number, bits: number): boolean {
    return (this.#any(start, end, 0) & ~bits) !== 0;
  }

  /** Takes over the new size of the mapping: new pages have the bits of the last one. */
  resize(size: number): void {
    const { length } = this.#runs;
    const index = Math.min(this.#find(Math.max(0, size - 1)), length - 1);
    this.#replace(index, length, [{ end: size, bits: this.#runs[index]?.bits ?? 0 }]);
  }

  /** The bits that any byte from `start` to `end` has, or lacks if `inverted` is ~0. */
  #any(start: number, end: number, inverted: number): number {
    if (start >= end) return 0;
    const runs = this.#runs;
    let bits = 0;
    for (let i = runs.length === 1 ? 0 : this.#find(start); i < runs.length; i++) {
      const run = runs[i];
      if (run === undefined || i > 0 && this.#start(i) >= end) break;
      if (run.end > start) bits |= run.bits ^ inverted;
    }
    return bits;
  }

  /** Calls `each` with the runs, in order. */
  forEach(each: (start: number, end: number, bits: number) => void): void {
    let start = 0;
    for (let i = 0; i < this.#runs.length; i++) {
      const { end = start, bits = 0 } = this.#runs[i] ?? {};
      each(start, end, bits);
      start = end;
    }
  }
}
