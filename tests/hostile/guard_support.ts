/**
 * What the tests of the fault guard share: libc, files that lose their pages, its programs run as children.
 *
 * @module
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type GuardCalls, openTable, type RegionTable, type Slot } from "../../ffi/guard/mod.ts";
import { libc } from "../../ffi/libc.ts";
import { constants } from "../../ffi/platform.ts";
import { lockRobust } from "../../ffi/robust_mutex.ts";
import { isEmulated, run as runScript, type RunResult } from "../helpers/mod.ts";

/** libc, as the guard wants it. */
export const calls: GuardCalls = {
  mmap: libc().functions.mmap,
  munmap: libc().functions.munmap,
  mprotect: libc().functions.mprotect,
  madvise: libc().functions.madvise,
  msync: libc().functions.msync,
  sigaction: libc().functions.sigaction,
  lockRobust: (mutex) => lockRobust(libc(), mutex),
  arrayBuffer: libc().arrayBuffer,
};

export const pageSize: number = libc().pageSize;

/** The table of this isolate. */
export function openHere(guard: "on" | "off" = "on"): RegionTable {
  return openTable(calls, {
    architecture: process.arch,
    platform: process.platform,
    pageSize,
    constants,
    guard,
  });
}

/** A mapping of a file of its own, with a slot. */
export interface TestRegion {
  readonly descriptor: number;
  readonly start: number;
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly slot: Slot;
  /** Cuts the file off after so many pages. */
  keep(pages: number): void;
  close(): void;
}

/** Maps a new file of `pages` pages, each of which begins with its number + 1. */
export function map(table: RegionTable, pages: number, options: {
  readonly protection?: number;
  readonly kind?: "private" | "shared";
  readonly guarded?: boolean;
  readonly strays?: boolean;
} = {}): TestRegion {
  const directory = mkdtempSync("/dev/shm/guard-");
  const descriptor = openSync(join(directory, "file"), "w+");
  rmSync(directory, { recursive: true });
  const length = pages * pageSize;
  ftruncateSync(descriptor, length);
  const { PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE } = constants;
  const filler = calls.mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  const filled = new Uint8Array(calls.arrayBuffer(filler, length));
  if (pages <= 4096) { for (let page = 0; page < pages; page++) filled[page * pageSize] = page + 1; }
  calls.munmap(filler, length);

  const kind = options.kind ?? "shared";
  const flags = kind === "private" ? MAP_PRIVATE : MAP_SHARED;
  const start = calls.mmap(0, length, options.protection ?? PROT_READ | PROT_WRITE, flags, descriptor, 0);
  const slot = table.add({
    start,
    length,
    kind,
    guarded: options.guarded ?? true,
    strays: options.strays,
  });
  return {
    descriptor,
    start,
    length,
    bytes: new Uint8Array(calls.arrayBuffer(start, length)),
    slot,
    keep: (left) => ftruncateSync(descriptor, left * pageSize),
    close(): void {
      slot.release();
      calls.munmap(start, length);
      closeSync(descriptor);
    },
  };
}

/** After so many milliseconds one of the programs is ended. */
export const LIMIT: number = isEmulated ? 900_000 : 480_000;

/** Runs one of the guard's programs in a process of its own. */
export function run(...args: string[]): RunResult {
  return runScript(new URL("./programs/guard.ts", import.meta.url), {
    args,
    env: { NO_COLOR: "1" },
    timeout: LIMIT,
  });
}
