/**
 * A region as a file: a position, and reads and writes that move it on.
 *
 * Numbers are read through a window, which is kept from one read to the next: see `window.ts`. The methods for
 * numbers are alike, and still each is written out: one function for all of them, which goes by the table in
 * `numbers.ts`, takes 3.5 to 6.5 times as long in Bun. The table is used when the fast attempt has failed.
 *
 * Only copies of text are decoded. Other threads and processes may store to a region's bytes at any moment. A
 * runtime's decoder reads them twice and trusts what it saw first: if they change in between, it can end the process.
 *
 * @module
 */
import { builtin, loopsStaySlow } from "../ffi/builtins.ts";
import { ByteArray, Math, setBytes } from "../ffi/captured.ts";
import { oneOf, show, wholeNumber, within } from "./checks.ts";
import { type Data, read, toBytes } from "./copying.ts";
import type { RegionMemory } from "./memory.ts";
import { type Codec, CODECS } from "./numbers.ts";
import { type ReadLineOptions, readLineOptions } from "./options.ts";
import { Window } from "./window.ts";

/** What an offset given to {@linkcode Cursor.seek} counts from. */
export type Whence = "start" | "current" | "end";

/** The number that stands before a string and tells how many bytes it has. */
export type LengthPrefix = "u8" | "u16" | "u32" | "varint";

const WHENCES = ["start", "current", "end"] as const satisfies readonly Whence[];
const PREFIXES = ["u8", "u16", "u32", "varint"] as const satisfies readonly LengthPrefix[];

/** The largest length that a prefix can hold. */
const LARGEST: Readonly<Record<LengthPrefix, number>> = {
  "u8": 0xff,
  "u16": 0xffff,
  "u32": 0xffff_ffff,
  "varint": Number.MAX_SAFE_INTEGER,
};

/** How far a line's end is looked for at first, in bytes; then twice as far each time. */
const REACH = 2 ** 12;

/** How far it is looked for at a time at most, in bytes. */
const LARGEST_REACH = 2 ** 29;

// The same as in `window.ts`, which explains them. They are repeated, since reading another module's constant takes
// longer.
const ZERO = new DataView(new ArrayBuffer(1));
const SCRATCH = new Uint32Array(1);

/**
 * Whether the end of the window is looked for before each number, so that the loop around it can go on in the next
 * window. In V8, which would take twice as long for that, windows are as large as regions.
 */
const SLIDES = loopsStaySlow();

const NEWLINE = 0x0a;
const RETURN = 0x0d;

// Taken at import: a program that replaces it must not be given the library's own memory.
const { indexOf } = Uint8Array.prototype;
const { get } = Reflect;

/** What a cursor is made of. */
interface Parts {
  readonly memory: RegionMemory;
  readonly window: Window;
  readonly at: number;
}

/** Makes a cursor that starts at an offset of a region, in bytes. Programs call {@linkcode MappedRegion.cursor}. */
export let makeCursor: (memory: RegionMemory, offset: number) => Cursor;

/**
 * A position in a region, made by {@linkcode MappedRegion.cursor}. Reads and writes start at it and move it to where
 * they end; one that throws leaves it where it was.
 *
 * Numbers are little-endian unless told otherwise.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using memory = MappedRegion.anonymous(64);
 * const cursor = memory.cursor();
 * cursor.writeU32(2);
 * cursor.writePrefixedString("grüß dich");
 * cursor.seek(0);
 * console.log(cursor.readU32(), cursor.readPrefixedString()); // 2 grüß dich
 * ```
 */
export class Cursor {
  // What each number takes comes first: JavaScriptCore keeps the first six fields in the object itself. They have their
  // values from the start, and others only if they change: see `records.ts`.
  static #parts: Parts | undefined;
  /** The position in the window, in bytes. */
  #at: number = Cursor.#made.at;
  /** Where the window ends, in bytes; the position itself, if that is before the window. */
  #end: number = Cursor.#made.window.end;
  /** The window's fields, repeated here: a number then takes one lookup less. */
  #view: DataView<ArrayBuffer> = Cursor.#made.window.view;
  #losses: Uint32Array = Cursor.#made.window.losses;
  #known: number = Cursor.#made.window.known;
  #target: DataView<ArrayBuffer> = Cursor.#made.window.target;
  readonly #memory: RegionMemory = Cursor.#made.memory;
  readonly #window: Window = Cursor.#made.window;
  readonly #decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** Made by {@linkcode MappedRegion.cursor}. */
  private constructor() {}

