/**
 * Buffers that can't be transferred.
 *
 * A transferred buffer's memory belongs to another buffer, perhaps another worker's: nobody can see how long it is used
 * there.
 *
 * @module
 */
import { builtin, isBun } from "./builtins.ts";

/** Has every attempt to transfer a buffer end in an error, and change nothing. */
export function keepFromTransfer(buffer: ArrayBuffer): void {
  builtin("node:worker_threads").markAsUntransferable(buffer);
  if (!isBun()) return;
  // Bun's postMessage and structuredClone know the mark, its methods don't.
  for (const name of ["transfer", "transferToFixedLength"] as const) {
    Object.defineProperty(buffer, name, { value: refuse });
  }
}

function refuse(): never {
  throw new TypeError(
    "this ArrayBuffer can't be transferred: it lies over a mapped file; transfer a copy of it",
  );
}
