/**
 * Records of a fixed size, as C's structs lie in a file.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { show, wholeNumber } from "./checks.ts";
import type { Memory } from "./memory.ts";
import { type RecordsOptions, type StructOptions, structOptions } from "./options.ts";
import { Window } from "./window.ts";

/** A number in a record: `"u8"` is C's uint8_t, `"i64"` its int64_t, `"f32"` its float, `"f64"` its double. */
export type NumberField = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64" | "f32" | "f64";

/** Text in a record, C's `char[n]`, made by {@linkcode char}. */
export interface CharField {
  /** Tells it from other fields. */
  readonly type: "char";
  /** The number of bytes. */
  readonly size: number;
}

/** Bytes in a record, C's `uint8_t[n]`, made by {@linkcode bytes}. */
export interface BytesField {
  /** Tells it from other fields. */
  readonly type: "bytes";
  /** The number of bytes. */
  readonly size: number;
}

/** A field of a record. */
export type Field = NumberField | CharField | BytesField;

/** The fields of a record, in the order in which they lie in it. */
export type Fields = Readonly<Record<string, Field>>;

/** What a field is read as. */
export type ValueOf<F extends Field> = F extends "u64" | "i64" ? bigint
  : F extends NumberField ? number
  : F extends CharField ? string
  : Uint8Array;

/** What a record is read as: an object with a value for each field. */
export type RecordOf<F extends Fields> = { -readonly [Name in keyof F]: ValueOf<F[Name]> };

/** What checks a record that was read: a zod schema, say. */
export interface RecordSchema {
  /** Returns what it is given if that is well; throws if it isn't. */
  parse(value: unknown): unknown;
}

type Value = number | bigint | string | Uint8Array;

/** How a field is read and stored. */
interface Codec {
  readonly size: number;
  readonly alignment: number;
  readonly type: "number" | "bigint" | "string" | "bytes";
  read(view: DataView<ArrayBuffer>, at: number): Value;
  write(view: DataView<ArrayBuffer>, at: number, value: Value): void;
}

/** A layout's field: its name, where in the record it is, and how it is read. */
interface Place {
  readonly name: string;
  readonly offset: number;
  readonly codec: Codec;
}

/**
 * Text of a fixed size, C's `char[n]`: UTF-8 up to the first NUL. Shorter text is filled up with NULs when it is stored.
 *
 * @param size The number of bytes.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is no whole number above 0.
 *
 * @example
 * ```ts
 * import { char, struct } from "@mapped/region";
 *
 * console.log(struct({ name: char(16) }).size); // 16
 * ```
 */
export function char(size: number): CharField {
  return { type: "char", size: positive(size, "char: the size") };
}

/**
 * Bytes of a fixed size, C's `uint8_t[n]`. They are read as a copy.
 *
 * @param size The number of bytes.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is no whole number above 0.
 *
 * @example
 * ```ts
 * import { bytes, struct } from "@mapped/region";
 *
 * console.log(struct({ hash: bytes(32) }).size); // 32
 * ```
 */
export function bytes(size: number): BytesField {
  return { type: "bytes", size: positive(size, "bytes: the size") };
}

/**
 * Describes a record: its fields, in order. They are aligned as C would on x86-64 and arm64: each at a multiple of its
 * size, the whole a multiple of the largest.
 *
 * @param fields The fields by their names.
 * @param options Whether to pack them, and their byte order.
 * @throws {TypeError} If a field is none, there are none, or an option is unknown or has the wrong type.
 *
 * @example
 * ```ts
 * import { char, MappedRegion, struct } from "@mapped/region";
 *
 * const trade = struct({ id: "u64", price: "f64", name: char(16) });
 * using memory = MappedRegion.anonymous(1000 * trade.size);
 * const trades = memory.records(trade);
 * trades.set(7, { id: 1n, price: 9.5, name: "grüß dich" });
 * console.log(trades.get(7).price); // 9.5
 * ```
 */
export function struct<const F extends Fields>(fields: F, options?: StructOptions): Layout<F> {
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(`struct: the fields must be an object: received ${show(fields)}`);
  }
  const { packed = false, littleEndian = true } = structOptions(options);
  return new Layout(fields, packed, littleEndian);
}

/** Where the fields of a record are; made by {@linkcode struct}. */
export class Layout<F extends Fields> {
  /** The size of a record in bytes, with what is free at its end. */
  readonly size: number;
  /** What a record's address is a multiple of in C, in bytes. */
  readonly alignment: number;
  /** Where in the record each field is, in bytes. */
  readonly offsets: { readonly [Name in keyof F]: number };
  readonly #places: readonly Place[];

