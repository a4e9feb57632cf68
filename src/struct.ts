/**
 * What a record of a fixed size looks like: its fields, as C lays out those of a struct.
 *
 * Records are read number by number, and text from copies: `cursor.ts` says why. A record is encoded into bytes of
 * the library's own before anything is stored, so that a wrong value leaves the region as it was.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { ByteArray, byteLengthOf, Math, setBytes } from "../ffi/captured.ts";
import { show, wholeNumber } from "./checks.ts";
import { type Codec, CODECS, fitsI64, fitsU64, type ScalarField, type ScalarOf } from "./numbers.ts";
import { type StructOptions, structOptions } from "./options.ts";

/** Text in a record, C's `char[n]`, made by {@linkcode char}. */
export interface CharField {
  /** Says which kind of field it is. */
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

/** A field as often as C's `[n]` says, made by {@linkcode array}. */
export interface ArrayField<F extends Field = Field> {
  /** Tells it from other fields. */
  readonly type: "array";
  /** What is repeated. */
  readonly field: F;
  /** How many there are. */
  readonly length: number;
}

/** A field of a record: a number, a bool, text, bytes, an array of any of these, or another record. */
export type Field = ScalarField | CharField | BytesField | ArrayField | Layout<Fields>;

/** The fields of a record, in the order in which they lie in it. */
export interface Fields {
  /** A field by its name. */
  readonly [name: string]: Field;
}

/** What a field is read as. */
export type ValueOf<F extends Field> = F extends ScalarField ? ScalarOf<F>
  : F extends CharField ? string
  : F extends BytesField ? Uint8Array<ArrayBuffer>
  : F extends ArrayField<infer Element> ? ValueOf<Element>[]
  : F extends Layout<infer G> ? { -readonly [Name in keyof G]: ValueOf<G[Name]> }
  : never;

/**
 * What a field can be stored from: what it is read as; for bytes any Uint8Array, and for an array any list, read-only
 * ones too.
 */
export type InputOf<F extends Field> = F extends ScalarField ? ScalarOf<F>
  : F extends CharField ? string
  : F extends BytesField ? Uint8Array
  : F extends ArrayField<infer Element> ? ArrayLike<InputOf<Element>>
  : F extends Layout<infer G> ? { readonly [Name in keyof G]: InputOf<G[Name]> }
  : never;

/**
 * What a record is read as: an object with a value for each field.
 *
 * @example
 * ```ts
 * import { array, char, type RecordOf, struct } from "@mapped/region";
 *
 * const layout = struct({ id: "u64", name: char(16), weights: array("f32", 3) });
 * const record: RecordOf<typeof layout> = { id: 1n, name: "OAK", weights: [0.5, 0.25, 0.25] };
 * console.log(layout.encode(record).length); // 40
 * ```
 */
export type RecordOf<L extends Layout<Fields>> = ValueOf<L>;

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
  return Object.freeze({ type: "char", size: positive(size, "char: the size") });
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
  return Object.freeze({ type: "bytes", size: positive(size, "bytes: the size") });
}

/**
 * A field several times, C's `float weights[3]`. It is read as an array, and stored from one or from a typed array.
 *
 * @param field What is repeated: a number's name, `"bool"`, text, bytes, a record, or another array.
 * @param length How many there are.
 * @throws {TypeError} If the length is no number.
 * @throws {RangeError} If it is no whole number above 0.
 *
 * @example
 * ```ts
 * import { array, struct } from "@mapped/region";
 *
 * const point = struct({ x: "f32", y: "f32" });
 * const triangle = struct({ corners: array(point, 3), matrix: array(array("f64", 2), 2) });
 * console.log(triangle.size); // 56
 * ```
 */
export function array<const F extends Field>(field: F, length: number): ArrayField<F> {
  return Object.freeze({ type: "array", field, length: positive(length, "array: the length") });
}