  static {
    makeCursor = (memory, offset): Cursor => {
      const window = new Window(memory, offset);
      Cursor.#parts = { memory, window, at: offset - window.start };
      try {
        return new Cursor();
      } finally {
        Cursor.#parts = undefined;
      }
    };
  }

  static get #made(): Parts {
    if (Cursor.#parts === undefined) throw new TypeError("cursors are made by region.cursor()");
    return Cursor.#parts;
  }

  /**
   * The region's length in bytes.
   *
   * @throws {RegionClosedError} If the region is closed.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * console.log(memory.cursor().size); // 64
   * ```
   */
  get size(): number {
    return this.#memory.length("size");
  }

  /**
   * The position: an offset in the region, in bytes.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * const cursor = memory.cursor(8);
   * cursor.readU32();
   * console.log(cursor.tell()); // 12
   * ```
   */
  tell(): number {
    return this.#position;
  }

  /**
   * Moves the position.
   *
   * @param offset Where to, in bytes; negative ones count backwards.
   * @param whence What the offset counts from. Default: `"start"`.
   * @returns The position.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If that is no offset of the region, or its end.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const cursor = log.cursor();
   * cursor.seek(-10, "end");
   * console.log(cursor.read().length); // 10
   * ```
   */
  seek(offset: number, whence: Whence = "start"): number {
    if (typeof offset !== "number") {
      throw new TypeError(`seek: 'offset' must be a number: received ${show(offset)}`);
    }
    const from = oneOf(whence, WHENCES, "seek: 'whence'");
    const length = this.#memory.length("seek");
    const position = offset + (from === "start" ? 0 : from === "end" ? length : this.#position);
    if (!Number.isSafeInteger(position) || position < 0 || position > length) {
      throw new RangeError(
        `seek: ${offset} from the ${
          from === "current" ? "position" : from
        } is ${position}, which is outside the region ` +
          `of ${length} bytes`,
      );
    }
    this.#goTo(position);
    return position;
  }

  /**
   * Copies bytes out of the region. Near its end they may be fewer, and at its end none.
   *
   * @param length How many bytes. Default: all up to the end.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If `length` is no whole number, 0 or more.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * const cursor = log.cursor();
   * console.log(cursor.read(100).length, cursor.tell()); // 100 100
   * ```
   */
  read(length?: number): Uint8Array<ArrayBuffer> {
    if (length !== undefined) wholeNumber(length, "read: 'length'");
    const start = this.#position;
    const rest = Math.max(0, this.#memory.length("read") - start);
    const copy = read(this.#memory, start, Math.min(length ?? rest, rest), "read");
    this.#goTo(start + copy.length);
    return copy;
  }

  /**
   * Copies bytes into the region.
   *
   * @param data The bytes, or a string, which is written as UTF-8.
   * @returns The number of bytes written: all of them.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the data is neither.
   * @throws {RangeError} If the data reaches past the end of the region; nothing is written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * const cursor = memory.cursor();
   * cursor.write(Float32Array.of(1, 2));
   * cursor.write("grüß");
   * console.log(cursor.tell()); // 14
   * ```
   */
  write(data: Data): number {
    const bytes = toBytes(data, "write");
    this.#store(bytes, "write");
    return bytes.length;
  }

  /**
   * Reads one byte: the same as {@linkcode Cursor.readU8}.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the position is the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(String.fromCharCode(log.cursor().readByte())); // its first letter
   * ```
   */
  readByte(): number {
    return this.#read(CODECS.u8, true, "readByte");
  }

  /**
   * Stores one byte. Unlike {@linkcode Cursor.writeU8} it refuses numbers that are no byte.
   *
   * @param value The byte: 0 to 255.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it is out of range, or the position is the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(2);
   * memory.cursor().writeByte(0xff);
   * console.log(...memory.bytes); // 255 0
   * ```
   */
  writeByte(value: number): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 255)) {
      throw new RangeError(`writeByte: a byte must be a whole number from 0 to 255: received ${show(value)}`);
    }
    this.#writeSlowly(CODECS.u8, value, true, "writeByte");
  }

