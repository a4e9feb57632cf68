/**
 * The fault guard: a mapped region never kills the process.
 *
 * A page of a mapping can be lost at any moment: the file was truncated, the disk is full, the medium broke. A thread
 * that touches it gets SIGBUS; one that stores to a read-only page gets SIGSEGV. No runtime can turn either into an
 * error. The guard is a signal handler of two kilobytes of machine code. It puts a private page in the place of the
 * lost one, counts, and lets the access be tried again. Faults elsewhere go to the handler that was there before.
 *
 * ```
 * calls.ts       what is needed of libc
 * layout.ts      the memory that handler and JavaScript share
 * x86_64.S       the handler, explained; aarch64.S its twin
 * code.ts        the handler's bytes, generated from them
 * discovery.ts   one such memory for the process
 * guard.ts       one handler for the process
 * table.ts       the regions in it
 * index.ts       which of them an address may be in
 * members.ts     the isolates that have them
 * lost_ranges.ts what was lost of them
 * ```
 *
 * @module
 */
import type { GuardCalls } from "./calls.ts";
import { findTable, type TableWanted } from "./discovery.ts";
import { GuardKeeper, hasHandler, installGuard, SCRATCH_SIZE } from "./guard.ts";
import { LAYOUT } from "./layout.ts";
import { Members } from "./members.ts";
import { reasonFor, RegionTable } from "./table.ts";

export type { GuardCalls } from "./calls.ts";
export type { FaultSignal, GuardKeeper } from "./guard.ts";
export type { Amount } from "./members.ts";
export { type RegionRange, RegionTable, Slot, type SlotHandle, TableFullError } from "./table.ts";

/** What {@linkcode openTable} has to know. */
export interface TableOptions extends TableWanted {
  /** The CPU, as `process.arch` names it. */
  readonly architecture: string;
  /** `"off"`: no handler is installed for this isolate's regions (`MAPPED_REGION_GUARD=off`). */
  readonly guard: "on" | "off";
  /** Called if there is a handler, with what keeps it in force when others replace it. */
  readonly installed?: ((keeper: GuardKeeper) => void) | undefined;
}

/**
 * The process's table of regions, with the handler installed if it can be. To be called once per isolate.
 *
 * It never fails. Without a handler, `guarded` is false and `reason` says why. Without memory for a table, the
 * isolate gets one on its own heap, which only counts references.
 */
export function openTable(calls: GuardCalls, options: TableOptions): RegionTable {
  const { architecture, platform, pageSize, constants } = options;
  const table = findTable(calls, options);
  if (table === undefined) {
    const buffer = new ArrayBuffer(LAYOUT.TABLE_SIZE);
    const reason = "there is no memory for its table";
    return new RegionTable((offset) => ({ buffer, offset }), 0, pageSize, reason);
  }
  const reason = options.guard === "off"
    ? "it was turned off (MAPPED_REGION_GUARD=off)"
    : !hasHandler(platform, architecture)
    ? `there is no handler for ${platform} on ${architecture}`
    : reasonFor(installGuard(calls, architecture, table, constants));
  if (reason === undefined && options.installed !== undefined) {
    const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS } = constants;
    const scratch = calls.mmap(0, SCRATCH_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (scratch !== -1) options.installed(new GuardKeeper(calls, table, scratch));
  }
  const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE } = constants;
  const cover = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return new RegionTable(table.part, table.address, pageSize, reason, {
    members: Members.join(calls, table, constants),
    unmap: (start, length) => void calls.munmap(start, length),
    cover: (start, length) => void calls.mmap(start, length, PROT_READ | PROT_WRITE, cover, -1, 0),
  });
}
