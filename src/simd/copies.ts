/**
 * What the kernels of machine code do, by WebAssembly (`scan.wat`), or by plain JavaScript where there is none. Both look
 * at memory of their own only: so the text is copied there, a chunk at a time.
 *
 * @module
 */
import { Math } from "../../ffi/captured.ts";
import type { Found, FoundLines, Kernels } from "../../ffi/kernels/mod.ts";
import { libc } from "../../ffi/libc.ts";
import { SCAN } from "./code.ts";
import { BESIDES, FOUND, type Kernel, NEEDLE } from "./layout.ts";
import { plainKernel } from "./plain.ts";

/** How much is copied and looked through at a time, in bytes: what a CPU's second cache holds. */
const CHUNK = 2 ** 18;

/** How many bytes behind the text the functions of `scan.wat` read. */
const STEP = 64;

/** What looks through memory, by its address. Only machine code finds the lines that contain a needle. */
export type Scanner = Omit<Kernels, "containing"> & Partial<Pick<Kernels, "containing">>;

/**
 * Looks through copies. What is found is valid until the next call.
 *
 * Programs may get hold of the memory, by replacing a method of typed arrays that is called here: but of copies only.
 */
export class Copies implements Scanner {
  readonly reach: number = CHUNK;
  /** libc is better at longer ones. */
  readonly longestNeedle: number = 32;
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly copy: Uint8Array<ArrayBuffer>;
  readonly #besides: Uint32Array<ArrayBuffer>;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel = simdKernel() ?? plainKernel()) {
    const { buffer } = kernel.memory;
    this.#kernel = kernel;
    this.copy = new Uint8Array(buffer);
    this.offsets = new Uint32Array(buffer, FOUND);
    this.#besides = new Uint32Array(buffer, BESIDES, 2);
  }

  count(address: number, length: number, byte: number): number {
    let hits = 0;
    for (let at = 0; at < length; at += CHUNK) {
      const size = Math.min(CHUNK, length - at);
      this.#take(address + at, size, byte ^ 1);
      hits += this.#kernel.count(byte, size);
    }
    return hits;
  }

  /** It finds all hits, whatever the limit, and never gives up: for a short needle that is never much work. */
  search(address: number, length: number, needle: Uint8Array, pair: readonly [number, number]): Found {
    if (address !== 0) this.#take(address, length, 0);
    this.copy.set(needle, NEEDLE);
    const hits = this.#kernel.search(length, needle.length, pair[0], pair[1]);
    return { hits, next: Math.max(length - needle.length + 1, this.#besides[0] ?? 0), givenUp: false };
  }

  lines(address: number, length: number): FoundLines {
    this.#take(address, length, 0);
    const newlines = this.#kernel.find(0x0a, 0x0d, length);
    return { newlines, ascii: this.#besides[0] === 0, returns: this.#besides[1] !== 0 };
  }

  /** Copies a text, and fills the bytes behind it that will be read with `filler`. */
  #take(address: number, length: number, filler: number): void {
    libc().functions.memcpy(this.copy, address, length);
    this.copy.fill(filler, length, length + STEP);
  }
}

/** The functions of `scan.wat`; undefined where the process has no WebAssembly, or no address space for it. */
export function simdKernel(): Kernel | undefined {
  try {
    const module = new WebAssembly.Module(Uint8Array.fromBase64(SCAN));
    return new WebAssembly.Instance(module).exports as unknown as Kernel;
  } catch {
    return undefined;
  }
}