  /**
   * Made by {@linkcode struct}.
   *
   * @param fields The fields by their names.
   * @param packed Whether nothing is left free between them.
   * @param littleEndian The byte order of numbers.
   */
  constructor(fields: F, packed: boolean, littleEndian: boolean) {
    let end = 0;
    let alignment = 1;
    this.#places = Object.entries(fields).map(([name, field]) => {
      if (name === "__proto__") throw new TypeError("struct: a field can't be named '__proto__'");
      const codec = codecOf(name, field, littleEndian);
      if (!packed) {
        end = Math.ceil(end / codec.alignment) * codec.alignment;
        alignment = Math.max(alignment, codec.alignment);
      }
      const offset = end;
      end += codec.size;
      return { name, offset, codec };
    });
    if (end === 0) throw new TypeError("struct: a record must have a field");
    this.alignment = alignment;
    this.size = Math.ceil(end / alignment) * alignment;
    this.offsets = Object.fromEntries(this.#places.map(({ name, offset }) => [name, offset])) as {
      [Name in keyof F]: number;
    };
  }

  /**
   * Reads a record.
   *
   * @param view Where it is.
   * @param at Where in the view it begins, in bytes.
   * @throws {RangeError} If it reaches past the end of the view.
   */
  decode(view: DataView<ArrayBuffer>, at: number): RecordOf<F> {
    const record: Record<string, Value> = {};
    for (const { name, offset, codec } of this.#places) record[name] = codec.read(view, at + offset);
    return record as RecordOf<F>;
  }

  /**
   * Stores a record; what is free between fields becomes 0.
   *
   * @param record A value for each field.
   * @returns The record's bytes.
   * @throws {TypeError} If a value is missing or has the wrong type.
   * @throws {RangeError} If text or bytes don't fit their field.
   */
  encode(record: Readonly<RecordOf<F>>): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    const view = new DataView(bytes.buffer);
    for (const { name, offset, codec } of this.#places) {
      store(view, offset, codec, name, (record as Readonly<Record<string, unknown>>)[name]);
    }
    return bytes;
  }

  /** A field by its name; for {@linkcode Records}. */
  static place(layout: Layout<Fields>, name: string): Place {
    const place = layout.#places.find((each) => each.name === name);
    if (place === undefined) throw new TypeError(`there is no field ${show(name)}`);
    return place;
  }
}

/** The bytes of records, one behind the other. */
class Rows {
  readonly #memory: Memory;
  readonly #window: Window;
  readonly #offset: number;
  readonly #count: number;
  readonly #size: number;
  /** How many there were when that was last asked for, and how many bytes the region had. */
  #known = 0;
  #room = 0;

  constructor(memory: Memory, size: number, { offset = 0, count }: RecordsOptions) {
    memory.check(offset, count === undefined ? undefined : count * size, "records");
    this.#memory = memory;
    this.#window = new Window(memory);
    this.#window.open(offset);
    this.#offset = offset;
    this.#count = count ?? Infinity;
    this.#size = size;
  }

  get length(): number {
    const length = this.#memory.length("records");
    if (length !== this.#room) {
      this.#room = length;
      this.#known = Math.min(this.#count, Math.floor(Math.max(0, length - this.#offset) / this.#size));
    }
    return this.#known;
  }

  /** Reads a part of a record. */
  read<T>(
    index: number,
    offset: number,
    size: number,
    read: (view: DataView<ArrayBuffer>, at: number) => T,
  ): T {
    if (Number.isInteger(index) && index >= 0 && index < this.#known) {
      const { start, view } = this.#window;
      try {
        const value = read(view, this.#offset + index * this.#size + offset - start);
        this.#window.look();
        return value;
      } catch {
        // Another part, a region that is no longer there, or pages that were lost: we'll see.
      }
    }
    return this.#window.slowly(this.#locate(index, "get") + offset, size, false, "get", read);
  }

  /** Stores a part of a record. */
  store(index: number, offset: number, bytes: Uint8Array): void {
    const at = this.#locate(index, "set") + offset;
    const target = this.#memory.borrowWritable(at, bytes.length, "set");
    this.#memory.watch("set", at, bytes.length, () => target.set(bytes));
  }

  /** Where in the region a record begins. */
  #locate(index: number, operation: string): number {
    wholeNumber(index, `${operation}: 'index'`);
    const { length } = this;
    if (index >= length) {
      throw new RangeError(`${operation}: there is no record ${index}: the region has ${length}`);
    }
    return this.#offset + index * this.#size;
  }
}

/** What is in a list, in order. Written out: a generator takes longer for a step. */
class Each<T> implements IterableIterator<T, undefined> {
  readonly #list: { readonly length: number; get(index: number): T };
  #index = 0;

