/**
 * The C functions behind `MappedRegion`, under their C names, with the running platform's constants.
 *
 * This is C: an address is valid until something unmaps it, and using it after that ends the process. With
 * `MappedRegion` there is no such danger.
 *
 * Addresses are bigints, lengths and offsets are numbers of bytes. A call returns what C returns, or throws
 * {@linkcode MmapError} where C returns -1 or `MAP_FAILED`.
 *
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * munmap(address, 4096);
 * ```
 *
 * @module
 */
import { Math } from "./captured.ts";
import { errorNumber, MmapError } from "./errors.ts";
import { libc } from "./libc.ts";
import type { FunctionName } from "./signatures.ts";

export { MmapError, type MmapErrorDetails } from "./errors.ts";
export * from "./constants.ts";

/**
 * Maps memory or a file into the address space.
 *
 * @param address Where to map: a hint, or with `MAP_FIXED` a command; `0n` leaves it to the kernel.
 * @param length The number of bytes, rounded up by the kernel to whole pages.
 * @param protection `PROT_*` flags.
 * @param flags `MAP_*` flags.
 * @param fd The file's descriptor, -1 for an anonymous mapping.
 * @param offset Where in the file the mapping starts, in bytes: a multiple of the page size.
 * @returns The address of the mapping.
 * @throws {MmapError} What mmap(2) fails with: EACCES, EINVAL, ENODEV, ENOMEM, …
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * munmap(address, 1 << 20);
 * ```
 */
export function mmap(
  address: bigint,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
): bigint {
  const { functions, errno } = libc();
  const result = functions.mmap(
    toAddress(address),
    toSize(length, "length"),
    toInt(protection, "protection"),
    toInt(flags, "flags"),
    toInt(fd, "fd"),
    toSize(offset, "offset"),
  );
  if (result === -1) throw new MmapError(errno(), "mmap", { address, length });
  return BigInt(result);
}

/**
 * Removes every mapping of an address range. Views over it become dangerous: see the module's warning.
 *
 * @param address The start of the range: a multiple of the page size.
 * @param length The number of bytes, rounded up to whole pages.
 * @throws {MmapError} What munmap(2) fails with: EINVAL, ENOMEM.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * munmap(address, 4096);
 * ```
 */
export function munmap(address: bigint, length: number): void {
  const { functions, errno } = libc();
  if (functions.munmap(toAddress(address), toSize(length, "length")) === -1) {
    throw new MmapError(errno(), "munmap", { address, length });
  }
}

/**
 * Writes the dirty pages of a shared file mapping back to the file.
 *
 * @param address The start of the range: a multiple of the page size.
 * @param length The number of bytes, rounded up to whole pages.
 * @param flags `MS_SYNC` or `MS_ASYNC`, with or without `MS_INVALIDATE`.
 * @throws {MmapError} What msync(2) fails with: EBUSY, EINVAL, EIO, ENOMEM, ENOSPC.
 *
 * @example
 * ```ts
 * import { closeSync, openSync, writeFileSync } from "node:fs";
 * import { MAP_SHARED, mmap, MS_SYNC, msync, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * writeFileSync("notes", "to be kept");
 * const fd = openSync("notes", "r+");
 * const address = mmap(0n, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
 * closeSync(fd); // the mapping stays
 * msync(address, 10, MS_SYNC);
 * munmap(address, 10);
 * ```
 */
export function msync(address: bigint, length: number, flags: number): void {
  const { functions, errno } = libc();
  if (functions.msync(toAddress(address), toSize(length, "length"), toInt(flags, "flags")) === -1) {
    throw new MmapError(errno(), "msync", { address, length });
  }
}

/**
 * Changes the protection of an address range.
 *
 * @param address The start of the range: a multiple of the page size.
 * @param length The number of bytes, rounded up to whole pages.
 * @param protection `PROT_*` flags.
 * @throws {MmapError} What mprotect(2) fails with: EACCES, EINVAL, ENOMEM.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, mprotect, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * mprotect(address, 4096, PROT_READ); // a store to it is a SIGSEGV from now on
 * munmap(address, 4096);
 * ```
 */
export function mprotect(address: bigint, length: number, protection: number): void {
  const { functions, errno } = libc();
  if (
    functions.mprotect(toAddress(address), toSize(length, "length"), toInt(protection, "protection")) === -1
  ) {
    throw new MmapError(errno(), "mprotect", { address, length });
  }
}

/**
 * Advises the kernel of how an address range will be used. Some advice throws the contents away.
 *
 * @param address The start of the range: a multiple of the page size.
 * @param length The number of bytes, rounded up to whole pages.
 * @param advice A `MADV_*` constant; `undefined`, as one that the platform lacks, is refused with ENOTSUP.
 * @throws {MmapError} What madvise(2) fails with, and ENOTSUP.
 *
 * @example
 * ```ts
 * import { MADV_WILLNEED, madvise, MAP_ANONYMOUS, MAP_PRIVATE, mmap, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * madvise(address, 4096, MADV_WILLNEED);
 * munmap(address, 4096);
 * ```
 */
