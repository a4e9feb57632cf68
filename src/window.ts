/**
 * A window over a region: what is read again and again through one view.
 *
 * @module
 */
import { within } from "./checks.ts";
import type { Memory } from "./memory.ts";

/** The size of a window in bytes, if the region is larger: a power of two that every runtime's ArrayBuffer can have. */
export const WINDOW: number = 2 ** 29;

/** A window: where in the region it starts, and its bytes. It has none as soon as the region is closed or resized. */
export interface Window {
  readonly start: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

/** No window yet. */
export const NO_WINDOW: Window = windowOf(0, new Uint8Array());

/** A window that holds a part of the region. Throws if the region doesn't, or the part may not be used so. */
export function openWindow(
  memory: Memory,
  offset: number,
  size: number,
  writable: boolean,
  operation: string,
): Window {
  const length = memory.length(operation);
  within(offset, size, length, operation);
  const borrow = (from: number, count: number): Uint8Array<ArrayBuffer> =>
    writable ? memory.borrowWritable(from, count, operation) : memory.borrow(from, count, operation);
  // Windows overlap by half, so that whatever is not larger lies within one.
  const start = length <= WINDOW ? 0 : Math.floor(offset / (WINDOW / 2)) * (WINDOW / 2);
  if (size <= WINDOW / 2) {
    try {
      return windowOf(start, borrow(start, Math.min(WINDOW, length - start)));
    } catch {
      // Other pages of the window may be closed to us: the part alone will tell.
    }
  }
  return windowOf(offset, borrow(offset, size));
}

function windowOf(start: number, bytes: Uint8Array<ArrayBuffer>): Window {
  return { start, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}
