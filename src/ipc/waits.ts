/**
 * Waiting for words of shared memory, off the event loop and on it.
 *
 * All that wait off it, in one isolate, share one thread, which waits for all of their words at once.
 *
 * @module
 */
import { nodeProcess } from "../../ffi/builtins.ts";
import { futex } from "../../ffi/futex.ts";
import type { WaitEnd, WaitForSeveral, WordToWaitFor } from "../../ffi/waiting.ts";
import { closing } from "../memory.ts";
import type { Until } from "./options.ts";

/** A word of a region, as those see it who wait for it. */
export interface Word {
  /** Its address. Throws if the region is closed. */
  address(): number;
  /** What it is now. Throws if the region is closed, or its pages were lost. */
  load(): number;
}

/**
 * The longest time, in milliseconds, after which a wait looks again by itself: one that was woken may have been killed
 * before it did what it was woken for, and a thread that is to be terminated must get to run.
 */
export const LOOK_AGAIN = 200;
/** How often words are looked at that the platform can't wait for, in milliseconds. */
const POLL = 4;
/** So many looks in a row at which nothing had changed, and which took no time, and the next one takes a moment. */
const MANY = 16;

/**
 * Blocks the thread until a word is not, or no longer, what is expected, or somebody wakes those who wait for it, or so
 * much time is over that it is worth a look.
 */
export function block(word: Word, expected: number, { deadline }: Until): WaitEnd {
  const rest = Math.min(LOOK_AGAIN, deadline - performance.now());
  return rest > 0 ? futex().wait(word.address(), expected, rest) : "timed-out";
}

/** Wakes so many of those who wait for a word. */
export function wake(word: Word, count: number): number {
  return futex().wake(word.address(), count);
}

/** The same of a word at an address that is known to be mapped. */
export function wakeAt(address: number, count: number): number {
  return futex().wake(address, count);
}

interface Wait {
  readonly word: Word;
  readonly expected: number;
  /** Whether it is to end when woken though the word is what it was. */
  readonly loose: boolean;
  readonly until: Until;
  settle(error?: unknown): void;
}

/**
 * Waits until a word is not, or no longer, what is expected, or somebody wakes those who wait for it, or the time is
 * over; rejects if it is aborted, or the region is closed. The process stays alive for as long.
 *
 * @param loose Whether being woken is enough. Otherwise the word must have changed.
 */
export function park(word: Word, expected: number, until: Until, loose: boolean = false): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { signal } = until;
  if (signal?.aborted === true) {
    reject(signal.reason);
    return promise;
  }
  const abort = (): void => {
    wait.settle(signal?.reason ?? new Error("aborted"));
    ring(); // the thread must not wait for it any longer
  };
  const wait: Wait = {
    word,
    expected,
    loose,
    until,
    settle(error): void {
      if (!waits.delete(wait)) return;
      signal?.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    },
  };
  waits.add(wait);
  signal?.addEventListener("abort", abort);
  if (running) ring();
  else void run();
  return promise;
}

const waits = new Set<Wait>();
let running = false;
/** The call that is under way, if it has not been told to end. */
let waiting: WaitForSeveral | undefined;
let ready = false;

/** Ends the call that is under way: there is something new to wait for, or nothing any more. */
function ring(): void {
  const call = waiting;
  waiting = undefined;
  call?.interrupt();
}

/** Waits for all there is to wait for, until there is nothing left. Rejects never: each wait has its own end. */
async function run(): Promise<void> {
  running = true;
  try {
    const { several } = futex();
    if (!ready) {
      ready = true;
      // A thread that waits can't be ended, and would hold up the end of the process.
      if (several !== undefined) nodeProcess()?.once("exit", ring);
      closing.add(ring); // who waits in a region that is closed is told of it
    }
    let idle = 0;
    while (sweep() > 0) {
      const start = performance.now();
      const list = several === undefined ? [] : [...waits].slice(0, several.limit);
      const changed = await look(list, several, start);
      idle = changed || performance.now() - start > 0.5 ? 0 : idle + 1;
      // What the kernel refuses to wait for must not keep us busy.
      if (idle > MANY) await sleep(POLL);
    }
  } catch (error) {
    for (const wait of waits) wait.settle(error);
  } finally {
    running = false;
  }
}

/** Waits once for words; returns whether one of them was woken. */
async function look(
  list: readonly Wait[],
  several: WaitForSeveral | undefined,
  now: number,
): Promise<boolean> {
  let rest = waits.size > list.length ? POLL : LOOK_AGAIN;
  for (const { until } of waits) rest = Math.min(rest, until.deadline - now);
  if (several === undefined) {
    await sleep(Math.max(0, rest));
    for (const wait of waits) if (wait.loose) wait.settle();
    return true;
  }
  const words: WordToWaitFor[] = list.map(({ word, expected }) => ({ address: word.address(), expected }));
  waiting = several;
  const last = await several.wait(words, rest);
  waiting = undefined;
  // The kernel tells only the last that was woken: those before it may have been as well.
  for (const [index, wait] of list.entries()) if (wait.loose && index <= last) wait.settle();
  return last !== -1;
}

/** Lets the event loop run for so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Settles the waits that are over; returns how many are not. */
function sweep(): number {
  const now = performance.now();
  for (const wait of waits) {
    try {
      if (wait.word.load() !== wait.expected || wait.until.deadline <= now) wait.settle();
      else wait.word.address();
    } catch (error) {
      wait.settle(error);
    }
  }
  return waits.size;
}
