/**
 * macOS: constants, names of the C library, and what it lacks.
 *
 * @module
 */
import { constantsOf, type ConstantTable } from "./constant_table.ts";
import type { Platform } from "./system.ts";

/** The constants of macOS. */
export function darwinConstants(): ConstantTable {
  return constantsOf("darwin");
}

/** macOS on one architecture, as `process.arch` names it. */
export function darwin(architecture: string): Platform {
  return {
    constants: darwinConstants(),
    libraries: ["libSystem.B.dylib", "/usr/lib/libSystem.B.dylib"],
    errnoLocation: "__error",
    hidesResidency: false,
    status: { version: 0, mode: 4, owner: 16, size: 96 },
    // On x86-64 the plain names have 32-bit inode numbers.
    symbols: architecture === "x64" ? { fstat: "fstat$INODE64", stat: "stat$INODE64" } : {},
    lacks: [
      "__errno_location",
      "__fxstat",
      "__xstat",
      "fstatfs",
      "mremap",
      "memrchr",
      "posix_fallocate",
      "sysinfo",
      "getauxval",
      "pthread_mutexattr_setrobust",
      "memfd_create",
      "syscall", // exists, but is variadic
    ],
  };
}
