/**
 * A region's memory, as the parts of the library that read and write it see it.
 *
 * Each call asks the region anew: between two of them the program may have closed it, or resized it.
 *
 * @module
 */
import type { MmapError } from "../ffi/errors.ts";

/** Memory at an address, for functions of libc. */
export interface Haystack {
  readonly address: number;
  readonly length: number;
}

/** A region's memory. `operation` is the method that a program called, for messages. */
export interface Memory {
  /** The number of bytes. Throws if the region is closed. */
  length(operation: string): number;
  /** The whole, for functions of libc. Throws if the region is closed, or some pages may not be read. */
  haystack(operation: string): Haystack;
  /** A part, for the library's own use: never to be handed to the program. */
  borrow(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer>;
  /** A part that is handed to the program. */
  lend(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer>;
  /** A part to be stored to, for the library's own use. Throws if some pages may not be written to. */
  borrowWritable(offset: number, length: number, operation: string): Uint8Array<ArrayBuffer>;
  /** Whether every byte may be stored to. */
  readonly writable: boolean;
  /** Checks that a part lies within the region. Throws if it doesn't, or the region is closed. */
  check(offset: number, length: number | undefined, operation: string): void;
  /**
   * Takes the pages that lie before the end of a part out of the process's memory, where that changes nothing of what is
   * read. It is a kindness: nothing is thrown if the kernel doesn't want to.
   */
  drop(offset: number, length: number, operation: string): void;
  /** Runs what touches a part; throws if pages of the region were lost meanwhile. */
  watch<T>(operation: string, offset: number, length: number, touch: () => T): T;
  /**
   * The one number that the guard counts the region's faults in: for what is so short that `watch` would take longer.
   * To be asked for again with each window.
   */
  readonly faults: Uint32Array;
  /** The error for an operation during which pages were lost. */
  lost(operation: string): MmapError;
}
