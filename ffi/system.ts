/**
 * What the library has to know of an operating system: the shape that the platforms' files share.
 *
 * @module
 */
import type { ConstantTable } from "./constant_table.ts";
import type { FunctionName } from "./signatures.ts";

/** What the library has to know of an operating system. */
export interface Platform {
  readonly constants: ConstantTable;
  /** Names of the C library, to be tried in turn. */
  readonly libraries: readonly string[];
  /** The function that returns the address of the calling thread's `errno`. */
  readonly errnoLocation: "__errno_location" | "__error";
  /** Whether mincore tells the truth of a file only to those who may write it (Linux, from 5.2 on). */
  readonly hidesResidency: boolean;
  /** Functions of our table that this platform's C library doesn't have. */
  readonly lacks: readonly FunctionName[];
}
