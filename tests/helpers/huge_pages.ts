/**
 * Huge pages of 2 MiB, which are the whole system's: one test at a time uses them, whatever process it runs in.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { lockFileSync } from "../../src/ipc/mod.ts";
import { type Condition, isEmulated, where } from "./mod.ts";

const RESERVED = "/proc/sys/vm/nr_hugepages";
const LOCK = join(tmpdir(), "mapped-region-huge-pages.lock");

/** How many are reserved. */
export const reservedHugePages = (): number => Number(readFileSync(RESERVED, "utf8"));

/** How many of these nobody uses. */
export function freeHugePages(): number {
  return Number(/HugePages_Free:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]);
}

/** Keeps other tests from huge pages, and reserves this many more of them, until the end of the block. */
export function reserveHugePages(count: number): Disposable {
  const lock = lockFileSync(LOCK, { create: true });
  const before = reservedHugePages();
  const enough = freeHugePages() + count;
  // The kernel may have to move others' pages first, to find so much memory in one piece.
  for (let attempt = 0; attempt < 20; attempt++) {
    if (count > 0) writeFileSync(RESERVED, String(before + count));
    if (freeHugePages() >= enough) break;
    writeFileSync("/proc/sys/vm/compact_memory", "1");
  }
  return {
    [Symbol.dispose](): void {
      if (count > 0) writeFileSync(RESERVED, String(before));
      lock.unlock();
    },
  };
}

/** For tests that use huge pages, eight at most. */
export const hugePagesOnly: Condition = where(() => {
  if (process.platform !== "linux" || isEmulated) return false;
  try {
    using _reserved = reserveHugePages(8);
    return freeHugePages() >= 8;
  } catch {
    return false;
  }
}, "no huge pages can be reserved here");
