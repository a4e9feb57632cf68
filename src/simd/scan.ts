/**
 * Searching a region by WebAssembly SIMD (`scan.wat`), which is faster than a call of libc for each hit.
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import type { RegionMemory } from "../memory.ts";
import { SCAN } from "./code.ts";
import { BESIDES, FOUND, type Kernel, NEEDLE } from "./layout.ts";
import { plainKernel } from "./plain.ts";

/** How much is copied and looked through at a time, in bytes: what a CPU's second cache holds. */
export const CHUNK: number = 2 ** 18;

/** The longest needle in bytes. libc is better at longer ones. */
export const LONGEST_NEEDLE = 32;

/** What is known of a needle's bytes. */
export interface Rarest {
  /** Where in the needle the byte is that is the least frequent. */
  readonly index: number;
  /** How often it was seen. */
  readonly seen: number;
  /** Where in the needle the next one is; its last byte, if all are the same. */
  readonly other: number;
}

/** How many bytes behind the text the functions of `scan.wat` read. */
const STEP = 64;

/** Where samples for {@linkcode rarest} are taken: this many, this far apart, of this size. */
const SAMPLES = 4;
const APART = 2 ** 18;
const SAMPLE = 2 ** 12;

/** How many different bytes of a needle are looked for in the samples. */
const MOST_BYTES = 32;

/**
 * The functions, and their memory. All searches of the isolate share them: use what is in the memory before the next
 * search begins.
 *
 * They see only copies, made by libc. For one thing, others may store to the region meanwhile. For another, a program
 * may have replaced the methods of typed arrays that are called here: it must not be given views of the region.
 */
class Scanner {
  /** What is looked through. */
  readonly text: Uint8Array<ArrayBuffer>;
  /** Where something was found. */
  readonly found: Uint32Array<ArrayBuffer>;
  /** The same, signed. */
  readonly places: Int32Array<ArrayBuffer>;
  readonly besides: Uint32Array<ArrayBuffer>;
  readonly kernel: Kernel;
  /** Whether `kernel` is fast. */
  readonly simd: boolean;

  constructor() {
    const kernel = simdKernel();
    this.simd = kernel !== undefined;
    this.kernel = kernel ?? plainKernel();
    const { buffer } = this.kernel.memory;
    this.text = new Uint8Array(buffer);
    this.found = new Uint32Array(buffer, FOUND);
    this.places = new Int32Array(buffer, FOUND);
    this.besides = new Uint32Array(buffer, BESIDES, 2);
  }

  /** Copies a part of a region, and fills the bytes behind it that will be read with `filler`. */
  copy(memory: RegionMemory, offset: number, size: number, filler: number, operation: string): void {
    memory.copy(offset, size, this.text, operation);
    this.text.fill(filler, size, size + STEP);
  }

  /** Where in a needle the byte is that is least frequent in the first bytes of the text, and how often it is there. */
  rarest(needle: Uint8Array, size: number): Rarest {
    let [index, seen] = [0, Infinity];
    let [other, otherSeen] = [needle.length - 1, Infinity];
    const tried = new Set<number>();
    for (const [at, byte] of needle.entries()) {
      if (tried.has(byte)) continue;
      this.text.fill(byte ^ 1, size, size + STEP);
      const count = this.kernel.count(byte, size);
      if (count < seen) {
        [other, otherSeen] = seen === Infinity ? [other, otherSeen] : [index, seen];
        [index, seen] = [at, count];
      } else if (count < otherSeen) [other, otherSeen] = [at, count];
      if (tried.add(byte).size === MOST_BYTES || seen === 0) break;
    }
    return { index, seen, other };
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

let shared: Scanner | undefined;

function scanner(): Scanner {
  return shared ??= new Scanner();
}

/** How often a byte stands in a part of a region. */
export function countByte(memory: RegionMemory, byte: number, start: number, end: number): number {
  const scan = scanner();
  let hits = 0;
  for (let at = start; at < end; at += CHUNK) {
    const size = Math.min(CHUNK, end - at);
    scan.copy(memory, at, size, byte ^ 1, "count");
    hits += scan.kernel.count(byte, size);
  }
  return hits;
}

/**
 * Where in a needle the byte is that is least frequent in samples of what lies ahead, 16 KiB altogether, and how often it was
 * seen there; undefined where it takes too long to find out.
 */
export function rarest(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  end: number,
  operation: string,
): Rarest | undefined {
  const scan = scanner();
  if (!scan.simd) return undefined;
  let size = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const at = start + sample * APART;
    const count = Math.min(SAMPLE, end - at);
    if (count <= 0) break;
    memory.copy(at, count, scan.text.subarray(size), operation);
    size += count;
  }
  return scan.rarest(needle, size);
}

/** Where a needle stands in a part of a region. */
export interface Hits {
  /** Offsets in the part; use them before the next search. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  /** Where in the part to go on: behind the last hit, and behind what was searched. */
  readonly next: number;
}

/**
 * Looks for a needle of at most {@linkcode LONGEST_NEEDLE} bytes; hits don't overlap.
 *
 * @param start Where in the region the first may begin.
 * @param size Within how many bytes hits may begin: at most {@linkcode CHUNK}.
 * @param end Where in the region the last may end.
 * @param pair Where in the needle two bytes are: where both stand as they should, it is compared.
 */
export function search(
  memory: RegionMemory,
  needle: Uint8Array,
  start: number,
  size: number,
  end: number,
  operation: string,
  [one, two]: readonly [one: number, two: number] = [0, needle.length - 1],
): Hits {
  const scan = scanner();
  const count = Math.min(size + needle.length - 1, end - start);
  scan.copy(memory, start, count, 0, operation);
  scan.text.set(needle, NEEDLE);
  const hits = scan.kernel.search(count, needle.length, one, two);
  return { offsets: scan.found.subarray(0, hits), next: Math.max(size, scan.besides[0] ?? 0) };
}

/**
 * Where a needle stands in bytes that were just copied, by {@linkcode findLines}; hits don't overlap. Use the offsets
 * before the next search.
 */
export function searchAgain(needle: Uint8Array, bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const { found, kernel, text } = scanner();
  let hits = 0;
  if (needle.length <= LONGEST_NEEDLE) {
    text.set(needle, NEEDLE);
    hits = kernel.search(bytes.length, needle.length, 0, needle.length - 1);
  } else {
    const part = builtin("node:buffer").Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; (at = part.indexOf(needle, at)) !== -1; at += needle.length) found[hits++] = at;
  }
  return found.subarray(0, hits);
}

/** The lines of a chunk. */
export interface Ends {
  /** The copy of the chunk; use it before the next search. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where its newlines are; use it before the next search. */
  readonly offsets: Int32Array<ArrayBuffer>;
  /** Whether all of it is known to be ASCII. */
  readonly ascii: boolean;
  /** Whether there is a `\r` in it. */
  readonly returns: boolean;
}

/** Looks for newlines in a part of a region, at most {@linkcode CHUNK} bytes. */
export function findLines(memory: RegionMemory, start: number, size: number): Ends {
  const scan = scanner();
  scan.copy(memory, start, size, 0, "lines");
  const count = scan.kernel.find(0x0a, 0x0d, size);
  return {
    bytes: scan.text.subarray(0, size),
    offsets: scan.places.subarray(0, count),
    ascii: scan.besides[0] === 0,
    returns: scan.besides[1] !== 0,
  };
}
