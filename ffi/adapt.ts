/**
 * Converting arguments and results where a runtime's FFI wants bigints for 64-bit integers.
 *
 * @module
 */
import { type Bound, type CType, MAP_FAILED, type Signature } from "./abi.ts";
import { toBigInt, toNumber } from "./captured.ts";

type Raw = (...values: unknown[]) => unknown;
type Convert = (value: unknown) => unknown;

const same: Convert = (value) => value;
const wide: Convert = (value) => toBigInt(value as number);

/** Without the sign of -0, which Deno doesn't take for an integer. */
const whole: Convert = (value) => (value as number) | 0;

/**
 * Gives a function that takes bigints for its 64-bit parameters the library's own convention: numbers in,
 * a number out.
 */
export function adaptWide<S extends Signature>(raw: Raw, signature: S): Bound<S> {
  const result = (value: unknown): number => value === MAP_FAILED ? -1 : toNumber(value as bigint);
  const convert = (type: CType | undefined): Convert =>
    type === "bytes" ? same : type === "int" ? whole : wide;
  return adapt(raw, signature, signature.result === "int" ? (value) => value as number : result, convert);
}

/**
 * Gives a function the library's own convention: numbers in, a number out.
 *
 * Written out by the number of parameters: a rest parameter with `map` costs several times the call itself, and a spread
 * goes through an array's iterator, which a program may have replaced.
 */
export function adapt<S extends Signature>(
  raw: Raw,
  { parameters }: S,
  result: (value: unknown) => number,
  convert: (type: CType | undefined) => Convert = () => same,
): Bound<S> {
  const at = (index: number): Convert => convert(parameters[index]);
  return adapters(raw, result, at(0), at(1), at(2), at(3), at(4), at(5))[parameters.length] as Bound<S>;
}

function adapters(
  raw: Raw,
  result: (value: unknown) => number,
  a: Convert,
  b: Convert,
  c: Convert,
  d: Convert,
  e: Convert,
  f: Convert,
): readonly ((...values: never[]) => number)[] {
  return [
    () => result(raw()),
    (p: unknown) => result(raw(a(p))),
    (p: unknown, q: unknown) => result(raw(a(p), b(q))),
    (p: unknown, q: unknown, r: unknown) => result(raw(a(p), b(q), c(r))),
    (p: unknown, q: unknown, r: unknown, s: unknown) => result(raw(a(p), b(q), c(r), d(s))),
    (p: unknown, q: unknown, r: unknown, s: unknown, t: unknown) => result(raw(a(p), b(q), c(r), d(s), e(t))),
    (p: unknown, q: unknown, r: unknown, s: unknown, t: unknown, u: unknown) =>
      result(raw(a(p), b(q), c(r), d(s), e(t), f(u))),
  ];
}