  /**
   * Reads an unsigned number of 8 bits.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeU8(200);
   * console.log(memory.cursor().readU8()); // 200
   * ```
   */
  readU8(): number {
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getUint8(at);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.u8, true, "readU8");
    }
    this.#at = at + 1;
    return value;
  }

  /**
   * Stores an unsigned number of 8 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1);
   * memory.cursor().writeU8(8);
   * console.log(...memory.bytes); // 8
   * ```
   */
  writeU8(value: number): void {
    if (typeof value !== "number") refuse(value, "number", "writeU8");
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    try {
      this.#target.setUint8(at, value);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.u8, value, true, "writeU8");
    }
    this.#at = at + 1;
  }

  /**
   * Reads a signed number of 8 bits.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeI8(-100);
   * console.log(memory.cursor().readI8()); // -100
   * ```
   */
  readI8(): number {
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getInt8(at);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.i8, true, "readI8");
    }
    this.#at = at + 1;
    return value;
  }

  /**
   * Stores a signed number of 8 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1);
   * memory.cursor().writeI8(-8);
   * console.log(...memory.bytes); // 248
   * ```
   */
  writeI8(value: number): void {
    if (typeof value !== "number") refuse(value, "number", "writeI8");
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    try {
      this.#target.setInt8(at, value);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.i8, value, true, "writeI8");
    }
    this.#at = at + 1;
  }

  /**
   * Reads an unsigned number of 16 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeU16(40_000);
   * console.log(memory.cursor().readU16()); // 40000
   * ```
   */
  readU16(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getUint16(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.u16, littleEndian, "readU16");
    }
    this.#at = at + 2;
    return value;
  }

  /**
   * Stores an unsigned number of 16 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(2);
   * memory.cursor().writeU16(16, false);
   * console.log(...memory.bytes); // 0 16
   * ```
   */
  writeU16(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeU16");
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    try {
      this.#target.setUint16(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.u16, value, littleEndian, "writeU16");
    }
    this.#at = at + 2;
  }

  /**
   * Reads a signed number of 16 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeI16(-30_000);
   * console.log(memory.cursor().readI16()); // -30000
   * ```
   */
  readI16(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getInt16(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.i16, littleEndian, "readI16");
    }
    this.#at = at + 2;
    return value;
  }

  /**
   * Stores a signed number of 16 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(2);
   * memory.cursor().writeI16(-16, false);
   * console.log(...memory.bytes); // 255 240
   * ```
   */
  writeI16(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeI16");
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    try {
      this.#target.setInt16(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.i16, value, littleEndian, "writeI16");
    }
    this.#at = at + 2;
  }

  /**
   * Reads an unsigned number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeU32(4_000_000_000);
   * console.log(memory.cursor().readU32()); // 4000000000
   * ```
   */
  readU32(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getUint32(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.u32, littleEndian, "readU32");
    }
    this.#at = at + 4;
    return value;
  }

  /**
   * Stores an unsigned number of 32 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4);
   * memory.cursor().writeU32(32, false);
   * console.log(...memory.bytes); // 0 0 0 32
   * ```
   */
  writeU32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeU32");
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    try {
      this.#target.setUint32(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.u32, value, littleEndian, "writeU32");
    }
    this.#at = at + 4;
  }

  /**
   * Reads a signed number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeI32(-2_000_000_000);
   * console.log(memory.cursor().readI32()); // -2000000000
   * ```
   */
  readI32(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getInt32(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.i32, littleEndian, "readI32");
    }
    this.#at = at + 4;
    return value;
  }

  /**
   * Stores a signed number of 32 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4);
   * memory.cursor().writeI32(-32, false);
   * console.log(...memory.bytes); // 255 255 255 224
   * ```
   */
  writeI32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeI32");
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    try {
      this.#target.setInt32(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.i32, value, littleEndian, "writeI32");
    }
    this.#at = at + 4;
  }

  /**
   * Reads an unsigned number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeU64(2n ** 63n);
   * console.log(memory.cursor().readU64()); // 9223372036854775808n
   * ```
   */
  readU64(littleEndian: boolean = true): bigint {
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getBigUint64(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.u64, littleEndian, "readU64");
    }
    this.#at = at + 8;
    return value;
  }

  /**
   * Stores an unsigned number of 64 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no bigint.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8);
   * memory.cursor().writeU64(64n, false);
   * console.log(...memory.bytes); // 0 0 0 0 0 0 0 64
   * ```
   */
  writeU64(value: bigint, littleEndian: boolean = true): void {
    if (typeof value !== "bigint") refuse(value, "bigint", "writeU64");
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    try {
      this.#target.setBigUint64(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.u64, value, littleEndian, "writeU64");
    }
    this.#at = at + 8;
  }

  /**
   * Reads a signed number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeI64(-(2n ** 63n));
   * console.log(memory.cursor().readI64()); // -9223372036854775808n
   * ```
   */
  readI64(littleEndian: boolean = true): bigint {
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getBigInt64(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.i64, littleEndian, "readI64");
    }
    this.#at = at + 8;
    return value;
  }

  /**
   * Stores a signed number of 64 bits.
   *
   * @param value The number. Bits above are cut off, as in a typed array.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no bigint.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8);
   * memory.cursor().writeI64(-64n, false);
   * console.log(...memory.bytes); // 255 255 255 255 255 255 255 192
   * ```
   */
  writeI64(value: bigint, littleEndian: boolean = true): void {
    if (typeof value !== "bigint") refuse(value, "bigint", "writeI64");
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    try {
      this.#target.setBigInt64(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.i64, value, littleEndian, "writeI64");
    }
    this.#at = at + 8;
  }

  /**
   * Reads a floating point number of 16 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeF16(0.5);
   * console.log(memory.cursor().readF16()); // 0.5
   * ```
   */
  readF16(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getFloat16(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.f16, littleEndian, "readF16");
    }
    this.#at = at + 2;
    return value;
  }

  /**
   * Stores a floating point number of 16 bits.
   *
   * @param value The number. Rounded to the nearest there is.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(2);
   * memory.cursor().writeF16(0.5, false);
   * console.log(...memory.bytes); // 56 0
   * ```
   */
  writeF16(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeF16");
    let at = this.#at;
    if (SLIDES && at + 2 > this.#end) at = this.#slide();
    try {
      this.#target.setFloat16(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.f16, value, littleEndian, "writeF16");
    }
    this.#at = at + 2;
  }

  /**
   * Reads a floating point number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeF32(0.25);
   * console.log(memory.cursor().readF32()); // 0.25
   * ```
   */
  readF32(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getFloat32(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.f32, littleEndian, "readF32");
    }
    this.#at = at + 4;
    return value;
  }

  /**
   * Stores a floating point number of 32 bits.
   *
   * @param value The number. Rounded to the nearest there is.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4);
   * memory.cursor().writeF32(0.5, false);
   * console.log(...memory.bytes); // 63 0 0 0
   * ```
   */
  writeF32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeF32");
    let at = this.#at;
    if (SLIDES && at + 4 > this.#end) at = this.#slide();
    try {
      this.#target.setFloat32(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.f32, value, littleEndian, "writeF32");
    }
    this.#at = at + 4;
  }

  /**
   * Reads a floating point number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeF64(Math.PI);
   * console.log(memory.cursor().readF64()); // 3.141592653589793
   * ```
   */
  readF64(littleEndian: boolean = true): number {
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getFloat64(at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.f64, littleEndian, "readF64");
    }
    this.#at = at + 8;
    return value;
  }

  /**
   * Stores a floating point number of 64 bits.
   *
   * @param value The number.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8);
   * memory.cursor().writeF64(0.5, false);
   * console.log(...memory.bytes); // 63 224 0 0 0 0 0 0
   * ```
   */
  writeF64(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeF64");
    let at = this.#at;
    if (SLIDES && at + 8 > this.#end) at = this.#slide();
    try {
      this.#target.setFloat64(at, value, littleEndian);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.f64, value, littleEndian, "writeF64");
    }
    this.#at = at + 8;
  }

  /**
   * Reads C's bool: a byte, which is false if it is 0.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If the position is the end of the region.
   * @throws {MmapError} EACCES if its page has protection `"none"`; EFAULT if it was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeBool(true);
   * console.log(memory.cursor().readBool()); // true
   * ```
   */
  readBool(): boolean {
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    let value;
    try {
      value = this.#view.getUint8(at) !== 0;
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(CODECS.bool, true, "readBool");
    }
    this.#at = at + 1;
    return value;
  }

  /**
   * Stores C's bool: a byte, 1 for true and 0 for false.
   *
   * @param value True or false.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is neither.
   * @throws {RangeError} If the position is the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its page was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(2);
   * memory.cursor().writeBool(true);
   * console.log(...memory.bytes); // 1 0
   * ```
   */
  writeBool(value: boolean): void {
    if (typeof value !== "boolean") refuse(value, "boolean", "writeBool");
    let at = this.#at;
    if (SLIDES && at + 1 > this.#end) at = this.#slide();
    try {
      this.#target.setUint8(at, value ? 1 : 0);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#writeSlowly(CODECS.bool, value, true, "writeBool");
    }
    this.#at = at + 1;
  }

  /**
   * Reads an unsigned number of variable size (LEB128, as in Protocol Buffers and WebAssembly).
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region, or is larger than 2^53 - 1.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if they were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(16);
   * memory.cursor().writeVarint(624_485);
   * console.log(memory.cursor().readVarint()); // 624485
   * ```
   */
  readVarint(): number {
    return this.#readVarint("readVarint");
  }

  /**
   * Stores an unsigned number in as few bytes as it needs: LEB128.
   *
   * @param value A whole number, 0 to 2^53 - 1.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it is no such number, or reaches past the end of the region; nothing is written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(4);
   * memory.cursor().writeVarint(300);
   * console.log(...memory.bytes); // 172 2 0 0
   * ```
   */
  writeVarint(value: number): void {
    wholeNumber(value, "writeVarint: the number");
    const size = varintSize(value);
    const at = this.#at;
    try {
      setVarint(this.#target, at, value, size);
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#slowly(size, true, "writeVarint", (view, at) => setVarint(view, at, value, size));
    }
    this.#at = at + size;
  }

  /**
   * Reads up to the end of the line. The line's end, `\n` or `\r\n`, is not part of the string.
   *
   * @param options Whether to read a last line that has no newline, as in a file that is being written to.
   * @returns The line; undefined if there is none.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
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
  readLine(options?: ReadLineOptions): string | undefined {
    const { finished = false } = readLineOptions(options);
    const length = this.#memory.length("readLine");
    const start = this.#position;
    if (start >= length) return undefined;
    const newline = this.#find(NEWLINE, "readLine");
    if (newline === -1 && finished) return undefined;
    const bytes = read(this.#memory, start, (newline === -1 ? length : newline) - start, "readLine");
    const returned = newline !== -1 && bytes.at(-1) === RETURN;
    const line = this.#decoder.decode(returned ? bytes.subarray(0, -1) : bytes);
    this.#goTo(newline === -1 ? length : newline + 1);
    return line;
  }

  /**
   * Stores a line: a string as UTF-8, and `\n` behind it.
   *
   * @param text The line, without its end.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no string.
   * @throws {RangeError} If {@linkcode Cursor.readLine} would read something else, since there is a `\n` in it or a `\r` at
   * its end; or if it reaches past the end of the region. Nothing is written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * const cursor = memory.cursor();
   * cursor.writeLine("one");
   * cursor.writeLine("two");
   * cursor.seek(0);
   * console.log(cursor.readLine(), cursor.readLine()); // one two
   * ```
   */
  writeLine(text: string): void {
    const bytes = toUtf8(text, "writeLine");
    if (bytes.includes(NEWLINE) || bytes.at(-1) === RETURN) {
      throw new RangeError("writeLine: the string has the end of a line in it");
    }
    this.#store(builtin("node:buffer").Buffer.concat([bytes, Uint8Array.of(NEWLINE)]), "writeLine");
  }

  /**
   * Reads a string of a given size.
   *
   * @param length How many bytes of UTF-8; what is not UTF-8 becomes U+FFFD.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the length is no number.
   * @throws {RangeError} If the length is no whole number, 0 or more, or reaches past the end of the region.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * const length = memory.cursor().writeString("grüß dich");
   * console.log(memory.cursor().readString(length)); // grüß dich
   * ```
   */
  readString(length: number): string {
    return this.#readString(length, "readString");
  }

  /**
   * Stores a string as UTF-8, and nothing that tells its length.
   *
   * @param text The string.
   * @returns How many bytes it has, for {@linkcode Cursor.readString}.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no string.
   * @throws {RangeError} If it reaches past the end of the region; nothing is written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * console.log(memory.cursor().writeString("grüß")); // 6
   * ```
   */
  writeString(text: string): number {
    const bytes = toUtf8(text, "writeString");
    this.#store(bytes, "writeString");
    return bytes.length;
  }

  /**
   * Reads a string before which stands how many bytes it has.
   *
   * @param prefix What that number is. Default: `"varint"`.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the prefix is none.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * memory.cursor().writePrefixedString("grüß dich", "u16");
   * console.log(memory.cursor().readPrefixedString("u16")); // grüß dich
   * ```
   */
  readPrefixedString(prefix: LengthPrefix = "varint", littleEndian: boolean = true): string {
    const operation = "readPrefixedString";
    const kind = oneOf(prefix, PREFIXES, `${operation}: the prefix`);
    const start = this.#position;
    try {
      const length = kind === "varint"
        ? this.#readVarint(operation)
        : this.#read(CODECS[kind], littleEndian, operation);
      return this.#readString(length, operation);
    } catch (error) {
      this.#goTo(start);
      throw error;
    }
  }

  /**
   * Stores a string as UTF-8, and before it how many bytes it has.
   *
   * @param text The string.
   * @param prefix What that number is. Default: `"varint"`.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If the text is no string, or the prefix none.
   * @throws {RangeError} If it has more bytes than the prefix can say, or reaches past the end of the region; nothing is
   * written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8);
   * memory.cursor().writePrefixedString("abc", "u32");
   * console.log(...memory.bytes); // 3 0 0 0 97 98 99 0
   * ```
   */
  writePrefixedString(text: string, prefix: LengthPrefix = "varint", littleEndian: boolean = true): void {
    const operation = "writePrefixedString";
    const bytes = toUtf8(text, operation);
    const kind = oneOf(prefix, PREFIXES, `${operation}: the prefix`);
    if (bytes.length > LARGEST[kind]) {
      throw new RangeError(
        `${operation}: a string of ${bytes.length} bytes is too long for prefix "${kind}"`,
      );
    }
    this.#store(
      builtin("node:buffer").Buffer.concat([lengthPrefix(bytes.length, kind, littleEndian), bytes]),
      operation,
    );
  }

  /**
   * Reads a string that ends with a NUL, as C's do. The NUL is not part of it.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If there is no NUL up to the end of the region.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(64);
   * memory.write(0, "grüß\0dich\0");
   * const cursor = memory.cursor();
   * console.log(cursor.readCString(), cursor.readCString()); // grüß dich
   * ```
   */
  readCString(): string {
    const start = this.#position;
    const end = this.#find(0, "readCString");
    if (end === -1) {
      throw new RangeError(`readCString: no NUL follows offset ${start}`);
    }
    const text = this.#decode(start, end - start, "readCString");
    this.#goTo(end + 1);
    return text;
  }

  /**
   * Stores a string as UTF-8, and a NUL behind it.
   *
   * @param text The string.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If it is no string.
   * @throws {RangeError} If it has a NUL in it, or reaches past the end of the region; nothing is written then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(8);
   * memory.cursor().writeCString("abc");
   * console.log(...memory.bytes); // 97 98 99 0 0 0 0 0
   * ```
   */
  writeCString(text: string): void {
    const bytes = toUtf8(text, "writeCString");
    if (bytes.includes(0)) {
      throw new RangeError("writeCString: the string has a NUL in it, where it would end");
    }
    this.#store(builtin("node:buffer").Buffer.concat([bytes, Uint8Array.of(0)]), "writeCString");
  }

  get #position(): number {
    return this.#window.start + this.#at;
  }

  #goTo(position: number): void {
    const { start, end } = this.#window;
    this.#at = position - start;
    this.#end = this.#at < 0 ? this.#at : end;
  }

  /** Takes over what the window is now. */
  #follow(position: number): void {
    this.#goTo(position);
    const { view, target, losses, known } = this.#window;
    if (view !== this.#view) this.#view = view;
    if (target !== this.#target) this.#target = target;
    if (losses !== this.#losses) this.#losses = losses;
    if (known !== this.#known) this.#known = known;
  }

  /**
   * Moves the window to the position, if possible. Returns the position in the window: used as that, the call is left
   * out of machine code made while no window had ended. As long as none does, loops are faster without it.
   */
  #slide(): number {
    return get(Cursor.#sliding, "at", this) as number;
  }

  /**
   * What `#slide` does. A native function calls it: other functions JavaScriptCore makes a part of the loop, with the
   * calls that are in them, and keeps what the loop works with in memory because of these. Numbers then take twice as
   * long, though windows end so rarely.
   */
  static readonly #sliding = {
    get at(): number {
      const cursor = this as unknown as Cursor; // which `get` is given
      const position = cursor.#position;
      cursor.#window.open(position);
      cursor.#follow(position);
      return cursor.#at;
    },
  };

  /** Reads or stores a number after the fast attempt has failed; throws what was wrong, if anything was. */
  #slowly<T>(
    size: number,
    writable: boolean,
    operation: string,
    touch: (view: DataView<ArrayBuffer>, at: number) => T,
  ): T {
    let position = this.#position;
    try {
      const value = this.#window.slowly(position, size, writable, operation, touch);
      position += size;
      return value;
    } finally {
      this.#follow(position); // the window may have moved
    }
  }

  #readSlowly<T>(codec: Codec<T>, littleEndian: boolean, operation: string): T {
    return this.#slowly(codec.size, false, operation, (view, at) => codec.get(view, at, littleEndian));
  }

  #writeSlowly<T>(codec: Codec<T>, value: T, littleEndian: boolean, operation: string): void {
    this.#slowly(codec.size, true, operation, (view, at) => codec.set(view, at, value, littleEndian));
  }

  /** Reads a number for which it doesn't matter so much how long that takes. */
  #read<T>(codec: Codec<T>, littleEndian: boolean, operation: string): T {
    const at = this.#at;
    let value;
    try {
      value = codec.get(this.#view, at, littleEndian);
      SCRATCH[0] = at;
      ZERO.getUint8((this.#losses[0] ?? 0) ^ this.#known);
    } catch {
      return this.#readSlowly(codec, littleEndian, operation);
    }
    this.#at = at + codec.size;
    return value;
  }

  #readVarint(operation: string): number {
    const start = this.#position;
    try {
      let value = 0;
      for (let scale = 1;; scale *= 128) {
        const byte = this.#read(CODECS.u8, true, operation);
        value += (byte & 0x7f) * scale;
        if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 56) {
          throw new RangeError(`${operation}: the number at offset ${start} is larger than 2^53 - 1`);
        }
        if (byte < 0x80) return value;
      }
    } catch (error) {
      this.#goTo(start);
      throw error;
    }
  }

  #readString(length: number, operation: string): string {
    wholeNumber(length, `${operation}: 'length'`);
    const start = this.#position;
    const text = this.#decode(start, length, operation);
    this.#goTo(start + length);
    return text;
  }

  #store(bytes: Uint8Array, operation: string): void {
    const memory = this.#memory;
    const start = this.#position;
    const { length } = bytes;
    within(start, length, memory.length(operation), operation);
    const target = memory.borrowWritable(start, length, operation);
    memory.watch(operation, start, length, () => setBytes(target, bytes));
    this.#goTo(start + length);
  }

  /** The first offset, from the position on, at which a byte occurs; -1 if there is none. */
  #find(byte: number, operation: string): number {
    const memory = this.#memory;
    const length = memory.length(operation);
    let reach = REACH;
    for (let offset = this.#position; offset < length;) {
      const count = Math.min(reach, length - offset);
      const bytes = memory.borrow(offset, count, operation);
      const found = memory.watch(operation, offset, count, () => indexOf.call(bytes, byte));
      if (found !== -1) return offset + found;
      offset += count;
      reach = Math.min(LARGEST_REACH, reach * 2);
    }
    return -1;
  }

  #decode(start: number, length: number, operation: string): string {
    return this.#decoder.decode(read(this.#memory, start, length, operation));
  }
}