/**
 * Describes a record: its fields, in order. They are aligned as in C on x86-64 and arm64: each number at a multiple
 * of its size. The record's own size is a multiple of its largest number's.
 *
 * @param fields The fields by their names. (Names that are whole numbers come first, as in every object.)
 * @param options Whether to pack them, and their byte order. Records within it have their own.
 * @throws {TypeError} If a field is none, there are none, or an option is unknown or has the wrong type.
 * @throws {RangeError} If the size of a field is no whole number above 0.
 *
 * @example
 * ```ts
 * import { array, char, MappedRegion, struct } from "@mapped/region";
 *
 * const point = struct({ x: "f32", y: "f32" });
 * const place = struct({ id: "u64", open: "bool", name: char(16), at: point, ratings: array("u8", 5) });
 * using memory = MappedRegion.anonymous(1000 * place.size);
 * const places = memory.records(place);
 * places.set(7, { id: 1n, open: true, name: "grüß dich", at: { x: 0.5, y: 2 }, ratings: [1, 2, 3, 4, 5] });
 * console.log(places.get(7).at.x); // 0.5
 * ```
 */
export function struct<const F extends Fields>(fields: F, options?: StructOptions): Layout<F> {
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(`struct: the fields must be an object: received ${show(fields)}`);
  }
  const { packed = false, littleEndian = true } = structOptions(options);
  return new Layout(fields, packed, littleEndian);
}

/**
 * The plan of a layout, for the library's own use. It is no method, since a program could replace that, and would be
 * given the library's views.
 */
export let planOf: (layout: Layout<Fields>) => RecordPlan;

/**
 * Where the fields of a record are; made by {@linkcode struct}.
 *
 * @example
 * ```ts
 * import { struct } from "@mapped/region";
 *
 * const layout = struct({ small: "u8", large: "u64" });
 * console.log(layout.size, layout.alignment, layout.offsets); // 16 8 { small: 0, large: 8 }
 * ```
 */
export class Layout<F extends Fields> {
  /** The size of a record in bytes, with the padding at its end. */
  readonly size: number;
  /** In C, a record's address is a multiple of this number of bytes. */
  readonly alignment: number;
  /** Where in the record each field is, in bytes. */
  readonly offsets: { readonly [Name in keyof F]: number };
  readonly #plan: RecordPlan;

  /**
   * Made by {@linkcode struct}.
   *
   * @param fields The fields by their names.
   * @param packed Whether nothing is left free between them.
   * @param littleEndian The byte order of numbers.
   */
  constructor(fields: F, packed: boolean, littleEndian: boolean) {
    this.#plan = new RecordPlan(Object.entries(fields), packed, littleEndian);
    const { size, alignment, places } = this.#plan;
    this.size = size;
    this.alignment = alignment;
    this.offsets = Object.freeze(Object.fromEntries(places.map(({ name, offset }) => [name, offset]))) as {
      readonly [Name in keyof F]: number;
    };
  }

  /**
   * Reads a record out of bytes.
   *
   * @param bytes The bytes.
   * @param offset Where among them the record begins. Default: 0.
   * @throws {TypeError} If the bytes are none, or the offset is no number.
   * @throws {RangeError} If the record reaches past their end.
   *
   * @example
   * ```ts
   * import { struct } from "@mapped/region";
   *
   * const pair = struct({ first: "u8", second: "u8" });
   * console.log(pair.decode(Uint8Array.of(1, 2, 3, 4), 2)); // { first: 3, second: 4 }
   * ```
   */
  decode(bytes: Uint8Array<ArrayBuffer>, offset: number = 0): RecordOf<Layout<F>> {
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError(`decode: the bytes must be a Uint8Array: received ${show(bytes)}`);
    }
    wholeNumber(offset, "decode: 'offset'");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (offset > view.byteLength - this.size) {
      throw new RangeError(
        `decode: a record of ${this.size} bytes from offset ${offset} reaches past the end of the ${view.byteLength} bytes`,
      );
    }
    return this.#plan.read(view, offset) as RecordOf<Layout<F>>;
  }

  /**
   * Makes a record's bytes; the padding between fields is 0.
   *
   * @param record A value for each field.
   * @throws {TypeError} If a value is missing or has the wrong type.
   * @throws {RangeError} If a number is out of its field's range, or text, bytes or a list don't fit their field.
   *
   * @example
   * ```ts
   * import { struct } from "@mapped/region";
   *
   * const pair = struct({ small: "u8", large: "u32" });
   * console.log(...pair.encode({ small: 1, large: 2 })); // 1 0 0 0 2 0 0 0
   * ```
   */
  encode(record: InputOf<Layout<F>>): Uint8Array<ArrayBuffer> {
    const view = new DataView(new ArrayBuffer(this.size));
    store(this.#plan, view, record, "");
    return new ByteArray(view.buffer);
  }

  static {
    planOf = (layout) => layout.#plan;
  }
}

