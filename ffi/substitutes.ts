/**
 * C functions for a C library that lacks them.
 *
 * @module
 */
import type { Runtime } from "./abi.ts";
import type { Functions } from "./signatures.ts";
import type { Platform } from "./system.ts";

/** How much memory is looked at through one buffer, in bytes. */
const WINDOW = 2 ** 20;

// Taken at import: a program that replaces it later must not be handed a view of memory.
const lastIndexOf = Function.prototype.call.bind(Uint8Array.prototype.lastIndexOf) as (
  bytes: Uint8Array,
  byte: number,
) => number;

/** Substitutes for functions that a C library may lack, some made of other functions of it. */
export function substitutes(
  runtime: Runtime,
  functions: Functions,
  { status: { version } }: Platform,
): Partial<Functions> {
  return {
    // glibc before 2.33 has no fstat and stat of its own: programs are compiled to call these two.
    fstat: (fd, status) => functions.__fxstat(version, fd, status),
    stat: (path, status) => functions.__xstat(version, path, status),
    // GNU and musl have it, macOS doesn't.
    memrchr(address, byte, length): number {
      for (let end = length; end > 0; end -= WINDOW) {
        const start = Math.max(0, end - WINDOW);
        const bytes = new Uint8Array(runtime.arrayBuffer(address + start, end - start));
        const found = lastIndexOf(bytes, byte & 0xff); // as C converts it
        if (found !== -1) return address + start + found;
      }
      return 0;
    },
  };
}
