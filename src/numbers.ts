/**
 * The numbers that lie in memory, each with its size, its range, and how it is read and stored.
 *
 * This one table serves whatever reads numbers. A number that is added to {@linkcode NumberField}, and not to the
 * table, doesn't compile.
 *
 * @module
 */
import { comparesBigints } from "../ffi/builtins.ts";

/**
 * A number as it lies in memory: `"u8"` is C's uint8_t, `"i64"` its int64_t, `"f16"` its _Float16, `"f32"` its float and
 * `"f64"` its double.
 */
export type NumberField = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64" | "f16" | "f32" | "f64";

/** A number, or C's bool: a byte, 0 for false. */
export type ScalarField = NumberField | "bool";

/** What a number or a bool is in JavaScript: numbers of 64 bits without a fraction are bigints. */
export type ScalarOf<F extends ScalarField> = F extends "u64" | "i64" ? bigint
  : F extends "bool" ? boolean
  : number;

/** How a kind of number lies in memory. */
export interface Codec<Value> {
  /** The number of bytes. In C its address is a multiple of that. */
  readonly size: number;
  /** What `typeof` says of a value. */
  readonly type: "number" | "bigint" | "boolean";
  /** Which values it can have, in words, for messages. */
  readonly values: string;
  /** What a DataView's methods call it: `"Uint32"`. */
  readonly name: string;
  /** The range of whole numbers; of others undefined. */
  readonly min?: Value | undefined;
  /** As `min`. */
  readonly max?: Value | undefined;
  /** Whether a value of the right type can be stored as it is; fractions may be rounded. */
  holds(value: Value): boolean;
  /** Reads one. */
  get(view: DataView<ArrayBuffer>, at: number, littleEndian: boolean): Value;
  /** Stores one; what is above its bits is cut off. */
  set(view: DataView<ArrayBuffer>, at: number, value: Value, littleEndian: boolean): void;
}

type Whole<Value> = Pick<Codec<Value>, "name" | "size" | "type" | "values" | "min" | "max">;

/** What is the same of all whole numbers that are numbers in JavaScript, and of those that are bigints. */
const whole = (name: string, size: number, min: number, max: number): Whole<number> => ({
  name,
  size,
  type: "number",
  values: `a whole number from ${min} to ${max}`,
  min,
  max,
});
const wide = (name: string, min: bigint, max: bigint): Whole<bigint> => ({
  name,
  size: 8,
  type: "bigint",
  values: `a bigint from ${min}n to ${max}n`,
  min,
  max,
});

// Taken at import, as are other functions.
const { asIntN, asUintN } = BigInt;

// JavaScriptCore computes them anew each time, unless they are written out.
const U64_END = 2n ** 64n;
const I64_END = 2n ** 63n;
const I64_START = -I64_END;

/**
 * Whether a bigint is one of 64 bits without a sign. JavaScriptCore is faster with two comparisons, the first of which
 * takes it no time; V8 is so with the other way.
 */
export const fitsU64: (value: bigint) => boolean = comparesBigints()
  ? (value) => value >= 0n && value < U64_END
  : (value) => asUintN(64, value) === value;

/** Whether a bigint is one of 64 bits with a sign. */
export const fitsI64: (value: bigint) => boolean = comparesBigints()
  ? (value) => value >= I64_START && value < I64_END
  : (value) => asIntN(64, value) === value;

/**
 * Every kind of number, and bool. Each function is written out, so that a compiler makes machine code of each and not of
 * one that serves all.
 */
export const CODECS: { readonly [F in ScalarField]: Codec<ScalarOf<F>> } = Object.freeze({
  u8: {
    ...whole("Uint8", 1, 0, 2 ** 8 - 1),
    holds: (value) => value >= 0 && value <= 2 ** 8 - 1 && Number.isInteger(value),
    get: (view, at) => view.getUint8(at),
    set: (view, at, value) => view.setUint8(at, value),
  },
  i8: {
    ...whole("Int8", 1, -(2 ** 7), 2 ** 7 - 1),
    holds: (value) => value >= -(2 ** 7) && value <= 2 ** 7 - 1 && Number.isInteger(value),
    get: (view, at) => view.getInt8(at),
    set: (view, at, value) => view.setInt8(at, value),
  },
  u16: {
    ...whole("Uint16", 2, 0, 2 ** 16 - 1),
    holds: (value) => value >= 0 && value <= 2 ** 16 - 1 && Number.isInteger(value),
    get: (view, at, littleEndian) => view.getUint16(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setUint16(at, value, littleEndian),
  },
  i16: {
    ...whole("Int16", 2, -(2 ** 15), 2 ** 15 - 1),
    holds: (value) => value >= -(2 ** 15) && value <= 2 ** 15 - 1 && Number.isInteger(value),
    get: (view, at, littleEndian) => view.getInt16(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setInt16(at, value, littleEndian),
  },
  u32: {
    ...whole("Uint32", 4, 0, 2 ** 32 - 1),
    holds: (value) => value >= 0 && value <= 2 ** 32 - 1 && Number.isInteger(value),
    get: (view, at, littleEndian) => view.getUint32(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setUint32(at, value, littleEndian),
  },
  i32: {
    ...whole("Int32", 4, -(2 ** 31), 2 ** 31 - 1),
    holds: (value) => value >= -(2 ** 31) && value <= 2 ** 31 - 1 && Number.isInteger(value),
    get: (view, at, littleEndian) => view.getInt32(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setInt32(at, value, littleEndian),
  },
  u64: {
    ...wide("BigUint64", 0n, 2n ** 64n - 1n),
    holds: fitsU64,
    get: (view, at, littleEndian) => view.getBigUint64(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setBigUint64(at, value, littleEndian),
  },
  i64: {
    ...wide("BigInt64", -(2n ** 63n), 2n ** 63n - 1n),
    holds: fitsI64,
    get: (view, at, littleEndian) => view.getBigInt64(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setBigInt64(at, value, littleEndian),
  },
  f16: {
    name: "Float16",
    size: 2,
    type: "number",
    values: "a number",
    holds: () => true,
    get: (view, at, littleEndian) => view.getFloat16(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setFloat16(at, value, littleEndian),
  },
  f32: {
    name: "Float32",
    size: 4,
    type: "number",
    values: "a number",
    holds: () => true,
    get: (view, at, littleEndian) => view.getFloat32(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setFloat32(at, value, littleEndian),
  },
  f64: {
    name: "Float64",
    size: 8,
    type: "number",
    values: "a number",
    holds: () => true,
    get: (view, at, littleEndian) => view.getFloat64(at, littleEndian),
    set: (view, at, value, littleEndian) => view.setFloat64(at, value, littleEndian),
  },
  bool: {
    name: "Uint8",
    size: 1,
    type: "boolean",
    values: "true or false",
    holds: () => true,
    get: (view, at) => view.getUint8(at) !== 0,
    set: (view, at, value) => view.setUint8(at, value ? 1 : 0),
  },
});