export function madvise(address: bigint, length: number, advice: number | undefined): void {
  const { functions, errno } = libc();
  if (functions.madvise(toAddress(address), toSize(length, "length"), toConstant(advice, "madvise")) === -1) {
    throw new MmapError(errno(), "madvise", { address, length });
  }
}

/**
 * Locks the pages of an address range into memory.
 *
 * @param address The start of the range.
 * @param length The number of bytes.
 * @throws {MmapError} What mlock(2) fails with: EAGAIN, ENOMEM, EPERM.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mlock, mmap, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * mlock(address, 4096);
 * munmap(address, 4096); // and unlocks it
 * ```
 */
export function mlock(address: bigint, length: number): void {
  const { functions, errno } = libc();
  if (functions.mlock(toAddress(address), toSize(length, "length")) === -1) {
    throw new MmapError(errno(), "mlock", { address, length });
  }
}

/**
 * Undoes {@linkcode mlock}.
 *
 * @param address The start of the range.
 * @param length The number of bytes.
 * @throws {MmapError} What munlock(2) fails with: EAGAIN, EINVAL, ENOMEM.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mlock, mmap, munlock, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * mlock(address, 4096);
 * munlock(address, 4096);
 * munmap(address, 4096);
 * ```
 */
export function munlock(address: bigint, length: number): void {
  const { functions, errno } = libc();
  if (functions.munlock(toAddress(address), toSize(length, "length")) === -1) {
    throw new MmapError(errno(), "munlock", { address, length });
  }
}

/**
 * Tells which pages of an address range are in memory.
 *
 * @param address The start of the range: a multiple of the page size.
 * @param length The number of bytes, rounded up to whole pages.
 * @param vector Takes a byte for each page, whose lowest bit says whether the page is in memory.
 * @throws {RangeError} If `vector` is too short.
 * @throws {MmapError} What mincore(2) fails with: EAGAIN, EINVAL, ENOMEM.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mincore, mmap, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * const vector = new Uint8Array(1);
 * mincore(address, 4096, vector);
 * console.log((vector[0] ?? 0) & 1); // 0: nothing has touched it
 * munmap(address, 4096);
 * ```
 */
export function mincore(address: bigint, length: number, vector: Uint8Array<ArrayBuffer>): void {
  const { functions, errno, pageSize } = libc();
  const pages = Math.ceil(toSize(length, "length") / pageSize);
  if (!(vector instanceof Uint8Array)) throw new TypeError("mincore: 'vector' must be a Uint8Array");
  if (vector.buffer.byteLength === 0 && pages > 0 || vector.length < pages) {
    throw new RangeError(
      `mincore: 'vector' must have a byte for each of ${pages} pages: it has ${vector.length}`,
    );
  }
  if (functions.mincore(toAddress(address), length, vector) === -1) {
    throw new MmapError(errno(), "mincore", { address, length });
  }
}

/**
 * Grows, shrinks or moves a mapping. Linux only; elsewhere it throws ENOTSUP.
 *
 * @param address The start of the mapping: a multiple of the page size.
 * @param length The mapping's length in bytes.
 * @param newLength The length it shall have, in bytes.
 * @param flags `MREMAP_*` flags.
 * @param newAddress Where it shall be, with `MREMAP_FIXED`.
 * @returns The address of the mapping.
 * @throws {MmapError} What mremap(2) fails with: EAGAIN, EFAULT, EINVAL, ENOMEM; and ENOTSUP.
 *
 * @example
 * ```ts
 * import { MAP_ANONYMOUS, MAP_PRIVATE, mmap, mremap, MREMAP_MAYMOVE, munmap, PROT_READ, PROT_WRITE } from "@mapped/region/libc";
 *
 * const address = mmap(0n, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 * const grown = mremap(address, 4096, 8192, MREMAP_MAYMOVE ?? 0); // Linux only
 * munmap(grown, 8192);
 * ```
 */
export function mremap(
  address: bigint,
  length: number,
  newLength: number,
  flags: number,
  newAddress: bigint = 0n,
): bigint {
  const { functions, errno } = libc();
  const result = functions.mremap(
    toAddress(address),
    toSize(length, "length"),
    toSize(newLength, "newLength"),
    toInt(flags, "flags"),
    toAddress(newAddress),
  );
  if (result === -1) throw new MmapError(errno(), "mremap", { address, length });
  return BigInt(result);
}

/**
 * Looks for the first byte of a value in memory.
 *
 * @param address Where to begin.
 * @param byte The value; only its lowest 8 bits count.
 * @param length In how many bytes to look. All of them must be readable: see the module's warning.
 * @returns The byte's address; `0n` if there is none.
 * @throws {TypeError} If an argument has the wrong type.
 * @throws {RangeError} If an argument is out of range.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { memchr } from "@mapped/region/libc";
 *
 * using log = MappedRegion.open("access.log");
 * console.log(memchr(log.address, 0x0a, log.length) - log.address); // where the first line ends
 * ```
 */
