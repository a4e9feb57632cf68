/**
 * One mapping: a range of pages, what it was made of, and how it grows, shrinks and goes.
 *
 * @module
 */
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { constants } from "../ffi/platform.ts";
import { regionTable, type Slot } from "../ffi/regions.ts";
import type { MappedFile } from "./file.ts";
import type { RegionHandle } from "./handle.ts";
import { Protections } from "./protections.ts";
import { retire } from "./retirement.ts";
import { isUnused, type Revoked, UNUSED } from "./views.ts";

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
export type Explain = (code: string) => string | undefined;

/**
 * A mapping. It outlives its region, when that is collected without having been closed: it must not lead back to the
 * region or to its buffers.
 */
export class Mapping {
  readonly request: MappingRequest;
  readonly file: MappedFile | undefined;
  /** Its entry in the process's table, which the fault guard goes by. */
  readonly slot: Slot;
  /** The size of its pages in bytes: the system's, or that of its huge pages. */
  readonly pageSize: number;
  readonly protections: Protections;
  /** The address of the first page. 0 when there are none. */
  start: number;
  /** The number of bytes mapped: whole pages. */
  size: number;
  /** Whether the program has been given a view. */
  escaped = false;
  /** Whether its pages could ever be stored to, by this isolate. */
  stored: boolean;
  /** Whether other isolates may have it, and have stored to it. */
  attachable = false;

