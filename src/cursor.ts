/**
 * A region as a file: a position, and reads and writes that move it on.
 *
 * Numbers are read through a window, which is kept from one read to the next: see `window.ts`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { oneOf, show, wholeNumber, within } from "./checks.ts";
import type { Memory } from "./memory.ts";
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

/** How far a line's end is looked for at first: twice as far each time that it isn't there. */
const REACH = 2 ** 12;

/** How much is copied at a time at most, in bytes. */
const LARGEST_COPY = 2 ** 29;

/** As in `window.ts`, but of this module: the value of another module's constant is looked up each time. */
const ZERO = new DataView(new ArrayBuffer(1));

const NEWLINE = 0x0a;
const RETURN = 0x0d;

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
  readonly #memory: Memory;
  readonly #decoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #window: Window;
  /** The position in the window, in bytes. */
  #at: number;
  /** What the window has: a step less to it for each number. */
  #view: DataView<ArrayBuffer>;
  #target: DataView<ArrayBuffer>;
  #faults: Uint32Array;

  /**
   * Made by {@linkcode MappedRegion.cursor}.
   *
   * @param memory The region's memory.
   * @param offset Where to start, in bytes.
   */
  constructor(memory: Memory, offset: number) {
    this.#memory = memory;
    this.#window = new Window(memory);
    this.#window.open(offset);
    this.#at = offset - this.#window.start;
    ({ view: this.#view, target: this.#target, faults: this.#faults } = this.#window);
  }

  /**
   * The region's length in bytes.
   *
   * @throws {RegionClosedError} If the region is closed.
   */
  get size(): number {
    return this.#memory.length("size");
  }

  /** The position: an offset in the region, in bytes. */
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
   */
  read(length?: number): Uint8Array<ArrayBuffer> {
    if (length !== undefined) wholeNumber(length, "read: 'length'");
    const rest = Math.max(0, this.#memory.length("read") - this.#position);
    return this.#copy(Math.min(length ?? rest, rest), "read");
  }

  /**
   * Reads up to the end of the line. The line's end, `\n` or `\r\n`, is not part of the string.
   *
   * @returns The line, or undefined at the end of the region.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if pages have protection `"none"`; EFAULT if pages were lost.
   */
  readLine(): string | undefined {
    const length = this.#memory.length("readLine");
    const start = this.#position;
    if (start >= length) return undefined;
    const newline = this.#find(NEWLINE, "readLine");
    const end = newline === -1 ? length : newline;
    const returned = newline > start && this.#byte(newline - 1, "readLine") === RETURN;
    const line = this.#decode(start, (returned ? newline - 1 : end) - start, "readLine");
    this.#goTo(newline === -1 ? length : newline + 1);
    return line;
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
   */
  write(data: Uint8Array | string): number {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError(`write: the data must be a Uint8Array or a string: received ${show(data)}`);
    }
    this.#store(bytes, "write");
    return bytes.length;
  }

  /**
   * Stores one byte.
   *
   * @param value The byte: 0 to 255.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it is out of range, or the position is the end of the region.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if pages were lost.
   */
  writeByte(value: number): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 255)) {
      throw new RangeError(`writeByte: a byte must be a whole number from 0 to 255: received ${show(value)}`);
    }
    this.writeU8(value);
  }

  /**
   * Reads an unsigned number of 8 bits.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readU8(): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getUint8(at);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(1, false, "readU8", (view, at) => view.getUint8(at));
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
   */
  writeU8(value: number): void {
    if (typeof value !== "number") refuse(value, "number", "writeU8");
    const at = this.#at;
    try {
      this.#target.setUint8(at, value);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(1, true, "writeU8", (view, at) => view.setUint8(at, value));
    }
    this.#at = at + 1;
  }

  /**
   * Reads a signed number of 8 bits.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readI8(): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getInt8(at);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(1, false, "readI8", (view, at) => view.getInt8(at));
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
   */
  writeI8(value: number): void {
    if (typeof value !== "number") refuse(value, "number", "writeI8");
    const at = this.#at;
    try {
      this.#target.setInt8(at, value);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(1, true, "writeI8", (view, at) => view.setInt8(at, value));
    }
    this.#at = at + 1;
  }

  /**
   * Reads an unsigned number of 16 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readU16(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getUint16(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(2, false, "readU16", (view, at) => view.getUint16(at, littleEndian));
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
   */
  writeU16(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeU16");
    const at = this.#at;
    try {
      this.#target.setUint16(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(2, true, "writeU16", (view, at) => view.setUint16(at, value, littleEndian));
    }
    this.#at = at + 2;
  }

  /**
   * Reads a signed number of 16 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readI16(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getInt16(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(2, false, "readI16", (view, at) => view.getInt16(at, littleEndian));
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
   */
  writeI16(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeI16");
    const at = this.#at;
    try {
      this.#target.setInt16(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(2, true, "writeI16", (view, at) => view.setInt16(at, value, littleEndian));
    }
    this.#at = at + 2;
  }

  /**
   * Reads an unsigned number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readU32(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getUint32(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, false, "readU32", (view, at) => view.getUint32(at, littleEndian));
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
   */
  writeU32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeU32");
    const at = this.#at;
    try {
      this.#target.setUint32(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, true, "writeU32", (view, at) => view.setUint32(at, value, littleEndian));
    }
    this.#at = at + 4;
  }

  /**
   * Reads a signed number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readI32(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getInt32(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, false, "readI32", (view, at) => view.getInt32(at, littleEndian));
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
   */
  writeI32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeI32");
    const at = this.#at;
    try {
      this.#target.setInt32(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, true, "writeI32", (view, at) => view.setInt32(at, value, littleEndian));
    }
    this.#at = at + 4;
  }

  /**
   * Reads an unsigned number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readU64(littleEndian: boolean = true): bigint {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getBigUint64(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, false, "readU64", (view, at) => view.getBigUint64(at, littleEndian));
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
   */
  writeU64(value: bigint, littleEndian: boolean = true): void {
    if (typeof value !== "bigint") refuse(value, "bigint", "writeU64");
    const at = this.#at;
    try {
      this.#target.setBigUint64(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, true, "writeU64", (view, at) => view.setBigUint64(at, value, littleEndian));
    }
    this.#at = at + 8;
  }

  /**
   * Reads a signed number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readI64(littleEndian: boolean = true): bigint {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getBigInt64(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, false, "readI64", (view, at) => view.getBigInt64(at, littleEndian));
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
   */
  writeI64(value: bigint, littleEndian: boolean = true): void {
    if (typeof value !== "bigint") refuse(value, "bigint", "writeI64");
    const at = this.#at;
    try {
      this.#target.setBigInt64(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, true, "writeI64", (view, at) => view.setBigInt64(at, value, littleEndian));
    }
    this.#at = at + 8;
  }

  /**
   * Reads a floating point number of 32 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readF32(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getFloat32(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, false, "readF32", (view, at) => view.getFloat32(at, littleEndian));
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
   */
  writeF32(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeF32");
    const at = this.#at;
    try {
      this.#target.setFloat32(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(4, true, "writeF32", (view, at) => view.setFloat32(at, value, littleEndian));
    }
    this.#at = at + 4;
  }

  /**
   * Reads a floating point number of 64 bits.
   *
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   * @throws {MmapError} EFAULT if its page was lost.
   */
  readF64(littleEndian: boolean = true): number {
    const at = this.#at;
    let value;
    try {
      value = this.#view.getFloat64(at, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, false, "readF64", (view, at) => view.getFloat64(at, littleEndian));
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
   */
  writeF64(value: number, littleEndian: boolean = true): void {
    if (typeof value !== "number") refuse(value, "number", "writeF64");
    const at = this.#at;
    try {
      this.#target.setFloat64(at, value, littleEndian);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(8, true, "writeF64", (view, at) => view.setFloat64(at, value, littleEndian));
    }
    this.#at = at + 8;
  }

  /**
   * Reads an unsigned number of variable size (LEB128, as in Protocol Buffers and WebAssembly).
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region, or is larger than 2^53 - 1.
   */
  readVarint(): number {
    const start = this.#position;
    try {
      let value = 0;
      for (let scale = 1;; scale *= 128) {
        const byte = this.readU8();
        value += (byte & 0x7f) * scale;
        if (value > Number.MAX_SAFE_INTEGER || scale > 2 ** 56) {
          throw new RangeError(`readVarint: the number at offset ${start} is larger than 2^53 - 1`);
        }
        if (byte < 0x80) return value;
      }
    } catch (error) {
      this.#goTo(start);
      throw error;
    }
  }

  /**
   * Stores an unsigned number in as few bytes as it needs: LEB128.
   *
   * @param value A whole number, 0 to 2^53 - 1.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it is no such number, or reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable.
   */
  writeVarint(value: number): void {
    wholeNumber(value, "writeVarint: the number");
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size++;
    const store = (view: DataView, at: number): void => {
      view.getUint8(at + size - 1); // nothing is stored if there is no room for all
      let rest = value;
      for (let index = 0; index < size; index++, rest = Math.floor(rest / 128)) {
        view.setUint8(at + index, rest % 128 | (index < size - 1 ? 0x80 : 0));
      }
    };
    const at = this.#at;
    try {
      store(this.#target, at);
      ZERO.getUint8(this.#faults[0] ?? 0);
    } catch {
      return this.#slowly(size, true, "writeVarint", store);
    }
    this.#at = at + size;
  }

  /**
   * Reads a string of a given size.
   *
   * @param length How many bytes of UTF-8; what is not UTF-8 becomes U+FFFD.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   */
  readString(length: number): string {
    wholeNumber(length, "readString: 'length'");
    const text = this.#decode(this.#position, length, "readString");
    this.#goTo(this.#position + length);
    return text;
  }

  /**
   * Reads a string before which stands how many bytes it has.
   *
   * @param prefix What that number is. Default: `"varint"`.
   * @param littleEndian Its byte order. Default: true.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If it reaches past the end of the region.
   */
  readPrefixedString(prefix: LengthPrefix = "varint", littleEndian: boolean = true): string {
    const kind = oneOf(prefix, PREFIXES, "readPrefixedString: the prefix");
    const start = this.#position;
    try {
      const length = kind === "u8"
        ? this.readU8()
        : kind === "u16"
        ? this.readU16(littleEndian)
        : kind === "u32"
        ? this.readU32(littleEndian)
        : this.readVarint();
      return this.readString(length);
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
   * @throws {RangeError} If it has more bytes than the prefix can say, or reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable.
   */
  writePrefixedString(text: string, prefix: LengthPrefix = "varint", littleEndian: boolean = true): void {
    const bytes = toUtf8(text, "writePrefixedString");
    const kind = oneOf(prefix, PREFIXES, "writePrefixedString: the prefix");
    if (bytes.length > LARGEST[kind]) {
      throw new RangeError(
        `writePrefixedString: a string of ${bytes.length} bytes is too long for prefix "${kind}"`,
      );
    }
    const start = this.#position;
    try {
      if (kind === "u8") this.writeU8(bytes.length);
      else if (kind === "u16") this.writeU16(bytes.length, littleEndian);
      else if (kind === "u32") this.writeU32(bytes.length, littleEndian);
      else this.writeVarint(bytes.length);
      this.#store(bytes, "writePrefixedString");
    } catch (error) {
      this.#goTo(start);
      throw error;
    }
  }

  /**
   * Reads a string that ends with a NUL, as C's do. The NUL is not part of it.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If there is no NUL up to the end of the region.
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
   * @throws {RangeError} If it has a NUL in it, or reaches past the end of the region.
   * @throws {MmapError} EACCES if the region is not writable.
   */
  writeCString(text: string): void {
    const bytes = toUtf8(text, "writeCString");
    if (bytes.includes(0)) {
      throw new RangeError("writeCString: the string has a NUL in it, where it would end");
    }
    this.#store(Buffer.concat([bytes, Uint8Array.of(0)]), "writeCString");
  }

  get #position(): number {
    return this.#window.start + this.#at;
  }

  #goTo(position: number): void {
    this.#at = position - this.#window.start;
  }

  /** Reads or stores a number where the attempt to do it at once failed; throws what was wrong. */
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
      this.#goTo(position); // the window may have moved
      ({ view: this.#view, target: this.#target, faults: this.#faults } = this.#window);
    }
  }

  #copy(length: number, operation: string): Uint8Array<ArrayBuffer> {
    const memory = this.#memory;
    const copy = new Uint8Array(length);
    const start = this.#position;
    for (let done = 0; done < length; done += LARGEST_COPY) {
      const count = Math.min(LARGEST_COPY, length - done);
      const bytes = memory.borrow(start + done, count, operation);
      memory.watch(operation, start + done, count, () => copy.set(bytes, done));
    }
    this.#goTo(start + length);
    return copy;
  }

  #store(bytes: Uint8Array, operation: string): void {
    const memory = this.#memory;
    const start = this.#position;
    const { length } = bytes;
    within(start, length, memory.length(operation), operation);
    const target = memory.borrowWritable(start, length, operation);
    memory.watch(operation, start, length, () => target.set(bytes));
    this.#goTo(start + length);
  }

  #byte(offset: number, operation: string): number {
    const bytes = this.#memory.borrow(offset, 1, operation);
    return this.#memory.watch(operation, offset, 1, () => bytes[0] ?? 0);
  }

  /** The first offset from the position on at which a byte stands; -1 if there is none. */
  #find(byte: number, operation: string): number {
    const memory = this.#memory;
    const length = memory.length(operation);
    let reach = REACH;
    for (let offset = this.#position; offset < length;) {
      const count = Math.min(reach, length - offset);
      const bytes = memory.borrow(offset, count, operation);
      const found = memory.watch(operation, offset, count, () => bytes.indexOf(byte));
      if (found !== -1) return offset + found;
      offset += count;
      reach = Math.min(LARGEST_COPY, reach * 2);
    }
    return -1;
  }

  #decode(offset: number, length: number, operation: string): string {
    const memory = this.#memory;
    within(offset, length, memory.length(operation), operation);
    const bytes = memory.borrow(offset, length, operation);
    return memory.watch(operation, offset, length, () => this.#decoder.decode(bytes));
  }
}

function refuse(value: unknown, type: string, call: string): never {
  throw new TypeError(`${call}: the number must be a ${type}: received ${show(value)}`);
}

function toUtf8(text: unknown, call: string): Uint8Array {
  if (typeof text !== "string") {
    throw new TypeError(`${call}: the text must be a string: received ${show(text)}`);
  }
  return Buffer.from(text);
}
