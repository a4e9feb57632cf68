/**
 * Searching memory by address, through libc: no buffer over the region is needed, so any size can be searched.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { Haystack } from "./memory.ts";

/** What can be searched for: a byte (0 to 255), a string (as UTF-8), or bytes. */
export type Needle = number | string | Uint8Array;

/** A needle as bytes of our own: the program's may be detached, or change, while it is searched for. */
export function toNeedle(needle: unknown, call: string): Uint8Array {
  if (typeof needle === "string") return Buffer.from(needle);
  if (needle instanceof Uint8Array) return new Uint8Array(needle);
  if (typeof needle !== "number") {
    throw new TypeError(
      `${call}: the needle must be a byte, a string or a Uint8Array: received ${show(needle)}`,
    );
  }
  if (!Number.isInteger(needle) || needle < 0 || needle > 255) {
    throw new RangeError(`${call}: a byte must be a whole number from 0 to 255: received ${needle}`);
  }
  return Uint8Array.of(needle);
}

/** Where to start, given an offset that counts from the end when negative, as on `Uint8Array`. */
export function toStart(from: unknown, length: number, call: string): number {
  if (typeof from !== "number" || Number.isNaN(from)) {
    throw new TypeError(`${call}: 'from' must be a number: received ${show(from)}`);
  }
  const start = Math.trunc(from);
  return start < 0 ? Math.max(0, length + start) : start;
}

/** The first offset, `from` or later, at which the needle stands; -1 if there is none. */
export function indexOf({ address, length }: Haystack, needle: Uint8Array, from: number): number {
  if (needle.length === 0) return Math.min(from, length);
  if (from >= length) return -1;
  const { functions } = libc();
  const start = address + from;
  const found = needle.length === 1
    ? functions.memchr(start, needle[0] ?? 0, length - from)
    : functions.memmem(start, length - from, needle, needle.length);
  return found === 0 ? -1 : found - address;
}
