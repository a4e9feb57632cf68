/**
 * Linux: constants, names of the C library, and what it has that others lack.
 *
 * @module
 */
import { constantsOf, type ConstantTable } from "./constant_table.ts";
import type { Platform } from "./system.ts";

/** The constants of Linux on one architecture, as `process.arch` names it. */
export function linuxConstants(architecture: string): ConstantTable {
  return architecture === "x64" ? constantsOf("linuxX64", "linux") : constantsOf("linux");
}

/** musl's name for an architecture, as in `libc.musl-x86_64.so.1`. */
const MUSL_ARCHITECTURE: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** Linux on one architecture. */
export function linux(architecture: string): Platform {
  const musl = MUSL_ARCHITECTURE[architecture] ?? architecture;
  return {
    constants: linuxConstants(architecture),
    // glibc's name first: musl answers to it too, but musl's own name, where a glibc system has musl
    // installed as well, would bring a second C library into the process.
    libraries: ["libc.so.6", `libc.musl-${musl}.so.1`],
    errnoLocation: "__errno_location",
    hidesResidency: true,
    status: architecture === "x64"
      ? { version: 1, mode: 24, owner: 28, size: 48 }
      : { version: 0, mode: 16, owner: 24, size: 48 },
    symbols: {},
    lacks: [
      "__error",
      "os_sync_wait_on_address_with_timeout",
      "os_sync_wake_by_address_any",
      "os_sync_wake_by_address_all",
    ],
  };
}
