/**
 * One mapping: a range of pages, what it was made of, and its life.
 *
 * @module
 */
import { append, Math, select } from "../ffi/captured.ts";
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { isSharedMapping, pageSizeAt } from "../ffi/pages.ts";
import { constants } from "../ffi/platform.ts";
import { regionTable, type Slot } from "../ffi/regions.ts";
import type { MappedFile } from "./file.ts";
import type { RegionHandle } from "./handle.ts";
import { Protections } from "./protections.ts";
import { isKept, letGo, Loans, reclaim, type Rest, retire, retireUnused } from "./retirement.ts";

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

/** After so many ranges that it gave back, a mapping looks which of them are still kept. */
const MANY_RESTS = 64;

/** Says what to do about an error of this code, in the terms of the region's options. */
export type Explain = (code: string) => string | undefined;

/** What a mapping is made of. */
interface MappingParts {
  readonly request: MappingRequest;
  readonly file: MappedFile | undefined;
  readonly slot: Slot;
  readonly pageSize: number;
  readonly start: number;
  /** The number of bytes from the start of the first page. */
  readonly length: number;
  /** The number of bytes of address space reserved from there on; 0 if none are besides the pages. */
  readonly capacity: number;
}

/**
 * A mapping. It outlives a region that is collected without having been closed: so it must not refer to the region or
 * to its buffers.
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
  /** The number of bytes of address space that are reserved from `start` on, the mapped ones included; 0 for none. */
  readonly capacity: number;
  /** The buffers that were lent out of these pages, and detached since. */
  loans: Loans = new Loans();
  /** Whether the program has been given a view. */
  escaped = false;
  /** Whether its pages could ever be stored to in this isolate. */
  stored: boolean;
  /** Whether some of its pages could ever not even be read. */
  hidden: boolean;
  /** Whether other isolates may have it, and may have stored to it. */
  attachable = false;
  /** Whether some of its pages may be locked into memory, or may have been advised to be read one way or another. */
  treated: boolean;

  constructor({ request, file, slot, pageSize, start, length, capacity }: MappingParts) {
    this.request = request;
    this.file = file;
    this.slot = slot;
    this.pageSize = pageSize;
    this.start = start;
    this.size = roundUp(length, pageSize);
    this.capacity = capacity;
    this.protections = new Protections(this.size, request.protection);
    this.stored = (request.protection & constants.PROT_WRITE) !== 0;
    this.hidden = (request.protection & constants.PROT_READ) === 0;
    this.treated = (request.flags & (constants.MAP_LOCKED ?? 0)) !== 0;
  }

  /** Whether it shows the file's own pages, or memory that children share. */
  get shared(): boolean {
    return isSharedMapping(this.request.flags);
  }

  /** Whether it maps no file. */
  get anonymous(): boolean {
    return (this.request.flags & constants.MAP_ANONYMOUS) !== 0;
  }

  /** Whether its pages may hold what is in no file. */
  get isMemory(): boolean {
    return this.anonymous || !this.shared && (this.stored || this.attachable);
  }

  /** Whether its last page holds bytes of its own behind its length: those that were cut off. */
  leftover = false;

  /** Ranges that it gave back and that are still kept for their loans. */
  #rests: GivenBack[] = [];
  #mostRests = MANY_RESTS;
  /** What is kept of it since it was released. */
  #last: Rest | undefined;
  /** Whether nothing is to be kept. */
  #now = false;
  /** How many faults there were in ranges that were given back and are no longer kept. */
  #pastFaults = 0;

  /** How many calls are under way that need the pages to stay. */
  #pins = 0;
  /** How it is to be released when there are none; undefined while it isn't to be released. */
  #releasing: { readonly now: boolean } | undefined;

  /**
   * How many faults the guard has caught: in the mapping's pages, and in those that were given back while views of
   * them were in use.
   */
  get faults(): number {
    let sum = this.slot.faults + this.#pastFaults;
    for (let i = 0; i < this.#rests.length; i++) sum += this.#rests[i]?.slot.faults ?? 0;
    return sum;
  }

  /** Whether nothing can be using the pages when they are given back. */
  get unwatched(): boolean {
    return this.loans.settled && this.slot.lingering === 0 && !this.slot.lent;
  }

  /** Whether something is under way that needs the pages to stay where they are. */
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
      if (this.#pins === 0 && this.#releasing !== undefined) this.release(this.#releasing.now);
    }
  }

  /**
   * Gives the file back, and the pages, unless another isolate has them too: then the last one does. If something is
   * under way that needs the pages, that is done when it has ended.
   *
   * @param now Whether to let go of the file and the memory at once, even if native code is still using views.
   */
  release(now: boolean): void {
    if (this.pinned) {
      this.#releasing = { now };
      return;
    }
    if (now) this.letGo();
    this.file?.close();
    const { start, slot, loans } = this;
    const size = Math.max(this.size, this.capacity);
    if (loans.ended) {
      retireUnused(start, size, slot);
    } else {
      const memory = this.isMemory ? this.size : 0;
      const mappings = this.#mappingsOf(this.size);
      if (!loans.settled) {
        if (slot.owners === 1) this.#treatAlike(start, size);
        slot.linger();
      }
      const { attachable } = this;
      const range = { start, size, memory, mappings, attachable, slot, unmap: undefined, loans };
      this.#last = retire(range, now || this.#now);
    }
    this.start = 0;
    this.size = 0;
  }

  /**
   * How many mappings the kernel may have made of so many bytes of it: pages with another protection are one by
   * themselves, and so is a page that the guard has replaced.
   */
  #mappingsOf(size: number): number {
    const { faults } = this.slot;
    const { count } = this.protections;
    return faults === 0 ? count : Math.min(1 + size / this.pageSize, count + 2 * faults);
  }

  /**
   * Makes pages that are given back and kept alike: pages that are treated alike are one mapping to the kernel. A file's
   * are unlocked, so that the program may lock as many others. What is in memory only stays locked: it may be a secret.
   */
  #treatAlike(start: number, size: number): void {
    if (!this.treated || size === 0) return;
    const { functions } = libc();
    functions.madvise(start, size, constants.MADV_NORMAL);
    if (!this.isMemory) functions.munlock(start, size);
  }

  /** Lets go of what is kept for loans, now and when it is released. */
  letGo(): void {
    this.#now = true;
    for (let i = 0; i < this.#rests.length; i++) {
      const given = this.#rests[i];
      if (given !== undefined) letGo(given.rest);
    }
    if (this.#last !== undefined) letGo(this.#last);
  }

  /**
   * Takes reserved address space into use again, even if what was there is kept for its loans.
   *
   * @throws {MmapError} EBUSY if another isolate keeps it for its own.
   */
  reclaim(start: number, end: number): void {
    const rests = this.#rests;
    const { length } = rests; // keeping what lies behind makes more of them
    for (let i = 0; i < length; i++) {
      const rest = rests[i]?.rest;
      if (rest === undefined) continue;
      const { start: from, size } = rest;
      if (from >= end || start >= from + size) continue;
      // What lies behind is kept on. The guard looks after it twice for a moment, and never not at all.
      if (from + size > end && isKept(rest)) this.#keep(end, from + size - end);
      reclaim(rest);
    }
    if (!this.attachable || !regionTable().isOccupied(start, end - start, this.slot)) return;
    throw new MmapError(errorNumber("EBUSY"), undefined, {
      operation: "resize",
      path: this.file?.path,
      address: BigInt(start),
      length: end - start,
      explanation:
        "work that another worker began is still under way on what was cut off there; try again later",
    });
  }

  /**
   * Gives pages back that the mapping no longer has, since it was moved or made shorter. The guard looks after them
   * until they are unmapped, and not a moment longer: something else may be mapped there at once.
   *
   * @param length How many bytes the mapping has now, from its start on.
   */
  giveBack(start: number, size: number, length: number): void {
    if (size === 0 || this.unwatched) {
      this.slot.move(this.start, length);
      if (this.capacity > 0) reserveAgain(start, size);
      else if (size > 0) libc().functions.munmap(start, size);
      return;
    }
    this.#keep(start, size, () => this.slot.move(this.start, length));
  }

  /**
   * Keeps pages for their loans.
   *
   * @param guarded Called when a slot of their own looks after them.
   */
  #keep(start: number, size: number, guarded?: () => void): void {
    const { loans, slot, pageSize, request } = this;
    // In the reserve the address space stays ours.
    const unmap = this.capacity > 0 ? reserveAgain : undefined;
    let left: Slot;
    try {
      left = regionTable().add({
        start,
        length: size,
        pageSize,
        kind: this.shared ? "shared" : "private",
        guarded: slot.guarded,
        executable: (request.protection & constants.PROT_EXEC) !== 0,
      });
    } catch {
      // The table is full. Pages without a guard can't be kept: whoever still looks at them sees zeros.
      guarded?.();
      retire({ start, size, memory: 0, mappings: 1, attachable: false, slot: undefined, unmap, loans }, true);
      return;
    }
    left.view();
    guarded?.();
    // Who lingers is in another isolate, of whose buffers nothing is known here. Nor can anybody tell for how long those
    // are used that a former owner lent.
    if (slot.lingering > 0) loans.addElsewhere();
    if (slot.lent) loans.unknown = true;
    this.#treatAlike(start, size);
    const memory = this.isMemory ? size : 0;
    const mappings = this.#mappingsOf(size);
    const rest = { start, size, memory, mappings, attachable: false, slot: left, unmap, loans };
    const kept = retire(rest, false);
    if (kept === undefined) return;
    if (this.#rests.length >= this.#mostRests) {
      const faults = this.faults;
      this.#rests = select(this.#rests, ({ rest }) => isKept(rest));
      this.#pastFaults += faults - this.faults;
      this.#mostRests = 2 * Math.max(MANY_RESTS, this.#rests.length);
    }
    append(this.#rests, { rest: kept, slot: left });
  }
}

