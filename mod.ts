/**
 * Memory-mapped files and shared memory for Bun, Deno and Node, straight from TypeScript: no native addon, no compiler
 * and no build step. The runtime's own FFI calls libc's `mmap` and its family, and a disposable class owns what they
 * return.
 *
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 *
 * using file = MappedRegion.open("access.log"); // unmapped at the end of the block
 * console.log(file.length, file.indexOf("ERROR")); // searched in place, nothing copied
 * ```
 *
 * In Deno it needs `--allow-ffi`, and `--allow-read` (for access `"read-write"` also `--allow-write`) for the files it
 * opens.
 *
 * @module
 */
export { MmapError, type MmapErrorDetails } from "./ffi/errors.ts";
export type { Data } from "./src/copying.ts";
export { Cursor, type LengthPrefix, type Whence } from "./src/cursor.ts";
export { RegionClosedError } from "./src/errors.ts";
export type { RegionHandle } from "./src/handle.ts";
export type { LineIterator, LineOffsets } from "./src/lines.ts";
export type {
  Access,
  Advice,
  AnonymousOptions,
  CloseOptions,
  CopyOptions,
  DescriptorOptions,
  DiscardOptions,
  FlushOptions,
  FlushSyncOptions,
  LinesOptions,
  MapOptions,
  MapRequest,
  Needle,
  OpenOptions,
  Placement,
  PrefaultOptions,
  Protection,
  Range,
  ReadLineOptions,
  RecordSchema,
  RecordsOptions,
  ResizeOptions,
  StreamOptions,
  StructOptions,
  TextOptions,
  WindowsOptions,
} from "./src/options.ts";
export type { NumberField, ScalarField, ScalarOf } from "./src/numbers.ts";
export type { Column } from "./src/columns.ts";
export type { Records } from "./src/records.ts";
export { mapFile, MappedRegion, type RegionSummary, type TypedArrayConstructor } from "./src/region.ts";
export { Residency } from "./src/residency.ts";
export {
  array,
  type ArrayField,
  bytes,
  type BytesField,
  char,
  type CharField,
  type Field,
  type Fields,
  type InputOf,
  type Layout,
  type RecordOf,
  struct,
  type ValueOf,
} from "./src/struct.ts";
export { Windows } from "./src/windows.ts";
