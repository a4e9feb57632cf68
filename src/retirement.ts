/**
 * Giving memory back when somebody may still be looking at it.
 *
 * A view that has been transferred to a worker, or that native code is reading on another thread, still has the
 * address. Unmapping the range would end the process at its next access. So the range is covered with private,
 * anonymous pages instead, which hold nothing, reserve nothing, and may be read and written: the file and the memory
 * are let go of at once, and whoever still looks sees zeros. Covers side by side are one mapping to the kernel.
 *
 * @module
 */
import { constants } from "../ffi/platform.ts";
import { libc } from "../ffi/libc.ts";
import { isUnused, type Revoked } from "./views.ts";

/** A range of whole pages. */
interface Range {
  readonly start: number;
  readonly size: number;
}

/**
 * How much address space is kept for memory that was transferred away, in bytes. The end of such a buffer can't be
 * seen; past this much, the oldest range is unmapped. An eighth of the 2^47 bytes that a process has.
 */
const LARGEST_KEPT = 2 ** 44;

const kept: Range[] = [];
let keptSize = 0;

/** Ranges that are unmapped when the last of their buffers has been collected. */
interface Watched extends Range {
  remaining: number;
}

let collected: FinalizationRegistry<Watched> | undefined;

/**
 * Gives a range of whole pages back: unmaps it if nobody can have it, covers it otherwise.
 *
 * Throws nothing: a region that can't be closed would be worse than a range that is kept.
 */
export function retire(start: number, size: number, revoked: Revoked): void {
  if (size === 0) return;
  if (isUnused(revoked)) {
    libc().functions.munmap(start, size);
    return;
  }
  cover(start, size);
  if (revoked.stolen) keep({ start, size });
  else watch({ start, size, remaining: revoked.watched.length }, revoked.watched);
}

/**
 * Covers a range. Where the kernel refuses, at the limit of mappings, the range stays as it was: still valid memory.
 */
function cover(start: number, size: number): void {
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE } = constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  libc().functions.mmap(start, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

function keep(range: Range): void {
  kept.push(range);
  keptSize += range.size;
  while (keptSize > LARGEST_KEPT) {
    const oldest = kept.shift();
    if (oldest === undefined) return;
    keptSize -= oldest.size;
    libc().functions.munmap(oldest.start, oldest.size);
  }
}

function watch(range: Watched, buffers: readonly ArrayBuffer[]): void {
  collected ??= new FinalizationRegistry((range) => {
    range.remaining--;
    if (range.remaining === 0) unmapSoon(range);
  });
  for (const buffer of buffers) collected.register(buffer, range);
}

/** Ranges to be unmapped in this turn of the event loop. */
let due: Range[] = [];

/**
 * Unmaps a range before this turn of the event loop ends: buffers are collected many at a time, and the covers of
 * regions that were mapped one after the other lie side by side, so that one call does for many.
 */
function unmapSoon(range: Range): void {
  if (due.push(range) === 1) queueMicrotask(unmapDue);
}

function unmapDue(): void {
  const ranges = due.sort((a, b) => a.start - b.start);
  due = [];
  let [start, end] = [0, 0];
  for (const range of ranges) {
    if (range.start !== end) {
      if (end !== 0) libc().functions.munmap(start, end - start);
      start = range.start;
    }
    end = range.start + range.size;
  }
  libc().functions.munmap(start, end - start);
}
