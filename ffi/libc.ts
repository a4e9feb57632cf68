/**
 * The C library: opened at the first call, its functions bound when first used.
 *
 * @module
 */
import type { AsyncBound, Runtime } from "./abi.ts";
import { errorNumber, MmapError, unsupported } from "./errors.ts";
import { platform } from "./platform.ts";
import { createRuntime } from "./runtime.ts";
import { type FunctionName, type Functions, SIGNATURES } from "./signatures.ts";
import { substitutes } from "./substitutes.ts";
import type { Platform, StatusLayout } from "./system.ts";

/** The C library of this process, as one isolate (the main program, or a worker) sees it. */
export interface Libc {
  /** The C functions, bound when first looked at. */
  readonly functions: Functions;
  /** The size of a page in bytes. */
  readonly pageSize: number;
  /** Whether a function can be called: whether the platform's C library has it, or we have a substitute. */
  has(name: FunctionName): boolean;
  /** A C function that runs off the event loop. */
  async<Name extends FunctionName>(name: Name): AsyncBound<(typeof SIGNATURES)[Name]>;
  /** Whether mincore tells the truth of a file only to those who may write it: {@linkcode Platform.hidesResidency}. */
  readonly hidesResidency: boolean;
  /** Where the fields of `struct stat` are: {@linkcode Platform.status}. */
  readonly status: StatusLayout;
  /** Whether an ArrayBuffer over memory counts as the runtime's own: {@linkcode Runtime.countsBuffers}. */
  readonly countsBuffers: boolean;
  /** The runtime's largest ArrayBuffer: {@linkcode Runtime.largestBuffer}. */
  readonly largestBuffer: number;
  /** An ArrayBuffer over memory, not a copy. */
  arrayBuffer(address: number, length: number): ArrayBuffer;
  /**
   * The calling thread's error number. Read it straight after the call that failed, before anything is allocated: a
   * garbage collection makes system calls, which change it.
   */
  errno(): number;
}

let opened: Libc | undefined;

/**
 * The C library, opened at the first call: an import needs no permission and prints nothing.
 *
 * Throws an ENOTSUP {@linkcode MmapError} on a runtime or platform that the library doesn't work on; a permission
 * error of the runtime passes through as it is.
 */
export function libc(): Libc {
  opened ??= openLibc(createRuntime(), platform());
  return opened;
}

/** Opens the C library of a platform through a runtime's FFI. */
export function openLibc(runtime: Runtime, platform: Platform): Libc {
  const library = findLibrary(runtime, platform);
  const symbolOf = (name: FunctionName): string => platform.symbols[name] ?? name;
  const bind = <Name extends FunctionName>(name: Name): Functions[Name] => {
    const substitute = own[name];
    if (platform.lacks.includes(name)) {
      if (substitute !== undefined) return substitute;
      throw new MmapError(errorNumber("ENOTSUP"), name, {
        explanation: "this platform has no such function",
      });
    }
    try {
      return runtime.bind(library, symbolOf(name), SIGNATURES[name]) as Functions[Name];
    } catch (error) {
      if (substitute === undefined || isPermissionError(error)) throw error;
      return substitute; // an older C library doesn't have it
    }
  };
  const functions = lazily(bind);
  const own = substitutes(runtime, functions, platform);
  // A thread's errno never moves, and an isolate stays on its thread. Reading a typed array over it takes no call and
  // no allocation, either of which could change it.
  const errno = new Int32Array(runtime.arrayBuffer(functions[platform.errnoLocation](), 4));
  return quick({
    functions,
    pageSize: functions.getpagesize(),
    has: (name) => !platform.lacks.includes(name) || own[name] !== undefined,
    countsBuffers: runtime.countsBuffers,
    get largestBuffer(): number {
      return runtime.largestBuffer;
    },
    hidesResidency: platform.hidesResidency,
    status: platform.status,
    async: (name) => runtime.bindAsync(library, symbolOf(name), SIGNATURES[name]),
    arrayBuffer: (address, length) => runtime.arrayBuffer(address, length),
    errno: () => errno[0] ?? 0,
  });
}

function findLibrary(runtime: Runtime, platform: Platform): string {
  const failures: unknown[] = [];
  for (const library of platform.libraries) {
    try {
      runtime.bind(library, "getpagesize", SIGNATURES.getpagesize);
      return library;
    } catch (error) {
      if (isPermissionError(error)) throw error;
      failures.push(error);
    }
  }
  throw unsupported(
    `${runtime.name} could open no C library: ${failures.map(String).join("; ")}`,
    new AggregateError(failures),
  );
}

/** Whether an error is of a runtime's permission system: such errors are passed on as they are. */
export function isPermissionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "NotCapable" || error.name === "PermissionDenied" ||
    (error as { code?: unknown }).code === "ERR_ACCESS_DENIED";
}

/** An object whose functions are bound when first looked at: binding one takes a runtime up to 0.1 ms. */
function lazily(bind: <Name extends FunctionName>(name: Name) => Functions[Name]): Functions {
  const functions = {};
  for (const name of Object.keys(SIGNATURES) as FunctionName[]) {
    Object.defineProperty(functions, name, {
      configurable: true,
      enumerable: true,
      get(): unknown {
        const value = bind(name);
        Object.defineProperty(functions, name, { value, enumerable: true });
        return value;
      },
    });
  }
  return quick(functions as Functions);
}

/**
 * The same object for those who only look at it. V8 makes a hash table of one that has getters, or was changed so often,
 * but not of one that is a prototype.
 */
function quick<T extends object>(object: T): T {
  return Object.create(object) as T;
}