/** A range that a mapping gave back, and the slot in which the guard looks after it. */
interface GivenBack {
  readonly rest: Rest;
  readonly slot: Slot;
}

/** Makes address space a reserve again, and gives its pages back. */
function reserveAgain(start: number, size: number): void {
  if (size > 0) libc().functions.mmap(start, size, constants.PROT_NONE, RESERVE | constants.MAP_FIXED, -1, 0);
}

/** Address space without memory. */
export const RESERVE: number = constants.MAP_PRIVATE | constants.MAP_ANONYMOUS | constants.MAP_NORESERVE;

/**
 * Reserves address space to grow into.
 *
 * @param alignment What the address shall be a multiple of: the size of a page.
 */
function reserve(request: MappingRequest, capacity: number, alignment: number, explain: Explain): number {
  const { functions, pageSize } = libc();
  const { MAP_FIXED, MAP_FIXED_NOREPLACE = 0, PROT_NONE } = constants;
  const slack = request.address === 0 ? alignment - pageSize : 0;
  const flags = RESERVE | (request.flags & (MAP_FIXED | MAP_FIXED_NOREPLACE));
  const length = capacity + slack;
  const found = mapPages(
    { address: request.address, length, protection: PROT_NONE, flags, fd: -1, offset: 0 },
    undefined,
    explain,
  );
  const start = roundUp(found, alignment);
  if (start > found) functions.munmap(found, start - found);
  if (found + length > start + capacity) {
    functions.munmap(start + capacity, found + length - start - capacity);
  }
  return start;
}

