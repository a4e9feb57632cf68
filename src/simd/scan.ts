/**
 * Looking through a region faster than a call of libc for each hit can: see `scan.wat`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { RegionMemory } from "../memory.ts";
import { SCAN } from "./code.ts";

/** How much is copied and looked through at a time, in bytes: what a CPU's second cache holds. */
export const CHUNK: number = 2 ** 16;

/** The longest needle in bytes. Those that are longer have more to skip, which libc does best. */
export const LONGEST_NEEDLE = 32;

const NEEDLE = 0x2_0000;
const BESIDES = 0x2_0100;
const FOUND = 0x3_0000;

interface Exports {
  readonly memory: WebAssembly.Memory;
  count(byte: number, length: number): number;
  find(byte: number, length: number): number;
  search(length: number, size: number, next: number): number;
}

/** The module, and its memory. All that looks through regions shares it: what it holds is to be used at once. */
class Scanner {
  readonly memory: Uint8Array<ArrayBuffer>;
  /** Where something was found. */
  readonly found: Uint32Array;
  readonly besides: Uint32Array;
  readonly run: Exports;

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(SCAN, "base64"));
    this.run = new WebAssembly.Instance(module).exports as unknown as Exports;
    const buffer = this.run.memory.buffer as ArrayBuffer;
    this.memory = new Uint8Array(buffer);
    this.found = new Uint32Array(buffer, FOUND);
    this.besides = new Uint32Array(buffer, BESIDES, 1);
  }

  /** Copies a part of a region, and makes the bytes behind it `filler`, up to a whole vector. */
  copy(memory: RegionMemory, offset: number, size: number, filler: number, operation: string): void {
    this.memory.set(memory.borrow(offset, size, operation));
    this.memory.fill(filler, size, size + 16);
  }
}

let shared: Scanner | undefined;

function scanner(): Scanner {
  return shared ??= new Scanner();
}

/** How often a byte stands in a part of a region. */
export function countByte(memory: RegionMemory, byte: number, offset: number, length: number): number {
  const scan = scanner();
  const end = offset + length;
  let hits = 0;
  for (let at = offset; at < end; at += CHUNK) {
    const size = Math.min(CHUNK, end - at);
    scan.copy(memory, at, size, byte ^ 1, "count");
    hits += scan.run.count(byte, size);
  }
  return hits;
}

/** Where a needle stands in a part of a region. */
export interface Hits {
  /** Offsets in the part; to be used at once. */
  readonly offsets: Uint32Array;
  /** Where in the part the last one ends, or from where on they were looked for: where to go on. */
  readonly end: number;
}

/**
 * Looks for a needle of at most {@linkcode LONGEST_NEEDLE} bytes.
 *
 * @param offset Where in the region to begin.
 * @param size In how many bytes it may begin: at most {@linkcode CHUNK}. The rest of it may lie behind them.
 * @param length The length of the region, or where else to end.
 * @param next Where in the part to begin: behind the last hit.
 */
export function search(
  memory: RegionMemory,
  needle: Uint8Array,
  offset: number,
  size: number,
  length: number,
  next: number,
  operation: string,
): Hits {
  const scan = scanner();
  const count = Math.min(size + needle.length - 1, length - offset);
  scan.copy(memory, offset, count, 0, operation);
  scan.memory.set(needle, NEEDLE);
  const hits = scan.run.search(count, needle.length, next);
  return { offsets: scan.found.subarray(0, hits), end: scan.besides[0] ?? 0 };
}

/** The lines of a chunk. */
export interface Ends {
  /** The chunk's bytes, as they were when they were copied; to be used at once. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where its newlines are; to be used at once. */
  readonly offsets: Uint32Array;
  /** Whether all of it is ASCII. */
  readonly ascii: boolean;
}

/** Looks for newlines in a part of a region, at most {@linkcode CHUNK} bytes. */
export function findLines(memory: RegionMemory, offset: number, size: number, operation: string): Ends {
  const scan = scanner();
  scan.copy(memory, offset, size, 0, operation);
  const count = scan.run.find(0x0a, size);
  return {
    bytes: scan.memory.subarray(0, size),
    offsets: scan.found.subarray(0, count),
    ascii: scan.besides[0] === 0,
  };
}
