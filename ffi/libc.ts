/**
 * The C library: one table of signatures, opened at the first call.
 *
 * @module
 */
import { errorNumber, MmapError, unsupported } from "./errors.ts";
import { type Platform, platform } from "./platform.ts";
import { substitutes } from "./substitutes.ts";
import { type AsyncBound, type Bound, createRuntime, type Runtime, type Signature } from "./runtime.ts";

/**
 * The C functions we bind, each with its declaration.
 *
 * Variadic ones (`open`, `fcntl`, `syscall`) are missing on purpose: on arm64 macOS variadic arguments go
 * elsewhere than fixed ones, which no FFI here can express. `mremap` is variadic too, but exists on Linux only,
 * where both are passed alike.
 */
export const SIGNATURES = {
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
  mmap: { parameters: ["address", "size", "int", "int", "int", "offset"], result: "address" },
  // int munmap(void *addr, size_t length)
  munmap: { parameters: ["address", "size"], result: "int" },
  // void *mremap(void *old, size_t old_length, size_t new_length, int flags, void *new)
  mremap: { parameters: ["address", "size", "size", "int", "address"], result: "address" },
  // int msync(void *addr, size_t length, int flags)
  msync: { parameters: ["address", "size", "int"], result: "int" },
  // int mprotect(void *addr, size_t length, int prot)
  mprotect: { parameters: ["address", "size", "int"], result: "int" },
  // int madvise(void *addr, size_t length, int advice)
  madvise: { parameters: ["address", "size", "int"], result: "int" },
  // int mlock(const void *addr, size_t length)
  mlock: { parameters: ["address", "size"], result: "int" },
  // int munlock(const void *addr, size_t length)
  munlock: { parameters: ["address", "size"], result: "int" },
  // int mincore(void *addr, size_t length, unsigned char *vec)
  mincore: { parameters: ["address", "size", "bytes"], result: "int" },
  // int getpagesize(void)
  getpagesize: { parameters: [], result: "int" },
  // off_t lseek(int fd, off_t offset, int whence)
  lseek: { parameters: ["int", "offset", "int"], result: "offset" },
  // int posix_fallocate(int fd, off_t offset, off_t length); returns the error number and leaves errno alone
  posix_fallocate: { parameters: ["int", "offset", "offset"], result: "int" },
  // void *memchr(const void *s, int c, size_t n)
  memchr: { parameters: ["address", "int", "size"], result: "address" },
  // void *memrchr(const void *s, int c, size_t n)
  memrchr: { parameters: ["address", "int", "size"], result: "address" },
  // void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length)
  memmem: { parameters: ["address", "size", "bytes", "size"], result: "address" },
  // int memcmp(const void *s1, const void *s2, size_t n)
  memcmp: { parameters: ["address", "address", "size"], result: "int" },
  // void *memmove(void *dest, const void *src, size_t n)
  memmove: { parameters: ["address", "address", "size"], result: "address" },
  // void *memset(void *s, int c, size_t n)
  memset: { parameters: ["address", "int", "size"], result: "address" },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)
  sigaction: { parameters: ["int", "address", "address"], result: "int" },
  // uid_t geteuid(void)
  geteuid: { parameters: [], result: "int" },
  // char *getenv(const char *name)
  getenv: { parameters: ["bytes"], result: "address" },
  // int *__errno_location(void), glibc and musl
  __errno_location: { parameters: [], result: "address" },
  // int *__error(void), macOS
  __error: { parameters: [], result: "address" },
} as const satisfies Record<string, Signature>;

/** The name of a C function in {@linkcode SIGNATURES}. */
export type FunctionName = keyof typeof SIGNATURES;

/** The C functions, bound when first looked at. Each returns what C returns; -1 is failure. */
export type Functions = { readonly [Name in FunctionName]: Bound<(typeof SIGNATURES)[Name]> };

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
  /** Whether native work on an ArrayBuffer keeps it from being detached: {@linkcode Runtime.pinsBuffers}. */
  readonly pinsBuffers: boolean;
  /** An ArrayBuffer over memory, not a copy. */
  arrayBuffer(address: number, length: number): ArrayBuffer;
  /**
   * The calling thread's error number. To be read straight after the call that failed, before anything is allocated: a
   * garbage collection makes system calls of its own.
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
  const own = substitutes(runtime);
  const bind = <Name extends FunctionName>(name: Name): Functions[Name] => {
    if (platform.lacks.includes(name)) {
      const substitute = own[name];
      if (substitute !== undefined) return substitute;
      throw new MmapError(errorNumber("ENOTSUP"), name, {
        explanation: "this platform has no such function",
      });
    }
    return runtime.bind(library, name, SIGNATURES[name]) as Functions[Name];
  };
  const functions = lazily(bind);
  // A thread's errno stays where it is, and an isolate stays on its thread. A typed array over it is read
  // without a call and without an allocation, either of which could change it.
  const errno = new Int32Array(runtime.arrayBuffer(functions[platform.errnoLocation](), 4));
  return {
    functions,
    pageSize: functions.getpagesize(),
    has: (name) => !platform.lacks.includes(name) || own[name] !== undefined,
    pinsBuffers: runtime.pinsBuffers,
    hidesResidency: platform.hidesResidency,
    async: (name) => runtime.bindAsync(library, name, SIGNATURES[name]),
    arrayBuffer: (address, length) => runtime.arrayBuffer(address, length),
    errno: () => errno[0] ?? 0,
  };
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
    `${runtime.name} could open no C library under the names ${platform.libraries.join(", ")}`,
    new AggregateError(failures),
  );
}

/** Whether a runtime's own permission system refused something: such an error isn't ours to dress up. */
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
  return functions as Functions;
}