/** How a field is read and stored. */
export interface Plan {
  readonly size: number;
  readonly alignment: number;
  /** Reads it, from memory that others may be changing. */
  read(view: DataView<ArrayBuffer>, at: number): unknown;
  /**
   * Stores a value, to memory that only the library has. Throws a {@linkcode WrongValue} if the field can't hold it.
   */
  write(view: DataView<ArrayBuffer>, at: number, value: unknown): void;
}

/** A value that can't be stored. The plans around it add its name while the error passes through them. */
export class WrongValue extends Error {
  readonly #type: typeof TypeError | typeof RangeError;
  readonly #received: unknown;
  #path = "";

  /** @param what What it has to be. */
  constructor(type: typeof TypeError | typeof RangeError, what: string, received: unknown) {
    super(what);
    this.#type = type;
    this.#received = received;
  }

  /** Adds what the value is a part of to its name: `".name"`, `"[3]"`. Any other error is returned as it is. */
  static in(error: unknown, part: string): unknown {
    if (error instanceof WrongValue) error.#path = part + error.#path;
    return error;
  }

  /** The error for the program. `name` is the field's; `""` for a record. */
  static told(error: unknown, name: string): unknown {
    if (!(error instanceof WrongValue)) return error;
    const path = `${name}${error.#path}`.replace(/^\./, "");
    const what = path === "" ? "the record" : `field '${path}'`;
    return new error.#type(`${what} ${error.message}: received ${show(error.#received)}`);
  }
}

/** Stores a value of the program's, to memory that only the library has. `name` is the field's; `""` for a record. */
export function store(plan: Plan, view: DataView<ArrayBuffer>, value: unknown, name: string): void {
  try {
    plan.write(view, 0, value);
  } catch (error) {
    throw WrongValue.told(error, name);
  }
}

/** A field of a record: its name, and where in the record it is. */
export interface Place {
  readonly name: string;
  readonly offset: number;
  readonly plan: Plan;
}

/** How records of one layout are read and stored. */
interface Code {
  read(view: DataView<ArrayBuffer>, at: number): Record<string, unknown>;
  write(view: DataView<ArrayBuffer>, at: number, record: Readonly<Record<string, unknown>>): void;
  readonly put?: Put;
}

/**
 * Stores a record of numbers where it belongs, without a detour. If that can't be done, nothing that counts has been
 * stored, and the values are returned: the record's properties have been read, and are not to be read again.
 */
export type Put = (
  rows: Target,
  index: number,
  record: Readonly<Record<string, unknown>> | null | undefined,
) => unknown[] | undefined;

/** Where records are stored: a window over a region. */
export interface Target {
  /** Takes stores; throws if the window is elsewhere, or the region may not be stored to. */
  readonly target: DataView<ArrayBuffer>;
  /** Where in the window the first record begins, in bytes, and how many there are. */
  readonly base: number;
  readonly count: number;
  /** How often pages of the region have been lost by now, and how often they had been when the window was opened. */
  readonly losses: Uint32Array;
  readonly known: number;
}

/**
 * After so many uses of a layout it is worth while to make functions for it alone. V8 makes what is done until then a
 * part of every loop, if it is done often.
 */
const MANY_USES = 20;

/** How a record is read and stored. */
export class RecordPlan implements Plan {
  readonly size: number;
  readonly alignment: number;
  readonly places: readonly Place[];
  #code: Code | undefined;
  #uses = 0;

  constructor(fields: readonly (readonly [name: string, field: Field])[], packed: boolean, little: boolean) {
    let end = 0;
    let alignment = 1;
    this.places = fields.map(([name, field]) => {
      if (name === "__proto__") throw new TypeError("struct: a field can't be named '__proto__'");
      const plan = planField(name, field, little);
      if (!packed) {
        end = Math.ceil(end / plan.alignment) * plan.alignment;
        alignment = Math.max(alignment, plan.alignment);
      }
      const offset = end;
      end += plan.size;
      return { name, offset, plan };
    });
    if (end === 0) throw new TypeError("struct: a record must have a field");
    this.alignment = alignment;
    this.size = Math.ceil(end / alignment) * alignment;
  }