  constructor(list: { readonly length: number; get(index: number): T }) {
    this.#list = list;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T, undefined> {
    if (this.#index < this.#list.length) return { done: false, value: this.#list.get(this.#index++) };
    this.#index = Infinity; // for good, even if the region grows
    return { done: true, value: undefined };
  }
}

/**
 * A region as a list of records, made by {@linkcode MappedRegion.records}. Records are read when they are asked for, and
 * are copies: changing one changes nothing in the region.
 */
export class Records<F extends Fields> implements Iterable<RecordOf<F>> {
  /** What a record looks like. */
  readonly layout: Layout<F>;
  readonly #rows: Rows;
  readonly #schema: RecordSchema | undefined;
  readonly #decode: (view: DataView<ArrayBuffer>, at: number) => RecordOf<F>;

  /**
   * Made by {@linkcode MappedRegion.records}.
   *
   * @param memory The region's memory.
   * @param layout What a record looks like.
   * @param options Where the records are, and what checks them.
   */
  constructor(memory: Memory, layout: Layout<F>, options: RecordsOptions) {
    this.layout = layout;
    this.#rows = new Rows(memory, layout.size, options);
    this.#schema = options.schema;
    this.#decode = (view, at) => layout.decode(view, at);
  }

  /**
   * The number of records: as many as there is room for, or as were asked for.
   *
   * @throws {RegionClosedError} If the region is closed.
   */
  get length(): number {
    return this.#rows.length;
  }

  /**
   * Reads a record.
   *
   * @param index Which one, from 0 on.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If there is no such record.
   * @throws {MmapError} EFAULT if its pages were lost.
   */
  get(index: number): RecordOf<F> {
    const record = this.#rows.read(index, 0, this.layout.size, this.#decode);
    // The schema is the program's: nothing of the region is looked at after it.
    return this.#schema === undefined ? record : this.#schema.parse(record) as RecordOf<F>;
  }

  /**
   * Stores a record.
   *
   * @param index Which one, from 0 on.
   * @param record A value for each field.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If a value is missing or has the wrong type; nothing is stored then.
   * @throws {RangeError} If there is no such record, or text or bytes don't fit their field.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   */
  set(index: number, record: Readonly<RecordOf<F>>): void {
    const bytes = this.layout.encode(record);
    this.#rows.store(index, 0, bytes);
  }

  /**
   * One field of all records.
   *
   * @param name Which field.
   * @throws {TypeError} If there is no such field.
   *
   * @example
   * ```ts
   * import { MappedRegion, struct } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1600);
   * const prices = memory.records(struct({ id: "u64", price: "f64" })).column("price");
   * prices.set(3, 9.5);
   * console.log(prices.length, prices.get(3)); // 100 9.5
   * ```
   */
  column<Name extends keyof F & string>(name: Name): Column<ValueOf<F[Name]>> {
    return new FieldColumn(this.#rows, Layout.place(this.layout, name));
  }

  /** The records in order; throws a RegionClosedError if the region is closed in the middle. */
  [Symbol.iterator](): IterableIterator<RecordOf<F>, undefined> {
    return new Each(this);
  }
}

/** One field of all records: {@linkcode Records.column}. */
export interface Column<T> extends Iterable<T> {
  /** The number of records. */
  readonly length: number;
  /** The field of a record, by its index. Throws as {@linkcode Records.get} does; no schema is asked. */
  get(index: number): T;
  /** Stores the field of a record. Throws as {@linkcode Records.set} does. */
  set(index: number, value: T): void;
}

/** A column, by where its field is in a record. */
class FieldColumn<T> implements Column<T> {
  readonly #rows: Rows;
  readonly #place: Place;
  readonly #offset: number;
  readonly #size: number;
  readonly #decode: (view: DataView<ArrayBuffer>, at: number) => T;

  constructor(rows: Rows, place: Place) {
    this.#rows = rows;
    this.#place = place;
    this.#offset = place.offset;
    this.#size = place.codec.size;
    this.#decode = place.codec.read as (view: DataView<ArrayBuffer>, at: number) => T;
  }

  get length(): number {
    return this.#rows.length;
  }

  get(index: number): T {
    return this.#rows.read(index, this.#offset, this.#size, this.#decode);
  }

  set(index: number, value: T): void {
    const { name, offset, codec } = this.#place;
    const bytes = new Uint8Array(codec.size);
    store(new DataView(bytes.buffer), 0, codec, name, value);
    this.#rows.store(index, offset, bytes);
  }

