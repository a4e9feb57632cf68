/**
 * Giving memory back when somebody may still be looking at it.
 *
 * A buffer that a program was given can be at work in native code (`fs.write`, an HTTP response, an addon's thread) long
 * after it has been detached, and nothing tells when such work is over, but this: who works on a buffer keeps it from being
 * collected. So a range whose buffers were lent is kept, its pages and its guard with it, until all of them have been
 * collected, and is unmapped then. Work in flight finds the bytes that it began with.
 *
 * What is kept so is bounded. Beyond the bound the oldest range is covered with private, anonymous pages, which hold
 * nothing, reserve nothing, and may be read and written: the file and the memory are let go of, and whoever still looks sees
 * zeros. So is a range whose buffer was transferred away, because nobody can see when that ends, and one whose owner asks
 * for the file to be let go of at once. Covers side by side are one mapping to the kernel.
 *
 * @module
 */
import { constants } from "../ffi/platform.ts";
import { libc } from "../ffi/libc.ts";
import type { Lent } from "./views.ts";

/** A range of whole pages that is given back. */
export interface Retired {
  readonly start: number;
  /** In bytes. */
  readonly size: number;
  /** How many of the bytes are memory that no file stands behind. */
  readonly memory: number;
  /**
   * Takes the range out of the guard's sight; runs `last`, while the guard still looks, unless somebody else has the range
   * too. Returns whether nobody else has: then it is ours to unmap.
   */
  release(last?: () => void): boolean;
  /** What is done in place of munmap(2). */
  readonly unmap: ((start: number, size: number) => void) | undefined;
}

/** The buffers that were lent out of a range and have not been collected yet. */
export class Loans {
  #outstanding = 0;
  /** Whether a buffer has been transferred away: somebody else has the memory, for as long as they like. */
  stolen = false;
  /** Whether one may have been, which can't be told any more. */
  unknown = false;
  #whenSettled: (() => void)[] = [];

  /** Notes buffers, which have been detached. */
  add({ buffers, stolen, unknown }: Lent): void {
    this.stolen ||= stolen;
    this.unknown ||= unknown;
    this.#outstanding += buffers.length;
    for (const buffer of buffers) collections().register(buffer, this);
  }

  /** Notes buffers of another isolate, whose end can't be seen from here. */
  addElsewhere(): void {
    this.#outstanding = Infinity;
  }

  /** Whether nobody can be looking, but for those of whom nothing is known. */
  get settled(): boolean {
    return this.#outstanding === 0 && !this.stolen;
  }

  /** Runs `work` when nobody can be looking any more. That is never if a buffer was transferred away. */
  whenSettled(work: () => void): void {
    this.#whenSettled.push(work);
  }

  /** One of the buffers has been collected. */
  collected(): void {
    this.#outstanding--;
    if (!this.settled) return;
    const work = this.#whenSettled;
    this.#whenSettled = [];
    for (const each of work) each();
  }
}

let registry: FinalizationRegistry<Loans> | undefined;

function collections(): FinalizationRegistry<Loans> {
  return registry ??= new FinalizationRegistry((loans) => loans.collected());
}

/** How many ranges are kept for those who may still be looking … */
const MOST_RANGES = 4096;
/** … and how many bytes of memory that no file stands behind. */
const MOST_MEMORY = 2 ** 30;
/** How many ranges stay covered of which it is not known whether somebody has them. */
const MOST_COVERS = 2 ** 14;

/** A range that is kept, or covered, until nobody can be looking. */
export interface Rest {
  readonly range: Retired;
  readonly loans: Loans;
  /** Whether it has been covered, and whether it is ours to unmap then. */
  covered: boolean;
  ours: boolean;
}

/** Ranges with their own pages, the oldest first. */
const kept = new Set<Rest>();
let keptMemory = 0;
/** Covered ranges of which it is not known whether somebody has them, the oldest first. */
const doubtful: Retired[] = [];

/**
 * Gives a range back: unmaps it when nobody can be looking.
 *
 * Throws nothing: a region that can't be closed would be worse than a range that is kept.
 *
 * @param now Whether to let go of the file and the memory at once, whoever may be looking.
 * @returns What is left of it, if it has been kept.
 */
export function retire(range: Retired, loans: Loans, now: boolean): Rest | undefined {
  const rest: Rest = { range, loans, covered: false, ours: false };
  if (range.size === 0 || loans.settled) {
    settle(rest);
    return undefined;
  }
  loans.whenSettled(() => settle(rest));
  if (now || loans.stolen) {
    cover(rest);
    return undefined;
  }
  kept.add(rest);
  keptMemory += range.memory;
  for (const oldest of kept) {
    if (kept.size <= MOST_RANGES && keptMemory <= MOST_MEMORY) break;
    letGo(oldest);
  }
  return rest;
}

/** Whether a range still has its own pages. */
export function isKept(rest: Rest): boolean {
  return kept.has(rest);
}

/** Lets go of the file and the memory of a range that was kept. */
export function letGo(rest: Rest): void {
  if (forget(rest)) cover(rest);
}

/** Gives a range up that was kept: its address space is put to another use by whoever has it. */
export function reclaim(rest: Rest): void {
  if (forget(rest)) rest.range.release();
  rest.ours = false;
  rest.covered = true;
}

/** Takes a range out of those that are kept; returns whether it was one of them. */
function forget(rest: Rest): boolean {
  if (!kept.delete(rest)) return false;
  keptMemory -= rest.range.memory;
  return true;
}

/** Nobody is looking any more, as far as can be seen. */
function settle(rest: Rest): void {
  forget(rest);
  if (rest.loans.unknown && rest.range.size > 0) {
    if (!rest.covered) cover(rest);
  } else if (rest.covered ? rest.ours : rest.range.release()) {
    unmap(rest.range);
  }
}

/**
 * Covers a range. Where the kernel refuses, at the limit of mappings, the range stays as it was: still valid memory.
 */
function cover(rest: Rest): void {
  const { range, loans } = rest;
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE } = constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  rest.covered = true;
  rest.ours = range.release(() => {
    libc().functions.mmap(range.start, range.size, PROT_READ | PROT_WRITE, flags, -1, 0);
  });
  if (!loans.unknown || !rest.ours) return;
  doubtful.push(range);
  const oldest = doubtful.length > MOST_COVERS ? doubtful.shift() : undefined;
  if (oldest !== undefined && isUntouched(oldest)) unmap(oldest);
}

/** How much is asked about at a time, in bytes. */
const ASKED = 2 ** 30;

/** Whether nobody has looked at a covered range since: it has no pages before somebody does. */
function isUntouched({ start, size }: Retired): boolean {
  const { functions, pageSize } = libc();
  const pages = new Uint8Array(new ArrayBuffer(ASKED / pageSize));
  for (let offset = 0; offset < size; offset += ASKED) {
    if (functions.mincore(start + offset, Math.min(ASKED, size - offset), pages) !== 0) return false;
    if (pages.some((page) => (page & 1) !== 0)) return false;
  }
  return true;
}

function unmap({ start, size, unmap: instead = unmapPages }: Retired): void {
  if (size > 0) instead(start, size);
}

function unmapPages(start: number, size: number): void {
  libc().functions.munmap(start, size);
}
