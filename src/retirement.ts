/**
 * Giving memory back that native code may still be using.
 *
 * Native code (`fs.write`, an HTTP response, an addon's thread) can go on using the memory of a buffer long after the
 * buffer was detached. Only one thing tells when it is done: until then it keeps the buffer from being collected. So
 * a range of pages whose buffers were lent stays mapped, and guarded, until all these buffers have been collected.
 * Then it is unmapped. Work in flight finds the bytes that it began with.
 *
 * What a process keeps so is bounded. Beyond the bound the oldest range of this isolate is covered: private, anonymous
 * pages are mapped over it, which take no memory and may be read and written. So the file and the memory are let go of,
 * and whoever still looks sees zeros. A range is also covered if one of its buffers was transferred away, because nobody
 * can see when that use ends, and if its owner asks for the file to be let go of at once. To the kernel, covers side by
 * side are one mapping.
 *
 * @module
 */
import { append, Math, select, soon, sorted } from "../ffi/captured.ts";
import { constants } from "../ffi/platform.ts";
import { libc } from "../ffi/libc.ts";
import { type Amount, regionTable, type Slot } from "../ffi/regions.ts";
import type { Lent } from "./views.ts";

/** Whole pages. */
type Span = Pick<Rest, "start" | "size">;

/** A range of whole pages that is given back. */
export type Retired = Pick<
  Rest,
  "start" | "size" | "memory" | "mappings" | "attachable" | "slot" | "unmap" | "loans"
>;

/**
 * A range that stays mapped, with its own pages or covered, until its buffers have been collected. There may be
 * thousands, so it is one object.
 */
export class Rest {
  readonly start: number;
  /** In bytes. */
  readonly size: number;
  /** How many of the bytes are in memory only, and in no file. */
  readonly memory: number;
  /** How many mappings it may be to the kernel. */
  readonly mappings: number;
  /** Whether other isolates may have had it, and have lent buffers of it. */
  readonly attachable: boolean;
  /** By which the guard looks after the range; undefined if it doesn't, and no other isolate has the range. */
  readonly slot: Slot | undefined;
  /**
   * What is done in place of munmap(2), for a range of address space that goes on being the region's. The guard looks
   * after it until that is done: other isolates don't grow the region over what it looks after.
   */
  readonly unmap: ((start: number, size: number) => void) | undefined;
  readonly loans: Loans;
  /** Whether it has its own pages still. */
  kept = false;
  /** Whether it has been covered; and whether this isolate is to unmap it then. */
  covered = false;
  ours = false;
  /** Those that were kept just before it and after it, while it is kept. */
  older: Rest | undefined = undefined;
  newer: Rest | undefined = undefined;

  constructor({ start, size, memory, mappings, attachable, slot, unmap, loans }: Retired) {
    this.start = start;
    this.size = size;
    this.memory = memory;
    this.mappings = mappings;
    this.attachable = attachable;
    this.slot = slot;
    this.unmap = unmap;
    this.loans = loans;
  }
}

/** The buffers that were lent out of a range and have not been collected yet. */
export class Loans {
  #outstanding = 0;
  /** Whether a buffer was transferred away: another one has the memory now, and nobody can tell for how long. */
  stolen = false;
  /** Whether one may have been transferred away before it was collected. */
  unknown = false;
  /** The range that is given back when they have been, and others. */
  #rest: Rest | undefined;
  #others: Rest[] | undefined;

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

  /** Whether no use of the memory is possible any more. */
  get ended(): boolean {
    return this.settled && !this.unknown;
  }

