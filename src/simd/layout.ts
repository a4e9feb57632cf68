/**
 * Where things are in the memory that `scan.wat` works on, and its functions.
 *
 * @module
 */

/** The memory's size in bytes. */
export const SIZE = 0x16_0000;

/** Where the needle is; the text is at the start. */
export const NEEDLE = 0x5_0000;

/** What `search` and `find` tell besides their result: two numbers of 32 bits. */
export const BESIDES = 0x5_0100;

/** Offsets in the text that were found: numbers of 32 bits. */
export const FOUND = 0x6_0000;

/** The functions of `scan.wat`, which says what they do. */
export interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  count(byte: number, length: number): number;
  find(byte: number, other: number, length: number): number;
  search(length: number, size: number, one: number, two: number): number;
}
