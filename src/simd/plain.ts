/**
 * What `scan.wat` does, in JavaScript: for runtimes without WebAssembly (`--jitless`). Slower, and the same results.
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import { BESIDES, FOUND, type Kernel, NEEDLE, SIZE } from "./layout.ts";

/** Makes the functions, and memory for them to work on. */
export function plainKernel(): Kernel {
  const buffer = new ArrayBuffer(SIZE);
  const text = builtin("node:buffer").Buffer.from(buffer);
  const found = new Uint32Array(buffer, FOUND);
  const besides = new Uint32Array(buffer, BESIDES, 2);
  // The runtime's own searches are compiled code even where ours is interpreted.
  const each = (needle: Uint8Array | number, length: number, size: number): number => {
    const part = text.subarray(0, length);
    let hits = 0;
    for (let at = 0; (at = part.indexOf(needle, at)) !== -1; at += size) {
      found[hits++] = at;
      besides[0] = at + size;
    }
    return hits;
  };
  return {
    memory: { buffer },
    count: (byte, length) => each(byte, length, 1),
    find(byte, other, length): number {
      const hits = each(byte, length, 1);
      besides[0] = 1; // says "not ASCII": this was not looked at
      besides[1] = text.subarray(0, length).includes(other) ? 1 : 0;
      return hits;
    },
    search(length, size): number {
      besides[0] = 0;
      return each(text.subarray(NEEDLE, NEEDLE + size), length, size);
    },
  };
}