export function memchr(address: bigint, byte: number, length: number): bigint {
  return BigInt(libc().functions.memchr(toAddress(address), toInt(byte, "byte"), toSize(length, "length")));
}

/**
 * Looks for the last byte of a value in memory: GNU's memrchr(3), and ours where the C library has none (macOS).
 *
 * @param address Where the memory begins.
 * @param byte The value; only its lowest 8 bits count.
 * @param length In how many bytes to look. All of them must be readable: see the module's warning.
 * @returns The byte's address; `0n` if there is none.
 * @throws {TypeError} If an argument has the wrong type.
 * @throws {RangeError} If an argument is out of range.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { memrchr } from "@mapped/region/libc";
 *
 * using log = MappedRegion.open("access.log");
 * console.log(memrchr(log.address, 0x0a, log.length) - log.address); // where the last line ends
 * ```
 */
export function memrchr(address: bigint, byte: number, length: number): bigint {
  return BigInt(libc().functions.memrchr(toAddress(address), toInt(byte, "byte"), toSize(length, "length")));
}

/**
 * Looks for bytes in memory: memmem(3).
 *
 * @param address Where to begin.
 * @param length In how many bytes to look. All of them must be readable: see the module's warning.
 * @param needle What to look for. Nothing is found at once.
 * @returns The address of the first hit; `0n` if there is none.
 * @throws {TypeError} If an argument has the wrong type.
 * @throws {RangeError} If an argument is out of range.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { memmem } from "@mapped/region/libc";
 *
 * using log = MappedRegion.open("access.log");
 * const found = memmem(log.address, log.length, new TextEncoder().encode("ERROR"));
 * console.log(found === 0n ? "none" : found - log.address);
 * ```
 */
export function memmem(address: bigint, length: number, needle: Uint8Array): bigint {
  const [start, size] = [toAddress(address), toSize(length, "length")];
  if (!(needle instanceof Uint8Array)) throw new TypeError("memmem: 'needle' must be a Uint8Array");
  return BigInt(libc().functions.memmem(start, size, needle, needle.length));
}

/**
 * Compares memory, byte by byte.
 *
 * @param first The address of one part of it.
 * @param second The address of the other.
 * @param length The number of bytes of either. All of them must be readable: see the module's warning.
 * @returns 0 if they are the same; below 0 if the first byte that differs is smaller in the first, above 0 if it is larger.
 * @throws {TypeError} If an argument has the wrong type.
 * @throws {RangeError} If an argument is out of range.
 * @example
 * ```ts
 * import { memcmp } from "@mapped/region/libc";
 * import { MappedRegion } from "@mapped/region";
 *
 * using one = MappedRegion.anonymous(8);
 * using other = MappedRegion.anonymous(8, { shared: true });
 * console.log(memcmp(one.address, other.address, 8)); // 0
 * ```
 */
export function memcmp(first: bigint, second: bigint, length: number): number {
  return libc().functions.memcmp(toAddress(first), toAddress(second), toSize(length, "length"));
}

/**
 * The size of a page in bytes: 4096 on x86-64; 4096, 16384 or 65536 on arm64.
 *
 * @throws {MmapError} ENOTSUP on a runtime or platform that the library doesn't work on.
 *
 * @example
 * ```ts
 * import { getpagesize } from "@mapped/region/libc";
 *
 * console.log(getpagesize());
 * ```
 */
export function getpagesize(): number {
  return libc().pageSize;
}

// An FFI truncates fractions and takes NaN for 0 without a word: arguments are checked before they get there.

function toAddress(value: bigint): number {
  if (typeof value !== "bigint") throw new TypeError(`an address must be a bigint: received ${typeof value}`);
  // Past 2^53 a number may be another address, and past 2^64 the FFI wraps around to one of ours.
  if (value < 0n || value > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`no address of user space: ${value < 0n ? "" : "0x"}${value.toString(16)}`);
  }
  return Number(value);
}

function toSize(value: number, name: string): number {
  if (typeof value !== "number") throw new TypeError(`'${name}' must be a number: received ${typeof value}`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`'${name}' must be a whole number of bytes, 0 or more: received ${value}`);
  }
  return value;
}

function toInt(value: number, name: string): number {
  if (typeof value !== "number") throw new TypeError(`'${name}' must be a number: received ${typeof value}`);
  if ((value | 0) !== value) {
    throw new RangeError(`'${name}' must be a 32-bit integer: received ${value}`);
  }
  return value;
}

function toConstant(value: number | undefined, syscall: FunctionName): number {
  if (value === undefined) {
    throw new MmapError(errorNumber("ENOTSUP"), syscall, {
      explanation: "this platform has no such constant; compare it with undefined first",
    });
  }
  return toInt(value, "advice");
}
