/**
 * Giving memory back that native code may still be using.
 *
 * Native code (`fs.write`, an HTTP response, an addon's thread) can go on using the memory of a buffer long after the
 * buffer was detached. Only one thing tells when it is done: until then it keeps the buffer from being collected. So
 * a range of pages whose buffers were lent stays mapped, and guarded, until all these buffers have been collected.
 * Then it is unmapped. Work in flight finds the bytes that it began with.
 *
 * What is kept so is bounded. Beyond the bound the oldest range is covered: private, anonymous pages are mapped over
 * it, which take no memory and may be read and written. So the file and the memory are let go of, and whoever still
 * looks sees zeros. A range is also covered if one of its buffers was transferred away, because nobody can see when
 * that use ends, and if its owner asks for the file to be let go of at once. To the kernel, covers side by side are
 * one mapping.
 *
 * @module
 */
import { append, Math, select } from "../ffi/captured.ts";
import { constants } from "../ffi/platform.ts";
import { libc } from "../ffi/libc.ts";
import type { Lent } from "./views.ts";

/** A range of whole pages that is given back. */
export interface Retired {
  readonly start: number;
  /** In bytes. */
  readonly size: number;
  /** How many of the bytes are in memory only, and in no file. */
  readonly memory: number;
  /** How many mappings it may be to the kernel. */
  readonly mappings: number;
  /** Whether other isolates may have had it, and have lent buffers of it. */
  readonly attachable: boolean;
  /**
   * Gives up this isolate's reference to the range's slot. If it was the last one, runs `last` while the guard still
   * looks after the range, then ends the guard. Returns whether it was the last one: then the range is to be unmapped
   * here.
   *
   * @param last Is told whether the memory might still be used, according to somebody who has let go of it.
   * @param mayBeUsed Whether it might, according to the caller.
   */
  release(last: (lent: boolean) => void, mayBeUsed: boolean): boolean;
  /**
   * What is done in place of munmap(2), for a range of address space that goes on being the region's. The guard looks
   * after it until that is done: other isolates don't grow the region over what it looks after.
   */
  readonly unmap: ((start: number, size: number) => void) | undefined;
}

/** The buffers that were lent out of a range and have not been collected yet. */
export class Loans {
  #outstanding = 0;
  /** Whether a buffer was transferred away: another one has the memory now, and nobody can tell for how long. */
  stolen = false;
  /** Whether one may have been transferred away before it was collected. */
  unknown = false;
  #whenSettled: (() => void)[] = [];

  /** Adds buffers that have just been detached. */
  add({ buffers, stolen, unknown }: Lent): void {
    this.stolen ||= stolen;
    this.unknown ||= unknown;
    this.#outstanding += buffers.length;
    for (let i = 0; i < buffers.length; i++) collections().register(buffers[i] as ArrayBuffer, this);
  }

  /** Adds those of another isolate, whose collection can't be seen from here. */
  addElsewhere(): void {
    this.#outstanding = Infinity;
  }

  /** Whether no use of the memory is known any more. */
  get settled(): boolean {
    return this.#outstanding === 0 && !this.stolen;
  }

