/**
 * One region's memory, with all checks in front of it. Is the region closed? Is the part in range? Is the access
 * permitted? Were its pages lost? Everything that touches a region's bytes asks here, and asks again in each call:
 * between two calls the program may have closed or resized the region.
 *
 * `operation` is the method that the program called: errors name it.
 *
 * @module
 */
import type { Call } from "../ffi/callers.ts";
import { bufferOf, ByteArray, byteLengthOf, Math } from "../ffi/captured.ts";
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { constants } from "../ffi/platform.ts";
import { regionTable, type Slot } from "../ffi/regions.ts";
import { show, wholeNumber, within } from "./checks.ts";
import { RegionClosedError } from "./errors.ts";
import { type Mapping, roundDown, roundUp } from "./mapping.ts";
import type { Access, From, Range } from "./options.ts";
import { notReadable, notWritable } from "./remedies.ts";
import { Claim } from "./unclosed.ts";
import { largestBuffer, NOBODY, Views } from "./views.ts";

/** What a region's memory is made of. */
export interface MemoryParts {
  readonly mapping: Mapping;
  /** Where in the first page the region begins. */
  readonly delta: number;
  readonly length: number;
  /** Where in the file the region begins. */
  readonly fileOffset: number;
  readonly access: Access;
  /** Whether the file grows without its blocks being allocated. */
  readonly sparse: boolean;
  /**
   * Whether `MappedRegion.map` made it, with mmap(2)'s own parameters: then only the kernel says what may be done
   * with it.
   */
  readonly raw: boolean;
  readonly path: string | undefined;
}

/** Whole pages of a mapping. */
export interface Pages {
  readonly mapping: Mapping;
  /** The address of the first, and the number of bytes. */
  readonly start: number;
  readonly size: number;
}

/** A part of a region, in bytes. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Where a part begins, and where it ends. */
interface Bounds {
  readonly start: number;
  readonly end: number;
}

const { PROT_READ, PROT_WRITE } = constants;

const LOST = "lost (the file was truncated, or could not be read or grown), and hold zeros";
const STRAY = "stored to without the right to, and hold private stores";
/** Where pages could not even be read, a stray access may be a read. */
const STRAY_ACCESS = "read or stored to without the right to, and are private copies since";

/**
 * Parts of up to this many bytes are borrowed from one buffer, which is reused: making a buffer takes longer than
 * using it.
 */
const SMALL = 2 ** 17;

/** A copy of one byte. It is made of an ArrayBuffer, since V8 moves a small array otherwise. */
const LAST = new ByteArray(new ArrayBuffer(1));

/** Called with each region that is about to be closed, before the views that are kept of it are detached. */
export const closing: Set<(memory: RegionMemory) => void> = new Set();

/** Called with each region that was resized, or whose protection was changed: views that were kept of it are detached. */
export const changed: Set<(memory: RegionMemory) => void> = new Set();

/** One region's memory. */
export class RegionMemory {
  readonly path: string | undefined;
  readonly access: Access;
  readonly shared: boolean;
  readonly delta: number;
  readonly fileOffset: number;
  readonly sparse: boolean;
  readonly raw: boolean;
  readonly slot: Slot;
  /** Made when it is first asked for. */
  #losses: Uint32Array | undefined;
  /** The region's length as its other owners have made it; undefined while there can be none. */
  #elsewhere: Float64Array | undefined;
  /** Made when a buffer is first lent or kept: many regions are closed without. */
  #views: Views | undefined;
  #claim: Claim | undefined;
  /** How many stray stores the program has been told of by an error. */
  #toldStrays = 0;
  #mapping: Mapping | undefined;
  /** The same, while it may be used without another look: most calls, and a walk for each line, look at this alone. */
  #ready: Mapping | undefined;
  /** The same, after the end too: its count of faults stays readable, and it knows what is kept of it. */
  readonly #counts: Mapping;
  #length: number;
  /** How many calls of `use` are under way, which `close` waits for; and whether `close` was called meanwhile. */
  #uses = 0;
  #closing = false;
  /** Views over the whole region that were lent, until they are revoked: then their buffer shall be collected. */
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView<ArrayBuffer> | undefined;
  /** The buffer that small parts are borrowed from, and where in the region it begins. */
  #borrowed: Uint8Array<ArrayBuffer> | undefined;
  #borrowedAt = 0;