  read(view: DataView<ArrayBuffer>, at: number): Record<string, unknown> {
    return (this.#code ?? this.#begin()).read(view, at);
  }

  write(view: DataView<ArrayBuffer>, at: number, value: unknown): void {
    if (typeof value !== "object" || value === null) {
      throw new WrongValue(TypeError, "must be an object", value);
    }
    (this.#code ?? this.#begin()).write(view, at, value as Readonly<Record<string, unknown>>);
  }

  /** Stores a record where it belongs, if all its fields are numbers, and the layout has been used often. */
  get put(): Put | undefined {
    return this.#code?.put;
  }

  /** The record to be stored by {@linkcode write} after `put` has read its values. */
  left(record: unknown, values: readonly unknown[]): unknown {
    if (typeof record !== "object" || record === null) return record;
    return Object.fromEntries(this.places.map(({ name }, index) => [name, values[index]]));
  }

  #begin(): Code {
    const code = interpreted(this.places);
    if (++this.#uses > MANY_USES) this.#code = generated(this.places, this.size) ?? code;
    return code;
  }
}

function readPlace(place: Place, view: DataView<ArrayBuffer>, at: number): unknown {
  return place.plan.read(view, at + place.offset);
}

function writePlace(place: Place, view: DataView<ArrayBuffer>, at: number, value: unknown): void {
  try {
    place.plan.write(view, at + place.offset, value);
  } catch (error) {
    throw WrongValue.in(error, `.${place.name}`);
  }
}

/** Goes from field to field. */
function interpreted(places: readonly Place[]): Code {
  // With its fields from the start: else a setter on `Object.prototype` would be given a value in place of the record.
  const empty = Object.fromEntries(places.map(({ name }) => [name, undefined]));
  return {
    read(view, at): Record<string, unknown> {
      const record: Record<string, unknown> = { ...empty };
      for (const place of places) record[place.name] = readPlace(place, view, at);
      return record;
    },
    write(view, at, record): void {
      for (const place of places) writePlace(place, view, at, record[place.name]);
    },
  };
}

// Taken at import, as are other functions: what a program puts in their place must not run in ours.
const MakeFunction = Function;
const { isInteger } = Number;

/**
 * Functions for one layout, with its names and offsets written into them: a property that is looked up by a name that
 * changes takes compilers five times as long. They know how to read numbers and how to store good ones; whatever else there
 * is, they leave to the field's plan.
 *
 * @returns Undefined where no code may be made from strings (Node's --disallow-code-generation-from-strings).
 */
function generated(places: readonly Place[], size: number): Code | undefined {
  const reads = places.map(({ name, offset, plan }, index) => {
    const read = plan instanceof ScalarPlan
      ? plan.reading(`at + ${offset}`)
      : `read(places[${index}], view, at)`;
    return `${JSON.stringify(name)}: ${read}`;
  });
  const writes = places.map(({ name, offset, plan }, index) => {
    const write = `write(places[${index}], view, at, value)`;
    const store = plan instanceof ScalarPlan
      ? `if (${plan.holding("value")}) ${plan.storing(`at + ${offset}`, "value")}; else ${write}`
      : write;
    return `value = record[${JSON.stringify(name)}];
      ${store};`;
  });
  const text = `"use strict";
    return {
      read(view, at) { return { ${reads.join(", ")} }; },
      write(view, at, record) { let value; ${writes.join("\n")} },
      ${putting(places, size)}
    };`;
  try {
    const make = new MakeFunction("places", "read", "write", "fitsU64", "fitsI64", "isInteger", text);
    return make(places, readPlace, writePlace, fitsU64, fitsI64, isInteger) as Code;
  } catch {
    return undefined;
  }
}

/** Padding of up to this many bytes is worth being stored byte by byte. */
const LITTLE_PADDING = 16;

/** The code of `put`, if all fields are numbers. All values are read and checked before any is stored. */
function putting(places: readonly Place[], size: number): string {
  const [values, reads, checks, stores]: [string[], string[], string[], string[]] = [[], [], [], []];
  const padding = new Set(Array(size).keys());
  for (const [index, { name, offset, plan }] of places.entries()) {
    if (!(plan instanceof ScalarPlan)) return "";
    const value = `value${index}`;
    values.push(value);
    reads.push(`const ${value} = record[${JSON.stringify(name)}];`);
    checks.push(plan.holding(value));
    stores.push(`${plan.storing(`at + ${offset}`, value)};`);
    for (let byte = 0; byte < plan.size; byte++) padding.delete(offset + byte);
  }
  if (padding.size > LITTLE_PADDING) return "";
  for (const byte of padding) stores.push(`view.setUint8(at + ${byte}, 0);`);
  return `put(rows, index, record) {
    if (record === null || record === undefined) return [];
    ${reads.join("\n")}
    if (
      typeof record === "object" && isInteger(index) && index >= 0 && index < rows.count &&
      ${checks.join(" && ")}
    ) {
      try {
        const view = rows.target;
        const at = rows.base + index * ${size};
        ${stores.join("\n")}
        if (rows.losses[0] === rows.known) return undefined;
      } catch {}
    }
    return [${values.join(", ")}];
  }`;
}

function positive(size: number, what: string): number {
  if (wholeNumber(size, what) === 0) throw new RangeError(`${what} must be above 0`);
  return size;
}

/** Makes the plan of a field. The properties of `field` are read here, and never again. */
function planField(name: string, field: Field, little: boolean): Plan {
  if (typeof field === "string" && Object.hasOwn(CODECS, field)) {
    return new ScalarPlan(field, little);
  }
  if (field instanceof Layout) return planOf(field);
  if (typeof field === "object" && field !== null) {
    if (field.type === "char") return text(positive(field.size, `struct: the size of field '${name}'`));
    if (field.type === "bytes") return raw(positive(field.size, `struct: the size of field '${name}'`));
    if (field.type === "array") {
      const length = positive(field.length, `struct: the length of field '${name}'`);
      return list(planField(`${name}[]`, field.field, little), length);
    }
  }
  throw new TypeError(
    `struct: field '${name}' must be a number's name, "bool", char(n), bytes(n), array(field, n) or a struct: ` +
      `received ${show(field)}`,
  );
}

/** The plan of a number or a bool. It is a class, so that compilers see one kind of object in all layouts. */
export class ScalarPlan implements Plan {
  readonly size: number;
  readonly alignment: number;
  readonly field: ScalarField;
  readonly little: boolean;
  readonly #codec: Codec<ScalarOf<ScalarField>>;

  constructor(field: ScalarField, little: boolean) {
    const codec = CODECS[field];
    this.size = this.alignment = codec.size;
    this.field = field;
    this.little = little;
    this.#codec = codec as Codec<ScalarOf<ScalarField>>;
  }

  read(view: DataView<ArrayBuffer>, at: number): ScalarOf<ScalarField> {
    return this.#codec.get(view, at, this.little);
  }

  /** The code that reads one, for {@linkcode generated}. */
  reading(at: string): string {
    const { name, type } = this.#codec;
    const value = `view.get${name}(${at}, ${this.little})`;
    return type === "boolean" ? `${value} !== 0` : value;
  }

  /** The code that tells whether the field can hold a value. */
  holding(value: string): string {
    const { type, size, min } = this.#codec;
    const isType = `typeof ${value} === "${type}"`;
    if (min === undefined) return isType;
    if (type === "bigint") return `${isType} && fits${min === 0n ? "U64" : "I64"}(${value})`;
    // Shifts cut off what the field can't hold, and any fraction.
    const above = 32 - size * 8;
    return `${isType} && ${value} << ${above} ${min === 0 ? ">>>" : ">>"} ${above} === ${value}`;
  }

  /** The code that stores a value that the field can hold. */
  storing(at: string, value: string): string {
    const { name, type } = this.#codec;
    return `view.set${name}(${at}, ${type === "boolean" ? `${value} ? 1 : 0` : value}, ${this.little})`;
  }

  write(view: DataView<ArrayBuffer>, at: number, value: unknown): void {
    const codec = this.#codec;
    const type: string = typeof value;
    if (type !== codec.type) throw new WrongValue(TypeError, `must be ${codec.values}`, value);
    if (!codec.holds(value as ScalarOf<ScalarField>)) {
      throw new WrongValue(RangeError, `must be ${codec.values}`, value);
    }
    codec.set(view, at, value as ScalarOf<ScalarField>, this.little);
  }
}

/** Text of up to this many bytes is faster read byte by byte than by a decoder. */
const SHORT = 32;

function text(size: number): Plan {
  return {
    size,
    alignment: 1,
    read(view, at): string {
      if (size > SHORT) return decode(copy(view, at, size));
      const codes: number[] = [];
      for (let index = 0; index < size; index++) {
        const code = view.getUint8(at + index);
        if (code === 0) break;
        if (code > 0x7f) return decode(copy(view, at, size));
        codes.push(code);
      }
      return String.fromCharCode(...codes);
    },
    write(view, at, value): void {
      if (typeof value !== "string") throw new WrongValue(TypeError, "must be a string", value);
      if (size > SHORT || !writeAscii(view, at, size, value)) {
        fit(view, at, size, builtin("node:buffer").Buffer.from(value), value);
      }
    },
  };
}

/** Stores short text, and zeros behind it. Returns false, having stored nothing that counts, if not all is ASCII or it is too long. */
function writeAscii(view: DataView<ArrayBuffer>, at: number, size: number, value: string): boolean {
  const { length } = value;
  if (length > size) return false;
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 0x7f) return false;
    view.setUint8(at + index, code);
  }
  for (let index = length; index < size; index++) view.setUint8(at + index, 0);
  return true;
}

