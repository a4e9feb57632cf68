/**
 * `MappedRegion`: what a program holds of a mapping. Its methods check their arguments and hand on to the files
 * below.
 *
 * @module
 */
import { callOf } from "../ffi/callers.ts";
import { Math } from "../ffi/captured.ts";
import { libc } from "../ffi/libc.ts";
import { keepFromTransfer } from "../ffi/untransferable.ts";
import { show, wholeNumber } from "./checks.ts";
import * as copying from "./copying.ts";
import type { Data } from "./copying.ts";
import * as create from "./create.ts";
import { type Cursor, makeCursor } from "./cursor.ts";
import type { RegionHandle } from "./handle.ts";
import { ByteLines, type LineIterator, type LineOffsets, LinePlaces, TextLines } from "./lines.ts";
import { RegionMemory } from "./memory.ts";
import {
  type Access,
  type Advice,
  type AnonymousOptions,
  type CloseOptions,
  closeOptions,
  type CopyOptions,
  type DescriptorOptions,
  type DiscardOptions,
  type FlushOptions,
  type FlushSyncOptions,
  fromOption,
  type LinesOptions,
  linesOptions,
  type MapRequest,
  type Needle,
  type OpenOptions,
  type PrefaultOptions,
  type Protection,
  type Range,
  rangeOptions,
  type RecordsOptions,
  recordsOptions,
  type ResizeOptions,
  type StreamOptions,
  type TextOptions,
  type WindowsOptions,
  windowsOptions,
} from "./options.ts";
import * as pages from "./pages.ts";
import { protectionOf } from "./protections.ts";
import { makeRecords, type Records } from "./records.ts";
import type { Residency } from "./residency.ts";
import { refresh, resize } from "./resizing.ts";
import * as search from "./search.ts";
import { stream } from "./stream.ts";
import { type Fields, Layout } from "./struct.ts";
import { notCollected } from "./unclosed.ts";
import { Windows } from "./windows.ts";

/** The constructor of a typed array: `Float64Array`, say. */
export interface TypedArrayConstructor<T> {
  /** The size of an element in bytes. */
  readonly BYTES_PER_ELEMENT: number;
  /** Lays an array over a buffer. */
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
}

const TYPED_ARRAYS: ReadonlySet<unknown> = new Set([
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  (globalThis as { Float16Array?: unknown }).Float16Array,
]);

/** What `console.log` of Bun, Deno and Node calls, if an object has it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** A region's memory, for files that build on regions. */
export let memoryOf: (region: MappedRegion) => RegionMemory;
/** A region over memory: for other parts of the library that make regions. */
export let regionOf: (memory: RegionMemory) => MappedRegion;

/**
 * A mapped range of memory (mmap(2)): a file, a part of one, or memory without a file.
 *
 * Make one by {@linkcode MappedRegion.open} or its siblings, and give it back by {@linkcode MappedRegion.close}, or
 * at the end of a block by `using`. Closing it detaches the views that were taken from it: they have no bytes any
 * more.
 *
 * A file's pages are read when they are touched, and stores to a `"read-write"` region reach the file when the
 * kernel writes its pages back, or at {@linkcode MappedRegion.flush}.
 *
 * @example Look for something in a file, without copying it
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using file = MappedRegion.open("access.log");
 * console.log(file.indexOf("ERROR"));
 * ```
 *
 * @example Change a file in place
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using file = MappedRegion.open("/tmp/counter", { access: "read-write", create: true, size: 8 });
 * file.array(BigUint64Array)[0] = 42n;
 * file.flushSync();
 * ```
 */
export class MappedRegion implements Disposable {
  readonly #memory: RegionMemory;

  static {
    memoryOf = (region) => region.#memory;
    regionOf = (memory) => new MappedRegion(memory);
  }

  /** The size of a page in bytes: 4096 on x86-64; 4096, 16384 or 65536 on arm64. */
  static get pageSize(): number {
    return libc().pageSize;
  }

  /**
   * Maps a file, or a part of one.
   *
   * Offset and length may be any bytes. An empty file is a region of length 0. A device (`/dev/zero`) has no size, so
   * it needs a `length`.
   *
   * The region keeps no descriptor. If a file that this call created can't be mapped, it is removed again.
   *
   * @param path The file's path, or its `file:` URL.
   * @param options What the region may do, which part of the file it shows, and how it is mapped.
   * @throws {TypeError} If an option has the wrong type, is unknown, or needs another one.
   * @throws {RangeError} If an option is out of range, or the file is too short for `offset` and `length`.
   * @throws {MmapError} What open(2), ftruncate(2), posix_fallocate(3) and mmap(2) fail with: ENOENT, EACCES, EEXIST,
   * EISDIR, ENODEV (a FIFO, a file of `/proc`), ENOMEM, ENOSPC, …; ENOTSUP for an option that the platform lacks.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using header = MappedRegion.open("access.log", { length: 16 });
   * console.log(header.bytes);
   * ```
   */
  static open(path: string | URL, options?: OpenOptions): MappedRegion {
    return new MappedRegion(create.mapPath(path, options, callOf(MappedRegion.open)));
  }

