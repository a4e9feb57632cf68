/**
 * Finding the table of this process, or making it.
 *
 * All workers, and all copies of the library in a process, have to use one table and one handler. They share no
 * JavaScript, but they do share the address space. So the table has an appointed address. MAP_FIXED_NOREPLACE lets
 * only the first thread map it there; the others find it.
 *
 * @module
 */
import { Atomics } from "../captured.ts";
import type { ConstantTable } from "../constant_table.ts";
import type { GuardCalls } from "./calls.ts";
import { FINGERPRINT } from "./code.ts";
import { LAYOUT } from "./layout.ts";
import { waitUntil } from "./wait.ts";

/** A part of a table: a buffer, and where in it the part begins. */
export interface TablePart {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
}

/** The table's memory. */
export interface TableMapping {
  readonly address: number;
  /** What comes before the slots: up to `LAYOUT.RANGES`. */
  readonly buffer: ArrayBuffer;
  /** A part of the table, by where it begins and its length in bytes. */
  part(start: number, length: number): TablePart;
}

/**
 * The appointed addresses, tried in turn. Nothing else lies there: they are above every program that isn't position
 * independent and its heap, and below where Linux puts mappings, even on arm64 kernels with 39-bit addresses; the
 * last one is for 36-bit addresses. On macOS, 2^36 to 7 x 2^36 is reserved.
 */
export const ADDRESSES: Readonly<Record<string, readonly number[]>> = {
  linux: [0x2b_6d70_0000, 0x1f_6d70_0000, 0x33_6d70_0000, 0x0d_6d70_0000],
  darwin: [0x2b00_6d70_0000, 0x1f00_6d70_0000],
};

const WORD = 0xffff_ffff_ffff_ffffn;

/**
 * The number that a table of ours begins with. It depends on the code and the layout, so that another version of the
 * library makes a table of its own. It also depends on a secret of this process: so a file that looks like a table,
 * mapped at an appointed address by somebody else, isn't taken for one. The secret doesn't follow from the number,
 * since libc uses it, too.
 */
function magicOf(secret: readonly bigint[]): bigint {
  let magic = BigInt(FINGERPRINT);
  for (const word of secret) {
    magic = (magic ^ word) * 0x9e37_79b9_7f4a_7c15n & WORD;
    magic ^= magic >> 29n;
  }
  return magic | 1n;
}

/** What {@linkcode findTable} has to know. */
export interface TableWanted {
  /** The operating system, as `process.platform` names it. */
  readonly platform: string;
  /** The size of a page in bytes. */
  readonly pageSize: number;
  /** The platform's constants. */
  readonly constants: ConstantTable;
  /** Numbers that all isolates of the process can find out, and nobody outside knows. */
  readonly secret?: readonly bigint[] | undefined;
}

/**
 * How long to wait for a table's magic number, in milliseconds. The thread that made the table stores it right after
 * mmap, when it has a processor.
 */
const PATIENCE = 10_000;

/**
 * The process's table; `undefined` if there is no memory for one.
 *
 * If all appointed addresses are taken by others, the isolate gets a table of its own: it is guarded all the same,
 * only regions can't be attached to from other isolates.
 */
export function findTable(
  calls: GuardCalls,
  { platform, pageSize, constants, secret = [] }: TableWanted,
): TableMapping | undefined {
  const magic = magicOf(secret);
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
    buffer: calls.arrayBuffer(address, LAYOUT.RANGES),
    part: (start, length) => ({ buffer: calls.arrayBuffer(address + start, length), offset: 0 }),
  });
  const start = (address: number): TableMapping => {
    // A huge page would make two megabytes of memory of a table that uses a few kilobytes.
    if (constants.MADV_NOHUGEPAGE !== undefined) {
      calls.madvise(address, LAYOUT.TABLE_SIZE, constants.MADV_NOHUGEPAGE);
    }
    // A child of fork(2) has none of the threads that were at work on the slots: it finds zeros there.
    if (constants.MADV_WIPEONFORK !== undefined) {
      calls.madvise(address + LAYOUT.PINS, LAYOUT.LOST - LAYOUT.PINS, constants.MADV_WIPEONFORK);
    }
    const mapping = open(address);
    Atomics.store(new BigUint64Array(mapping.buffer, LAYOUT.HEADER_MAGIC, 1), 0, magic);
    return mapping;
  };

  for (const address of ADDRESSES[platform] ?? []) {
    // Linux before 4.17, and macOS, take the address for a hint, and may return another.
    const mapped = map(address, constants.MAP_FIXED_NOREPLACE ?? 0);
    if (mapped === address) return start(address);
    if (mapped !== -1) calls.munmap(mapped, LAYOUT.TABLE_SIZE);
    if (!hasOurShape(calls, address, pageSize, constants)) continue;
    const mapping = open(address);
    const found = new BigUint64Array(mapping.buffer, LAYOUT.HEADER_MAGIC, 1);
    waitUntil(() => Atomics.load(found, 0) !== 0n, PATIENCE);
    if (Atomics.load(found, 0) === magic) return mapping;
  }
  const mapped = map(0, 0);
  return mapped === -1 ? undefined : start(mapped);
}

/**
 * Whether what lies at an appointed address looks like a table from outside, and can be read: private memory without a
 * file, all of it mapped, nothing right before or after it, and its first page readable.
 */
function hasOurShape(
  calls: GuardCalls,
  address: number,
  pageSize: number,
  constants: ConstantTable,
): boolean {
  const { PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS, MADV_POPULATE_READ, MADV_WIPEONFORK } = constants;
  // msync(2) fails with ENOMEM on a range that isn't mapped, and does nothing to private memory.
  const isMapped = (from: number, length: number): boolean =>
    calls.msync(from, length, constants.MS_ASYNC) === 0;
  // Does the kernel refuse this page, or not know the advice? A page that it can't refuse tells.
  const accepts = (from: number, length: number, advice: number | undefined): boolean => {
    if (advice === undefined || calls.madvise(from, length, advice) === 0) return true;
    const page = calls.mmap(0, pageSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page === -1) return false;
    const known = calls.madvise(page, pageSize, advice) === 0;
    calls.munmap(page, pageSize);
    return !known;
  };
  return isMapped(address, LAYOUT.TABLE_SIZE) &&
    !isMapped(address - pageSize, pageSize) && !isMapped(address + LAYOUT.TABLE_SIZE, pageSize) &&
    // A table has been given this advice; what maps a file, or is shared, refuses it.
    accepts(address + LAYOUT.PINS, LAYOUT.LOST - LAYOUT.PINS, MADV_WIPEONFORK) &&
    accepts(address, pageSize, MADV_POPULATE_READ);
}
