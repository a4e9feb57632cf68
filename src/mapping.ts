/**
 * One mapping: a range of pages, what it was made of, and how it grows, shrinks and goes.
 *
 * @module
 */
import { errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { constants } from "../ffi/platform.ts";
import type { MappedFile } from "./file.ts";
import { Protections } from "./protections.ts";
import { retire } from "./retirement.ts";
import type { Revoked } from "./views.ts";

/** What mmap(2) is asked for. */
export interface MappingRequest {
  /** A multiple of the page size; 0 for wherever there is room. */
  readonly address: number;
  /** The number of bytes from the start of the first page. */
  readonly length: number;
  readonly protection: number;
  readonly flags: number;
  readonly fd: number;
  /** Where in the file the first page starts. */
  readonly offset: number;
}

/** Adds to a failed call what the region knows: which file, and what to do. */
export type Explain = (syscall: string, code: string) => string | undefined;

/**
 * A mapping. It outlives its region, when that is collected without having been closed: it must not lead back to the
 * region or to its buffers.
 */
export class Mapping {
  readonly request: MappingRequest;
  readonly file: MappedFile | undefined;
  /** The size of its pages in bytes: the system's, or that of its huge pages. */
  readonly pageSize: number;
  readonly protections: Protections;
  /** The address of the first page. 0 when there are none. */
  start: number;
  /** The number of bytes mapped: whole pages. */
  size: number;
  /** Whether the program has been given a view. */
  escaped = false;
  /** Whether its pages could ever be stored to. */
  stored: boolean;

  constructor(
    request: MappingRequest,
    file: MappedFile | undefined,
    pageSize: number,
    start: number,
    size: number,
  ) {
    this.request = request;
    this.file = file;
    this.pageSize = pageSize;
    this.start = start;
    this.size = size;
    this.protections = new Protections(size, request.protection);
    this.stored = (request.protection & constants.PROT_WRITE) !== 0;
  }

  /** Whether it shows the file's own pages, or memory that children share. */
  get shared(): boolean {
    return isShared(this.request.flags);
  }

  /** Whether it maps no file. */
  get anonymous(): boolean {
    return (this.request.flags & constants.MAP_ANONYMOUS) !== 0;
  }

  /** Gives the pages back, and the file. */
  release(revoked: Revoked): void {
    retire(this.start, this.size, revoked);
    this.start = 0;
    this.size = 0;
    this.file?.close();
  }
}

const MAP_TYPE = 0x0f; // <linux/mman.h>: the bits that tell MAP_SHARED, MAP_PRIVATE and their kind apart

/** Whether `MAP_*` flags are those of a shared mapping. */
export function isShared(flags: number): boolean {
  const { MAP_SHARED, MAP_SHARED_VALIDATE } = constants;
  const type = flags & MAP_TYPE;
  return type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
}

/** Makes a mapping. Nothing is mapped for a length of 0. */
export function createMapping(
  request: MappingRequest,
  file: MappedFile | undefined,
  explain: Explain,
): Mapping {
  const { pageSize } = libc();
  if (request.length === 0) return new Mapping(request, file, pageSize, 0, 0);
  const start = mmap(request, file?.path, explain);
  const huge = constants.MAP_HUGETLB !== undefined && (request.flags & constants.MAP_HUGETLB) !== 0;
  const size = huge ? hugePageSize(start) : pageSize;
  return new Mapping(request, file, size, start, roundUp(request.length, size));
}

/**
 * Grows or shrinks a mapping, whose buffers have been revoked, to hold `length` bytes. If it throws, the mapping is
 * whole and has the length it had.
 */
export function resizeMapping(mapping: Mapping, length: number, revoked: Revoked, explain: Explain): void {
  const size = roundUp(length, mapping.pageSize);
  if (size < mapping.size) shrink(mapping, size, revoked);
  else if (size > mapping.size) grow(mapping, size, revoked, explain);
  mapping.protections.resize(size);
}

function shrink(mapping: Mapping, size: number, revoked: Revoked): void {
  retire(mapping.start + size, mapping.size - size, revoked);
  mapping.size = size;
  if (size === 0) mapping.start = 0;
}

function grow(mapping: Mapping, size: number, revoked: Revoked, explain: Explain): void {
  const { has } = libc();
  if (mapping.size > 0 && has("mremap") && (growInPlace(mapping, size) || move(mapping, size, revoked))) {
    return;
  }
  replace(mapping, size, revoked, explain);
}

function growInPlace(mapping: Mapping, size: number): boolean {
  if (libc().functions.mremap(mapping.start, mapping.size, size, 0, 0) === -1) return false;
  mapping.size = size;
  return true;
}

/** Moves the pages to where there is room. The old range is never without a mapping while somebody may look at it. */
function move(mapping: Mapping, size: number, revoked: Revoked): boolean {
  const { functions } = libc();
  const { MREMAP_MAYMOVE = 0, MREMAP_DONTUNMAP = 0 } = constants;
  if (revoked.watched.length > 0 || revoked.stolen) {
    // Linux 5.13 for files, 5.7 for memory. It moves, but can't grow in the same call.
    const flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
    const moved = functions.mremap(mapping.start, mapping.size, mapping.size, flags, 0);
    if (moved === -1) return false;
    retire(mapping.start, mapping.size, revoked);
    mapping.start = moved;
  }
  const grown = functions.mremap(mapping.start, mapping.size, size, MREMAP_MAYMOVE, 0);
  if (grown === -1) return false;
  mapping.start = grown;
  mapping.size = size;
  return true;
}

/**
 * Makes a new mapping of the same thing, then gives the old one back: where there is no mremap, and where it refuses
 * (it moves only a range that is one mapping, and no huge pages).
 */
function replace(mapping: Mapping, size: number, revoked: Revoked, explain: Explain): void {
  const { functions, arrayBuffer } = libc();
  const { MAP_FIXED, MAP_FIXED_NOREPLACE = 0, PROT_READ, PROT_WRITE } = constants;
  const { request, file, start: old, size: oldSize } = mapping;
  const flags = request.flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE);
  const copied = !mapping.shared && mapping.stored && oldSize > 0;
  const protection = copied ? PROT_READ | PROT_WRITE : request.protection;
  const fresh = { ...request, address: 0, length: size, flags, protection };
  const start = mmap(fresh, file?.path, explain);
  if (copied) {
    if (!mapping.protections.allow(0, oldSize, PROT_READ)) functions.mprotect(old, oldSize, PROT_READ);
    new Uint8Array(arrayBuffer(start, size)).set(new Uint8Array(arrayBuffer(old, oldSize)));
  }
  mapping.protections.resize(size);
  for (const { start: from, end, bits } of mapping.protections) {
    if (bits !== protection) functions.mprotect(start + from, end - from, bits);
  }
  retire(old, oldSize, revoked);
  mapping.start = start;
  mapping.size = size;
}