  private constructor({ mapping, delta, length, fileOffset, access, sparse, raw, path }: MemoryParts) {
    this.#mapping = mapping;
    this.#ready = mapping;
    this.#counts = mapping;
    this.#length = length;
    this.delta = delta;
    this.fileOffset = fileOffset;
    this.access = access;
    this.sparse = sparse;
    this.raw = raw;
    this.slot = mapping.slot;
    if (mapping.attachable) this.share(mapping);
    this.shared = mapping.shared;
    this.path = path ?? mapping.file?.path;
  }

  /**
   * Makes a region's memory. If it is collected without having been closed, its mapping is released then.
   *
   * @param caller The call by which the program made the region; a warning names that place. Undefined if forgetting it
   * needs no warning.
   */
  static of(parts: MemoryParts, caller: Call | undefined): RegionMemory {
    const memory = new RegionMemory(parts);
    memory.#claim = new Claim(memory, parts.mapping, memory.path, caller);
    return memory;
  }

  // What it is.

  /** Whether the region has been closed. */
  get closed(): boolean {
    return this.#mapping === undefined || this.#closing;
  }

  /** The number of bytes; 0 once the region is closed. */
  get size(): number {
    return this.closed ? 0 : this.length("length");
  }

  /** The number of bytes it can grow to without moving; 0 if it has no such room. */
  get capacity(): number {
    const capacity = this.#mapping?.capacity ?? 0;
    return Math.max(0, capacity - this.delta);
  }

  /** The address of the first byte; 0 once the region is closed, and for an empty one. */
  get address(): number {
    const mapping = this.#mapping;
    return mapping === undefined || mapping.size === 0 || this.#closing ? 0 : mapping.start + this.delta;
  }

  /** The `PROT_*` bits that every page has. */
  get protection(): number {
    return this.closed ? 0 : this.#mapping?.protections.common ?? 0;
  }

  /** Whether every byte may be stored to. */
  get writable(): boolean {
    return (this.protection & PROT_WRITE) !== 0;
  }

  // Is it closed? Is it in range?

  /**
   * The mapping; throws if the region is closed. Call it after everything that may run the program's code, which may
   * close the region.
   */
  live(operation: string): Mapping {
    return this.#ready ?? this.#look(operation);
  }