  /**
   * Maps a file that is open already.
   *
   * The caller keeps the descriptor and may close it as soon as this returns; {@linkcode MappedRegion.resize} needs it
   * open.
   *
   * @param fd The descriptor: any of the system's, from `node:fs` or from another library.
   * @param options As for {@linkcode MappedRegion.open}, less those about making the file.
   * @throws {TypeError} If an argument has the wrong type, or an option is unknown or needs another one.
   * @throws {RangeError} If an argument is out of range, or the file is too short for `offset` and `length`.
   * @throws {MmapError} EBADF if the descriptor is not open; EACCES if it was opened without a right that the access
   * needs; else as {@linkcode MappedRegion.open}.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { closeSync, openSync } from "node:fs";
   *
   * const fd = openSync("access.log", "r");
   * using region = MappedRegion.fromDescriptor(fd);
   * closeSync(fd);
   * console.log(region.length);
   * ```
   */
  static fromDescriptor(fd: number, options?: DescriptorOptions): MappedRegion {
    return new MappedRegion(create.mapDescriptor(fd, options, callOf(MappedRegion.fromDescriptor)));
  }

  /**
   * Maps memory without a file. It begins as zeros.
   *
   * @param length The number of bytes.
   * @param options What the memory may be used for, and how it is mapped.
   * @throws {TypeError} If an argument has the wrong type, or an option is unknown or needs another one.
   * @throws {RangeError} If an argument is out of range.
   * @throws {MmapError} What mmap(2) fails with: ENOMEM (also when no huge pages are reserved), EAGAIN, EINVAL, EEXIST;
   * ENOTSUP for an option that the platform lacks.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1 << 20);
   * memory.bytes.fill(7);
   * memory.protect("read");
   * ```
   */
  static anonymous(length: number, options?: AnonymousOptions): MappedRegion {
    return new MappedRegion(create.mapMemory(length, options, callOf(MappedRegion.anonymous)));
  }

  /**
   * Calls mmap(2) with parameters of your own, in numbers (`PROT_*` and `MAP_*` from `@mapped/region/libc`).
   *
   * Nothing is aligned, looked up or grown. With `MAP_FIXED` it replaces whatever is mapped at the address, the
   * runtime's own memory included.
   *
   * @param request The parameters.
   * @throws {TypeError} If a parameter is missing, unknown or has the wrong type.
   * @throws {RangeError} If a parameter is out of range.
   * @throws {MmapError} What mmap(2) fails with.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ } from "@mapped/region/libc";
   *
   * using region = MappedRegion.map({ length: 4096, protection: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS });
   * console.log(region.protection);
   * ```
   */
  static map(request: MapRequest): MappedRegion {
    return new MappedRegion(create.mapAsAsked(request, callOf(MappedRegion.map)));
  }

  /**
   * Opens a region that another worker of this process has: the same memory, with a second owner. It is unmapped when
   * the last owner has closed it.
   *
   * @param handle What {@linkcode MappedRegion.handle} made, after `postMessage`.
   * @throws {TypeError} If it is no handle, or of another process.
   * @throws {RegionClosedError} If every owner has closed the region, or it has been made shorter.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4096);
   * const message = structuredClone(memory.handle()); // as postMessage does
   * using same = MappedRegion.attach(message); // in the worker
   * same.bytes[0] = 1;
   * console.log(memory.bytes[0]); // 1
   * ```
   */
  static attach(handle: RegionHandle): MappedRegion {
    return new MappedRegion(create.attachTo(handle, callOf(MappedRegion.attach)));
  }

  /**
   * Regions are made by {@linkcode MappedRegion.open}, {@linkcode MappedRegion.fromDescriptor},
   * {@linkcode MappedRegion.anonymous} and {@linkcode MappedRegion.map}.
   */
  protected constructor(memory: RegionMemory) {
    if (!((memory as unknown) instanceof RegionMemory)) {
      throw new TypeError("MappedRegion has no public constructor: use MappedRegion.open, anonymous or map");
    }
    this.#memory = memory;
  }

  /** The number of bytes. 0 once the region is closed. */
  get length(): number {
    return this.#memory.size;
  }

