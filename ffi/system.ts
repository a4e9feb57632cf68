/**
 * What the library has to know about an operating system: the shape that the platforms' files share.
 *
 * @module
 */
import type { ConstantTable } from "./constant_table.ts";
import type { FunctionName } from "./signatures.ts";

/** Where in `struct stat` its fields are, in bytes: `st_dev` is the first one and `st_ino` the one at 8 everywhere. */
export interface StatusLayout {
  /** The version of the structure, as older glibc's `__fxstat` is told it. */
  readonly version: number;
  /** `st_mode`, whose lower 16 bits are looked at. */
  readonly mode: number;
  /** `st_uid`. */
  readonly owner: number;
  /** `st_size`. */
  readonly size: number;
}

/** What the library has to know about an operating system. */
export interface Platform {
  readonly constants: ConstantTable;
  /** Names of the C library, to be tried in turn. */
  readonly libraries: readonly string[];
  /** The function that returns the address of the calling thread's `errno`. */
  readonly errnoLocation: "__errno_location" | "__error";
  /** Whether mincore tells the truth of a file only to those who may write it (Linux, from 5.2 on). */
  readonly hidesResidency: boolean;
  /** Where the fields of `struct stat` are. */
  readonly status: StatusLayout;
  /** Functions whose symbol in the C library differs from their name. */
  readonly symbols: Partial<Readonly<Record<FunctionName, string>>>;
  /** Functions of our table that this platform's C library doesn't have. */
  readonly lacks: readonly FunctionName[];
}