  #look(operation: string): Mapping {
    if (this.#mapping === undefined || this.#closing) throw new RegionClosedError(operation, this.path);
    if (this.#elsewhere !== undefined) this.#catchUp(this.#mapping, this.#elsewhere);
    return this.#mapping;
  }

  /** Takes over the length that another owner of the region has given it. */
  #catchUp(mapping: Mapping, elsewhere: Float64Array): void {
    const length = elsewhere[0] ?? 0;
    if (length === this.delta + this.#length) return;
    const grown = length - this.delta;
    this.revoke(Math.min(grown, this.#length));
    mapping.size = roundUp(length, mapping.pageSize);
    mapping.protections.resize(mapping.size);
    this.resized(grown);
    this.tellChanged();
  }

  /** The number of bytes. */
  length(operation: string): number {
    this.live(operation);
    return this.#length;
  }

  /** Checks a part that was given by offset and length; returns both. */
  part(offset: number, length: number | undefined, operation: string): Span {
    wholeNumber(offset, `${operation}: 'offset'`);
    if (length !== undefined) wholeNumber(length, `${operation}: 'length'`);
    this.live(operation);
    const count = length ?? Math.max(0, this.#length - offset);
    within(offset, count, this.#length, operation);
    return { offset, length: count };
  }

  /** Checks that a part lies within the region. */
  check(offset: number, length: number | undefined, operation: string): void {
    this.part(offset, length, operation);
  }

  /** The part that a range names. */
  range({ offset, length }: Range, operation: string): Span {
    return this.part(offset ?? 0, length, operation);
  }

  /** Where a search may find something: an offset to start at, which may be negative or past the end, or a range. */
  span(from: From | undefined, operation: string): Bounds {
    const length = this.length(operation);
    if (from === undefined) return { start: 0, end: length };
    if (typeof from === "number") {
      return { start: from < 0 ? Math.max(0, length + from) : from, end: length };
    }
    const { offset, length: count } = this.range(from, operation);
    return { start: offset, end: offset + count };
  }

  /**
   * The same for a search backwards. `from` is the last offset at which the needle, of `size` bytes, may begin; or a
   * range that it has to lie in.
   */
  spanBefore(from: From | undefined, size: number, operation: string): Bounds {
    if (typeof from !== "number") return this.span(from, operation);
    const length = this.length(operation);
    const last = from < 0 ? length + from : from;
    return { start: 0, end: last < 0 ? -1 : Math.min(length, last + size) };
  }

  /** The part between two offsets, as `subarray` of a Uint8Array takes them. */
  slice(begin: unknown, end: unknown, operation: string): Span {
    const length = this.length(operation);
    const resolve = (value: unknown, name: string, other: number): number => {
      if (value === undefined) return other;
      if (typeof value !== "number") {
        throw new TypeError(`${operation}: '${name}' must be a number: received ${show(value)}`);
      }
      const whole = Math.trunc(value) || 0; // NaN counts as 0, as in Uint8Array's subarray
      return whole < 0 ? Math.max(0, length + whole) : Math.min(whole, length);
    };
    const from = resolve(begin, "begin", 0);
    return { offset: from, length: Math.max(0, resolve(end, "end", length) - from) };
  }

  /** The pages that a range touches. */
  pages(range: Range, operation: string): Pages {
    const { offset, length } = this.range(range, operation);
    const mapping = this.live(operation);
    if (length === 0) return { mapping, start: mapping.start, size: 0 };
    const from = roundDown(this.delta + offset, mapping.pageSize);
    const to = roundUp(this.delta + offset + length, mapping.pageSize);
    return { mapping, start: mapping.start + from, size: to - from };
  }

  /**
   * The pages that lie within a range as a whole. `alone` says that nothing but the region is in its last page: its
   * file ends with it, or there is none.
   */
  wholePages(range: Range, alone: boolean, operation: string): Pages {
    const { offset, length } = this.range(range, operation);
    const mapping = this.live(operation);
    const from = roundUp(this.delta + offset, mapping.pageSize);
    const end = this.delta + offset + length;
    // The last page reaches beyond the region. Bytes of the file may lie there, and then it isn't the region's as a
    // whole.
    const last = offset + length === this.#length && alone;
    const to = last ? roundUp(end, mapping.pageSize) : roundDown(end, mapping.pageSize);
    return { mapping, start: mapping.start + from, size: Math.max(0, to - from) };
  }

  // Is it permitted?

  /** Throws if a byte of a part may not be read. */
  readable(offset: number, length: number, operation: string): Mapping {
    const mapping = this.live(operation);
    const from = this.delta + offset;
    if (!mapping.protections.allow(from, from + length, PROT_READ)) {
      throw this.error("EACCES", operation, notReadable());
    }
    return mapping;
  }

  /** Throws if a byte of a part may not be stored to. */
  writes(offset: number, length: number, operation: string): Mapping {
    const mapping = this.live(operation);
    const from = this.delta + offset;
    if (!mapping.protections.allow(from, from + length, PROT_WRITE)) {
      throw this.error("EACCES", operation, notWritable(mapping.anonymous, this.access, this.raw));
    }
    return mapping;
  }

  // Its bytes.

  /** The address of a part that may be read, for functions of libc. */
  at(offset: number, length: number, operation: string): number {
    return this.readable(offset, length, operation).start + this.delta + offset;
  }

  /**
   * Copies a part to the start of `target`, which is the library's own, by libc's memmove. So no buffer over the
   * region is needed: Bun's collector would count its bytes as the program's own, and V8 is slower once a buffer was
   * detached.
   *
   * @returns The address of `target`.
   */
  copy(offset: number, length: number, target: Uint8Array, operation: string): number {
    return libc().functions.memcpy(target, this.at(offset, length, operation), length);
  }

  /**
   * Borrows a part: a view for the library's own use during this call. Drop it before the program's code can run,
   * which may close or resize the region: nothing detaches it then.
   */
  borrow(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
    const address = this.readable(offset, length, operation).start + this.delta;
    if (length === 0) return new ByteArray(0);
    if (length > SMALL) {
      fits(length);
      return new ByteArray(libc().arrayBuffer(address + offset, length));
    }
    let borrowed = this.#borrowed;
    let at = offset - this.#borrowedAt;
    if (borrowed === undefined || at < 0 || at + length > byteLengthOf(borrowed)) {
      // Buffers overlap by half, so that every small part lies within one of them.
      const start = this.#length <= SMALL ? 0 : roundDown(offset, SMALL);
      borrowed = new ByteArray(
        libc().arrayBuffer(address + start, Math.min(2 * SMALL, this.#length - start)),
      );
      this.#borrowed = borrowed;
      this.#borrowedAt = start;
      at = offset - start;
    }
    return new ByteArray(bufferOf(borrowed) as ArrayBuffer, at, length);
  }

  /** The same, to be stored to. */
  borrowWritable(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
    this.writes(offset, length, operation);
    return this.borrow(offset, length, operation);
  }

  /**
   * Keeps a part: a view for the library's own use from one call to the next, until it is given back. Closing or
   * resizing the region detaches it.
   */
  keep(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
    const address = this.readable(offset, length, operation).start + this.delta;
    fits(length);
    return offset === 0 && length === this.#length
      ? this.#buffers().keepWhole(address, length)
      : this.#buffers().keep(address, { offset, length });
  }

  /** Gives back what `keep` returned. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void {
    this.#views?.giveBack(bytes);
  }

  /** Lends a part to the program: a view that it may keep, transfer, or start native work on. */
  lend(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
    const mapping = this.readable(offset, length, operation);
    fits(length);
    const address = mapping.start + this.delta;
    const part = { offset, length };
    const bytes = mapping.capacity > 0
      ? this.#buffers().lendLoosely(address, part)
      : this.#buffers().lend(address, this.#length, part, this.#around(mapping, offset, PROT_READ));
    this.#lent(mapping, bufferOf(bytes) as ArrayBuffer);
    return bytes;
  }

  /** Lends the program the buffer over the whole region. */
  lendWhole(operation: string): ArrayBuffer {
    const mapping = this.readable(0, this.length(operation), operation);
    if (this.#length > largestBuffer()) {
      throw new RangeError(
        `${operation}: the region has ${this.#length} bytes, more than the ${largestBuffer()} of this runtime's largest ` +
          `ArrayBuffer: use subarray(begin, end), windows(), read() or indexOf()`,
      );
    }
    const buffer = this.#buffers().lendWhole(mapping.start + this.delta, this.#length);
    this.#lent(mapping, buffer);
    return buffer;
  }

  /** Lends the program the bytes of the whole region. */
  lendBytes(): Uint8Array<ArrayBuffer> {
    const buffer = this.lendWhole("bytes");
    if (this.#bytes?.buffer !== buffer) this.#bytes = new ByteArray(buffer);
    return this.#bytes;
  }

  /** Lends the program a DataView over the whole region. */
  lendView(): DataView<ArrayBuffer> {
    const buffer = this.lendWhole("view");
    if (this.#view?.buffer !== buffer) this.#view = new DataView(buffer);
    return this.#view;
  }

  /** The bytes around a part that may be read, too: as far as they go without a gap. */
  readableAround(offset: number, length: number, operation: string): Span {
    return this.#around(this.readable(offset, length, operation), offset, PROT_READ);
  }

  /** The bytes around a part that may be stored to, too: as far as they go without a gap. */
  writableAround(offset: number, length: number, operation: string): Span {
    this.writes(offset, length, operation);
    return this.#around(this.readable(offset, length, operation), offset, PROT_READ | PROT_WRITE);
  }

  #around(mapping: Mapping, offset: number, bits: number): Span {
    const { start, end } = mapping.protections.around(this.delta + offset, bits);
    const from = Math.max(0, start - this.delta);
    return { offset: from, length: Math.min(this.#length, end - this.delta) - from };
  }

  /**
   * Ties a buffer that was lent to this object: as long as the program can reach the buffer, the region isn't
   * collected.
   */
  #lent(mapping: Mapping, buffer: ArrayBuffer): void {
    if (!mapping.escaped) {
      mapping.escaped = true;
      mapping.slot.view();
    }
    if (!Tied.has(buffer)) new Tied(buffer, this);
  }

  /**
   * Detaches the buffers that reach behind an offset. Those that were lent become loans of the mapping: native code
   * may still be using their memory.
   *
   * @param end 0 for all of them.
   */
  revoke(end: number): void {
    this.#dropViews();
    const lent = this.#views?.revoke(end) ?? NOBODY;
    if (lent !== NOBODY) this.#mapping?.loans.add(lent);
  }

  #buffers(): Views {
    return this.#views ??= new Views();
  }

  #dropViews(): void {
    this.#bytes = undefined;
    this.#view = undefined;
    this.#borrowed = undefined;
  }

  /**
   * Takes the pages of a part, but for a last one that goes on, out of the process's memory. That changes nothing of
   * what is read. If the kernel refuses, the pages stay, and nothing is thrown.
   */
  drop(offset: number, length: number, operation: string): void {
    const mapping = this.live(operation);
    // What was stored to a private page is in no file: such a page can be paged out, but not dropped.
    const elsewhere = mapping.shared || !mapping.isMemory;
    const advice = elsewhere && this.slot.faults === 0 ? constants.MADV_DONTNEED : constants.MADV_PAGEOUT;
    const from = roundDown(this.delta + offset, mapping.pageSize);
    const end = this.delta + Math.min(offset + length, this.#length);
    const to = end === this.delta + this.#length ? mapping.size : roundDown(end, mapping.pageSize);
    if (to > from) libc().functions.madvise(mapping.start + from, to - from, advice);
  }

  // Was it lost?

  /**
   * How often the guard has replaced lost pages of the region, as an array of one number. The guard counts before it
   * puts zeros in a page's place. For reads of single numbers, which are faster than a call of `watch`. After `close`
   * the number may be another region's.
   */
  get losses(): Uint32Array {
    return this.#losses ??= this.slot.lostCount;
  }

  /** Why the guard doesn't look after the region; undefined where it does. */
  get unguardedReason(): string | undefined {
    if (this.slot.guarded) return undefined;
    return regionTable().reason ?? "it was opened with guard: false";
  }

  /** How many faults the guard has caught in the region, those of work on views from before a resize among them. */
  get faults(): number {
    return this.#counts.faults;
  }

  /**
   * Throws if some of the region's bytes are not the file's: pages were lost, or have a private copy after a stray
   * store.
   */
  assertIntact(): void {
    const { slot } = this;
    if (slot.strays !== 0) {
      this.#toldStrays = slot.strays;
      throw this.#fault("assertIntact", slot.lastFault, this.#stray);
    }
    if (slot.losses !== 0) throw this.#fault("assertIntact", slot.lastFault, LOST);
    if (!this.closed) this.confirm("assertIntact", 0, this.#length);
  }

  get #stray(): string {
    return this.#counts.hidden ? STRAY_ACCESS : STRAY;
  }

  /**
   * Runs `touch`, which reads or stores to a part. Throws if a page of the part has ever been lost, whichever thread
   * met it.
   */
  watch<T>(operation: string, offset: number, length: number, touch: () => T): T {
    const result = touch();
    this.assertNotLost(operation, offset, length);
    return result;
  }

  /** Throws if a page of a part has ever been lost. To be called when the part has been touched. */
  assertNotLost(operation: string, offset: number, length: number): void {
    if (this.slot.losses !== 0) this.#throwIfLost(operation, offset, length);
  }

  /** Throws if stores to a part can't have reached the file. */
  tellLost(offset: number, length: number, operation: string): void {
    // After a stray store a private copy is in the place of the file's page.
    if (this.shared && this.slot.strays !== 0) throw this.#fault(operation, this.slot.lastFault, this.#stray);
    if (!this.closed) this.assertNotLost(operation, offset, length);
  }

  /**
   * Of the bytes between `from` and `to`: those around `offset` of which no page has been lost. None if the page at
   * `offset` has.
   */
  intactAround(offset: number, from: number, to: number): Span {
    const start = this.address;
    const first = this.slot.firstLost(start + offset, to - offset);
    const begin = this.slot.isLost(start + from, offset - from) ? offset : from;
    return first === start + offset
      ? { offset, length: 0 }
      : { offset: begin, length: (first === undefined ? to : first - start) - begin };
  }

  #throwIfLost(operation: string, offset: number, length: number): void {
    const start = this.address;
    if (start === 0) return; // closed meanwhile, or empty
    const first = this.slot.firstLost(start + offset, length);
    if (first !== undefined) throw this.#fault(operation, first, LOST);
  }

  /**
   * Throws if the file ends within a part by now. A file that is cut off within a page leaves zeros in the rest of
   * that page, and no fault tells. To be called at the end of an operation on a whole part. The file's size is asked
   * for only if the part's last byte is 0: else nothing was cut off.
   */
  confirm(operation: string, offset: number, length: number): void {
    const { file } = this.live(operation);
    if (length === 0 || file === undefined) return;
    this.copy(offset + length - 1, 1, LAST, operation);
    if (LAST[0] !== 0) return;
    const left = (file.sizeIfKnown() ?? Infinity) - this.fileOffset;
    if (left < offset + length) {
      throw this.error(
        "EFAULT",
        operation,
        `the file was truncated, so bytes from offset ${
          Math.max(0, left)
        } on are not there; they read as zeros: ` +
          `open the file again`,
        Math.max(0, left),
      );
    }
  }

  #fault(operation: string, address: number | undefined, what: string): MmapError {
    const start = this.address;
    const offset = address === undefined ? -1 : address - start;
    const known = start !== 0 && offset >= 0 && offset < this.#length;
    const remedy = this.#mapping?.anonymous === true
      ? "make a new region"
      : this.path === undefined
      ? "map the file again"
      : "open the file again";
    return this.error(
      "EFAULT",
      operation,
      `pages ${known ? `from offset ${offset} on ` : ""}were ${what}: ${remedy}`,
      known ? offset : undefined,
    );
  }

  // Its errors.

  /** The error for what the library refuses before a system call. */
  error(
    code: "EACCES" | "EBUSY" | "EFAULT" | "EINVAL" | "ENOTSUP",
    operation: string,
    explanation: string,
    offset?: number,
  ): MmapError {
    const known = this.address !== 0;
    return new MmapError(errorNumber(code), undefined, {
      operation,
      path: this.path,
      address: known ? BigInt(this.address) : undefined,
      length: known ? this.#length : undefined,
      offset,
      explanation,
    });
  }

  /** The error for a system call that failed. `errno` has to be read straight after the call. */
  failed(
    errno: number,
    syscall: string,
    operation: string,
    { start, size }: Pages,
    remedy: (code: string) => string | undefined,
  ): MmapError {
    return new MmapError(errno, syscall, {
      operation,
      path: this.path,
      address: BigInt(start),
      length: size,
      explanation: remedy(errorName(errno)),
    });
  }

  /** The error for what can't be done while other workers have the region. */
  attached(operation: string, what: string): MmapError {
    return this.error("EBUSY", operation, `other workers have the region, so ${what}; close it there first`);
  }

  // Its end.

  /** Says that the region may have other owners from now on, who may change its length. */
  share(mapping: Mapping): void {
    mapping.attachable = true;
    if (mapping.capacity === 0) return;
    this.#elsewhere = mapping.slot.liveLength;
    this.#ready = undefined;
  }

  /** Whether calls of `use` are under way. */
  get used(): boolean {
    return this.#uses > 0;
  }

  /** Whether something is under way that needs the pages to stay where they are. */
  get busy(): boolean {
    return this.used || this.#mapping?.pinned === true;
  }

  /** Takes over the new length of the mapping. */
  resized(length: number): void {
    this.#dropViews();
    this.#views?.grown();
    this.#length = length;
  }

  /** Tells those who keep views that the region was resized, or its protection changed. */
  tellChanged(): void {
    if (changed.size > 0) { for (const tell of changed) tell(this); }
  }

  /**
   * Keeps the region's memory until the promise of `work` has settled. If `close` is called meanwhile, new operations
   * are refused, and the memory goes at the end.
   */
  async use<T>(work: () => T | Promise<T>): Promise<T> {
    this.live("use");
    this.#uses++;
    try {
      return await work();
    } finally {
      this.#uses--;
      if (this.#uses === 0 && this.#closing) this.#end(false);
    }
  }

  /**
   * Closes the region.
   *
   * @param now Whether to let go of the file and the memory at once, even if native code is still using views.
   */
  close(now: boolean): void {
    if (this.#mapping === undefined) {
      if (now) this.#counts.letGo();
      return;
    }
    this.#ready = undefined;
    if (this.#uses > 0 && !now) this.#closing = true;
    else this.#end(now);
  }

  #end(now: boolean): void {
    const mapping = this.#mapping;
    if (mapping === undefined) return;
    if (closing.size > 0) { for (const tell of closing) tell(this); }
    this.revoke(0);
    this.#mapping = undefined;
    this.#length = 0;
    this.#claim?.end();
    if (this.slot.strays > this.#toldStrays) this.#claim?.tellStrays(this.slot.strays);
    mapping.release(now);
  }
}

function fits(length: number): void {
  if (length > largestBuffer()) {
    throw new RangeError(
      `${length} bytes are more than the ${largestBuffer()} of this runtime's largest ArrayBuffer: ask for less`,
    );
  }
}

/**
 * A constructor that returns the object it is given. A class derived from it adds its private fields to that object.
 */
const Over = function (buffer: ArrayBuffer): ArrayBuffer {
  return buffer;
} as unknown as new (buffer: ArrayBuffer) => object;

/**
 * Puts the region's memory into a private field of a buffer that was lent. So as long as the buffer can be reached,
 * the memory isn't collected. A WeakMap would do the same, but each of its entries costs Node's collector 2 to 3 µs.
 */
class Tied extends Over {
  readonly #memory: RegionMemory;

  constructor(buffer: ArrayBuffer, memory: RegionMemory) {
    super(buffer);
    this.#memory = memory;
  }

  static has(buffer: ArrayBuffer): boolean {
    return #memory in buffer;
  }
}
