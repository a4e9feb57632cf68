/**
 * C functions for a platform whose C library lacks them.
 *
 * @module
 */
import type { Runtime } from "./abi.ts";
import type { Functions } from "./signatures.ts";

/** How much memory is looked at through one buffer, in bytes. */
const WINDOW = 2 ** 20;

/** The functions that can be had without libc. */
export function substitutes(runtime: Runtime): Partial<Functions> {
  return {
    // GNU and musl have it, macOS doesn't.
    memrchr(address, byte, length): number {
      for (let end = length; end > 0; end -= WINDOW) {
        const start = Math.max(0, end - WINDOW);
        const bytes = new Uint8Array(runtime.arrayBuffer(address + start, end - start));
        const found = bytes.lastIndexOf(byte & 0xff); // as C converts it
        if (found !== -1) return address + start + found;
      }
      return 0;
    },
  };
}
