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

const isWide = (type: CType | undefined): boolean =>
  type === "size" || type === "offset" || type === "address";

/**
 * Gives a function that takes bigints for its 64-bit parameters the library's own convention: numbers in,
 * a number out.
 *
 * Written out by the number of parameters: a rest parameter with `map` costs several times the call itself.
 */
export function adaptWide<S extends Signature>(raw: Raw, signature: S): Bound<S> {
  const result: (value: unknown) => number = signature.result === "int"
    ? (value) => value as number
    : (value) => value === MAP_FAILED ? -1 : toNumber(value as bigint);
  const { parameters } = signature;
  const at = (index: number): Convert => isWide(parameters[index]) ? wide : same;
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