  constructor(
    request: MappingRequest,
    file: MappedFile | undefined,
    slot: Slot,
    pageSize: number,
    start: number,
    size: number,
  ) {
    this.request = request;
    this.file = file;
    this.slot = slot;
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

  /** How many calls are under way on other threads that need the pages to stay. */
  #pins = 0;
  /** What release() was told while there were. */
  #released: Revoked | undefined;

  /** Whether a call is under way on another thread that needs the pages to stay where they are. */
  get pinned(): boolean {
    return this.#pins > 0;
  }

  /** Keeps the pages where they are, and mapped, until what `work` returns has settled. */
  async pin<T>(work: () => Promise<T>): Promise<T> {
    this.#pins++;
    try {
      return await work();
    } finally {
      this.#pins--;
      if (this.#pins === 0 && this.#released !== undefined) this.release(this.#released);
    }
  }

  /** Gives the file back, and the pages, unless another isolate has them too: then the last one does. */
  release(revoked: Revoked): void {
    if (this.pinned) {
      this.#released = revoked;
      return;
    }
    const { start, size, slot } = this;
    this.start = 0;
    this.size = 0;
    this.file?.close();
    const used = { watched: revoked.watched, stolen: revoked.stolen || slot.lent };
    const retireAll = (): void => retire(start, size, used);
    if (isUnused(used)) {
      // Only when the guard no longer looks: the range may be somebody else's as soon as it is unmapped.
      if (slot.release() === 0) retireAll();
    } else {
      slot.lend();
      slot.release(retireAll);
    }
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
  { file, guarded = true, explain }: {
    readonly file?: MappedFile | undefined;
    readonly guarded?: boolean | undefined;
    readonly explain: Explain;
  },
): Mapping {
  const start = request.length === 0 ? 0 : mmap(request, file?.path, explain);
  const huge = start !== 0 && (request.flags & (constants.MAP_HUGETLB ?? 0)) !== 0;
  const pageSize = huge ? hugePageSize(start) : libc().pageSize;
  const size = roundUp(request.length, pageSize);
  let slot;
  try {
    slot = regionTable().add({
      start,
      length: size,
      pageSize,
      kind: isShared(request.flags) ? "shared" : "private",
      guarded,
      executable: (request.protection & constants.PROT_EXEC) !== 0,
    });
  } catch (cause) {
    retire(start, size, UNUSED);
    const { length } = request;
    const explanation = "the process has as many regions as it may: close those that are done with";
    throw new MmapError(errorNumber("ENOMEM"), "mmap", { path: file?.path, length, explanation, cause });
  }
  return new Mapping(request, file, slot, pageSize, start, size);
}

/** The mapping of another isolate of the process, as a handle names it; undefined if it is gone. */
export function attachMapping(handle: RegionHandle): Mapping | undefined {
  const slot = regionTable().retain(handle);
  if (slot === undefined) return undefined;
  const { start, length: size } = slot;
  const { flags, pageSize, protections, delta, length } = handle;
  if (length > 0 && delta + length > size) {
    slot.release(); // it has been made shorter since
    return undefined;
  }
  const request = { address: 0, length: size, protection: 0, flags, fd: -1, offset: 0 };
  const mapping = new Mapping(request, undefined, slot, pageSize, start, size);
  mapping.attachable = true;
  mapping.stored = true; // by its other owners, for all that is known here: a copy must be kept
  let from = 0;
  for (const { end, bits } of protections) {
    mapping.protections.set(from, end, bits);
    from = end;
  }
  return mapping;
}

/**
 * Grows or shrinks a mapping, whose buffers have been revoked, to hold `length` bytes. If it throws, the mapping is
 * whole and has the length it had.
 */
export function resizeMapping(mapping: Mapping, length: number, revoked: Revoked, explain: Explain): void {
  const size = roundUp(length, mapping.pageSize);
  if (mapping.anonymous && length < mapping.size) clear(mapping, length, Math.min(size, mapping.size));
  if (size < mapping.size) shrink(mapping, size, revoked);
  else if (size > mapping.size) grow(mapping, size, revoked, explain);
  mapping.protections.resize(size);
}

/** Zeroes what is cut off within the last page: the kernel does it for files, and nobody for memory. */
function clear(mapping: Mapping, from: number, to: number): void {
  if (from === to) return;
  const { functions, arrayBuffer } = libc();
  const { protections, pageSize, start } = mapping;
  const { PROT_READ, PROT_WRITE } = constants;
  const page = roundDown(from, pageSize);
  const writable = protections.allow(from, to, PROT_WRITE);
  if (!writable) functions.mprotect(start + page, pageSize, PROT_READ | PROT_WRITE);
  new Uint8Array(arrayBuffer(start + from, to - from)).fill(0);
  if (!writable) functions.mprotect(start + page, pageSize, protections.at(from));
}

function shrink(mapping: Mapping, size: number, revoked: Revoked): void {
  const { start, size: oldSize } = mapping;
  mapping.size = size;
  if (size === 0) mapping.start = 0;
  giveBack(mapping, start + size, oldSize - size, revoked);
}

function grow(mapping: Mapping, size: number, revoked: Revoked, explain: Explain): void {
  const { has } = libc();
  // What a fault has put in the place of the file's pages is memory: mremap would grow that instead of the file.
  const isOneThing = mapping.anonymous || mapping.slot.faults === 0;
  if (
    mapping.size > 0 && isOneThing && has("mremap") &&
    (growInPlace(mapping, size) || move(mapping, size, revoked))
  ) {
    return;
  }
  replace(mapping, size, revoked, explain);
}

function growInPlace(mapping: Mapping, size: number): boolean {
  if (libc().functions.mremap(mapping.start, mapping.size, size, 0, 0) === -1) return false;
  mapping.size = size;
  mapping.slot.move(mapping.start, size);
  return true;
}

/** Moves the pages to where there is room. The old range is never without a mapping while somebody may look at it. */
function move(mapping: Mapping, size: number, revoked: Revoked): boolean {
  const { functions } = libc();
  const { MREMAP_MAYMOVE = 0, MREMAP_DONTUNMAP = 0 } = constants;
  if (!isUnused(revoked)) {
    // Linux 5.13 for files, 5.7 for memory. It moves, but can't grow in the same call.
    const flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
    const { start, size: oldSize } = mapping;
    const moved = functions.mremap(start, oldSize, oldSize, flags, 0);
    if (moved === -1) return false;
    mapping.start = moved;
    giveBack(mapping, start, oldSize, revoked);
  }
  const { start, size: oldSize, slot } = mapping;
  slot.move(start, 0); // the range may be another thread's as soon as the pages have left it
  const grown = functions.mremap(start, oldSize, size, MREMAP_MAYMOVE, 0);
  if (grown === -1) {
    slot.move(start, oldSize);
    return false;
  }
  mapping.start = grown;
  mapping.size = size;
  slot.move(grown, size);
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
  mapping.start = start;
  mapping.size = size;
  giveBack(mapping, old, oldSize, revoked);
}

/**
 * Gives pages back that the mapping no longer has. The guard looks after them until they are covered; but it must not
 * look any more when they are unmapped, since the range may be somebody else's at once.
 */
function giveBack(mapping: Mapping, start: number, size: number, revoked: Revoked): void {
  const unused = isUnused(revoked);
  if (!unused) retire(start, size, revoked);
  mapping.slot.move(mapping.start, mapping.size);
  if (unused) retire(start, size, revoked);
}

function mmap(request: MappingRequest, path: string | undefined, explain: Explain): number {
  const { functions, errno } = libc();
  const { address, length, protection, flags, fd, offset } = request;
  const start = functions.mmap(address, length, protection, flags, fd, offset);
  if (start === -1) {
    const number = errno();
    throw new MmapError(number, "mmap", { path, length, explanation: explain(errorName(number)) });
  }
  const { MAP_FIXED_NOREPLACE = 0 } = constants;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && start !== address) {
    // Linux before 4.17 doesn't know the flag and takes the address for a hint.
    functions.munmap(start, length);
    throw new MmapError(errorNumber("EEXIST"), "mmap", {
      path,
      length,
      explanation: explain("EEXIST"),
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
