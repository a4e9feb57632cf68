/**
 * Measuring within one process: the loop around what is measured, and the line by which a process reports.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- the report goes to run.ts by standard output
import { setImmediate } from "node:timers/promises";

/**
 * Nanoseconds that one call takes, when called over and over for a while. The event loop gets its turn now and then,
 * and its time counts: what a call leaves to be done later is a part of its price.
 *
 * @param once What is measured.
 * @param batch How often it is called between two looks at the clock.
 * @param milliseconds How long it is measured.
 * @param warmUp How many milliseconds it is called before that: compilers, which work on other threads, make each
 * munmap wait for the other CPUs for as long as they do.
 */
export async function perCall(
  once: () => void,
  batch: number,
  milliseconds: number,
  warmUp: number = milliseconds,
): Promise<number> {
  await repeat(once, batch, warmUp);
  return await repeat(once, batch, milliseconds);
}

async function repeat(once: () => void, batch: number, milliseconds: number): Promise<number> {
  const start = performance.now();
  let count = 0;
  let spent = 0;
  do {
    for (let index = 0; index < batch; index++) once();
    count += batch;
    await setImmediate();
    spent = performance.now() - start;
  } while (spent < milliseconds);
  return spent * 1e6 / count;
}

/** Nanoseconds that one call takes: one measurement for each call, after one that warms up. */
export function eachCall(once: () => void, count: number): number[] {
  once();
  return Array.from({ length: count }, () => {
    const start = performance.now();
    once();
    return (performance.now() - start) * 1e6;
  });
}

/**
 * Nanoseconds that each pass takes, after one that warms up.
 *
 * @param once What is measured; returns what it found out.
 * @param count How many passes.
 * @param expected What it has to find out: the time of a wrong answer is worth nothing.
 */
export async function eachPass(
  once: () => number | Promise<number>,
  count: number,
  expected: number,
): Promise<number[]> {
  const samples: number[] = [];
  for (let pass = 0; pass <= count; pass++) {
    const start = performance.now();
    const answer = await once();
    const spent = performance.now() - start;
    if (answer !== expected) throw new Error(`${answer} instead of ${expected}`);
    if (pass > 0) samples.push(spent * 1e6);
  }
  return samples;
}

/** Reports to run.ts. */
export function report(samples: readonly number[]): void {
  console.log(JSON.stringify(samples));
}
