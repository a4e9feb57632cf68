/**
 * Waiting for words of shared memory, with and without blocking the thread.
 *
 * All waits of an isolate that don't block share one thread, which waits for all of their words at once.
 *
 * @module
 */
import { nodeProcess } from "../../ffi/builtins.ts";
import { futex } from "../../ffi/futex.ts";
import type { WaitEnd, WaitForSeveral, WordToWaitFor } from "../../ffi/waiting.ts";
import { closing } from "../memory.ts";
import type { Until } from "./options.ts";

/** A word of a region that can be waited for. */
export interface Word {
  /** Its address. Throws if the region is closed. */
  address(): number;
  /** What it is now. Throws if the region is closed, or its pages were lost. */
  load(): number;
}

/**
 * Every wait looks again after this many milliseconds at most. Another that was woken may have been killed before it
 * could go on; and a worker that is to be terminated must get to run.
 */
const LOOK_AGAIN = 200;
/** How often words are polled where the platform can't wait for them, in milliseconds. */
const POLL = 4;
/** After so many looks in a row that took no time and found nothing changed, the next one waits a moment. */
const MANY = 16;

/**
 * Blocks the thread until a word is not, or no longer, what is expected, or somebody wakes those who wait for it, or so
 * much time is over that it is worth a look.
 */
export function block(word: Word, expected: number, { deadline }: Until): WaitEnd {
  const rest = Math.min(LOOK_AGAIN, deadline - performance.now());
  return rest > 0 ? futex().wait(word.address(), expected, rest) : "timed-out";
}

/** A wait that ends after a moment, so that it is found out whether it makes sense to wait on. */
export function soon({ deadline, signal }: Until): Until {
  return { deadline: Math.min(deadline, performance.now() + LOOK_AGAIN), signal };
}

/** Wakes up to `count` of the threads that wait for a word. */
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
  /** Whether being woken ends it, even if the word hasn't changed. */
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
    wait.settle(signal?.reason);
    ring(); // ends the call, so that the thread no longer waits for it
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
/** The call that is under way, unless it has been interrupted. */
let waiting: WaitForSeveral | undefined;
let ready = false;

/** Interrupts the call that is under way: the list of words has changed. */
function ring(): void {
  const call = waiting;
  waiting = undefined;
  call?.interrupt();
}

/** Waits for all words there are, until there are none left. It never rejects: each wait gets its own result. */
async function run(): Promise<void> {
  running = true;
  try {
    const { several } = futex();
    if (!ready) {
      ready = true;
      // A thread that waits can't be terminated, and would hold up the end of the process.
      if (several !== undefined) nodeProcess()?.once("exit", ring);
      closing.add(ring); // waits in a region that is closed are told
    }
    let idle = 0;
    while (sweep() > 0) {
      const start = performance.now();
      const changed = await look(several, start);
      idle = changed || performance.now() - start > 0.5 ? 0 : idle + 1;
      // If the kernel refuses to wait for a word, don't ask again and again.
      if (idle > MANY) await sleep(POLL);
    }
  } catch (error) {
    for (const wait of waits) wait.settle(error);
  } finally {
    running = false;
  }
}

/** Waits once for words; returns whether one of them was woken. */
async function look(several: WaitForSeveral | undefined, now: number): Promise<boolean> {
  let rest = LOOK_AGAIN;
  for (const { until } of waits) rest = Math.min(rest, until.deadline - now);
  if (several === undefined) {
    await sleep(Math.max(0, Math.min(rest, POLL)));
    for (const wait of waits) if (wait.loose) wait.settle();
    return true;
  }
  const words = wordsOf(waits);
  const list = words.slice(0, several.limit);
  waiting = several;
  // What the list has no place for is polled.
  const last = await several.wait(list, words.length > list.length ? Math.min(rest, POLL) : rest);
  waiting = undefined;
  // The kernel tells only the last word that was woken. Those before it may have been woken, too.
  for (const { all } of list.slice(0, last + 1)) {
    for (const wait of all) if (wait.loose) wait.settle();
  }
  return last !== -1;
}

/** A word, and all who wait for it. */
interface AwaitedWord extends WordToWaitFor {
  readonly all: Wait[];
}

/** The words that are waited for, each one once, however many wait for it. */
function wordsOf(all: Iterable<Wait>): AwaitedWord[] {
  const words = new Map<string, AwaitedWord>();
  for (const wait of all) {
    const address = wait.word.address();
    const { expected } = wait;
    const key = `${address} ${expected}`;
    const found = words.get(key);
    if (found === undefined) words.set(key, { address, expected, all: [wait] });
    else found.all.push(wait);
  }
  return [...words.values()];
}

/** Lets the event loop run for so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Settles the waits that are over; returns how many are left. */
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