function mmap(request: MappingRequest, path: string | undefined, explain: Explain): number {
  const { functions, error } = libc();
  const { address, length, protection, flags, fd, offset } = request;
  const start = functions.mmap(address, length, protection, flags, fd, offset);
  if (start === -1) {
    const failure = error("mmap", { path, length });
    throw new MmapError(-failure.errno, "mmap", { path, length, explanation: explain("mmap", failure.code) });
  }
  const { MAP_FIXED_NOREPLACE = 0 } = constants;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && start !== address) {
    // Linux before 4.17 doesn't know the flag and takes the address for a hint.
    functions.munmap(start, length);
    throw new MmapError(errorNumber("EEXIST"), "mmap", {
      path,
      length,
      explanation: explain("mmap", "EEXIST"),
    });
  }
  return start;
}

/**
 * The size of the huge pages at an address. The kernel splits a mapping of huge pages only between two of them, and
 * tells by EINVAL: the smallest part that can be advised alone is a page. Advice that is given for a whole page, and
 * then taken back, harms nothing.
 */
function hugePageSize(start: number): number {
  const { functions, pageSize } = libc();
  const { MADV_DONTFORK = 0, MADV_DOFORK = 0 } = constants;
  for (let size = pageSize; size < 2 ** 40; size *= 2) {
    if (functions.madvise(start, size, MADV_DONTFORK) === 0) {
      functions.madvise(start, size, MADV_DOFORK);
      return size;
    }
  }
  return pageSize;
}

/** The next multiple of the page size. */
export function roundUp(length: number, pageSize: number): number {
  return Math.ceil(length / pageSize) * pageSize;
}

/** The multiple of the page size before. */
export function roundDown(offset: number, pageSize: number): number {
  return Math.floor(offset / pageSize) * pageSize;
}
