/**
 * Looking through a region: by machine code, in place, or else through copies.
 *
 * All searches of an isolate share one scanner: use what it found before the next search begins.
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import { Math } from "../../ffi/captured.ts";
import { kernels } from "../../ffi/kernels/mod.ts";
import type { RegionMemory } from "../memory.ts";
import { Copies, type Scanner } from "./copies.ts";

let shared: Scanner | undefined;

/** What looks through memory in this process; to be called when there is a region. */
export function scanner(): Scanner {
  return shared ??= kernels() ?? new Copies();
}

/** How often a byte stands in a part of a region. */
export function countByte(
  memory: RegionMemory,
  byte: number,
  start: number,
  end: number,
  operation: string,
): number {
  return scanner().count(memory.at(start, end - start, operation), end - start, byte);
}

const NO_BYTES = new Uint8Array(0);

/** The lines of a chunk. */
export interface Ends {
  /** Begins with a copy of the chunk, if there is one, and is empty otherwise; use it before the next search. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where its newlines are; use it before the next search. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  /** Whether all of it is known to be ASCII. */
  readonly ascii: boolean;
  /** Whether there is a `\r` in it. */
  readonly returns: boolean;
}

/**
 * Looks for newlines in a part of a region, at most 64 KiB. With a `\r` among the bytes there is a copy of them, whether
 * or not one is asked for.
 */
export function findLines(memory: RegionMemory, start: number, size: number, copies: boolean): Ends {
  const scan = scanner();
  const address = memory.at(start, size, "lines");
  let found = scan.lines(address, size, copies);
  if (found.returns && !copies) found = scan.lines(address, size, true);
  return {
    bytes: copies || found.returns ? scan.copy : NO_BYTES,
    offsets: scan.offsets.subarray(0, found.newlines),
    ascii: found.ascii,
    returns: found.returns,
  };
}

/** Where a needle stands in the bytes that {@linkcode findLines} has just copied; hits don't overlap. */
export function searchAgain(needle: Uint8Array, bytes: Uint8Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const scan = scanner();
  const { length } = bytes;
  if (needle.length <= scan.longestNeedle) {
    const found = scan.search(0, length, needle, [0, needle.length - 1], length + 1, length);
    if (!found.givenUp) return scan.offsets.subarray(0, found.hits);
  }
  const part = builtin("node:buffer").Buffer.from(bytes.buffer, bytes.byteOffset, length);
  const hits = new Uint32Array(1 + Math.floor(length / needle.length));
  let count = 0;
  for (let at = 0; (at = part.indexOf(needle, at)) !== -1; at += needle.length) hits[count++] = at;
  return hits.subarray(0, count);
}
