/**
 * The backend for Deno: `Deno.dlopen`.
 *
 * @module
 */
// deno-lint-ignore-file no-explicit-any -- the FFI's functions are typed by the signature they are bound with
import { type AsyncBound, type Bound, type CType, MAP_FAILED, type Runtime, type Signature } from "./abi.ts";
import { adaptWide } from "./adapt.ts";
import { denoGlobal } from "./builtins.ts";
import { toBigInt, toNumber } from "./captured.ts";
import { unsupported } from "./errors.ts";
import { isOlder, OLDEST } from "./versions.ts";

/** What we use of the `Deno` global, written by hand: its own types would tie every consumer to Deno's. */
export interface DenoFfi {
  readonly version: { readonly deno: string };
  dlopen(
    library: string,
    symbols: Record<
      string,
      { name?: string; parameters: readonly string[]; result: string; nonblocking?: boolean }
    >,
  ): { readonly symbols: Record<string, (...values: any[]) => any> };
  readonly UnsafePointer: { create(address: bigint): any };
  readonly UnsafePointerView: { getArrayBuffer(pointer: any, length: number): ArrayBuffer };
}

/** The `Deno` global, in Deno. */
export function loadDenoFfi(): DenoFfi | undefined {
  return denoGlobal() as DenoFfi | undefined;
}

const TYPE: Record<CType, string> = {
  int: "i32",
  size: "usize",
  offset: "i64",
  address: "usize",
  bytes: "buffer",
};

/** Makes the backend over the `Deno` global, or over a stand-in for it. */
export function createDenoRuntime(deno: DenoFfi): Runtime {
  // In older versions node:fs returns resource ids, which look like descriptors (denoland/deno#33039).
  if (isOlder(deno.version.deno, OLDEST.deno)) {
    throw unsupported(
      `Deno ${deno.version.deno} hands out resource ids where descriptors are needed, so the wrong file would ` +
        `be mapped; use Deno ${OLDEST.deno} or later`,
    );
  }
  const open = (library: string, symbol: string, signature: Signature, nonblocking: boolean): any => {
    const definition = {
      parameters: signature.parameters.map((type) => TYPE[type]),
      result: TYPE[signature.result],
      nonblocking,
    };
    // Without a prototype: Deno takes `type` and `optional` from wherever it finds them.
    const opened = deno.dlopen(library, { [symbol]: Object.assign(Object.create(null), definition) });
    return opened.symbols[symbol];
  };
  return {
    name: `Deno ${deno.version.deno}`,
    countsBuffers: false,
    largestBuffer: Number.MAX_SAFE_INTEGER, // as its node:buffer says, which takes 14 ms to ask
    // In Deno 2.9 a bigint argument is several times faster than a number, and an integer address than a pointer
    // object. A pointer result would also be allocated between the call and the reading of errno.
    bind: <S extends Signature>(library: string, symbol: string, signature: S): Bound<S> =>
      adaptWide(open(library, symbol, signature, false), signature),
    bindAsync<S extends Signature>(library: string, symbol: string, signature: S): AsyncBound<S> {
      const raw = open(library, symbol, signature, true);
      const wide = signature.parameters.map((type) => type !== "int" && type !== "bytes");
      return async (...values) => {
        const result: unknown = await raw(
          ...values.map((value, index) => wide[index] === true ? toBigInt(value as number) : value),
        );
        return result === MAP_FAILED ? -1 : toNumber(result);
      };
    },
    arrayBuffer: (address, length) =>
      deno.UnsafePointerView.getArrayBuffer(deno.UnsafePointer.create(toBigInt(address)), length),
  };
}
