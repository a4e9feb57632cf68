/**
 * Waiting for a 32-bit word of shared memory, and waking those who wait: what `Atomics.wait` and `Atomics.notify` are
 * for a SharedArrayBuffer.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import { show, wholeNumber } from "../checks.ts";
import type { MappedRegion } from "../region.ts";
import { type TimeoutOptions, type Until, until, type WaitOptions } from "./options.ts";
import { Place } from "./place.ts";
import { block, park, wake, type Word } from "./waits.ts";

/** How a wait ended; the words are those of `Atomics.wait`. */
export type WaitResult = "ok" | "not-equal" | "timed-out";

/** One word of a region, with a view of its own, made when first needed and again when the region was moved. */
export class RegionWord implements Word {
  readonly #place: Place;
  #view: Int32Array | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  address(): number {
    return this.#place.address;
  }

  /** The view of the word and of what lies behind it. */
  words(): Int32Array {
    let view = this.#view;
    if (view === undefined || view.length === 0) this.#view = view = this.#place.words();
    return view;
  }

  load(): number {
    const value = Atomics.load(this.words(), 0);
    this.#place.assertIntact();
    return value;
  }
}

function wordOf(region: MappedRegion, offset: number, expected: unknown, call: string): RegionWord {
  const place = Place.of(region, offset, 4, 4, call);
  if (typeof expected !== "number") {
    throw new TypeError(`${call}: 'expected' must be a number: received ${show(expected)}`);
  }
  if ((expected | 0) !== expected) {
    throw new RangeError(`${call}: 'expected' must be an integer of 32 bits: received ${show(expected)}`);
  }
  return new RegionWord(place);
}

/**
 * Waits until another process or thread calls {@linkcode notify} for a word, without holding up the event loop. The
 * process stays alive until then.
 *
 * As with futex(2), `"ok"` may come without a `notify`: look at the word, and wait again if it is not what it should be.
 *
 * @param region A region that is shared and may be written to.
 * @param offset Where the word is, in bytes: a multiple of 4.
 * @param expected What the word is, as an `Int32Array` has it. If it is something else there is nothing to wait for.
 * @param options How long to wait at most, and a signal that ends the wait.
 * @returns `"ok"` when woken, `"not-equal"` if the word was not as expected, `"timed-out"` when the time was over.
 * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
 * @throws {RangeError} If the word does not lie within the region, or not at a multiple of 4.
 * @throws {RegionClosedError} If the region is closed, or is while it waits.
 * @throws {MmapError} EACCES if the region may not be written to; EFAULT if its pages were lost.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { notify, wait } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const woken = wait(region, 0, 0); // while the word at 0 is 0
 * Atomics.store(region.array(Int32Array), 0, 1); // in another process
 * notify(region, 0);
 * console.log(await woken); // "ok"
 * ```
 */
export async function wait(
  region: MappedRegion,
  offset: number,
  expected: number,
  options?: WaitOptions,
): Promise<WaitResult> {
  const limit = until(options, "wait", false);
  const word = wordOf(region, offset, expected, "wait");
  if (word.load() !== expected) return "not-equal";
  await park(word, expected, limit, true);
  return result(word, expected, limit);
}

/**
 * The same as {@linkcode wait}, blocking the thread.
 *
 * @param region A region that is shared and may be written to.
 * @param offset Where the word is, in bytes: a multiple of 4.
 * @param expected What the word is, as an `Int32Array` has it.
 * @param options How long to wait at most.
 * @returns `"ok"` when woken, `"not-equal"` if the word was not as expected, `"timed-out"` when the time was over.
 * @throws What {@linkcode wait} throws.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { waitSync } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * console.log(waitSync(region, 0, 1)); // "not-equal"
 * console.log(waitSync(region, 0, 0, { timeout: 5 })); // "timed-out"
 * ```
 */
export function waitSync(
  region: MappedRegion,
  offset: number,
  expected: number,
  options?: TimeoutOptions,
): WaitResult {
  const limit = until(options, "waitSync", true);
  const word = wordOf(region, offset, expected, "waitSync");
  if (word.load() !== expected) return "not-equal";
  return blockOnWord(word, expected, limit);
}

function result(word: RegionWord, expected: number, limit: Until): WaitResult {
  return word.load() === expected && performance.now() >= limit.deadline ? "timed-out" : "ok";
}

function blockOnWord(word: RegionWord, expected: number, limit: Until): WaitResult {
  for (;;) {
    const end = block(word, expected, limit);
    if (word.load() !== expected || end === "woken") return "ok";
    if (performance.now() >= limit.deadline) return "timed-out";
  }
}

/**
 * Wakes those who wait for a word, in every process.
 *
 * @param region The region.
 * @param offset Where the word is, in bytes: a multiple of 4.
 * @param count How many to wake at most. Default: all.
 * @returns How many were woken. All who wait for one word in one isolate without blocking count as one.
 * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
 * @throws {RangeError} If an argument is out of range.
 * @throws {RegionClosedError} If the region is closed.
 * @throws {MmapError} EACCES if the region may not be written to.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { notify } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * console.log(notify(region, 0)); // 0: nobody waits
 * ```
 */
export function notify(region: MappedRegion, offset: number, count: number = Infinity): number {
  const place = Place.of(region, offset, 4, 4, "notify");
  const limit = count === Infinity ? 0x7fff_ffff : wholeNumber(count, "notify: 'count'");
  return limit === 0 ? 0 : wake(new RegionWord(place), limit);
}