  /** Gives a range back when all buffers have been collected. Never, if one was transferred away. */
  whenSettled(rest: Rest): void {
    if (this.#rest === undefined) this.#rest = rest;
    else append(this.#others ??= [], rest);
  }

  /** One of the buffers has been collected. */
  collected(): void {
    this.#outstanding--;
    if (!this.settled || this.#rest === undefined) return;
    settleSoon(this.#rest);
    const others = this.#others ?? [];
    for (let i = 0; i < others.length; i++) settleSoon(others[i] as Rest);
    this.#rest = undefined;
    this.#others = undefined;
  }
}

let registry: FinalizationRegistry<Loans> | undefined;

function collections(): FinalizationRegistry<Loans> {
  return registry ??= new FinalizationRegistry((loans) => loans.collected());
}

/** Ranges whose loans have ended, to be given back before this turn of the event loop ends. */
let due: Rest[] = [];

/** So many neighbours are unmapped in one call: a worker that is terminated just before it leaves no more mapped. */
const MOST_NEIGHBOURS = 64;

/**
 * Gives a range back before this turn of the event loop ends. Buffers are collected many at a time, and regions that
 * were mapped one after the other lie side by side: one munmap for all of them takes a fraction of the time.
 */
function settleSoon(rest: Rest): void {
  append(due, rest);
  if (due.length === 1) soon(settleDue);
}

function settleDue(): void {
  const rests = sorted(due, (one, other) => one.start - other.start);
  due = [];
  let start = 0, size = 0, neighbours = 0;
  for (let i = 0; i < rests.length; i++) {
    const rest = rests[i];
    if (rest === undefined || !settle(rest)) continue;
    if (rest.start !== start + size || neighbours === MOST_NEIGHBOURS) {
      unmap(start, size);
      start = rest.start;
      size = neighbours = 0;
    }
    size += rest.size;
    neighbours++;
  }
  unmap(start, size);
  balance();
}

/**
 * Gives up this isolate's reference to a range's slot. If it was the last one, runs `last` while the guard still looks
 * after the range, then ends the guard. Returns whether it was the last one: then the range is to be unmapped here.
 *
 * @param last Is told whether the memory might still be used, according to somebody who has let go of it.
 * @param mayBeUsed Whether it might, according to the caller.
 */
function release(
  { slot }: Pick<Rest, "slot">,
  last: ((lent: boolean) => void) | undefined,
  mayBeUsed: boolean,
): boolean {
  if (slot === undefined) {
    last?.(false);
    return true;
  }
  if (mayBeUsed) slot.lend();
  return slot.release(last) === 0;
}

/** An isolate keeps up to this part of a bound in any case, whatever the others keep. */
const SHARE = 2 ** -8;

/** How much this isolate keeps of something, and how much it may keep: there is a bound for all isolates together. */
class Budget {
  readonly #amount: Amount;
  readonly #bound: number;
  readonly #share: number;
  #kept = 0;
  /** What was kept when the other isolates were told of it. */
  #told = 0;
  #most: number;

  constructor(amount: Amount, bound: number) {
    this.#amount = amount;
    this.#bound = bound;
    this.#share = SHARE * bound;
    this.#most = bound;
  }

  add(change: number): void {
    this.#kept += change;
  }

  get exceeded(): boolean {
    return this.#kept > this.#most;
  }

  /**
   * If much has changed, or more is kept than may be: tells the other isolates how much this one keeps, with what may
   * be added before it tells them again; and asks how much that may be.
   */
  balance(): void {
    if (!this.exceeded && Math.abs(this.#kept - this.#told) < this.#share) return;
    const table = regionTable();
    this.#told = this.#kept;
    table.tell(this.#amount, this.#told + this.#share);
    this.#most = Math.max(this.#share, this.#bound - table.elsewhere(this.#amount));
  }
}

/** How many ranges are kept … */
const ranges = new Budget("ranges", 2 ** 14);
/** … how many mappings to the kernel, which grants a process 65,530; the runtime needs some, too … */
const mappings = new Budget("mappings", 2 ** 15);
/** … and how many pages of memory that are in no file. */
const memory = new Budget("memory", 2 ** 18);
/** In bytes: what memory is told in. */
const PAGE = 2 ** 12;

/** How many ranges stay covered at most, of which nobody knows whether they are in use. */
const MOST_COVERS = 2 ** 14;

/** Ranges that are kept. They are linked: whatever else refers to one that is no longer kept keeps collectors busy. */
let oldest: Rest | undefined;
let newest: Rest | undefined;
/** Covered ranges of which nobody knows whether they are in use, the oldest first. */
let doubtful: Span[] = [];
let firstDoubtful = 0;

/**
 * Gives a range back: unmaps it now if there are no loans, else when they end.
 *
 * Never throws: a region that can't be closed would be worse than a range that stays mapped.
 *
 * @param now Whether to let go of the file and the memory at once, even if native code is still using views.
 * @returns What was kept of it; undefined if nothing was.
 */
export function retire(range: Retired, now: boolean): Rest | undefined {
  const rest = new Rest(range);
  const { loans } = range;
  if (rest.size === 0 || loans.settled) {
    if (settle(rest)) unmap(rest.start, rest.size);
    return undefined;
  }
  loans.whenSettled(rest);
  if (now || loans.stolen) {
    cover(rest);
    return undefined;
  }
  keep(rest);
  return rest;
}

/** Gives back a range that nobody in this isolate can be using. */
export function retireUnused(start: number, size: number, slot: Slot): void {
  if (end({ start, size, slot })) unmap(start, size);
}

function keep(rest: Rest): void {
  rest.kept = true;
  count(rest, 1);
  rest.older = newest;
  if (newest === undefined) oldest = rest;
  else newest.newer = rest;
  newest = rest;
  balance();
  while (isTooMuch() && oldest !== undefined) letGo(oldest);
}

/** Counts a range as kept, or as kept no longer. */
function count(rest: Rest, sign: 1 | -1): void {
  ranges.add(sign);
  mappings.add(sign * rest.mappings);
  memory.add(sign * rest.memory / PAGE);
}

function balance(): void {
  ranges.balance();
  mappings.balance();
  memory.balance();
}

function isTooMuch(): boolean {
  return ranges.exceeded || mappings.exceeded || memory.exceeded;
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
  if (forget(rest)) release(rest, undefined, false);
  rest.covered = true;
}

/** Takes a range out of those that are kept; returns whether it was one of them. */
function forget(rest: Rest): boolean {
  if (!rest.kept) return false;
  rest.kept = false;
  count(rest, -1);
  const { older, newer } = rest;
  if (older === undefined) oldest = newer;
  else older.newer = newer;
  if (newer === undefined) newest = older;
  else newer.older = older;
  rest.older = undefined;
  rest.newer = undefined;
  return true;
}

/** All loans of a range have ended, as far as can be seen. Returns whether the caller has to unmap it now. */
function settle(rest: Rest): boolean {
  forget(rest);
  if (rest.loans.unknown && rest.size > 0) {
    if (!rest.covered) cover(rest);
    return false;
  }
  if (rest.unmap !== undefined) {
    // If it was covered, or has been put to another use, it stays as it is until its region is closed.
    if (!rest.covered) release(rest, () => rest.unmap?.(rest.start, rest.size), false);
    return false;
  }
  return rest.covered ? rest.ours : end(rest);
}

/** Gives up a range that nobody in this isolate is using. Returns whether the caller has to unmap it now. */
function end(range: Pick<Rest, "start" | "size" | "slot">): boolean {
  let lent = false;
  // Another isolate may have let go of the range meanwhile, and have lent a buffer that was transferred.
  const ours = release(range, (isLent) => {
    lent = isLent && range.size > 0;
    if (lent) mapCover(range);
  }, false);
  if (lent) doubt(range);
  return ours && !lent;
}

/** Covers a range. */
function cover(rest: Rest): void {
  rest.covered = true;
  rest.ours = release(rest, () => mapCover(rest), true);
  if (!rest.ours || rest.unmap !== undefined || !rest.loans.unknown && !rest.attachable) return;
  rest.ours = false; // it isn't unmapped when the loans of this isolate end
  doubt(rest);
}

/**
 * Maps empty pages over a range. If the kernel refuses, at the limit of mappings, the range keeps its own pages: that is
 * valid memory, too.
 */
function mapCover({ start, size }: Span): void {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE } = constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  libc().functions.mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

/** Keeps a cover of which nobody knows whether it is in use; the oldest of many is unmapped, unless it was touched. */
function doubt(range: Span): void {
  append(doubtful, range);
  if (doubtful.length - firstDoubtful <= MOST_COVERS) return;
  const first = doubtful[firstDoubtful++];
  if (first !== undefined && isUntouched(first)) unmap(first.start, first.size);
  if (firstDoubtful < MOST_COVERS) return;
  doubtful = select(doubtful, (_, index) => index >= firstDoubtful);
  firstDoubtful = 0;
}

/** How much mincore is asked about at a time, in bytes. */
const ASKED = 2 ** 30;

/** Whether nobody has looked at a range since it was covered: a cover has no pages in memory before somebody does. */
function isUntouched({ start, size }: Span): boolean {
  const { functions, pageSize } = libc();
  for (let offset = 0; offset < size; offset += ASKED) {
    const length = Math.min(ASKED, size - offset);
    const pages = new Uint8Array(new ArrayBuffer(Math.ceil(length / pageSize)));
    if (functions.mincore(start + offset, length, pages) !== 0) return false;
    if (pages.some((page) => (page & 1) !== 0)) return false;
  }
  return true;
}

function unmap(start: number, size: number): void {
  if (size > 0) libc().functions.munmap(start, size);
}