/** The size of the pages that a mapping will have. */
function pageSizeFor(request: MappingRequest, explain: Explain): number {
  const { flags, fd } = request;
  if (fd !== -1 || (flags & (constants.MAP_HUGETLB ?? 0)) === 0) return pageSizeAt(0, flags, fd);
  const { functions, pageSize } = libc();
  const { PROT_NONE } = constants;
  // The smallest mapping of that kind is a page.
  const start = mapPages(
    { address: 0, length: pageSize, protection: PROT_NONE, flags, fd, offset: 0 },
    undefined,
    explain,
  );
  const size = pageSizeAt(start, flags, fd);
  functions.munmap(start, size);
  return size;
}

/** What a mapping is to be besides what mmap(2) is asked for. */
export interface MappingContext {
  readonly file: MappedFile | undefined;
  /** Whether the fault guard looks after it. */
  readonly guarded: boolean;
  /** How many bytes it can grow to where it is; 0 if it needn't grow there. */
  readonly capacity: number;
  readonly explain: Explain;
}

/** Makes a mapping. Nothing is mapped for a length of 0. */
export function createMapping(
  request: MappingRequest,
  { file, guarded, capacity, explain }: MappingContext,
): Mapping {
  const { MAP_FIXED, MAP_FIXED_NOREPLACE = 0 } = constants;
  if ((request.flags & MAP_FIXED) !== 0) {
    const length = Math.max(capacity, request.length);
    // The owner of a region at that address would see other pages there, and unmap them.
    if (regionTable().isOccupied(request.address, length)) {
      const explanation = "a region lies there that is open, or whose views may still be in use; " +
        "close({ now: true }) lets go of it at once; or choose another address";
      throw new MmapError(errorNumber("EEXIST"), undefined, {
        operation: "mmap",
        path: file?.path,
        address: BigInt(request.address),
        length,
        explanation,
      });
    }
  }
  let start = 0;
  let pageSize = libc().pageSize;
  let reserved = 0;
  if (capacity > 0) {
    pageSize = pageSizeFor(request, explain);
    reserved = roundUp(Math.max(capacity, request.length), pageSize);
    start = reserve(request, reserved, pageSize, explain);
    try {
      const flags = request.flags & ~MAP_FIXED_NOREPLACE | MAP_FIXED;
      if (request.length > 0) mapPages({ ...request, address: start, flags }, file?.path, explain);
    } catch (error) {
      libc().functions.munmap(start, reserved);
      throw error;
    }
  } else if (request.length > 0) {
    start = mapPages(request, file?.path, explain);
    pageSize = pageSizeAt(start, request.flags, request.fd);
  }
  let slot;
  try {
    slot = regionTable().add({
      start,
      length: request.length,
      pageSize,
      kind: isSharedMapping(request.flags) ? "shared" : "private",
      guarded,
      executable: (request.protection & constants.PROT_EXEC) !== 0,
      capacity: reserved,
      flags: request.flags,
      protection: request.protection,
    });
  } catch (cause) {
    const size = Math.max(reserved, roundUp(request.length, pageSize));
    if (size > 0) libc().functions.munmap(start, size);
    const { length } = request;
    const explanation = "the process has as many regions as it may: close those that are done with";
    throw new MmapError(errorNumber("ENOMEM"), undefined, { path: file?.path, length, explanation, cause });
  }
  return new Mapping({ request, file, slot, pageSize, start, length: request.length, capacity: reserved });
}