  /** The address of the first byte. `0n` once the region is closed, and for an empty one. */
  get address(): bigint {
    return BigInt(this.#memory.address);
  }

  /** The number of bytes the region can grow to without being moved, if it was made with a `capacity`; else 0. */
  get capacity(): number {
    return this.#memory.capacity;
  }

  /** Where in the file the region begins, in bytes; 0 for memory. */
  get fileOffset(): number {
    return this.#memory.fileOffset;
  }

  /** What the region was opened to do. */
  get access(): Access {
    return this.#memory.access;
  }

  /**
   * What the pages may be used for. Where {@linkcode MappedRegion.protect} was given a range: what every page may be
   * used for. `"none"` once the region is closed.
   */
  get protection(): Protection {
    return protectionOf(this.#memory.protection);
  }

  /** Whether other mappings of the same file or memory see what is stored (`MAP_SHARED`). */
  get shared(): boolean {
    return this.#memory.shared;
  }

  /** The path that the file was opened by; undefined for a region that wasn't opened by one. */
  get path(): string | undefined {
    return this.#memory.path;
  }

  /** Whether the region has been closed. */
  get closed(): boolean {
    return this.#memory.closed;
  }

  /**
   * Whether the fault guard looks after the region: a page that is lost to a truncation, an I/O error or a full file
   * system reads as zeros instead of ending the process, and a store to a page that may not be written to stays private.
   *
   * False if it was opened with `guard: false`, if the environment has `MAPPED_REGION_GUARD=off`, and where there is no
   * guard: on macOS, and where the system refuses executable memory.
   */
  get guarded(): boolean {
    return this.#memory.slot.guarded;
  }

  /** Why the fault guard doesn't look after the region, in words; undefined where it does. */
  get unguardedReason(): string | undefined {
    return this.#memory.unguardedReason;
  }

  /**
   * How many faults the guard has caught in the region, in any worker: pages that were lost, and stores to pages that may
   * not be written to. It stays readable when the region is closed.
   */
  get faults(): number {
    return this.#memory.faults;
  }

  /**
   * Throws if the guard has ever caught a fault in the region: then some of its bytes are not the file's.
   *
   * @throws {MmapError} EFAULT, with the `offset` of the newest fault.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const lines = log.lines({ encoding: "bytes" });
   * console.log([...lines].length);
   * log.assertIntact(); // the file was not truncated under it
   * ```
   */
  assertIntact(): void {
    this.#memory.assertIntact();
  }

  /** `"MappedRegion"`. */
  get [Symbol.toStringTag](): string {
    return "MappedRegion";
  }

  /**
   * What `JSON.stringify` shows of the region.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log", { length: 10 });
   * console.log(JSON.stringify(log)); // {"path":"access.log","length":10,"access":"read", … }
   * ```
   */
  toJSON(): RegionSummary {
    const { path, length, access, protection, shared, faults, closed } = this;
    return { ...(path === undefined ? {} : { path }), length, access, protection, shared, faults, closed };
  }

  /** What `console.log` shows of the region. */
  [INSPECT](_depth: unknown, options: object, inspect?: (value: unknown, options: object) => string): string {
    const summary = this.toJSON();
    return `MappedRegion ${inspect?.(summary, options) ?? JSON.stringify(summary)}`;
  }

  /**
   * The region's memory as an ArrayBuffer: not a copy. The same object each time, until something detaches it
   * (`close`, `resize`, a `protect` that takes a right away).
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   */
  get buffer(): ArrayBuffer {
    return this.#memory.lendWhole("buffer");
  }

  /**
   * The region's memory as bytes: not a copy.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.lendBytes();
  }

  /**
   * The region's memory as a DataView: not a copy.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   */
  get view(): DataView<ArrayBuffer> {
    return this.#memory.lendView();
  }

  /**
   * A part of the region's memory as bytes: not a copy. It takes what `subarray` of a Uint8Array takes, and gives the same
   * bytes, for a region of any size, as long as the part fits an ArrayBuffer.
   *
   * @param begin The first byte; negative counts from the end. Default: 0.
   * @param end The byte behind the last; negative counts from the end. Default: the end of the region.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument is no number.
   * @throws {RangeError} If the part is larger than an ArrayBuffer can be.
   * @throws {MmapError} EACCES if some of the part's pages have protection `"none"`.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * console.log(file.subarray(2, 6).length); // 4
   * ```
   */
  subarray(begin?: number, end?: number): Uint8Array<ArrayBuffer> {
    const { offset, length } = this.#memory.slice(begin, end, "subarray");
    return this.#memory.lend(offset, length, "subarray");
  }

  /**
   * A part of the region's memory as a typed array: not a copy. Numbers have the byte order of the CPU: little-endian
   * on all supported ones.
   *
   * @param type The typed array's constructor: `Float64Array`, say.
   * @param offset The first byte: a multiple of the element's size. Default: 0.
   * @param length The number of elements. Default: as many as there is room for.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If `type` is no typed array constructor.
   * @throws {RangeError} If the part reaches past the end of the region, is larger than an ArrayBuffer can be, or does
   * not begin at a multiple of the element's size.
   * @throws {MmapError} EACCES if some of the part's pages have protection `"none"`.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(80);
   * const numbers = memory.array(Float64Array);
   * console.log(numbers.length); // 10
   * ```
   */
  array<T extends ArrayBufferView>(type: TypedArrayConstructor<T>, offset: number = 0, length?: number): T {
    if (!TYPED_ARRAYS.has(type)) {
      throw new TypeError(`array: the type must be a typed array constructor: received ${show(type)}`);
    }
    const width = type.BYTES_PER_ELEMENT;
    wholeNumber(offset, "array: 'offset'");
    if (offset % width !== 0) {
      throw misaligned(width, offset);
    }
    const room = Math.max(0, Math.floor((this.length - offset) / width));
    const count = length === undefined ? room : wholeNumber(length, "array: 'length'");
    const { offset: start, length: size } = this.#memory.part(offset, count * width, "array");
    const { buffer, byteOffset } = this.#memory.lend(start, size, "array");
    // The region itself may begin in the middle of an element: its offset in the file can be any byte.
    if (byteOffset % width !== 0) throw misaligned(width, this.#memory.fileOffset + offset);
    return new type(buffer, byteOffset, count);
  }

  /**
   * Walks the region in windows: one part after the other, each a view as from {@linkcode MappedRegion.subarray}. For
   * regions that are larger than an ArrayBuffer, or than memory. Between two windows, `for await (… of …)` lets the
   * event loop run; `for (… of …)` doesn't.
   *
   * @param options Which part, in how large windows, and whether to take what has been passed out of the process's memory.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If the range reaches past the end of the region, or a window is larger than an ArrayBuffer can be.
   * @throws {RegionClosedError} If the region is closed; from the loop too, if it is closed in the middle.
   * @throws {MmapError} From the loop: EACCES if pages have protection `"none"`; EFAULT if pages of the window that was
   * passed were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * let sum = 0;
   * for (const window of file.windows({ size: 4096 })) for (const byte of window) sum += byte;
   * for await (const window of file.windows({ dropBehind: true })) console.log(window.length);
   * ```
   */
  windows(options?: WindowsOptions): Windows {
    return new Windows(this.#memory, windowsOptions(options));
  }

  /**
   * The region as a stream of bytes, for `new Response(region.stream())` and the like. Its chunks are copies, made
   * when they are asked for; the event loop runs after each 8 MiB. If the region is closed before its end, the stream
   * fails with a RegionClosedError.
   *
   * @param options Which bytes, in how large chunks, and whether to take what has been passed out of the process's memory.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {RegionClosedError} If the region is closed.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log((await new Response(log.stream()).text()).length);
   * ```
   */
  stream(options?: StreamOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
    return stream(this.#memory, options);
  }

  /**
   * Runs asynchronous work on the region's bytes, which stay until it is done: {@linkcode MappedRegion.close}, at the
   * end of a `using` block too, waits for it. So the work can't lose its bytes, even if an `await` was forgotten.
   *
   * @param work Is given {@linkcode MappedRegion.bytes}. The region's memory is kept until what it returns has settled.
   * @returns What `work` returns.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   *
   * @example
   * ```ts
   * import { writeFile } from "node:fs/promises";
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * await log.use((bytes) => writeFile("/tmp/copy.log", bytes));
   * ```
   */
  use<T>(work: (bytes: Uint8Array<ArrayBuffer>) => T | Promise<T>): Promise<T> {
    return this.#memory.use(() => work(this.bytes));
  }

  /**
   * Copies bytes out of the region.
   *
   * @param offset The first byte.
   * @param length The number of bytes.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if some of the range's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const first = log.read(0, 16); // stays when the region is closed
   * console.log(first.length); // 16
   * ```
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return copying.read(this.#memory, offset, length, "read");
  }

  /**
   * Reads bytes as UTF-8. A byte order mark at the beginning is part of the text.
   *
   * @param range Which bytes, and what to do about those that are not UTF-8. Default: all; U+FFFD stands for them.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} With `fatal`, if the bytes are not UTF-8.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if some of the range's pages have protection `"none"`; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(log.text({ length: 80 }));
   * ```
   */
  text(range?: TextOptions): string {
    return copying.text(this.#memory, range);
  }

  /**
   * Copies bytes into the region.
   *
   * @param offset Where the first byte goes.
   * @param data The bytes: an ArrayBuffer, any view of one, or a string, which is written as UTF-8.
   * @returns The number of bytes written: all of them.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the data is none of these.
   * @throws {RangeError} If the data reaches past the end of the region; nothing is written then.
   * @throws {MmapError} EACCES if the region, or a page of the range, is not writable; nothing is written then. EFAULT if
   * pages were lost meanwhile, so that not all of it is in the file.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.write(0, "grüß dich"); // 11
   * ```
   */
  write(offset: number, data: Data): number {
    return copying.write(this.#memory, offset, data);
  }

  /**
   * Copies bytes from one place of the region to another (memmove(3)). The two may overlap.
   *
   * @param to Where the first byte goes.
   * @param from Where the first byte is.
   * @param length The number of bytes.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If either place reaches past the end of the region; nothing is copied then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if pages were lost: then only a part may have been
   * copied, but never the zeros in place of what was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.write(0, "abcdef");
   * memory.move(2, 0, 6);
   * console.log(new TextDecoder().decode(memory.read(0, 8))); // ababcdef
   * ```
   */
  move(to: number, from: number, length: number): void {
    copying.move(this.#memory, to, from, length);
  }

  /**
   * Fills a part of the region with one byte (memset(3)).
   *
   * @param value The byte: 0 to 255.
   * @param range Which part. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the byte is out of range, or the part reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.fill(0xff, { offset: 8 });
   * ```
   */
  fill(value: number, range?: Range): void {
    copying.fill(this.#memory, value, range);
  }

  /**
   * Copies a part of the region to another region, or to an array. Works at any size.
   *
   * @param target Where to.
   * @param options Which part, and where in the target its first byte goes.
   * @returns The number of bytes copied: all of the part.
   * @throws {RegionClosedError} If one of the regions is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the part reaches past the end of the region, or of the target; nothing is copied then.
   * @throws {MmapError} EACCES if the target is not writable, or pages may not be read; EFAULT if pages were lost: then
   * only a part may have been copied, but never the zeros in place of what was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * using copy = MappedRegion.open("/tmp/copy.log", { access: "read-write", create: true, size: log.length });
   * log.copyTo(copy);
   * ```
   */
  copyTo(target: MappedRegion | Uint8Array, options?: CopyOptions): number {
    return copying.copyTo(
      this.#memory,
      memoryOrBytes(target, "copyTo: the target", (region) => region.#memory),
      options,
    );
  }

  /**
   * The first offset at which the region and another differ. Works at any size.
   *
   * @param other What to compare with.
   * @returns The offset; where one begins with all of the other, the length of the shorter; -1 if they are equal.
   * @throws {RegionClosedError} If one of the regions is closed.
   * @throws {TypeError} If the argument has the wrong type.
   * @throws {MmapError} EACCES if pages may not be read; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(log.mismatch(log.read(0, 100))); // 100: the region goes on
   * ```
   */
  mismatch(other: MappedRegion | Uint8Array): number {
    return copying.mismatch(
      this.#memory,
      memoryOrBytes(other, "mismatch: the other", (region) => region.#memory),
    );
  }

  /**
   * The region as a list of records of one layout.
   *
   * @param layout What a record looks like: made by {@linkcode struct}.
   * @param options Where the records are, and what checks those that are read.
   * @throws {RegionClosedError} If the region is closed; from the records' methods too.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the records reach past the end of the region.
   *
   * @example
   * ```ts
   * import { char, MappedRegion, struct } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4096);
   * const people = memory.records(struct({ age: "u8", name: char(31) }));
   * people.set(0, { age: 36, name: "Ada" });
   * for (const { age, name } of people) if (age > 0) console.log(name, age);
   * ```
   */
  records<F extends Fields>(layout: Layout<F>, options?: RecordsOptions): Records<F> {
    const checked = recordsOptions(options);
    if (!(layout instanceof Layout)) {
      throw new TypeError(`records: the layout must be made by struct(): received ${show(layout)}`);
    }
    return makeRecords(this.#memory, layout, checked);
  }

  /**
   * The region as a file: a position, with reads and writes of bytes, lines, numbers and strings that move it on.
   *
   * @param offset Where to start, in bytes. Default: 0.
   * @throws {RegionClosedError} If the region is closed; from the cursor's methods too.
   * @throws {RangeError} If the offset is past the end of the region.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const cursor = log.cursor();
   * console.log(cursor.readLine(), cursor.tell());
   * ```
   */
  cursor(offset: number = 0): Cursor {
    const { offset: start } = this.#memory.part(offset, 0, "cursor");
    return makeCursor(this.#memory, start);
  }

  /**
   * The first offset at which the needle occurs; -1 if it doesn't. Searches regions of any size, in place.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where to start, negative counting from the end; or a range in which all of it has to lie. Default: 0.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const at = log.indexOf("ERROR");
   * console.log(at === -1 ? "no errors" : log.indexOf("\n", at)); // where its line ends
   * ```
   */
  indexOf(needle: Needle, from?: number | Range): number {
    const bytes = search.toNeedle(needle, "indexOf");
    const { start, end } = this.#memory.span(fromOption(from, "indexOf"), "indexOf");
    return search.indexOf(this.#memory, bytes, start, end, "indexOf");
  }

  /**
   * Whether the needle occurs in the region: see {@linkcode MappedRegion.indexOf}.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where to start, negative counting from the end; or a range in which all of it has to lie. Default: 0.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(log.includes("ERROR"));
   * ```
   */
  includes(needle: Needle, from?: number | Range): boolean {
    const bytes = search.toNeedle(needle, "includes");
    const { start, end } = this.#memory.span(fromOption(from, "includes"), "includes");
    return search.indexOf(this.#memory, bytes, start, end, "includes") !== -1;
  }

  /**
   * The last offset at which the needle occurs; -1 if it doesn't. Searches regions of any size, in place.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where it may begin at the latest, negative counting from the end; or a range in which all of it has to lie.
   * Default: the end.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(log.lastIndexOf("\n", -2)); // where the last line but one ends
   * ```
   */
  lastIndexOf(needle: Needle, from?: number | Range): number {
    const bytes = search.toNeedle(needle, "lastIndexOf");
    const checked = fromOption(from, "lastIndexOf");
    const { start, end } = this.#memory.spanBefore(checked, bytes.length, "lastIndexOf");
    return search.lastIndexOf(this.#memory, bytes, start, end, "lastIndexOf");
  }

  /**
   * How often the needle occurs in the region. Hits don't overlap.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes. An empty one stands at every offset, and at the end.
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the needle has the wrong type.
   * @throws {RangeError} If a byte is out of range, or the range reaches past the end of the region.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(`${log.count("\n")} lines, ${log.count("ERROR")} errors`);
   * ```
   */
  count(needle: Needle, range?: Range): number {
    const checked = rangeOptions(range, "count");
    const bytes = search.toNeedle(needle, "count");
    const { offset, length } = this.#memory.range(checked, "count");
    return search.count(this.#memory, bytes, offset, offset + length);
  }

  /**
   * The offsets at which the needle occurs, in order. Hits don't overlap. They are looked for up to 256 KiB at a
   * time: what is stored to these meanwhile is not seen.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes. An empty one stands at every offset, and at the end.
   * @param from Where to start, negative counting from the end; or a range in which all of it has to lie. Default: 0.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {RegionClosedError} If the region is closed; from the iteration too, if it is closed in the middle.
   * @throws {MmapError} From the iteration: EACCES if some of the region's pages have protection `"none"`; EFAULT if pages
   * were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * for (const offset of log.matches("ERROR")) console.log(offset);
   * ```
   */
  matches(needle: Needle, from?: number | Range): IterableIterator<number> {
    const bytes = search.toNeedle(needle, "matches");
    const checked = fromOption(from, "matches");
    const { start, end } = this.#memory.span(checked, "matches");
    const fixed = typeof checked === "object" && checked.length !== undefined;
    return search.matches(this.#memory, bytes, start, fixed ? end : undefined);
  }

  /**
   * Walks the lines of the region, as strings. Lines end with `\n` or `\r\n`, which are not part of them; the last one
   * may have no end. They are looked for 60 KiB at a time: what is stored to these meanwhile is not seen.
   *
   * @param options Where to start, in which direction, which lines, and what to do about bytes that are not UTF-8.
   * @throws {TypeError} If an option is unknown or has the wrong type; with `fatal`, from the iteration, at the first line
   * that is not UTF-8.
   * @throws {RegionClosedError} If the region is closed; from the iteration too, if it is closed in the middle.
   * @throws {MmapError} From the iteration: EACCES if pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * for (const line of log.lines({ reverse: true })) {
   *   console.log(line); // the last one
   *   break;
   * }
   * const errors = log.lines({ containing: "ERROR" });
   * for (const line of errors) console.log(`${errors.number}: ${line}`);
   * ```
   */
  lines(options?: LinesOptions & { encoding?: "utf-8" | undefined }): LineIterator<string>;
  /**
   * Walks the lines of the region, as bytes. They are views of a copy, which is made of many lines at once, and which
   * is the program's own. To find lines in the region itself, walk their `"offsets"`.
   *
   * @param options As for strings, with encoding `"bytes"`.
   */
  lines(options: LinesOptions & { encoding: "bytes" }): LineIterator<Uint8Array<ArrayBuffer>>;
  /**
   * Walks the lines of the region as offsets: where each begins, and where it ends. This is the fastest walk, since
   * the same object is returned each time, with other numbers in it. The program then reads or stores in place what
   * it needs.
   *
   * @param options As for strings, with encoding `"offsets"`.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * for (const { start, end } of log.lines({ encoding: "offsets" })) {
   *   if (end - start > 1000) console.log(log.subarray(start, end));
   * }
   * ```
   */
  lines(options: LinesOptions & { encoding: "offsets" }): LineIterator<Readonly<LineOffsets>>;
  lines(
    options?: LinesOptions,
  ): LineIterator<string> | LineIterator<Uint8Array<ArrayBuffer>> | LineIterator<Readonly<LineOffsets>> {
    const checked = linesOptions(options);
    const { encoding } = checked;
    if (encoding === "bytes") return new ByteLines(this.#memory, checked);
    return encoding === "offsets"
      ? new LinePlaces(this.#memory, checked)
      : new TextLines(this.#memory, checked);
  }

  /**
   * Writes dirty pages back to the file (msync(2)) on another thread, while the event loop goes on. In Node and Bun that
   * is a worker's thread, started with the first call. Does nothing for a region that is not shared, or not of a file.
   *
   * If the region is closed meanwhile, its memory is kept until this is done. Resizing it meanwhile is refused.
   *
   * @param options Which bytes, and whether to invalidate other mappings. Default: all.
   * @returns When the pages are written back.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What msync(2) fails with: EBUSY (`invalidate`, and a page is locked), EIO, ENOSPC; EFAULT if
   * pages have been lost, so that what was stored to them is not in the file.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("/tmp/notes", { access: "read-write", create: true, size: 100 });
   * file.write(0, "kept");
   * await file.flush();
   * ```
   */
  flush(options?: FlushOptions): Promise<void> {
    return pages.flush(this.#memory, options);
  }

  /**
   * Writes dirty pages back to the file (msync(2)), and waits. Does nothing for a region that is not shared, or not of a
   * file.
   *
   * @param options Which bytes, whether to invalidate other mappings, and whether to wait. Default: all; wait.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} As from {@linkcode MappedRegion.flush}.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("/tmp/notes", { access: "read-write", create: true, size: 100 });
   * file.write(0, "kept");
   * file.flushSync({ length: 4 });
   * ```
   */
  flushSync(options?: FlushSyncOptions): void {
    pages.flushSync(this.#memory, options);
  }

  /**
   * Changes what pages may be used for (mprotect(2)). A range is widened to whole pages. If it takes a right away, every
   * view of the region is detached; while work of {@linkcode MappedRegion.use} is under way, that is refused.
   *
   * @param protection What the pages may be used for.
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the protection is no such word.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if the file was not opened for what the protection allows; ENOMEM at the limit of
   * mappings; EBUSY if a right is to be taken away from bytes that are in use. The protection is then as it was.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(3 * MappedRegion.pageSize);
   * memory.protect("none", { offset: 0, length: MappedRegion.pageSize }); // a guard page
   * ```
   */
  protect(protection: Protection, range?: Range): void {
    pages.protect(this.#memory, protection, range);
  }

  /**
   * Tells the kernel how pages will be used (madvise(2)). None of this changes what is read; what does is
   * {@linkcode MappedRegion.discard}. A range is widened to whole pages.
   *
   * @param advice How the pages will be used.
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the advice is no such word.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} ENOTSUP if the platform has no such advice; EINVAL if the kernel is too old for it, if it is
   * not for this kind of mapping, or if it would throw contents away (`"dont-need"`, unless the region is a shared
   * one of a file).
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * file.advise("sequential");
   * ```
   */
  advise(advice: Advice, range?: Range): void {
    pages.advise(this.#memory, advice, range);
  }

  /**
   * Throws the contents of pages away. Only whole pages within the range are: the bytes of a page that is partly outside
   * stay.
   *
   * @param options Which bytes, and how.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EINVAL if the kernel can't do this to this kind of mapping, or pages are locked; EACCES for
   * `"remove"` if the region is not writable; ENOTSUP if the platform can't do it.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1 << 20);
   * memory.bytes.fill(1);
   * memory.discard();
   * console.log(memory.bytes[0]); // 0
   * ```
   */
  discard(options?: DiscardOptions): void {
    pages.discard(this.#memory, options);
  }

  /**
   * Reads pages in now, so that later accesses don't wait.
   *
   * @param options Which bytes, and whether they will be stored to.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if pages may not be read (or, with `write`, stored to); EFAULT if the file has become
   * shorter than the region; ENOMEM.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * log.prefault({ length: 4096 });
   * ```
   */
  prefault(options?: PrefaultOptions): void {
    pages.prefault(this.#memory, options);
  }

  /**
   * Locks pages into memory (mlock(2)), so that they are never paged out. A range is widened to whole pages. Closing the
   * region unlocks a file's pages at once, and memory when it is given back.
   *
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} ENOMEM, EPERM or EAGAIN if more would be locked than the limit allows (`ulimit -l`); EFAULT if
   * pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using key = MappedRegion.anonymous(32);
   * key.lock(); // never written to a swap file
   * crypto.getRandomValues(key.bytes);
   * ```
   */
  lock(range?: Range): void {
    pages.lock(this.#memory, range);
  }

  /**
   * Undoes {@linkcode MappedRegion.lock}. A range is widened to whole pages.
   *
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What munlock(2) fails with.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using key = MappedRegion.anonymous(32);
   * key.lock();
   * key.unlock();
   * ```
   */
  unlock(range?: Range): void {
    pages.unlock(this.#memory, range);
  }

  /**
   * Tells which pages are in memory (mincore(2)). A range is widened to whole pages.
   *
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What mincore(2) fails with: EAGAIN.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * console.log(String(file.residency()));
   * ```
   */
  residency(range?: Range): Residency {
    return pages.residency(this.#memory, range);
  }

  /**
   * Changes the number of bytes. Every view is detached, and the address may change; unless the region was made with a
   * `capacity`: then it stays where it is, and so does every view that lies within its new length.
   *
   * A writable region of a file grows the file when it is too short. Growing allocates the file's blocks, unless the region
   * was opened with `sparse: true`. A file is never cut off, unless `file` says so. Other regions of files follow a file
   * that has become longer. Memory grows by zeros. Pages that a region gave up by becoming shorter come back as the file
   * has them, or as zeros, never as they were.
   *
   * To grow, a region of a path opens its file again. Where that is another file by now, or none, that is an error; a
   * region of a descriptor that is kept open doesn't depend on the path.
   *
   * @param length The number of bytes that the region shall have.
   * @param options Whether to cut the file off where the region ends.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an option is unknown or has the wrong type, or `file` is asked of a region that can't.
   * @throws {RangeError} If `length` is out of range, more than the region's capacity, or past the end of a file that the
   * region can't make longer.
   * @throws {MmapError} ENOSPC if the file system is full; ENOMEM; EBUSY while {@linkcode MappedRegion.flush} or
   * {@linkcode MappedRegion.use} is under way, or other workers have the region; ENOTSUP for shared memory without a file,
   * which can't grow; EFBIG beyond what the file system or `ulimit -f` allows; ENOENT and ESTALE if the file is not to be
   * found by its path any more, and EBADF if its descriptor was closed. The region is then as it was, but for its views.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(100);
   * memory.resize(1000);
   * console.log(memory.length); // 1000
   * ```
   */
  resize(length: number, options?: ResizeOptions): void {
    resize(this.#memory, length, options);
  }

  /**
   * Resizes the region to where its file ends now, as `tail -f` needs it for a file that grows. Does nothing for
   * memory and devices.
   *
   * @returns The number of bytes that the region has now.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the file has come to be longer than the region's capacity.
   * @throws {MmapError} As from {@linkcode MappedRegion.resize}.
   *
   * @example
   * ```ts
   * import { appendFileSync, writeFileSync } from "node:fs";
   * import { MappedRegion } from "@mapped/region";
   *
   * writeFileSync("/tmp/growing.log", "one\n");
   * using log = MappedRegion.open("/tmp/growing.log", { capacity: 1 << 30 });
   * appendFileSync("/tmp/growing.log", "two\n");
   * console.log(log.refresh()); // 8
   * ```
   */
  refresh(): number {
    return refresh(this.#memory);
  }

  /**
   * What another worker of this process needs to use the same memory: send it by `postMessage`, and pass it to
   * {@linkcode MappedRegion.attach} there. (A region itself would arrive as an empty object.) A handle keeps nothing
   * open: attach before every owner has closed the region.
   *
   * While several workers have the region, no rights can be taken from its pages, and it can't be resized, but for
   * growing within its `capacity`. A worker that ends without having closed it is no owner any more.
   *
   * @throws {RegionClosedError} If the region is closed.
   *
   * @example
   * ```ts
   * import { Worker } from "node:worker_threads";
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const worker = new Worker(
   *   `require("node:worker_threads").parentPort.once("message", (handle) => console.log(handle.type));`,
   *   { eval: true },
   * );
   * worker.postMessage(log.handle()); // there: using log = MappedRegion.attach(handle)
   * ```
   */
  handle(): RegionHandle {
    return create.handleOf(this.#memory);
  }

  /**
   * Closes the region: every view of it is detached, and all methods throw RegionClosedError from now on. A second
   * call does nothing, unless it has `now`: then what has been kept since the first is let go of.
   *
   * The memory is unmapped at once if the program has taken no views. Else it is unmapped when these have been
   * collected, so that work in flight (`fs.write`, an HTTP response, an addon's thread) finds the region's bytes to
   * its end. At most 16,384 closed regions, 32,768 of the kernel's mappings, and 1 GiB of memory that is in no file, are
   * kept so; then the oldest reads as zeros.
   *
   * What was stored to a shared region reaches the file without further ado. Call {@linkcode MappedRegion.flush}
   * before only if the program has to know that it has.
   *
   * @param options Whether to let go of the file and the memory at once: before an unmount, say.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * const log = MappedRegion.open("access.log");
   * const bytes = log.bytes;
   * log.close();
   * console.log(log.closed, bytes.length); // true 0
   * ```
   */
  close(options?: CloseOptions): void {
    this.#memory.close(closeOptions(options).now ?? false);
  }

  /** {@linkcode MappedRegion.close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.#memory.close(false);
  }
}

/** What `JSON.stringify` and `console.log` show of a region. */
export interface RegionSummary {
  /** The path that the file was opened by, where there is one. */
  readonly path?: string;
  /** The number of bytes. */
  readonly length: number;
  /** What the region was opened to do. */
  readonly access: Access;
  /** What every page may be used for. */
  readonly protection: Protection;
  /** Whether stores are seen by other mappings of the same thing. */
  readonly shared: boolean;
  /** How many faults the guard has caught in the region. */
  readonly faults: number;
  /** Whether the region has been closed. */
  readonly closed: boolean;
}

/**
 * So many files of `mapFile` are mapped at a time: the kernel doesn't grant many more mappings, and while a program
 * doesn't return to the event loop, none that it has dropped is found out.
 */
const MOST_FILES = 2 ** 14;
/** Beyond that, files of up to this many bytes are copied. */
const LARGEST_COPY = 2 ** 20;

/**
 * A file's bytes, as from `readFileSync`, but without a copy. They stay for as long as the array, its buffer or
 * another view of it can be reached: there is nothing to close.
 *
 * The buffer can't be transferred: `postMessage(bytes, [bytes.buffer])` throws, and `postMessage(bytes)` posts a copy. To
 * share a file's bytes with a worker, open a region and post its `handle()`.
 *
 * When 16,384 files are mapped so and have not been collected, further ones of up to 1 MiB are copied.
 *
 * @param path The file's path, or its `file:` URL.
 * @param options As for {@linkcode MappedRegion.open}. By default stores are private, and never reach the file.
 * @throws {TypeError} If an option has the wrong type, is unknown, or needs another one.
 * @throws {RangeError} If an option is out of range, the file is too short for `offset` and `length`, or larger than an
 * ArrayBuffer can be: 4 GiB in Bun.
 * @throws {MmapError} As from {@linkcode MappedRegion.open}.
 *
 * @example
 * ```ts
 * import { mapFile } from "@mapped/region";
 *
 * console.log(mapFile("access.log").length);
 * ```
 */
export function mapFile(path: string | URL, options?: OpenOptions): Uint8Array<ArrayBuffer> {
  const memory = create.openSilently(path, options);
  const { size } = memory;
  try {
    if (notCollected() > MOST_FILES && size <= LARGEST_COPY) {
      const copy = copying.read(memory, 0, size, "mapFile");
      memory.close(false);
      return copy;
    }
    const buffer = memory.lendWhole("mapFile");
    keepFromTransfer(buffer);
    return new Uint8Array(buffer);
  } catch (error) {
    memory.close(false);
    throw error;
  }
}

function memoryOrBytes(
  value: MappedRegion | Uint8Array,
  what: string,
  memoryOf: (region: MappedRegion) => RegionMemory,
): RegionMemory | Uint8Array {
  if (value instanceof MappedRegion) return memoryOf(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} must be a MappedRegion or a Uint8Array: received ${show(value)}`);
}

function misaligned(width: number, offset: number): RangeError {
  return new RangeError(
    `array: 'offset' must be a multiple of ${width}, the element's size: received ${offset}; ` +
      `open the region with an 'offset' that begins there, or use records() or a cursor()`,
  );
}
