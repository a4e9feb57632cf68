/**
 * Asking about open files, and changing them, through the C library. It takes any descriptor of the system; Deno's
 * `node:fs` takes only those that it opened itself.
 *
 * @module
 */
import { Math } from "./captured.ts";
import { errorNumber } from "./errors.ts";
import { libc } from "./libc.ts";
import type { StatusLayout } from "./system.ts";

/** What the system says of a file. */
export interface FileStatus {
  readonly kind: "file" | "directory" | "device" | "block device" | "FIFO" | "socket" | "other";
  /** The size in bytes; 0 for what has none. */
  readonly size: number;
  /** The number of the user who owns it. */
  readonly owner: number;
  /** `st_dev`. */
  readonly device: number;
  /** The lower half of `st_ino`, which may be more than a number can hold. */
  readonly inode: number;
  /** The upper half. */
  readonly inodeHigh: number;
}

/**
 * Whether both are of one file. One of the two must be open or mapped: else its inode may have been given to another
 * file.
 */
export function isSameFile(one: FileStatus, other: FileStatus): boolean {
  return one.device === other.device && one.inode === other.inode && one.inodeHigh === other.inodeHigh;
}

/** `S_IFMT` in `<sys/stat.h>`: the bits of `st_mode` that tell the kind of file, and their values. */
const KIND_MASK = 0xf000;
const KINDS: Readonly<Record<number, FileStatus["kind"]>> = {
  0x1000: "FIFO",
  0x2000: "device",
  0x4000: "directory",
  0x6000: "block device",
  0x8000: "file",
  0xc000: "socket",
};

/** The C library writes its answers here. Made as an ArrayBuffer, since a small typed array may move meanwhile. */
const words = new Uint32Array(new ArrayBuffer(256));
const answer = new Uint8Array(words.buffer);

const word = (offset: number): number => words[offset / 4] ?? 0;

const integers = new Int32Array(words.buffer);

/**
 * What is small is read as an integer. Out of a Uint32Array, or as a sum, it would be a double to compilers, even if it
 * is 4096; and what they have compiled for integers, all that becomes of a file's size, they would have to compile
 * again. The sum is in a function of its own, so that they see that it wasn't needed.
 */
function longWord(offset: number): number {
  const low = integers[offset / 4] ?? 0;
  const high = integers[offset / 4 + 1] ?? 0;
  return high === 0 && low >= 0 ? low : joined(low, high);
}

function joined(low: number, high: number): number {
  return (low >>> 0) + (high >>> 0) * 2 ** 32;
}

function readStatus({ mode, owner, size }: StatusLayout): FileStatus {
  return {
    kind: KINDS[word(mode) & KIND_MASK] ?? "other",
    size: longWord(size),
    owner: word(owner),
    device: word(0),
    inode: word(8),
    inodeHigh: word(12),
  };
}

/** What fstat(2) says of an open file; the error number if it fails. */
export function statusOf(fd: number): FileStatus | number {
  const { functions, errno, status } = libc();
  return functions.fstat(fd, answer) === -1 ? errno() : readStatus(status);
}

/** What stat(2) says of the file at a path, which ends with a zero; the error number if it fails. */
export function statusAt(path: Uint8Array): FileStatus | number {
  const { functions, errno, status } = libc();
  return functions.stat(path, answer) === -1 ? errno() : readStatus(status);
}

const SEEK_END = 2;

/** Where a file ends, found by moving its position there; the error number, negative, if it can't be moved. */
export function endOf(fd: number): number {
  const { functions, errno } = libc();
  const end = functions.lseek(fd, 0, SEEK_END);
  return end === -1 ? -errno() : end;
}

/** Sets a file's size; returns the error number, 0 for success. */
export function truncate(fd: number, size: number): number {
  const { functions, errno } = libc();
  return functions.ftruncate(fd, size) === -1 ? errno() : 0;
}

/** Makes a file larger, with blocks for all of it; returns the error number, 0 for success. */
export function allocate(fd: number, from: number, length: number): number {
  const { functions, has } = libc();
  if (isBoundless(fd) && length > machineMemory()) return errorNumber("ENOMEM");
  if (!has("posix_fallocate")) return writeZeros(fd, from, length);
  let error: number;
  do error = functions.posix_fallocate(fd, from, length); while (error === errorNumber("EINTR"));
  // musl returns this for a file system that can't; glibc then writes to every block by itself.
  return error === errorNumber("EOPNOTSUPP") ? writeZeros(fd, from, length) : error;
}

const ZEROS = 1 << 20;

/** Allocates blocks by writing zeros, where there is nothing better. */
function writeZeros(fd: number, from: number, length: number): number {
  const { functions, errno } = libc();
  const zeros = new Uint8Array(Math.min(length, ZEROS));
  for (let done = 0; done < length;) {
    const written = functions.pwrite(fd, zeros, Math.min(zeros.length, length - done), from + done);
    if (written === -1) {
      const error = errno();
      if (error !== errorNumber("EINTR")) return error;
    } else {
      done += written;
    }
  }
  return 0;
}

const RLIMIT_FSIZE = 1;

/**
 * How large the process may make a file (`ulimit -f`). Ask this first: a process that goes beyond is sent SIGXFSZ,
 * which ends it in Deno.
 */
export function largestFile(): number {
  return libc().functions.getrlimit(RLIMIT_FSIZE, answer) === -1 ? Infinity : longWord(0);
}

/** `f_type` of Linux's file systems of huge pages and of memory, <linux/magic.h>. */
const HUGETLBFS_MAGIC = 0x9584_58f6;
const TMPFS_MAGIC = 0x0102_1994;

/**
 * Whether an open file is memory that has no bound, as memfd_create(2) makes it. The kernel allocates such memory until there
 * is none left, and then ends processes, ours or others'.
 */
function isBoundless(fd: number): boolean {
  const { functions, has } = libc();
  return has("fstatfs") && functions.fstatfs(fd, answer) !== -1 && word(0) === TMPFS_MAGIC &&
    longWord(16) === 0;
}

/** How much memory the machine has, with what it can swap out. */
function machineMemory(): number {
  const { functions, has } = libc();
  if (!has("sysinfo") || functions.sysinfo(answer) === -1) return Infinity;
  return (longWord(32) + longWord(64)) * word(104);
}

/** The size of the pages that an open file is mapped in: the system's, or that of its file system's huge pages. */
export function pageSizeOf(fd: number): number {
  const { functions, has, pageSize } = libc();
  if (!has("fstatfs") || functions.fstatfs(fd, answer) === -1) return pageSize;
  return word(0) === HUGETLBFS_MAGIC ? longWord(8) : pageSize;
}