/** The mapping of another isolate of the process, as a handle names it; undefined if it is gone. */
export function attachMapping(handle: RegionHandle): Mapping | undefined {
  const slot = regionTable().retain(handle);
  if (slot === undefined) return undefined;
  // All that matters comes from the slot: a program can forge a handle.
  const { start, length, flags, pageSize, capacity } = slot;
  if (handle.length > 0 && handle.delta + handle.length > length) {
    slot.release(); // it has been made shorter since
    return undefined;
  }
  const { common, any } = slot.rights;
  const request = { address: 0, length, protection: common, flags, fd: -1, offset: 0 };
  const mapping = new Mapping({ request, file: undefined, slot, pageSize, start, length, capacity });
  mapping.attachable = true;
  mapping.stored = true; // its other owners may have stored to it …
  mapping.treated = true; // … and have locked it
  if (common === any) return mapping;
  let from = 0;
  for (const { end, bits } of handle.protections) {
    mapping.protections.set(from, end, bits & any);
    from = end;
  }
  return mapping;
}

/** Calls mmap(2); returns the address of the first page. */
export function mapPages(request: MappingRequest, path: string | undefined, explain: Explain): number {
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

/** The next multiple of the page size. */
export function roundUp(length: number, pageSize: number): number {
  return Math.ceil(length / pageSize) * pageSize;
}

/** The multiple of the page size before. */
export function roundDown(offset: number, pageSize: number): number {
  return Math.floor(offset / pageSize) * pageSize;
}
