/**
 * The backend for Node: `node:ffi`, from Node 26 on.
 *
 * @module
 */
// deno-lint-ignore-file no-explicit-any -- the FFI's functions are typed by the signature they are bound with
import { type AsyncBound, type Bound, type CType, MAP_FAILED, type Runtime, type Signature } from "./abi.ts";
import { adaptWide } from "./adapt.ts";
import { optionalBuiltin } from "./builtins.ts";
import { unsupported } from "./errors.ts";
import { offload } from "./offload.ts";
import { isOlder, OLDEST } from "./versions.ts";

/** What we use of `node:ffi`, written by hand: its own types come only with the newest `@types/node`. */
export interface NodeFfi {
  dlopen(
    library: string,
    definitions: Record<string, { arguments: readonly string[]; return: string }>,
  ): { readonly functions: Record<string, (...values: any[]) => any> };
  /** `copy: false` is what makes it a view. */
  toArrayBuffer(address: bigint, length: number, copy: boolean): ArrayBuffer;
}

/** Not imported: another runtime, or a bundler, would try to resolve it. */
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
 * An address is declared as a function's, which is a bigint as well and costs the same. It keeps Node 26.10 from making a
 * fast call of it: V8's compiler reads the declarations of fast calls on other threads, and they are freed while it does
 * when the process ends, which then crashes.
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
  const libraries: unknown[] = []; // a library that is collected is closed
  return {
    name: `Node ${version}`,
    countsBuffers: false,
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
          values: values.map((value, index) => isWide[index] === true ? BigInt(value as number) : value),
        });
        return result === Number(MAP_FAILED) ? -1 : result; // a bigint before the worker made a number of it
      };
    },
    arrayBuffer: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
  };
}
