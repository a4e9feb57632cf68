/**
 * `MappedRegion`: the ownership of a mapping.
 *
 * @module
 */
import { accessSync, constants as files, fstatSync } from "node:fs";
import process from "node:process";
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { constants, type ConstantTable } from "../ffi/platform.ts";
import type { Slot } from "../ffi/regions.ts";
import { oneOf, show, wholeNumber, within } from "./checks.ts";
import { RegionClosedError } from "./errors.ts";
import { type RegionHandle, regionHandle } from "./handle.ts";
import { borrowFile, type MappedFile, openFile, toPath } from "./file.ts";
import {
  attachMapping,
  createMapping,
  isShared,
  Mapping,
  type MappingRequest,
  resizeMapping,
  roundDown,
  roundUp,
} from "./mapping.ts";
import { Cursor } from "./cursor.ts";
import { ByteLines, TextLines } from "./lines.ts";
import type { Haystack, Memory } from "./memory.ts";
import {
  type Access,
  type Advice,
  type AnonymousOptions,
  anonymousOptions,
  type CopyOptions,
  copyOptions,
  type DescriptorOptions,
  descriptorOptions,
  type DiscardOptions,
  discardOptions,
  type LinesOptions,
  linesOptions,
  type MapOptions,
  type MapRequest,
  mapRequest,
  type OpenOptions,
  openOptions,
  type PrefaultOptions,
  prefaultOptions,
  type Protection,
  protectionWord,
  type Range,
  rangeOptions,
  type RecordsOptions,
  recordsOptions,
  type ScanOptions,
  scanOptions,
  type StreamOptions,
  type SyncOptions,
  syncOptions,
} from "./options.ts";
import { Records } from "./records.ts";
import { adviseRemedy, lockRemedy, mapRemedy, needed } from "./remedies.ts";
import { Residency } from "./residency.ts";
import { count, indexOf, lastIndexOf, matches, type Needle, toNeedle, toOffset } from "./search.ts";
import { scan, stream } from "./stream.ts";
import { type Fields, Layout } from "./struct.ts";
import { LARGEST_BUFFER, type Place, Views } from "./views.ts";

/** The constructor of a typed array: `Float64Array`, say. */
export interface TypedArrayConstructor<T> {
  /** The size of an element in bytes. */
  readonly BYTES_PER_ELEMENT: number;
  /** Lays an array over a buffer. */
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): T;
}

const PROTECTION_BITS: Readonly<Record<Protection, number>> = {
  "none": constants.PROT_NONE,
  "read": constants.PROT_READ,
  "read-write": constants.PROT_READ | constants.PROT_WRITE,
  "read-execute": constants.PROT_READ | constants.PROT_EXEC,
  "read-write-execute": constants.PROT_READ | constants.PROT_WRITE | constants.PROT_EXEC,
};

const ADVICE_CONSTANTS: Readonly<Record<Advice, keyof ConstantTable>> = {
  "normal": "MADV_NORMAL",
  "random": "MADV_RANDOM",
  "sequential": "MADV_SEQUENTIAL",
  "will-need": "MADV_WILLNEED",
  "dont-need": "MADV_DONTNEED",
  "cold": "MADV_COLD",
  "page-out": "MADV_PAGEOUT",
  "populate-read": "MADV_POPULATE_READ",
  "populate-write": "MADV_POPULATE_WRITE",
  "huge-page": "MADV_HUGEPAGE",
  "no-huge-page": "MADV_NOHUGEPAGE",
  "collapse": "MADV_COLLAPSE",
  "mergeable": "MADV_MERGEABLE",
  "unmergeable": "MADV_UNMERGEABLE",
  "dont-fork": "MADV_DONTFORK",
  "do-fork": "MADV_DOFORK",
  "dont-dump": "MADV_DONTDUMP",
  "do-dump": "MADV_DODUMP",
  "wipe-on-fork": "MADV_WIPEONFORK",
  "keep-on-fork": "MADV_KEEPONFORK",
};
const ADVICES = Object.keys(ADVICE_CONSTANTS) as readonly Advice[];

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

/** The window that `windows()` takes when not told otherwise, in bytes. */
const WINDOW = 2 ** 26;

/** A part of up to so many bytes, of a region of more than so many, is copied without a buffer over the whole … */
const SMALL_COPY = 2 ** 16;
const LARGE_REGION = 2 ** 20;
/** … so many times. After that the buffer is cheaper. */
const MANY_COPIES = 64;

/** What a region is made of; its constructor is not for programs. */
interface Parts {
  readonly mapping: Mapping;
  /** Where in the first page the region begins. */
  readonly delta: number;
  readonly length: number;
  /** Where in the file the region begins. */
  readonly fileOffset: number;
  readonly access: Access;
  readonly sparse: boolean;
  readonly path?: string | undefined;
}

/** The constructor, which is private to programs. */
let make: (parts: Parts) => MappedRegion;

/** A region's memory, for what reads and writes it. */
let RegionMemory: new (region: MappedRegion) => Memory;

/**
 * A range of memory that mmap(2) made: a file, or a part of one, or memory of its own.
 *
 * A region is made by {@linkcode MappedRegion.open} and its siblings, and given back by
 * {@linkcode MappedRegion.close}, or at the end of a block by `using`. Views taken from it end with it: they are
 * detached, and read as having no bytes.
 *
 * A file's pages are read when they are touched, and stores to a `"read-write"` region reach the file when the
 * kernel writes its pages back, or at {@linkcode MappedRegion.sync}.
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
 * file.sync();
 * ```
 */