/** UTF-8 up to the first NUL. */
function decode(bytes: Uint8Array<ArrayBuffer>): string {
  const end = bytes.indexOf(0);
  const { Buffer } = builtin("node:buffer");
  return Buffer.from(bytes.buffer).toString("utf8", 0, end === -1 ? bytes.length : end);
}

function raw(size: number): Plan {
  return {
    size,
    alignment: 1,
    read: (view, at) => copy(view, at, size),
    write(view, at, value): void {
      if (!(value instanceof Uint8Array)) throw new WrongValue(TypeError, "must be a Uint8Array", value);
      fit(view, at, size, value, value);
    },
  };
}

function copy(view: DataView<ArrayBuffer>, at: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new ByteArray(size);
  setBytes(bytes, partOf(view, at, size));
  return bytes;
}

/** A part of a view as bytes; throws if it reaches out of the view, whose buffer may have more bytes than the view. */
export function partOf(view: DataView<ArrayBuffer>, at: number, size: number): Uint8Array<ArrayBuffer> {
  if (at < 0 || at + size > view.byteLength) throw new RangeError("that is outside of the view");
  return new ByteArray(view.buffer, view.byteOffset + at, size);
}

/** Stores bytes, and zeros up to the end of the field. `value` is what the program gave, for the message. */
function fit(view: DataView<ArrayBuffer>, at: number, size: number, bytes: Uint8Array, value: unknown): void {
  const length = byteLengthOf(bytes);
  if (length > size) throw new WrongValue(RangeError, `has room for ${size} bytes, not for ${length}`, value);
  const target = partOf(view, at, size);
  setBytes(target, bytes);
  target.fill(0, length);
}

function list(element: Plan, length: number): Plan {
  const { size, alignment } = element;
  return {
    size: size * length,
    alignment,
    read: (view, at) => Array.from({ length }, (_, index) => element.read(view, at + index * size)),
    write(view, at, value): void {
      const isArray = Array.isArray(value) || ArrayBuffer.isView(value) && !(value instanceof DataView);
      if (!isArray) throw new WrongValue(TypeError, "must be an array", value);
      const given = value as ArrayLike<unknown>;
      if (given.length !== length) {
        throw new WrongValue(RangeError, `must be an array of ${length}`, value);
      }
      let index = 0;
      try {
        for (; index < length; index++) element.write(view, at + index * size, given[index]);
      } catch (error) {
        throw WrongValue.in(error, `[${index}]`);
      }
    },
  };
}
