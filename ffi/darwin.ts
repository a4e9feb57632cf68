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

/** macOS. */
export function darwin(): Platform {
  return {
    constants: darwinConstants(),
    libraries: ["libSystem.B.dylib", "/usr/lib/libSystem.B.dylib"],
    errnoLocation: "__error",
    hidesResidency: false,
    lacks: ["__errno_location", "mremap", "memrchr", "posix_fallocate"],
  };
}
