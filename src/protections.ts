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

/** The protections of a mapping: runs of pages with equal bits, in order. */
export class Protections {
  #runs: readonly Run[];

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

  /** The bits of the page of a byte. */
  at(offset: number): number {
    for (let i = 0; i < this.#runs.length; i++) {
      const run = this.#runs[i];
      if (run !== undefined && offset < run.end) return run.bits;
    }
    return 0;
  }

  /** Where the run of pages around a byte starts and ends that all have `bits`. */
  around(offset: number, bits: number): { readonly start: number; readonly end: number } {
    let start = 0;
    let end = 0;
    for (let i = 0; i < this.#runs.length; i++) {
      const run = this.#runs[i];
      if (run === undefined) break;
      if ((run.bits & bits) !== bits) {
        if (end > offset) break;
        start = run.end;
      }
      end = run.end;
    }
    return { start, end };
  }

  /** Sets the bits of the pages from `start` to `end`. */
  set(start: number, end: number, bits: number): void {
    const runs: Run[] = [];
    const add = (runStart: number, runEnd: number, runBits: number): void => {
      if (runStart >= runEnd) return;
      const run = { end: runEnd, bits: runBits };
      if (runs[runs.length - 1]?.bits === runBits) runs[runs.length - 1] = run;
      else append(runs, run);
    };
    let from = 0;
    for (let i = 0; i < this.#runs.length; i++) {
      const { end: to = 0, bits: had = 0 } = this.#runs[i] ?? {};
      add(from, Math.min(to, start), had);
      add(Math.max(from, start), Math.min(to, end), bits);
      add(Math.max(from, end), to, had);
      from = to;
    }
    if (runs.length > 0) this.#runs = runs;
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
    const runs: Run[] = [];
    for (let i = 0; i < this.#runs.length; i++) {
      const run = this.#runs[i];
      if (run === undefined) break;
      const isLast = run.end >= size || i === this.#runs.length - 1;
      append(runs, isLast ? { end: size, bits: run.bits } : run);
      if (isLast) break;
    }
    this.#runs = runs;
  }

  /** The bits that any byte from `start` to `end` has, or lacks if `inverted` is ~0. */
  #any(start: number, end: number, inverted: number): number {
    let bits = 0;
    let from = 0;
    for (let i = 0; i < this.#runs.length && from < end; i++) {
      const run = this.#runs[i];
      if (run === undefined) break;
      if (run.end > start && start < end) bits |= run.bits ^ inverted;
      from = run.end;
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