function refuse(value: unknown, type: string, call: string): never {
  throw new TypeError(`${call}: the value must be a ${type}: received ${show(value)}`);
}

/** How many bytes a number takes as LEB128. */
function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Stores a number as LEB128. Nothing is stored if there is no room for all of it. */
function setVarint(view: DataView, at: number, value: number, size: number): void {
  view.getUint8(at + size - 1);
  let rest = value;
  for (let index = 0; index < size; index++, rest = Math.floor(rest / 128)) {
    view.setUint8(at + index, rest % 128 | (index < size - 1 ? 0x80 : 0));
  }
}

/** A string's length, as it stands before the string. */
function lengthPrefix(length: number, kind: LengthPrefix, littleEndian: boolean): Uint8Array {
  const size = kind === "varint" ? varintSize(length) : CODECS[kind].size;
  const view = new DataView(new ArrayBuffer(size));
  if (kind === "varint") setVarint(view, 0, length, size);
  else CODECS[kind].set(view, 0, length, littleEndian);
  return new ByteArray(view.buffer);
}

function toUtf8(text: unknown, call: string): Uint8Array {
  if (typeof text !== "string") {
    throw new TypeError(`${call}: the text must be a string: received ${show(text)}`);
  }
  return builtin("node:buffer").Buffer.from(text);
}
