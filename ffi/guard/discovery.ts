/**
 * Finding the table of this process, or making it.
 *
 * Every isolate, every worker and every copy of the library in a process has to use one table and one handler.
 * They share no JavaScript; what they share is the address space. So the table has an appointed address, and the
 * kernel decides, with MAP_FIXED_NOREPLACE, which thread comes first: the others find it there.
 *
 * @module
 */
import type { ConstantTable } from "../constant_table.ts";
import type { GuardCalls } from "./calls.ts";
import { FINGERPRINT } from "./code.ts";
import { LAYOUT } from "./layout.ts";
import { waitUntil } from "./wait.ts";

/** The table's memory. */
export interface TableMapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

/**
 * The appointed addresses, tried in turn. They lie where nothing else does: above every program that isn't
 * position independent and its heap, below where Linux puts mappings even with 39-bit addresses (as some arm64
 * kernels have), the last one with 36-bit ones. On macOS, 2^36 to 7 x 2^36 is reserved.
 */
export const ADDRESSES: Readonly<Record<string, readonly number[]>> = {
  linux: [0x2b_6d70_0000, 0x1f_6d70_0000, 0x33_6d70_0000, 0x0d_6d70_0000],
  darwin: [0x2b00_6d70_0000, 0x1f00_6d70_0000],
};

/** "mapped", and which code and rules the table belongs to: another version of the library has a table of its own. */
const MAGIC = 0x6d61_7070n << 32n | BigInt(FINGERPRINT);

/** How long a table may be without its magic: from mmap to the next line, if nothing interrupts the thread. */
const PATIENCE = 1000;

/**
 * The process's table; `undefined` when no memory can be had.
 *
 * If all appointed addresses are taken by others, the isolate gets a table of its own: it is guarded all the same,
 * only regions can't be attached to from other isolates.
 */
export function findTable(
  calls: GuardCalls,
  platform: string,
  pageSize: number,
  constants: ConstantTable,
): TableMapping | undefined {
  const map = (address: number, flags: number): number =>
    calls.mmap(
      address,
      LAYOUT.TABLE_SIZE,
      constants.PROT_READ | constants.PROT_WRITE,
      constants.MAP_PRIVATE | constants.MAP_ANONYMOUS | constants.MAP_NORESERVE | flags,
      -1,
      0,
    );
  const open = (address: number): TableMapping => ({
    address,
    buffer: calls.arrayBuffer(address, LAYOUT.TABLE_SIZE),
  });
  const start = (address: number): TableMapping => {
    // A huge page would make two megabytes of memory of a table that uses a few kilobytes.
    if (constants.MADV_NOHUGEPAGE !== undefined) {
      calls.madvise(address, LAYOUT.TABLE_SIZE, constants.MADV_NOHUGEPAGE);
    }
    // In a child of fork(2) there is none of the threads that were at work on the slots.
    if (constants.MADV_WIPEONFORK !== undefined) {
      calls.madvise(address + LAYOUT.PINS, LAYOUT.LOST - LAYOUT.PINS, constants.MADV_WIPEONFORK);
    }
    const mapping = open(address);
    Atomics.store(new BigUint64Array(mapping.buffer, LAYOUT.HEADER_MAGIC, 1), 0, MAGIC);
    return mapping;
  };

  for (const address of ADDRESSES[platform] ?? []) {
    // Linux before 4.17, and macOS, take the address for a wish and may answer with another.
    const mapped = map(address, constants.MAP_FIXED_NOREPLACE ?? 0);
    if (mapped === address) return start(address);
    if (mapped !== -1) calls.munmap(mapped, LAYOUT.TABLE_SIZE);
    if (!hasOurShape(calls, address, pageSize, constants)) continue;
    const mapping = open(address);
    const magic = new BigUint64Array(mapping.buffer, LAYOUT.HEADER_MAGIC, 1);
    waitUntil(() => Atomics.load(magic, 0) !== 0n, PATIENCE);
    if (Atomics.load(magic, 0) === MAGIC) return mapping;
  }
  const mapped = map(0, 0);
  return mapped === -1 ? undefined : start(mapped);
}

/**
 * Whether what lies at an appointed address looks like a table from outside, and can be read: the first page is
 * readable, all of the table is mapped, and nothing right before or after it is.
 */
function hasOurShape(
  calls: GuardCalls,
  address: number,
  pageSize: number,
  constants: ConstantTable,
): boolean {
  // msync(2) fails with ENOMEM on a range that isn't mapped, and does nothing to private memory.
  const isMapped = (from: number, length: number): boolean =>
    calls.msync(from, length, constants.MS_ASYNC) === 0;
  if (!isMapped(address, LAYOUT.TABLE_SIZE)) return false;
  if (isMapped(address - pageSize, pageSize) || isMapped(address + LAYOUT.TABLE_SIZE, pageSize)) return false;

  const populate = constants.MADV_POPULATE_READ;
  if (populate === undefined || calls.madvise(address, pageSize, populate) === 0) return true;
  // Unreadable, or a kernel before 5.14 that knows no such advice? A page that is readable tells.
  const page = calls.mmap(
    0,
    pageSize,
    constants.PROT_READ,
    constants.MAP_PRIVATE | constants.MAP_ANONYMOUS,
    -1,
    0,
  );
  if (page === -1) return false;
  const known = calls.madvise(page, pageSize, populate) === 0;
  calls.munmap(page, pageSize);
  return !known;
}