  [Symbol.iterator](): IterableIterator<T, undefined> {
    return new Each(this);
  }
}

function positive(size: number, what: string): number {
  if (wholeNumber(size, what) === 0) throw new RangeError(`${what} must be above 0`);
  return size;
}

function store(view: DataView<ArrayBuffer>, at: number, codec: Codec, name: string, value: unknown): void {
  const type: string = typeof value;
  const right = codec.type === "bytes" ? value instanceof Uint8Array : type === codec.type;
  if (!right) {
    const what = codec.type === "bytes" ? "Uint8Array" : codec.type;
    throw new TypeError(`field '${name}' must be a ${what}: received ${show(value)}`);
  }
  codec.write(view, at, value as Value);
}

function codecOf(name: string, field: Field, little: boolean): Codec {
  const known = typeof field === "string" ? (little ? LITTLE : BIG)[field] : undefined;
  if (known !== undefined) return known;
  if (typeof field === "object" && field !== null && (field.type === "char" || field.type === "bytes")) {
    const size = positive(field.size, `struct: the size of field '${name}'`);
    return field.type === "char" ? text(name, size) : raw(name, size);
  }
  throw new TypeError(
    `struct: field '${name}' must be a number's name, char(n) or bytes(n): received ${show(field)}`,
  );
}

function numbers(little: boolean): Readonly<Record<string, Codec>> {
  const number = (
    size: number,
    read: (view: DataView, at: number) => number,
    write: (view: DataView, at: number, value: number) => void,
  ): Codec => ({
    size,
    alignment: size,
    type: "number",
    read,
    write: (view, at, value) => write(view, at, Number(value)),
  });
  const wide = (
    read: (view: DataView, at: number) => bigint,
    write: (view: DataView, at: number, value: bigint) => void,
  ): Codec => ({
    size: 8,
    alignment: 8,
    type: "bigint",
    read,
    write: (view, at, value) => write(view, at, value as bigint),
  });
  return {
    __proto__: null as never,
    u8: number(1, (view, at) => view.getUint8(at), (view, at, value) => view.setUint8(at, value)),
    i8: number(1, (view, at) => view.getInt8(at), (view, at, value) => view.setInt8(at, value)),
    u16: number(2, (v, at) => v.getUint16(at, little), (v, at, value) => v.setUint16(at, value, little)),
    i16: number(2, (v, at) => v.getInt16(at, little), (v, at, value) => v.setInt16(at, value, little)),
    u32: number(4, (v, at) => v.getUint32(at, little), (v, at, value) => v.setUint32(at, value, little)),
    i32: number(4, (v, at) => v.getInt32(at, little), (v, at, value) => v.setInt32(at, value, little)),
    f32: number(4, (v, at) => v.getFloat32(at, little), (v, at, value) => v.setFloat32(at, value, little)),
    f64: number(8, (v, at) => v.getFloat64(at, little), (v, at, value) => v.setFloat64(at, value, little)),
    u64: wide((v, at) => v.getBigUint64(at, little), (v, at, value) => v.setBigUint64(at, value, little)),
    i64: wide((v, at) => v.getBigInt64(at, little), (v, at, value) => v.setBigInt64(at, value, little)),
  };
}

const LITTLE = numbers(true);
const BIG = numbers(false);

/** Up to so many bytes of text are faster read one by one than by a decoder. */
const SHORT = 32;

function text(name: string, size: number): Codec {
  const decode = (view: DataView<ArrayBuffer>, at: number): string => {
    const bytes = Buffer.from(view.buffer, view.byteOffset + at, size);
    const end = bytes.indexOf(0);
    return bytes.toString("utf8", 0, end === -1 ? size : end);
  };
  return {
    size,
    alignment: 1,
    type: "string",
    read(view, at): string {
      if (size > SHORT) return decode(view, at);
      const codes: number[] = [];
      for (let index = 0; index < size; index++) {
        const code = view.getUint8(at + index);
        if (code === 0) break;
        if (code > 0x7f) return decode(view, at);
        codes.push(code);
      }
      return String.fromCharCode(...codes);
    },
    write(view, at, value): void {
      fit(name, size, Buffer.from(String(value)), view, at);
    },
  };
}

function raw(name: string, size: number): Codec {
  return {
    size,
    alignment: 1,
    type: "bytes",
    read: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
    write(view, at, value): void {
      fit(name, size, value as Uint8Array, view, at);
    },
  };
}

function fit(name: string, size: number, value: Uint8Array, view: DataView<ArrayBuffer>, at: number): void {
  if (value.length > size) {
    throw new RangeError(`field '${name}' has room for ${size} bytes: received ${value.length}`);
  }
  const target = new Uint8Array(view.buffer, view.byteOffset + at, size);
  target.set(value);
  target.fill(0, value.length);
}
