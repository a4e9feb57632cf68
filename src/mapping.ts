/**
 * One mapping: a range of pages, what it was made of, and its life.
 *
 * @module
 */
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { isSharedMapping, pageSizeAt } from "../ffi/pages.ts";
import { constants } from "../ffi/platform.ts";
import { regionTable, type Slot } from "../ffi/regions.ts";
import type { MappedFile } from "./file.ts";
import type { RegionHandle } from "./handle.ts";
import { Protections } from "./protections.ts";
import { isKept, letGo, Loans, type Rest, retire, type Retired } from "./retirement.ts";

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

/** How many ranges that a mapping had before make it look which of them are kept still. */
const MANY_RESTS = 64;

/** Adds to a failed call what the region knows: what to do about an error of this code. */
export type Explain = (code: string) => string | undefined;

/** What a mapping is made of. */
interface MappingParts {
  readonly request: MappingRequest;
  readonly file: MappedFile | undefined;
  readonly slot: Slot;
  readonly pageSize: number;
  readonly start: number;
  readonly size: number;
}

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
  /** The buffers that were lent out of these pages and then taken back. */
  loans: Loans = new Loans();
  /** Whether the program has been given a view. */
  escaped = false;
  /** Whether its pages could ever be stored to, by this isolate. */
  stored: boolean;
  /** Whether other isolates may have it, and have stored to it. */
  attachable = false;

  constructor({ request, file, slot, pageSize, start, size }: MappingParts) {
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
    return isSharedMapping(this.request.flags);
  }

  /** Whether it maps no file. */
  get anonymous(): boolean {
    return (this.request.flags & constants.MAP_ANONYMOUS) !== 0;
  }

  /** Whether its pages may hold what is nowhere else. */
  get isMemory(): boolean {
    return this.anonymous || !this.shared && (this.stored || this.attachable);
  }

  /** Ranges that it had before, and that are kept for those who may still be looking; looked through when they are many. */
  #rests: Rest[] = [];
  #mostRests = MANY_RESTS;

  /** How many calls are under way that need the pages to stay. */
  #pins = 0;
  /** What is to be done when there are none. */
  #whenUnpinned: (() => void) | undefined;

  /** Whether nobody can be looking at pages that are given back. */
  get unwatched(): boolean {
    return this.loans.settled && this.slot.lingering === 0;
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
      if (this.#pins === 0) {
        const next = this.#whenUnpinned;
        this.#whenUnpinned = undefined;
        next?.();
      }
    }
  }

  /** Runs `work` as soon as nothing is under way that needs the pages. */
  whenUnpinned(work: () => void): void {
    if (this.pinned) this.#whenUnpinned = work;
    else work();
  }

  /**
   * Gives the file back, and the pages, unless another isolate has them too: then the last one does.
   *
   * @param now Whether to let go of the file and the memory at once, whoever may still be looking.
   */
  release(now: boolean): void {
    if (now) { for (const rest of this.#rests) letGo(rest); }
    const { start, size, slot, loans } = this;
    const memory = this.isMemory ? size : 0;
    this.start = 0;
    this.size = 0;
    this.file?.close();
    // Somebody that another isolate lent a buffer to may be looking for as long as they like.
    if (slot.lent) loans.unknown = true;
    if (!loans.settled) slot.linger();
    retire({ start, size, memory, release: releaser(slot) }, loans, now);
  }

  /**
   * Gives pages back that the mapping no longer has, now that it lies elsewhere, or is shorter. Until then the guard looks
   * after them, and after they have been unmapped no more: the range may be somebody else's at once.
   *
   * @param change Makes the mapping's own slot say where it is now.
   */
  giveBack(start: number, size: number): void {
    const { loans, slot, pageSize, request } = this;
    if (size === 0 || this.unwatched) {
      slot.move(this.start, this.size);
      if (size > 0) libc().functions.munmap(start, size);
      return;
    }
    const rest = regionTable().add({
      start,
      length: size,
      pageSize,
      kind: this.shared ? "shared" : "private",
      guarded: slot.guarded,
      executable: (request.protection & constants.PROT_EXEC) !== 0,
    });
    slot.move(this.start, this.size);
    // Who lingers is in another isolate, of whose buffers nothing is known here.
    if (slot.lingering > 0) loans.addElsewhere();
    const memory = this.isMemory ? size : 0;
    const kept = retire({ start, size, memory, release: releaser(rest) }, loans, false);
    if (kept === undefined) return;
    if (this.#rests.length >= this.#mostRests) {
      this.#rests = this.#rests.filter(isKept);
      this.#mostRests = 2 * Math.max(MANY_RESTS, this.#rests.length);
    }
    this.#rests.push(kept);
  }
}

/** How a range of pages leaves the table. */
function releaser(slot: Slot): Retired["release"] {
  return (last) => {
    if (last !== undefined) slot.lend();
    return slot.release(last) === 0;
  };
}

/** What a mapping is to be besides what mmap(2) is asked for. */
export interface MappingContext {
  readonly file: MappedFile | undefined;
  /** Whether the fault guard looks after it. */
  readonly guarded: boolean;
  readonly explain: Explain;
}

/** Makes a mapping. Nothing is mapped for a length of 0. */
export function createMapping(
  request: MappingRequest,
  { file, guarded, explain }: MappingContext,
): Mapping {
  const start = request.length === 0 ? 0 : mapPages(request, file?.path, explain);
  const pageSize = start === 0 ? libc().pageSize : pageSizeAt(start, request.flags, request.fd);
  const size = roundUp(request.length, pageSize);
  let slot;
  try {
    slot = regionTable().add({
      start,
      length: size,
      pageSize,
      kind: isSharedMapping(request.flags) ? "shared" : "private",
      guarded,
      executable: (request.protection & constants.PROT_EXEC) !== 0,
    });
  } catch (cause) {
    if (size > 0) libc().functions.munmap(start, size);
    const { length } = request;
    const explanation = "the process has as many regions as it may: close those that are done with";
    throw new MmapError(errorNumber("ENOMEM"), undefined, { path: file?.path, length, explanation, cause });
  }
  return new Mapping({ request, file, slot, pageSize, start, size });
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
  const mapping = new Mapping({ request, file: undefined, slot, pageSize, start, size });
  mapping.attachable = true;
  mapping.stored = true; // by its other owners, for all that is known here: a copy must be kept
  let from = 0;
  for (const { end, bits } of protections) {
    mapping.protections.set(from, end, bits);
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