export class MappedRegion implements Disposable {
  #mapping: Mapping | undefined;
  readonly #views = new Views();
  readonly #delta: number;
  readonly #fileOffset: number;
  readonly #access: Access;
  readonly #shared: boolean;
  readonly #path: string | undefined;
  readonly #sparse: boolean;
  readonly #slot: Slot;
  /** How many faults `sync` has told of. */
  #told = 0;
  #length: number;
  /** How many small parts have been copied without a buffer over the whole region. */
  #copies = 0;
  #memoryOf: Memory | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #view: DataView<ArrayBuffer> | undefined;

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
    const checked = openOptions(options);
    const file = openFile(toPath(path), checked);
    try {
      return mapFile(file, checked);
    } catch (error) {
      file.undo();
      throw error;
    }
  }

  /**
   * Maps a file that is open already.
   *
   * The caller keeps the descriptor and may close it as soon as this returns; {@linkcode MappedRegion.resize} needs it
   * open.
   *
   * @param fd The descriptor, as `node:fs` gives it.
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
    const checked = descriptorOptions(options);
    wholeNumber(fd, "MappedRegion.fromDescriptor: the descriptor");
    return mapFile(borrowFile(fd), checked);
  }

  /**
   * Maps memory of its own, zeroed, which no file stands behind.
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
    const checked = anonymousOptions(options);
    wholeNumber(length, "MappedRegion.anonymous: the length");
    const { shared = false, protection = "read-write", hugePages = false, stack, growsDown } = checked;
    let flags = mapFlags(checked) | constants.MAP_ANONYMOUS |
      (shared ? constants.MAP_SHARED : constants.MAP_PRIVATE);
    if (hugePages !== false) flags |= needed("MAP_HUGETLB", "option 'hugePages'", "mmap");
    if (hugePages === "2MB") flags |= needed("MAP_HUGE_2MB", "option 'hugePages'", "mmap");
    if (hugePages === "1GB") flags |= needed("MAP_HUGE_1GB", "option 'hugePages'", "mmap");
    if (stack === true) flags |= needed("MAP_STACK", "option 'stack'", "mmap");
    if (growsDown === true) flags |= needed("MAP_GROWSDOWN", "option 'growsDown'", "mmap");
    const bits = PROTECTION_BITS[protection];
    const access: Access = (bits & constants.PROT_WRITE) !== 0 ? "read-write" : "read";
    const request = { address: mapAddress(checked), length, protection: bits, flags, fd: -1, offset: 0 };
    const mapping = createMapping(request, { explain: (code) => mapRemedy(code, checked, access) });
    return make({ mapping, delta: 0, length, fileOffset: 0, access, sparse: false });
  }

  /**
   * Maps what mmap(2) is told to: every parameter is the system call's own, in numbers (`PROT_*` and `MAP_*` from
   * `@mapped/region/libc`).
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
    const { address = 0n, length, protection, flags, fd = -1, offset = 0 } = mapRequest(request);
    if (address === 0n && (flags & constants.MAP_FIXED) !== 0) {
      throw new RangeError("MappedRegion.map: MAP_FIXED needs an address above 0n");
    }
    const anonymous = (flags & constants.MAP_ANONYMOUS) !== 0;
    if (!anonymous && fd < 0) {
      throw new RangeError(
        "MappedRegion.map: option 'fd' must be a descriptor, unless 'flags' has MAP_ANONYMOUS",
      );
    }
    const file = anonymous ? undefined : borrowFile(fd);
    const writable = (protection & constants.PROT_WRITE) !== 0;
    const access: Access = !writable ? "read" : anonymous || isShared(flags) ? "read-write" : "copy-on-write";
    const mapping = createMapping(
      { address: Number(address), length, protection, flags, fd, offset },
      { file, explain: (code) => mapRemedy(code, {}, access) },
    );
    return make({ mapping, delta: 0, length, fileOffset: offset, access, sparse: false });
  }

  /**
   * The region of another worker of this process, as a handle names it: the same memory, a second owner. It is unmapped
   * when the last of its owners has closed it.
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
    const checked = regionHandle(handle);
    const mapping = attachMapping(checked);
    if (mapping === undefined) throw new RegionClosedError("attach", checked.path);
    const { delta, length, fileOffset, access, path } = checked;
    return make({ mapping, delta, length, fileOffset, access, path, sparse: false });
  }

  /**
   * Regions are made by {@linkcode MappedRegion.open}, {@linkcode MappedRegion.fromDescriptor},
   * {@linkcode MappedRegion.anonymous} and {@linkcode MappedRegion.map}.
   */
  private constructor(parts: Parts) {
    const mapping: unknown = (parts as Partial<Parts> | undefined)?.mapping;
    if (!(mapping instanceof Mapping)) {
      throw new TypeError("MappedRegion has no public constructor: use MappedRegion.open, anonymous or map");
    }
    this.#mapping = mapping;
    this.#delta = parts.delta;
    this.#length = parts.length;
    this.#fileOffset = parts.fileOffset;
    this.#access = parts.access;
    this.#sparse = parts.sparse;
    this.#slot = mapping.slot;
    this.#shared = mapping.shared;
    this.#path = parts.path ?? mapping.file?.path;
  }

  static {
    // Within, so that it sees the private parts; a class, so that compilers see the same functions in all regions.
    RegionMemory = class implements Memory {
      readonly #region: MappedRegion;

      constructor(region: MappedRegion) {
        this.#region = region;
      }

      get writable(): boolean {
        return ((this.#region.#mapping?.protections.common ?? 0) & constants.PROT_WRITE) !== 0;
      }

      get faults(): Uint32Array {
        return this.#region.#slot.faultCount;
      }

      length(operation: string): number {
        this.#region.#live(operation);
        return this.#region.#length;
      }

      haystack(operation: string): Haystack {
        return this.#region.#haystack(operation);
      }

      borrow(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
        const { buffer, byteOffset } = this.#region.#place(offset, length, operation);
        return new Uint8Array(buffer, byteOffset, length);
      }

      lend(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
        const { buffer, byteOffset } = this.#region.#place(offset, length, operation);
        return new Uint8Array(this.#region.#escape(buffer), byteOffset, length);
      }

      borrowWritable(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
        this.#region.#writable(offset, length, operation);
        return this.borrow(offset, length, operation);
      }

      check(offset: number, length: number | undefined, operation: string): void {
        this.#region.#part(offset, length, operation);
      }

      drop(offset: number, length: number, operation: string): void {
        this.#region.#drop(offset, length, operation);
      }

      watch<T>(operation: string, offset: number, length: number, touch: () => T): T {
        return this.#region.#watch(operation, offset, length, touch);
      }

      lost(operation: string): MmapError {
        return this.#region.#fault(operation);
      }
    };

    make = (parts) => {
      const region = new MappedRegion(parts);
      const { mapping } = parts;
      // Not in the constructor: in V8 an Error holds on to the `this` of every function on its stack, so that the region
      // would never be collected.
      backstop().register(region, { mapping, where: new Error("mapped here"), path: region.#path }, mapping);
      return region;
    };
  }

  /** The number of bytes. 0 once the region is closed. */
  get length(): number {
    return this.#length;
  }

  /** The address of the first byte. `0n` once the region is closed, and for an empty one. */
  get address(): bigint {
    const mapping = this.#mapping;
    return mapping === undefined || mapping.size === 0 ? 0n : BigInt(mapping.start + this.#delta);
  }

  /** What the region was opened to do. */
  get access(): Access {
    return this.#access;
  }

  /**
   * What the pages may be used for. Where {@linkcode MappedRegion.protect} was given a range: what every page may be
   * used for. `"none"` once the region is closed.
   */
  get protection(): Protection {
    const bits = this.#mapping?.protections.common ?? constants.PROT_NONE;
    const { PROT_READ, PROT_WRITE, PROT_EXEC } = constants;
    if ((bits & PROT_READ) === 0) return "none";
    if ((bits & PROT_EXEC) !== 0) return (bits & PROT_WRITE) !== 0 ? "read-write-execute" : "read-execute";
    return (bits & PROT_WRITE) !== 0 ? "read-write" : "read";
  }

  /** Whether stores are seen by other mappings of the same thing (`MAP_SHARED`). */
  get shared(): boolean {
    return this.#shared;
  }

  /** The path that the file was opened by; undefined for a region that wasn't opened by one. */
  get path(): string | undefined {
    return this.#path;
  }

  /** Whether the region has been closed. */
  get closed(): boolean {
    return this.#mapping === undefined;
  }

  /**
   * Whether the fault guard looks after the region: a page that is lost to a truncation, an I/O error or a full file
   * system reads as zeros instead of ending the process, and a store to a page that may not be written to stays private.
   *
   * False if it was opened with `guard: false`, if the environment has `MAPPED_REGION_GUARD=off`, and where there is no
   * guard: on macOS, and where the system refuses executable memory.
   */
  get guarded(): boolean {
    return this.#slot.guarded;
  }

  /**
   * How many faults the guard has caught in the region, in any worker: pages that were lost, and stores to pages that may
   * not be written to. It stays readable when the region is closed.
   */
  get faults(): number {
    return this.#slot.faults;
  }

  /**
   * Throws if the guard has ever caught a fault in the region: then some of its bytes are not the file's.
   *
   * @throws {MmapError} EFAULT, with the `offset` of the newest fault.
   */
  assertIntact(): void {
    if (this.#slot.faults !== 0) throw this.#fault("assertIntact");
  }

  /** `"MappedRegion"`. */
  get [Symbol.toStringTag](): string {
    return "MappedRegion";
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
    return this.#escape(this.#whole("buffer"));
  }

  /**
   * The region's memory as bytes: not a copy.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    const buffer = this.#whole("bytes");
    if (this.#bytes?.buffer !== buffer) this.#bytes = new Uint8Array(this.#escape(buffer));
    return this.#bytes;
  }

  /**
   * The region's memory as a DataView: not a copy.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the region is larger than an ArrayBuffer can be: 4 GiB in Bun.
   * @throws {MmapError} EACCES if some of its pages have protection `"none"`.
   */
  get view(): DataView<ArrayBuffer> {
    const buffer = this.#whole("view");
    if (this.#view?.buffer !== buffer) this.#view = new DataView(this.#escape(buffer));
    return this.#view;
  }

  /**
   * A part of the region's memory as bytes: not a copy. Works for a region of any size, as long as the part fits an
   * ArrayBuffer.
   *
   * @param offset The first byte. Default: 0.
   * @param length The number of bytes. Default: up to the end of the region.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the part reaches past the end of the region, or is larger than an ArrayBuffer can be.
   * @throws {MmapError} EACCES if some of the part's pages have protection `"none"`.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * console.log(file.subarray(2, 6));
   * ```
   */
  subarray(offset: number = 0, length?: number): Uint8Array<ArrayBuffer> {
    const [start, count] = this.#part(offset, length, "subarray");
    const { buffer, byteOffset } = this.#place(start, count, "subarray");
    return new Uint8Array(this.#escape(buffer), byteOffset, count);
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
      throw new RangeError(
        `array: 'offset' must be a multiple of ${width}, the element's size: received ${offset}`,
      );
    }
    const room = Math.max(0, Math.floor((this.#length - offset) / width));
    const count = length === undefined ? room : wholeNumber(length, "array: 'length'");
    const [start, size] = this.#part(offset, count * width, "array");
    const { buffer, byteOffset } = this.#place(start, size, "array");
    return new type(this.#escape(buffer), byteOffset, count);
  }

  /**
   * Walks the region in parts, each as {@linkcode MappedRegion.subarray} gives it: for regions that are larger than an
   * ArrayBuffer, or than memory.
   *
   * @param size The size of a part in bytes; the last one may be shorter. Default: 64 MiB.
   * @throws {RangeError} If `size` is not a whole number above 0, or larger than an ArrayBuffer can be.
   * @throws {RegionClosedError} From the iteration, if the region is closed.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * let sum = 0;
   * for (const part of file.windows(4096)) for (const byte of part) sum += byte;
   * ```
   */
  windows(size: number = WINDOW): IterableIterator<Uint8Array<ArrayBuffer>> {
    if (wholeNumber(size, "windows: 'size'") === 0) throw new RangeError("windows: 'size' must be above 0");
    this.#live("windows");
    return this.#windows(size);
  }

  *#windows(size: number): Generator<Uint8Array<ArrayBuffer>, undefined> {
    for (let offset = 0; offset < this.#length || this.closed; offset += size) {
      this.#live("windows");
      yield this.subarray(offset, Math.min(size, this.#length - offset));
    }
  }

  /**
   * Walks the region in parts, once, and lets the event loop run in between: for regions that are larger than memory.
   * Parts that have been passed are taken out of the process's memory, unless `dropBehind` is false.
   *
   * @param options Which bytes, and in how large parts.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {RegionClosedError} If the region is closed; from the iteration too, if it is closed in the middle.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("access.log");
   * let zeros = 0;
   * for await (const part of file.scan()) for (const byte of part) if (byte === 0) zeros++;
   * ```
   */
  scan(options?: ScanOptions): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    const checked = scanOptions(options, "scan");
    this.#part(checked.offset ?? 0, checked.length, "scan");
    return scan(this.#memory, checked);
  }

  /**
   * The region as a stream of bytes, for `new Response(region.stream())` and the like. Its chunks are copies. It reads
   * when it is asked to; if the region is closed before it ends, it fails with a RegionClosedError.
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
    return stream(this.#memory, scanOptions(options, "stream"));
  }

  /**
   * Copies bytes out of the region.
   *
   * @param offset The first byte.
   * @param length The number of bytes.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if some of the range's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const [start, count] = this.#part(offset, length, "read");
    const copy = new Uint8Array(count);
    this.#watch("read", start, count, () => copy.set(this.#borrowOnce(start, count, "read")));
    return copy;
  }

  /**
   * Copies bytes into the region.
   *
   * @param offset Where the first byte goes.
   * @param data The bytes, or a string, which is written as UTF-8.
   * @returns The number of bytes written: all of them.
   * @throws {RegionClosedError} If the region is closed.
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
  write(offset: number, data: Uint8Array | string): number {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError(`write: the data must be a Uint8Array or a string: received ${show(data)}`);
    }
    const [start, count] = this.#part(offset, bytes.length, "write");
    this.#writable(start, count, "write");
    const target = this.#borrowOnce(start, count, "write");
    this.#watch("write", start, count, () => target.set(bytes));
    return count;
  }

  /**
   * Copies bytes from one place of the region to another (memmove(3)). The two may overlap.
   *
   * @param to Where the first byte goes.
   * @param from Where the first byte is.
   * @param length The number of bytes.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If either place reaches past the end of the region; nothing is copied then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if pages were lost meanwhile.
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
    const count = wholeNumber(length, "move: 'length'");
    const [target] = this.#part(to, count, "move");
    const [source] = this.#part(from, count, "move");
    this.#copy(source, this, target, count, "move");
  }

  /**
   * Stores one byte all over a part of the region (memset(3)).
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
    const { offset, length } = rangeOptions(range, "fill");
    if (wholeNumber(value, "fill: the byte") > 255) {
      throw new RangeError(`fill: the byte must be at most 255: received ${value}`);
    }
    const [start, count] = this.#part(offset ?? 0, length, "fill");
    this.#writable(start, count, "fill");
    if (count === 0) return;
    const address = this.#live("fill").start + this.#delta + start;
    this.#watch("fill", start, count, () => libc().functions.memset(address, value, count));
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
   * @throws {MmapError} EACCES if the target is not writable, or pages may not be read; EFAULT if pages were lost
   * meanwhile.
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
    const { at = 0, offset, length } = copyOptions(options);
    if (!(target instanceof MappedRegion) && !(target instanceof Uint8Array)) {
      throw new TypeError(
        `copyTo: the target must be a MappedRegion or a Uint8Array: received ${show(target)}`,
      );
    }
    const room = target.length;
    const [start, count] = this.#part(offset ?? 0, length, "copyTo");
    within(at, count, room, "copyTo: the target");
    if (target instanceof MappedRegion) {
      this.#copy(start, target, at, count, "copyTo");
      return count;
    }
    for (let done = 0; done < count; done += WINDOW) {
      const size = Math.min(WINDOW, count - done);
      const bytes = this.#memory.borrow(start + done, size, "copyTo");
      this.#watch("copyTo", start + done, size, () => target.set(bytes, at + done));
    }
    return count;
  }

  /** Copies to a region; both places have been checked. */
  #copy(from: number, target: MappedRegion, to: number, length: number, operation: string): void {
    const mapping = this.#live(operation);
    this.#readable(mapping, from, length);
    target.#writable(to, length, operation);
    if (length === 0) return;
    const source = mapping.start + this.#delta + from;
    const destination = target.#live(operation).start + target.#delta + to;
    this.#watch(
      operation,
      from,
      length,
      () =>
        target.#watch(
          operation,
          to,
          length,
          () => libc().functions.memmove(destination, source, length),
        ),
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
    return new Records(this.#memory, layout, checked);
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
    const [start] = this.#part(offset, 0, "cursor");
    return new Cursor(this.#memory, start);
  }

  /**
   * The first offset at which something stands; -1 if there is none. Searches regions of any size, in place.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where to start; negative counts from the end. Default: 0.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`.
   */
  indexOf(needle: Needle, from: number = 0): number {
    const bytes = toNeedle(needle, "indexOf");
    const start = toOffset(from, "indexOf");
    const haystack = this.#haystack("indexOf");
    return this.#watch("indexOf", 0, haystack.length, () => indexOf(haystack, bytes, start));
  }

  /**
   * Whether something stands in the region, `from` an offset on: see {@linkcode MappedRegion.indexOf}.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where to start; negative counts from the end. Default: 0.
   * @throws {RegionClosedError} If the region is closed.
   */
  includes(needle: Needle, from: number = 0): boolean {
    return this.indexOf(needle, from) !== -1;
  }

  /**
   * The last offset at which something stands; -1 if there is none. Searches regions of any size, in place.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes.
   * @param from Where to start looking backwards; negative counts from the end. Default: the end.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If a byte is out of range.
   * @throws {MmapError} EACCES if some of the region's pages have protection `"none"`; EFAULT if pages were lost meanwhile.
   */
  lastIndexOf(needle: Needle, from: number = Infinity): number {
    const bytes = toNeedle(needle, "lastIndexOf");
    const start = toOffset(from, "lastIndexOf");
    this.#live("lastIndexOf");
    return this.#watch("lastIndexOf", 0, this.#length, () => lastIndexOf(this.#memory, bytes, start));
  }

  /**
   * How often something stands in the region. Hits don't overlap.
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
    const { offset, length } = rangeOptions(range, "count");
    const bytes = toNeedle(needle, "count");
    const [start, size] = this.#part(offset ?? 0, length, "count");
    return this.#watch("count", start, size, () => count(this.#memory, bytes, start, size));
  }

  /**
   * The offsets at which something stands, in order. Hits don't overlap. They are looked for up to 64 KiB at a time: what is
   * stored to these meanwhile is not seen.
   *
   * @param needle A byte (0 to 255), a string (as UTF-8), or bytes. An empty one stands at every offset, and at the end.
   * @param from Where to start; negative counts from the end. Default: 0.
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
  matches(needle: Needle, from: number = 0): IterableIterator<number> {
    const bytes = toNeedle(needle, "matches");
    const start = toOffset(from, "matches");
    this.#live("matches");
    return matches(this.#memory, bytes, start);
  }

  /**
   * Walks the lines of the region, as strings. Lines end with `\n` or `\r\n`, which are not part of them; the last one
   * may have no end. They are looked for 64 KiB at a time: what is stored to these meanwhile is not seen.
   *
   * @param options Where to start, in which direction, and what to do about bytes that are not UTF-8.
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
   * ```
   */
  lines(options?: LinesOptions & { encoding?: "utf-8" | undefined }): IterableIterator<string>;
  /**
   * Walks the lines of the region, as views of their bytes: nothing is copied.
   *
   * @param options As for strings, with encoding `"bytes"`.
   */
  lines(options: LinesOptions & { encoding: "bytes" }): IterableIterator<Uint8Array<ArrayBuffer>>;
  lines(options?: LinesOptions): IterableIterator<string | Uint8Array<ArrayBuffer>> {
    const checked = linesOptions(options);
    this.#live("lines");
    return checked.encoding === "bytes"
      ? new ByteLines(this.#memory, checked)
      : new TextLines(this.#memory, checked);
  }

  /**
   * Writes dirty pages back to the file (msync(2)). Does nothing for a region that is not shared, or not of a file.
   *
   * @param options Which bytes, whether to wait, and whether to invalidate other mappings.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What msync(2) fails with: EBUSY (`invalidate`, and a page is locked), EIO, ENOSPC; EFAULT if
   * pages have been lost since the last call, so that what was stored to them is not in the file.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("/tmp/notes", { access: "read-write", create: true, size: 100 });
   * file.write(0, "kept");
   * file.sync({ length: 4 });
   * ```
   */
  sync(options?: SyncOptions): void {
    const { mode = "sync", invalidate = false, ...range } = syncOptions(options);
    const [start, size] = this.#pages(range, "sync");
    const flags = (mode === "sync" ? constants.MS_SYNC : constants.MS_ASYNC) |
      (invalidate ? constants.MS_INVALIDATE : 0);
    if (size > 0 && libc().functions.msync(start, size, flags) === -1) {
      throw this.#failed(
        "msync",
        libc().errno(),
        size,
        (code) =>
          code === "EBUSY"
            ? "a page of the range is locked; unlock it, or leave out 'invalidate'"
            : undefined,
      );
    }
    this.#tellFaults("sync");
  }

  /**
   * Writes dirty pages back to the file (msync(2)) on another thread, while the event loop goes on. In Node and Bun that
   * is a worker's thread, started with the first call.
   *
   * If the region is closed meanwhile, its memory is kept until this is done; if it is to be resized, that is refused.
   *
   * @param range Which bytes. Default: all.
   * @returns When the pages are written back.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What msync(2) fails with; EFAULT if pages have been lost since the last call.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using file = MappedRegion.open("/tmp/notes", { access: "read-write", create: true, size: 100 });
   * file.write(0, "kept");
   * await file.syncAsync();
   * ```
   */
  async syncAsync(range?: Range): Promise<void> {
    const [start, size] = this.#pages(rangeOptions(range, "syncAsync"), "syncAsync");
    const mapping = this.#live("syncAsync");
    if (size > 0) {
      const { functions, async, errno } = libc();
      const path = this.#path;
      const msync = async("msync");
      await mapping.pin(async () => {
        if (await msync(start, size, constants.MS_SYNC) !== -1) return;
        // The other thread's errno is lost: the same call on this one says what is wrong, if it still is.
        if (functions.msync(start, size, constants.MS_SYNC) === -1) {
          throw new MmapError(errno(), "msync", { path, length: size });
        }
      });
    }
    this.#tellFaults("syncAsync");
  }

  /**
   * Changes what pages may be used for (mprotect(2)). A range is widened to whole pages. If it takes a right away, every
   * view of the region is detached.
   *
   * @param protection What the pages may be used for.
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the protection is no such word.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if the file was not opened for what the protection allows; ENOMEM at the limit of
   * mappings. The protection is then as it was.
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
    const bits = PROTECTION_BITS[protectionWord(protection)];
    const [start, size] = this.#pages(rangeOptions(range, "protect"), "protect");
    if (size === 0) return;
    const mapping = this.#live("protect");
    const from = start - mapping.start;
    const { functions } = libc();
    if (mapping.protections.narrows(from, from + size, bits)) {
      if (mapping.slot.references > 1) throw this.#attached("mprotect", "rights can't be taken away");
      this.#revoke(false);
    }
    if (functions.mprotect(start, size, bits) === -1) {
      throw this.#failed(
        "mprotect",
        libc().errno(),
        size,
        (code) =>
          code === "EACCES"
            ? `the file was not opened for what "${protection}" allows; open it so`
            : undefined,
      );
    }
    mapping.protections.set(from, from + size, bits);
    mapping.slot.protectionChanged((bits & constants.PROT_EXEC) !== 0);
    mapping.stored ||= (bits & constants.PROT_WRITE) !== 0;
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
   * @throws {MmapError} ENOTSUP if the platform has no such advice; EINVAL if the kernel is too old for it, if it is not
   * for this kind of mapping, or if it would throw contents away (`"dont-need"`, unless the region is shared).
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
    const word = oneOf(advice, ADVICES, "advise: the advice");
    const [start, size] = this.#pages(rangeOptions(range, "advise"), "advise");
    const name = ADVICE_CONSTANTS[word];
    const value = constants[name];
    if (value === undefined) {
      throw new MmapError(errorNumber("ENOTSUP"), "madvise", {
        path: this.#path,
        explanation: `advice "${word}" needs ${name}, which this platform does not have`,
      });
    }
    if (word === "dont-need" && !this.#shared) {
      throw new MmapError(errorNumber("EINVAL"), "madvise", {
        path: this.#path,
        explanation:
          'advice "dont-need" would throw the contents of a private mapping away; use discard() for that',
      });
    }
    if (size > 0 && libc().functions.madvise(start, size, value) === -1) {
      throw this.#failed("madvise", libc().errno(), size, adviseRemedy);
    }
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
    const { how = "dont-need", ...range } = discardOptions(options);
    const mapping = this.#live("discard");
    const [start, size] = this.#wholePages(range, mapping, how === "remove");
    const advice = how === "remove"
      ? needed("MADV_REMOVE", 'discard "remove"', "madvise")
      : how === "free"
      ? constants.MADV_FREE
      : constants.MADV_DONTNEED;
    if (size > 0 && libc().functions.madvise(start, size, advice) === -1) {
      throw this.#failed("madvise", libc().errno(), size, adviseRemedy);
    }
  }

  /**
   * Reads pages in now, so that later accesses don't wait.
   *
   * @param options Which bytes, and whether they will be stored to.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} EACCES if pages may not be read (or, with `write`, stored to); EFAULT if the file has become
   * shorter than the region; ENOMEM.
   */
  prefault(options?: PrefaultOptions): void {
    const { write = false, ...range } = prefaultOptions(options);
    const [start, size] = this.#pages(range, "prefault");
    if (size === 0) return;
    const mapping = this.#live("prefault");
    const right = write ? constants.PROT_WRITE : constants.PROT_READ;
    const from = start - mapping.start;
    if (!mapping.protections.allow(from, from + size, right)) {
      throw this.#denied(
        "madvise",
        `its pages are not ${write ? "writable" : "readable"}; protect() them first`,
      );
    }
    const advice = write ? constants.MADV_POPULATE_WRITE : constants.MADV_POPULATE_READ;
    const { functions, errno } = libc();
    if (advice !== undefined && functions.madvise(start, size, advice) === 0) return;
    // Linux before 5.14, and macOS, have no such advice.
    if (advice !== undefined && errno() !== errorNumber("EINVAL")) {
      throw this.#failed("madvise", libc().errno(), size, adviseRemedy);
    }
    touch(start, size, mapping.pageSize, write);
  }

  /**
   * Locks pages into memory (mlock(2)), so that they are never paged out. A range is widened to whole pages.
   *
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} ENOMEM, EPERM or EAGAIN if more would be locked than the limit allows (`ulimit -l`).
   */
  lock(range?: Range): void {
    const [start, size] = this.#pages(rangeOptions(range, "lock"), "lock");
    if (size > 0 && libc().functions.mlock(start, size) === -1) {
      throw this.#failed("mlock", libc().errno(), size, lockRemedy);
    }
  }

  /**
   * Undoes {@linkcode MappedRegion.lock}. A range is widened to whole pages.
   *
   * @param range Which bytes. Default: all.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the range reaches past the end of the region.
   * @throws {MmapError} What munlock(2) fails with.
   */
  unlock(range?: Range): void {
    const [start, size] = this.#pages(rangeOptions(range, "unlock"), "unlock");
    if (size > 0 && libc().functions.munlock(start, size) === -1) {
      throw this.#failed("munlock", libc().errno(), size, lockRemedy);
    }
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
    const [start, size] = this.#pages(rangeOptions(range, "residency"), "residency");
    const { functions, pageSize } = libc();
    // Made as an ArrayBuffer: a small Uint8Array may move while the kernel writes to it.
    const bitmap = new Uint8Array(new ArrayBuffer(Math.ceil(size / pageSize)));
    if (size > 0 && functions.mincore(start, size, bitmap) === -1) {
      throw this.#failed("mincore", libc().errno(), size, () => undefined);
    }
    return new Residency(bitmap, pageSize, this.#residencyIsReliable(this.#live("residency")));
  }

  /**
   * Changes the number of bytes. Every view is detached, and the address may change.
   *
   * A writable region of a file grows the file when it is too short, and, where the region ends at the file's end,
   * shrinks the file too. Growing allocates the file's blocks, unless the region was opened with `sparse: true`. Other
   * regions of files follow a file that has become longer. Memory that is not shared grows by zeros.
   *
   * @param length The number of bytes that the region shall have.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If `length` is out of range, or past the end of a file that the region can't make longer.
   * @throws {MmapError} ENOSPC if the file system is full; ENOMEM; ENOTSUP for shared memory without a file, which can't
   * grow. The region is then as it was, but for its views.
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
  resize(length: number): void {
    wholeNumber(length, "resize: the length");
    const mapping = this.#live("resize");
    const before = this.#length;
    if (length === before) return;
    if (mapping.pinned) {
      throw new MmapError(errorNumber("EBUSY"), "mremap", {
        path: this.#path,
        explanation: "its pages are being written back; wait for syncAsync() first",
      });
    }
    if (mapping.shared && mapping.anonymous && length > before) {
      throw new MmapError(errorNumber("ENOTSUP"), "mremap", {
        length,
        explanation: "shared memory without a file can't grow: the kernel would fault on the new pages; " +
          "use anonymousSharedMemory, which can",
      });
    }
    const file = mapping.file;
    const end = this.#fileOffset + length;
    const fileSize = file?.size() ?? Infinity;
    const ownsFile = mapping.shared && (mapping.request.protection & constants.PROT_WRITE) !== 0;
    if (mapping.request.fd === -1 && !mapping.anonymous) {
      throw this.#attached("mremap", "it is resized by the worker that opened it");
    }
    if (end > fileSize) {
      if (!ownsFile) {
        throw new RangeError(
          `resize: ${length} bytes reach past the end of the file: it has ${fileSize} bytes, ` +
            `${fileSize - this.#fileOffset} of them from the region's first on`,
        );
      }
      file?.grow(end, this.#sparse);
    }
    const size = length === 0 ? 0 : this.#delta + length;
    const explain = (code: string): string | undefined => mapRemedy(code, {}, this.#access);
    try {
      if (!mapping.slot.alone(() => resizeMapping(mapping, size, this.#revoke(false), explain))) {
        throw this.#attached("mremap", "it can't be resized");
      }
    } catch (error) {
      if (end > fileSize) file?.shrink(fileSize);
      throw error;
    }
    this.#length = length;
    if (length < before && ownsFile && fileSize === this.#fileOffset + before) file?.shrink(end);
  }

  /**
   * What another worker of this process needs to use the same memory: send it by `postMessage`, and give it to
   * {@linkcode MappedRegion.attach} there. It keeps nothing open: attach before every owner has closed the region.
   *
   * While several workers have the region, it can't be resized, and no rights can be taken from its pages. A worker that
   * is terminated without having closed it stays an owner until the process ends.
   *
   * @throws {RegionClosedError} If the region is closed.
   */
  handle(): RegionHandle {
    const mapping = this.#live("handle");
    mapping.attachable = true;
    return {
      type: "MappedRegion",
      process: process.pid,
      ...mapping.slot.handle,
      delta: this.#delta,
      length: this.#length,
      fileOffset: this.#fileOffset,
      access: this.#access,
      flags: mapping.request.flags,
      pageSize: mapping.pageSize,
      protections: Array.from(mapping.protections, ({ end, bits }) => ({ end, bits })),
      ...(this.#path === undefined ? {} : { path: this.#path }),
    };
  }

  /**
   * Unmaps the region, detaches every view of it, and closes the file. The second call does nothing.
   *
   * What was stored to a shared region reaches the file all the same; {@linkcode MappedRegion.sync} before this is only
   * for a program that has to know that it did.
   */
  close(): void {
    const mapping = this.#mapping;
    if (mapping === undefined) return;
    this.#mapping = undefined;
    this.#length = 0;
    backstop().unregister(mapping);
    mapping.release(this.#revoke(true));
  }

  /** {@linkcode MappedRegion.close}, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** The mapping; throws if the region is closed. To be asked after everything that may run the program's code. */
  #live(operation: string): Mapping {
    const mapping = this.#mapping;
    if (mapping === undefined) throw new RegionClosedError(operation, this.#path);
    return mapping;
  }

  /** Checks a part given by offset and length; returns both. */
  #part(offset: number, length: number | undefined, call: string): [offset: number, length: number] {
    wholeNumber(offset, `${call}: 'offset'`);
    if (length !== undefined) wholeNumber(length, `${call}: 'length'`);
    this.#live(call);
    const count = length ?? Math.max(0, this.#length - offset);
    within(offset, count, this.#length, call);
    return [offset, count];
  }

  /** The pages that a range touches: their address and the number of bytes. */
  #pages(range: Range, operation: string): [start: number, size: number] {
    const [offset, length] = this.#part(range.offset ?? 0, range.length, operation);
    const mapping = this.#live(operation);
    if (length === 0) return [mapping.start, 0];
    const from = roundDown(this.#delta + offset, mapping.pageSize);
    const to = roundUp(this.#delta + offset + length, mapping.pageSize);
    return [mapping.start + from, to - from];
  }

  /** The pages that lie within a range: their address and the number of bytes. */
  #wholePages(range: Range, mapping: Mapping, ofFile: boolean): [start: number, size: number] {
    const [offset, length] = this.#part(range.offset ?? 0, range.length, "discard");
    const from = roundUp(this.#delta + offset, mapping.pageSize);
    const end = this.#delta + offset + length;
    // What is behind the region's end in its last page is nobody's, but may be the file's.
    const last = offset + length === this.#length && (!ofFile || this.#endsFile(mapping));
    const to = last ? roundUp(end, mapping.pageSize) : roundDown(end, mapping.pageSize);
    return [mapping.start + from, Math.max(0, to - from)];
  }

  #endsFile(mapping: Mapping): boolean {
    return mapping.file === undefined || mapping.file.size() <= this.#fileOffset + this.#length;
  }

  /** The buffer over the whole region, for the library's own use. */
  #whole(operation: string): ArrayBuffer {
    const mapping = this.#live(operation);
    this.#readable(mapping, 0, this.#length);
    if (this.#length > LARGEST_BUFFER) {
      throw new RangeError(
        `the region has ${this.#length} bytes, more than the ${LARGEST_BUFFER} of this runtime's largest ` +
          `ArrayBuffer: use subarray(offset, length), windows(), read() or indexOf()`,
      );
    }
    return this.#views.whole(mapping.start + this.#delta, this.#length);
  }

  /** Where to find a part of the region, for the library's own use. */
  #place(offset: number, length: number, operation: string): Place {
    const mapping = this.#live(operation);
    this.#readable(mapping, offset, length);
    const address = mapping.start + this.#delta;
    if (length > LARGEST_BUFFER) {
      throw new RangeError(
        `${length} bytes are more than the ${LARGEST_BUFFER} of this runtime's largest ArrayBuffer: ask for less`,
      );
    }
    if (!mapping.protections.allow(0, mapping.size, constants.PROT_READ)) {
      return { buffer: this.#views.exact(address, offset, length), byteOffset: 0 };
    }
    if (this.#length > LARGEST_BUFFER) return this.#views.part(address, this.#length, offset, length);
    return { buffer: this.#views.whole(address, this.#length), byteOffset: offset };
  }

  /**
   * A part for one copy, not to be kept. The first few small ones of a large region don't make the buffer over the whole
   * of it: its size alone sets the collector to work, which takes longer than they do.
   */
  #borrowOnce(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer> {
    if (length > 0 && length <= SMALL_COPY && this.#length > LARGE_REGION && this.#copies < MANY_COPIES) {
      const mapping = this.#live(operation);
      this.#readable(mapping, offset, length);
      this.#copies++;
      return new Uint8Array(libc().arrayBuffer(mapping.start + this.#delta + offset, length));
    }
    return this.#memory.borrow(offset, length, operation);
  }

  /** The region's memory, for functions that take an address. */
  #haystack(operation: string): Haystack {
    const mapping = this.#live(operation);
    this.#readable(mapping, 0, this.#length);
    return { address: mapping.start + this.#delta, length: this.#length };
  }

  /** The region's memory, for what reads and writes it. */
  get #memory(): Memory {
    return this.#memoryOf ??= new RegionMemory(this);
  }

  #drop(offset: number, length: number, operation: string): void {
    const mapping = this.#live(operation);
    // A private page that was stored to is nowhere else: it can be paged out, not thrown away.
    const kept = mapping.shared || !mapping.anonymous && !mapping.stored && !mapping.attachable;
    const advice = kept && this.#slot.faults === 0 ? constants.MADV_DONTNEED : constants.MADV_PAGEOUT;
    const from = roundDown(this.#delta + offset, mapping.pageSize);
    const end = this.#delta + Math.min(offset + length, this.#length);
    const to = end === this.#delta + this.#length ? mapping.size : roundDown(end, mapping.pageSize);
    if (to > from) libc().functions.madvise(mapping.start + from, to - from, advice);
  }

  #writable(offset: number, length: number, operation: string): void {
    const mapping = this.#live(operation);
    const from = this.#delta + offset;
    if (!mapping.protections.allow(from, from + length, constants.PROT_WRITE)) {
      throw this.#denied(
        operation,
        'it is not writable; open it with access "read-write" or "copy-on-write"',
      );
    }
  }

  #readable(mapping: Mapping, offset: number, length: number): void {
    const from = this.#delta + offset;
    if (!mapping.protections.allow(from, from + length, constants.PROT_READ)) {
      throw this.#denied(
        "read",
        'pages of the range have protection "none"; protect() them, or take other parts',
      );
    }
  }

  /** Marks a buffer as handed out: it keeps the region from being collected. */
  #escape(buffer: ArrayBuffer): ArrayBuffer {
    if (this.#mapping !== undefined) this.#mapping.escaped = true;
    this.#views.lend(buffer);
    if (!HandedOut.has(buffer)) new HandedOut(buffer, this);
    return buffer;
  }

  #revoke(last: boolean): ReturnType<Views["revoke"]> {
    this.#bytes = undefined;
    this.#view = undefined;
    return this.#views.revoke(last);
  }

  /** The error for a system call that failed with an error number, which is read before anything else. */
  #failed(
    syscall: string,
    errno: number,
    length: number,
    remedy: (code: string) => string | undefined,
  ): MmapError {
    return new MmapError(errno, syscall, {
      path: this.#path,
      address: this.address,
      length,
      explanation: remedy(errorName(errno)),
    });
  }

  /** Runs what touches a part of the region's memory; throws if pages were lost meanwhile, or are lost for certain. */
  #watch<T>(operation: string, offset: number, length: number, touch: () => T): T {
    const slot = this.#slot;
    const before = slot.faults;
    const result = touch();
    // The second time that a lost page is touched it does not fault: the zeros are there.
    if (slot.faults !== before || before !== 0 && this.#isCutOff(offset + length)) {
      throw this.#fault(operation);
    }
    return result;
  }

  /** Throws if pages have been lost that a sync has not told of yet. */
  #tellFaults(operation: string): void {
    const faults = this.#slot.faults;
    if (faults === this.#told) return;
    this.#told = faults;
    throw this.#fault(operation);
  }

  /** Whether the file ends before a byte of the region. */
  #isCutOff(end: number): boolean {
    try {
      const size = this.#mapping?.file?.size() ?? Infinity;
      return this.#fileOffset + end > size;
    } catch {
      return false; // a descriptor that the program has closed: nothing is known
    }
  }

  /** The error for pages that the guard had to replace. */
  #fault(operation: string): MmapError {
    const { lastFault } = this.#slot;
    const start = Number(this.address);
    const offset = lastFault === undefined ? undefined : lastFault - start;
    const known = start !== 0 && offset !== undefined && offset >= 0 && offset < this.#length;
    return new MmapError(errorNumber("EFAULT"), operation, {
      path: this.#path,
      address: this.address,
      length: this.#length,
      ...(known ? { offset } : {}),
      explanation:
        `pages ${
          known ? `around offset ${offset} ` : ""
        }were lost (the file was truncated, or could not be ` +
        `read or grown) or stored to without the right to; they hold zeros or private stores: open the file again`,
    });
  }

  #attached(syscall: string, what: string): MmapError {
    return new MmapError(errorNumber("EBUSY"), syscall, {
      path: this.#path,
      explanation: `other workers have the region, so ${what}; close it there first`,
    });
  }

  #denied(syscall: string, explanation: string): MmapError {
    return new MmapError(errorNumber("EACCES"), syscall, {
      path: this.#path,
      address: this.address,
      length: this.#length,
      explanation,
    });
  }

  #residencyIsReliable(mapping: Mapping): boolean {
    const { hidesResidency, functions } = libc();
    if (!hidesResidency || mapping.file === undefined || this.#access === "read-write") return true;
    const user = functions.geteuid(); // process.geteuid asks for a permission in Deno
    try {
      if (user === 0 || fstatSync(mapping.file.fd).uid === user) return true;
      if (this.#path === undefined) return false;
      accessSync(this.#path, files.W_OK);
      return true;
    } catch {
      return false;
    }
  }
}

/** A constructor that returns what it is given, so that the fields of a class derived from it are laid over that. */
const Over = function (buffer: ArrayBuffer): ArrayBuffer {
  return buffer;
} as unknown as new (buffer: ArrayBuffer) => object;

/**
 * A buffer that a program has been given, with its region in a private field: as long as the buffer can be reached, the
 * region can. A WeakMap would do the same, but its entries cost Node's collector 2 to 3 µs each.
 */
class HandedOut extends Over {
  readonly #region: MappedRegion;

  constructor(buffer: ArrayBuffer, region: MappedRegion) {
    super(buffer);
    this.#region = region;
  }

  static has(buffer: ArrayBuffer): boolean {
    return #region in buffer;
  }
}

/** What is left of a region that was collected without having been closed. */
interface Estate {
  readonly mapping: Mapping;
  /** Made where the region was: its stack tells the program's author where to look. */
  readonly where: Error;
  readonly path: string | undefined;
}

let registry: FinalizationRegistry<Estate> | undefined;

/** Releases regions that were collected without having been closed. */
function backstop(): FinalizationRegistry<Estate> {
  registry ??= new FinalizationRegistry(({ mapping, where, path }) => {
    // Its buffers went with it, but one may have been transferred away before, which can't be told any more.
    const { size } = mapping;
    mapping.release({ watched: [], stolen: mapping.escaped });
    warn(path, size, where);
  });
  return registry;
}

const warned = new Set<string>();

/** Warns once for each place in the program. */
function warn(path: string | undefined, size: number, where: Error): void {
  const here = new URL(".", import.meta.url).pathname;
  const frames = (where.stack ?? "").split("\n").slice(1);
  const frame = frames.find((line) => !line.includes(here) && line.trim() !== "") ?? "an unknown place";
  const place = frame.trim().replace(/^at /, "");
  if (warned.has(place)) return;
  warned.add(place);
  process.emitWarning(
    `A region of ${
      path === undefined ? `${size} bytes` : `'${path}'`
    } was collected without having been closed: ` +
      `close() it, or declare it with 'using'. It was mapped at ${place}`,
    { type: "MappedRegionWarning", code: "MAPPED_REGION_NOT_CLOSED" },
  );
}

/** Maps a file, or a part of one, that is open. */
function mapFile(file: MappedFile, options: DescriptorOptions): MappedRegion {
  const { access = "read", offset = 0, size, sparse = false } = options;
  if (size !== undefined) file.grow(size, sparse);
  const fileSize = file.size();
  const name = file.path === undefined ? "the file" : `'${file.path}'`;
  if (fileSize === Infinity && options.length === undefined) {
    throw new RangeError(`${name} is a device, which has no size: pass option 'length'`);
  }
  const length = options.length ?? Math.max(0, fileSize - offset);
  if (offset > fileSize || length > fileSize - offset) {
    throw new RangeError(
      `${length} bytes from offset ${offset} reach past the end of ${name}, which has ${fileSize} bytes: ` +
        `ask for less, or grow it with option 'size'`,
    );
  }
  const delta = offset % libc().pageSize;
  const { PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_RESILIENT_MEDIA = 0 } = constants;
  // Where there is no guard, the kernel itself may give zeros for lost pages, to regions that don't write.
  const resilient = access === "read" && options.guard !== false ? MAP_RESILIENT_MEDIA : 0;
  const request: MappingRequest = {
    address: mapAddress(options),
    length: length === 0 ? 0 : delta + length,
    protection: access === "read" ? PROT_READ : PROT_READ | PROT_WRITE,
    flags: mapFlags(options) | resilient | (access === "read-write" ? MAP_SHARED : MAP_PRIVATE),
    fd: file.fd,
    offset: offset - delta,
  };
  const explain = (code: string): string | undefined => mapRemedy(code, options, access);
  const mapping = createMapping(request, { file, guarded: options.guard, explain });
  return make({ mapping, delta, length, fileOffset: offset, access, sparse });
}

function mapFlags(options: MapOptions): number {
  const { populate, lock, reserve, placement } = options;
  let flags = 0;
  if (populate === true) flags |= needed("MAP_POPULATE", "option 'populate'", "mmap");
  if (lock === true) flags |= needed("MAP_LOCKED", "option 'lock'", "mmap");
  if (reserve === false) flags |= constants.MAP_NORESERVE;
  if (placement === "fixed") flags |= constants.MAP_FIXED;
  if (placement === "fixed-noreplace") {
    flags |= needed("MAP_FIXED_NOREPLACE", 'placement "fixed-noreplace"', "mmap");
  }
  return flags;
}

function mapAddress({ address, placement }: MapOptions): number {
  if (address === undefined) return 0;
  const { pageSize } = libc();
  if (address % BigInt(pageSize) !== 0n) {
    throw new RangeError(
      `option 'address' must be a multiple of the page size, ${pageSize}: received 0x${address.toString(16)}`,
    );
  }
  if (address === 0n && placement !== undefined && placement !== "hint") {
    throw new RangeError(`placement "${placement}" needs an address above 0n`);
  }
  return Number(address);
}

/** Touches every page, where the kernel can't be asked to read them in. Returns what nobody needs: so nothing is left out. */
function touch(start: number, size: number, pageSize: number, write: boolean): number {
  const { arrayBuffer } = libc();
  let touched = 0;
  for (let offset = 0; offset < size; offset += WINDOW) {
    const bytes = new Uint8Array(arrayBuffer(start + offset, Math.min(WINDOW, size - offset)));
    for (let page = 0; page < bytes.length; page += pageSize) {
      if (write) Atomics.or(bytes, page, 0); // a store that another thread's store can't be lost by
      else touched += bytes[page] ?? 0; // Atomics.load would be no read: Bun's stores, on x86-64
    }
  }
  return touched;
}
