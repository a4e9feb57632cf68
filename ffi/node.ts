/**
 * The backend for Node: `node:ffi`, from Node 26 on.
 *
 * @module
 */
// deno-lint-ignore-file no-explicit-any -- the FFI's functions are typed by the signature they are bound with
import { type AsyncBound, type Bound, type CType, MAP_FAILED, type Runtime, type Signature } from "./abi.ts";
import { adaptWide } from "./adapt.ts";
import { builtin, optionalBuiltin } from "./builtins.ts";
import { toBigInt, toNumber } from "./captured.ts";
import { unsupported } from "./errors.ts";
import { offload } from "./offload.ts";
import { isOlder, OLDEST } from "./versions.ts";

/** What we use of `node:ffi`, written by hand: its own types come only with the newest `@types/node`. */
export interface NodeFfi {
  dlopen(
    library: string,
    definitions: Record<string, { arguments: readonly string[]; return: string }>,
  ): { readonly functions: Record<string, (...values: any[]) => any> };
  /** With `copy: false` it is a view. */
  toArrayBuffer(address: bigint, length: number, copy: boolean): ArrayBuffer;
}

/** Loads the module. It isn't imported, since another runtime, or a bundler, would try to resolve the import. */
export function loadNodeFfi(version: string): NodeFfi {
  if (isOlder(version, OLDEST.node)) {
    throw unsupported(
      `Node ${version} can't call C functions as the library needs it: use Node ${OLDEST.node} or later`,
    );
  }
  const ffi = optionalBuiltin("node:ffi");
  if (ffi === undefined) {
    throw unsupported(
      `Node ${version} was started without its node:ffi module: leave out --no-experimental-ffi`,
    );
  }
  return ffi as NodeFfi;
}

/**
 * Addresses are declared as "function", which is a bigint, too, and costs the same. That keeps Node 26.10 from using
 * V8's fast calls, with which processes crash at their end: V8's compiler threads may still be reading the
 * declarations of fast calls when Node frees them.
 */
const TYPE: Record<CType, string> = {
  int: "int32",
  size: "uint64",
  offset: "function",
  address: "function",
  bytes: "pointer",
};

/** Makes the backend over `node:ffi`, or over a stand-in for it. */
export function createNodeRuntime(ffi: NodeFfi, version: string): Runtime {
  const call = offload("node:ffi", "functions");
  const declare = (signature: Signature): { arguments: readonly string[]; return: string } => ({
    arguments: signature.parameters.map((type) => TYPE[type]),
    return: TYPE[signature.result],
  });
  const libraries: unknown[] = []; // kept, since a library that is collected is closed
  return {
    name: `Node ${version}`,
    countsBuffers: false,
    get largestBuffer(): number {
      return builtin("node:buffer").constants.MAX_LENGTH;
    },
    bind<S extends Signature>(library: string, symbol: string, signature: S): Bound<S> {
      const opened = ffi.dlopen(library, { [symbol]: declare(signature) });
      const raw = opened.functions[symbol];
      if (raw === undefined) throw new Error(`node:ffi bound no function '${symbol}' of '${library}'`);
      libraries.push(opened);
      return adaptWide(raw, signature);
    },
    bindAsync<S extends Signature>(library: string, symbol: string, signature: S): AsyncBound<S> {
      const declaration = declare(signature);
      const isWide = signature.parameters.map((type) => type !== "int" && type !== "bytes");
      return async (...values) => {
        const result = await call({
          library,
          symbol,
          declaration,
          values: values.map((value, index) => isWide[index] === true ? toBigInt(value as number) : value),
        });
        return result === toNumber(MAP_FAILED) ? -1 : result; // the worker has made a number of the bigint
      };
    },
    arrayBuffer: (address, length) => ffi.toArrayBuffer(toBigInt(address), length, false),
  };
}