  /** Runs `work` when all buffers have been collected. Never, if one was transferred away. */
  whenSettled(work: () => void): void {
    append(this.#whenSettled, work);
  }

  /** One of the buffers has been collected. */
  collected(): void {
    this.#outstanding--;
    if (!this.settled) return;
    const work = this.#whenSettled;
    this.#whenSettled = [];
    for (let i = 0; i < work.length; i++) work[i]?.();
  }
}

let registry: FinalizationRegistry<Loans> | undefined;

function collections(): FinalizationRegistry<Loans> {
  return registry ??= new FinalizationRegistry((loans) => loans.collected());
}

/** How many ranges are kept at most … */
const MOST_RANGES = 2 ** 14;
/** … how many mappings to the kernel, which grants a process 65,530; the runtime needs some, too … */
const MOST_MAPPINGS = 2 ** 15;
/** … and how many bytes of memory that are in no file. */
const MOST_MEMORY = 2 ** 30;
/** How many ranges stay covered at most, of which nobody knows whether they are in use. */
const MOST_COVERS = 2 ** 14;

/** A range that stays mapped, with its own pages or covered, until its buffers have been collected. */
export interface Rest {
  readonly range: Retired;
  readonly loans: Loans;
  /** Whether it has its own pages still. */
  kept: boolean;
  /** Whether it has been covered; and whether this isolate is to unmap it then. */
  covered: boolean;
  ours: boolean;
}

/** Ranges, the oldest first: from `first` on, those that are kept among others. (Bun's sets are slow to forget their first.) */
let queue: Rest[] = [];
let first = 0;
let keptRanges = 0;
let keptMappings = 0;
let keptMemory = 0;
/** Covered ranges of which nobody knows whether they are in use, the oldest first. */
let doubtful: Retired[] = [];
let firstDoubtful = 0;

/**
 * Gives a range back: unmaps it now if there are no loans, else when they end.
 *
 * Never throws: a region that can't be closed would be worse than a range that stays mapped.
 *
 * @param now Whether to let go of the file and the memory at once, even if native code is still using views.
 * @returns What was kept of it; undefined if nothing was.
 */
export function retire(range: Retired, loans: Loans, now: boolean): Rest | undefined {
  const rest: Rest = { range, loans, kept: false, covered: false, ours: false };
  if (range.size === 0 || loans.settled) {
    settle(rest);
    return undefined;
  }
  loans.whenSettled(() => settle(rest));
  if (now || loans.stolen) {
    cover(rest);
    return undefined;
  }
  keep(rest);
  return rest;
}

function keep(rest: Rest): void {
  rest.kept = true;
  keptRanges++;
  keptMappings += rest.range.mappings;
  keptMemory += rest.range.memory;
  append(queue, rest);
  while (keptRanges > MOST_RANGES || keptMappings > MOST_MAPPINGS || keptMemory > MOST_MEMORY) {
    const oldest = queue[first++];
    if (oldest === undefined) break;
    letGo(oldest);
  }
  if (queue.length >= 4 * MOST_RANGES) {
    queue = select(queue, ({ kept }) => kept);
    first = 0;
  }
}

/** Whether a range still has its own pages. */
export function isKept(rest: Rest): boolean {
  return rest.kept;
}

/** Covers a range that was kept. */
export function letGo(rest: Rest): void {
  if (forget(rest)) cover(rest);
}

/** Forgets a range that was kept: its owner puts the address space to another use. */
export function reclaim(rest: Rest): void {
  if (forget(rest)) rest.range.release(() => {}, false);
  rest.covered = true;
}

/** Takes a range out of those that are kept; returns whether it was one of them. */
function forget(rest: Rest): boolean {
  if (!rest.kept) return false;
  rest.kept = false;
  keptRanges--;
  keptMappings -= rest.range.mappings;
  keptMemory -= rest.range.memory;
  return true;
}

/** All loans of a range have ended, as far as can be seen. */
function settle(rest: Rest): void {
  forget(rest);
  const { range, loans } = rest;
  if (loans.unknown && range.size > 0) {
    if (!rest.covered) cover(rest);
  } else if (range.unmap !== undefined) {
    // If it was covered, or has been put to another use, it stays as it is until its region is closed.
    if (!rest.covered) range.release(() => range.unmap?.(range.start, range.size), false);
  } else if (rest.covered) {
    if (rest.ours) unmap(range);
  } else {
    let lent = false;
    // Another isolate may have let go of the range meanwhile, and have lent a buffer that was transferred.
    const ours = range.release((isLent) => {
      lent = isLent && range.size > 0;
      if (lent) mapCover(range);
    }, false);
    if (lent) doubt(range);
    else if (ours) unmap(range);
  }
}

/** Covers a range. */
function cover(rest: Rest): void {
  const { range, loans } = rest;
  rest.covered = true;
  rest.ours = range.release(() => mapCover(range), true);
  if (!rest.ours || range.unmap !== undefined || !loans.unknown && !range.attachable) return;
  rest.ours = false; // it isn't unmapped when the loans of this isolate end
  doubt(range);
}

/**
 * Maps empty pages over a range. If the kernel refuses, at the limit of mappings, the range keeps its own pages: that is
 * valid memory, too.
 */
function mapCover({ start, size }: Retired): void {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE } = constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  libc().functions.mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

/** Keeps a cover of which nobody knows whether it is in use; the oldest of many is unmapped, unless it was touched. */
function doubt(range: Retired): void {
  append(doubtful, range);
  if (doubtful.length - firstDoubtful <= MOST_COVERS) return;
  const oldest = doubtful[firstDoubtful++];
  if (oldest !== undefined && isUntouched(oldest)) unmap(oldest);
  if (firstDoubtful < MOST_COVERS) return;
  doubtful = select(doubtful, (_, index) => index >= firstDoubtful);
  firstDoubtful = 0;
}

/** How much mincore is asked about at a time, in bytes. */
const ASKED = 2 ** 30;

/** Whether nobody has looked at a range since it was covered: a cover has no pages in memory before somebody does. */
function isUntouched({ start, size }: Retired): boolean {
  const { functions, pageSize } = libc();
  for (let offset = 0; offset < size; offset += ASKED) {
    const length = Math.min(ASKED, size - offset);
    const pages = new Uint8Array(new ArrayBuffer(Math.ceil(length / pageSize)));
    if (functions.mincore(start + offset, length, pages) !== 0) return false;
    if (pages.some((page) => (page & 1) !== 0)) return false;
  }
  return true;
}

function unmap({ start, size }: Retired): void {
  if (size > 0) libc().functions.munmap(start, size);
}
