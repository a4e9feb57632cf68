/**
 * The backend for Bun: `bun:ffi`.
 *
 * @module
 */
// deno-lint-ignore-file no-explicit-any -- the FFI's functions are typed by the signature they are bound with
import { type AsyncBound, type Bound, type CType, MAP_FAILED, type Runtime, type Signature } from "./abi.ts";
import { adapt } from "./adapt.ts";
import { builtin, optionalBuiltin } from "./builtins.ts";
import { toNumber } from "./captured.ts";
import { unsupported } from "./errors.ts";
import { offload } from "./offload.ts";
import { isOlder, OLDEST } from "./versions.ts";

/** What we use of `bun:ffi`, written by hand: its own types would tie every consumer to bun-types. */
export interface BunFfi {
  dlopen(
    library: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { readonly symbols: Record<string, (...values: any[]) => any> };
  toArrayBuffer(address: number, offset: number, length: number): ArrayBuffer;
}

/** Loads the module. It isn't imported, since another runtime, or a bundler, would try to resolve the import. */
export function loadBunFfi(version: string): BunFfi {
  if (isOlder(version, OLDEST.bun)) {
    throw unsupported(`Bun ${version} is too old: use Bun ${OLDEST.bun} or later`);
  }
  return optionalBuiltin("bun:ffi") as BunFfi;
}

const PARAMETER: Record<CType, string> = {
  int: "i32",
  size: "usize",
  offset: "i64",
  address: "usize",
  bytes: "ptr",
};

/** A `ptr` is returned as a number, or as `null` for 0; as a bigint only if a number can't hold it, like MAP_FAILED. */
const RESULT: Record<Signature["result"], string> = { int: "i32", offset: "i64_fast", address: "ptr" };

/** Makes the backend over Bun's FFI module, or over a stand-in for it. */
export function createBunRuntime(ffi: BunFfi, version: string): Runtime {
  const call = offload("bun:ffi", "symbols");
  const declare = (signature: Signature): { args: readonly string[]; returns: string } => ({
    args: signature.parameters.map((type) => PARAMETER[type]),
    returns: RESULT[signature.result],
  });
  const libraries: unknown[] = []; // kept, since the functions of a library that is collected are gone
  return {
    name: `Bun ${version}`,
    countsBuffers: true,
    get largestBuffer(): number {
      return builtin("node:buffer").constants.MAX_LENGTH;
    },
    bind<S extends Signature>(library: string, symbol: string, signature: S): Bound<S> {
      const opened = ffi.dlopen(library, { [symbol]: declare(signature) });
      const raw = opened.symbols[symbol];
      if (raw === undefined) throw new Error(`bun:ffi bound no function '${symbol}' of '${library}'`);
      libraries.push(opened);
      if (signature.result === "int") return raw as Bound<S>;
      return adapt(
        raw,
        signature,
        (result) => typeof result === "number" ? result : result === MAP_FAILED ? -1 : toNumber(result),
      );
    },
    bindAsync<S extends Signature>(library: string, symbol: string, signature: S): AsyncBound<S> {
      const declaration = declare(signature);
      return (...values) => call({ library, symbol, declaration, values });
    },
    arrayBuffer: (address, length) => ffi.toArrayBuffer(address, 0, length),
  };
}
