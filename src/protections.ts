/**
 * What the pages of a region may be used for, range by range.
 *
 * The kernel knows that, too, but tells only by a fault. So the library asks here before it touches memory.
 *
 * @module
 */

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

  /** The bits that every page has. */
  get common(): number {
    return this.#runs.reduce((bits, run) => bits & run.bits, ~0);
  }

  /** The bits that any page has. */
  get any(): number {
    return this.#runs.reduce((bits, run) => bits | run.bits, 0);
  }

  /** The bits of the last page. Pages that are added after it get the same. */
  get last(): number {
    return this.#runs.at(-1)?.bits ?? 0;
  }

  /** The bits of the page of a byte. */
  at(offset: number): number {
    return this.#runs.find((run) => offset < run.end)?.bits ?? 0;
  }

  /** Where the run of pages around a byte starts and ends that all have `bits`. */
  around(offset: number, bits: number): { readonly start: number; readonly end: number } {
    let start = 0;
    let end = 0;
    for (const run of this) {
      if ((run.bits & bits) !== bits) {
        if (run.start > offset) break;
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
      const last = runs.at(-1);
      if (last?.bits === runBits) runs.pop();
      runs.push({ end: runEnd, bits: runBits });
    };
    for (const { start: from, end: to, bits: had } of this) {
      add(from, Math.min(to, start), had);
      add(Math.max(from, start), Math.min(to, end), bits);
      add(Math.max(from, end), to, had);
    }
    if (runs.length > 0) this.#runs = runs;
  }

  /** Whether every byte from `start` to `end` has all of `bits`. */
  allow(start: number, end: number, bits: number): boolean {
    return !this.#some(start, end, (had) => (had & bits) !== bits);
  }

  /** Whether giving the bytes from `start` to `end` these bits takes a right from any of them. */
  narrows(start: number, end: number, bits: number): boolean {
    return this.#some(start, end, (had) => (had & ~bits) !== 0);
  }

  /** Takes over the new size of the mapping: new pages have the bits of the last one. */
  resize(size: number): void {
    const runs = this.#runs;
    const last = runs.findIndex((run) => run.end >= size);
    const kept = last === -1 ? runs : runs.slice(0, last + 1);
    this.#runs = kept.map((run, index) => index === kept.length - 1 ? { end: size, bits: run.bits } : run);
  }

  #some(start: number, end: number, test: (bits: number) => boolean): boolean {
    if (start >= end) return false;
    let from = 0;
    for (const run of this.#runs) {
      if (from < end && run.end > start && test(run.bits)) return true;
      from = run.end;
    }
    return false;
  }

  /** The runs, in order. */
  *[Symbol.iterator](): Generator<{ start: number; end: number; bits: number }> {
    let start = 0;
    for (const { end, bits } of this.#runs) {
      yield { start, end, bits };
      start = end;
    }
  }
}
