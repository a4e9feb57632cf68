/**
 * Waiting for another thread, which can't call back.
 *
 * @module
 */
import { Atomics } from "../captured.ts";

/** Looks at `condition` until it holds or `milliseconds` are over; returns whether it held. */
export function waitUntil(condition: () => boolean, milliseconds: number): boolean {
  for (let spins = 0; spins < 1000; spins++) {
    if (condition()) return true;
  }
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    Atomics.wait(sleeper, 0, 0, 1);
  }
  return true;
}
