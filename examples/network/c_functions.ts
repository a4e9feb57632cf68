/**
 * C functions that the library doesn't have, called by each runtime's own FFI: what it takes to do more than mmap in C's way.
 *
 * @module
 */
import process from "node:process";
import { MmapError } from "../../ffi/mod.ts";

/** A parameter: C's `int` (or `unsigned int`), or the address of bytes. All functions here return an `int`. */
export type Parameter = "int" | "bytes";

/** A C function. What it returns is below 0 for failure. */
export type CFunction = (...values: readonly (number | Uint8Array)[]) => number;

/** What the three FFIs come down to. */
interface Ffi {
  /** Opens a library, and finds a function in it. `int` and `bytes` are its parameters; it returns an int, or an address. */
  find(library: string, name: string, parameters: readonly Parameter[], result: "int" | "address"): CFunction;
  /** Memory at an address. */
  memory(address: number, length: number): ArrayBuffer;
}

/** The modules and globals, as far as they are needed here. */
interface Module {
  dlopen(library: string, declarations: object): {
    readonly symbols: Readonly<Record<string, CFunction>>; // Bun, Deno
    readonly functions: Readonly<Record<string, CFunction>>; // Node
  };
  toArrayBuffer(address: number | bigint, second: number, third: number | boolean): ArrayBuffer;
  readonly UnsafePointer: { create(address: bigint): unknown };
  readonly UnsafePointerView: { getArrayBuffer(pointer: unknown, length: number): ArrayBuffer };
}

const opened: unknown[] = []; // a library that is collected takes its functions along

function bun(ffi: Module): Ffi {
  const types = { int: "i32", bytes: "ptr", address: "ptr" };
  return {
    find: (library, name, parameters, result) => {
      const args = parameters.map((parameter) => types[parameter]);
      const { symbols } = ffi.dlopen(library, { [name]: { args, returns: types[result] } });
      opened.push(symbols);
      return symbols[name] as CFunction;
    },
    memory: (address, length) => ffi.toArrayBuffer(address, 0, length),
  };
}

function deno(ffi: Module): Ffi {
  const types = { int: "i32", bytes: "buffer", address: "usize" };
  return {
    find: (library, name, parameters, result) => {
      const { symbols } = ffi.dlopen(library, {
        [name]: { parameters: parameters.map((parameter) => types[parameter]), result: types[result] },
      });
      opened.push(symbols);
      return symbols[name] as CFunction;
    },
    memory: (address, length) =>
      ffi.UnsafePointerView.getArrayBuffer(ffi.UnsafePointer.create(BigInt(address)), length),
  };
}

function node(ffi: Module): Ffi {
  const types = { int: "int32", bytes: "pointer", address: "pointer" };
  return {
    find: (library, name, parameters, result) => {
      const { functions } = ffi.dlopen(library, {
        [name]: { arguments: parameters.map((parameter) => types[parameter]), return: types[result] },
      });
      opened.push(functions);
      return functions[name] as CFunction;
    },
    memory: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
  };
}

function thisRuntime(): Ffi {
  const builtin = (name: string): Module => process.getBuiltinModule(name) as unknown as Module;
  if (process.versions["bun"] !== undefined) return bun(builtin("bun:ffi"));
  const global = globalThis as unknown as { readonly Deno?: Module };
  return global.Deno === undefined ? node(builtin("node:ffi")) : deno(global.Deno);
}

/** The C library's names: glibc's, and musl's. */
const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/**
 * Finds C functions. Where C returns -1 and sets errno, they throw an MmapError, as those of the library do.
 *
 * @param declarations The functions by their names, with their parameters.
 */
export function cFunctions<Name extends string>(
  declarations: Readonly<Record<Name, readonly Parameter[]>>,
): Readonly<Record<Name, CFunction>> {
  const ffi = thisRuntime();
  const library = LIBRARIES.find((name) => {
    try {
      return ffi.find(name, "getpid", [], "int") !== undefined;
    } catch {
      return false;
    }
  });
  if (library === undefined) throw new Error(`there is no C library named ${LIBRARIES.join(" or ")}`);
  // errno is a thread's own, and stays where it is.
  const errno = new Int32Array(ffi.memory(Number(ffi.find(library, "__errno_location", [], "address")()), 4));
  const entries = (Object.entries(declarations) as [Name, readonly Parameter[]][]).map(
    ([name, parameters]) => {
      const call = ffi.find(library, name, parameters, "int");
      const checked: CFunction = (...values) => {
        const result = call(...values);
        if (result < 0) throw new MmapError(errno[0] ?? 0, name);
        return result;
      };
      return [name, checked] as const;
    },
  );
  return Object.fromEntries(entries) as Record<Name, CFunction>;
}
