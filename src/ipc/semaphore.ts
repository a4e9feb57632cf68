/**
 * A number of permits, shared by threads and processes.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { wholeNumber } from "../checks.ts";
import type { MappedRegion } from "../region.ts";
import { checkTime, ownOptions, type TimeoutOptions, until, type WaitOptions } from "./options.ts";
import { establish, Place } from "./place.ts";
import { block, park, wake } from "./waits.ts";
import { RegionWord } from "./word.ts";

const SIZE = 64;
const MAGIC_TEXT = "SEM1";
/** The number of permits plus one: 0 means that the semaphore has not been made yet. */
const COUNT = 0;
/** Whether somebody waits. */
const WAITED = 1;
const MOST = 2 ** 30;
const ALL = 0x7fff_ffff;

/** Options of {@linkcode Semaphore}. */
export interface SemaphoreOptions {
  /** How many permits it has when it is made. Not used if it has been given some already. Default: none. */
  initial?: number | undefined;
}

/**
 * A number of permits in 64 bytes of shared memory. `acquire` takes one, and waits while there is none; `release`
 * puts one back.
 *
 * Permits have no owner: if a process dies, those it took are not put back. Where that matters use a {@linkcode
 * Mutex}, a {@linkcode ReadWriteLock} or a {@linkcode Channel}.
 *
 * Bytes 0 to 3 are the number of permits plus one, 4 to 7 whether somebody waits, 40 to 43 the magic number "SEM1".
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Semaphore } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const semaphore = new Semaphore(region, 0, { initial: 2 });
 * await semaphore.acquire();
 * semaphore.acquireSync();
 * console.log(semaphore.tryAcquire()); // false
 * semaphore.release();
 * console.log(semaphore.permits); // 1
 * ```
 */
export class Semaphore {
  /** The number of bytes that a semaphore takes; its address must be a multiple of it. */
  static readonly byteLength: number = SIZE;

  readonly #place: Place;
  readonly #word: RegionWord;

  /**
   * The semaphore at an offset of a region. Where all 64 bytes are zeros it is made.
   *
   * @param region A region that is shared and may be written to.
   * @param offset Where the semaphore is, in bytes: a multiple of 64. Default: 0.
   * @param options How many permits it has when it is made. Default: 0. Not used if it is there already.
   * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
   * @throws {RangeError} If the semaphore does not lie within the region, or a number is out of range.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there; EFAULT if its
   * pages were lost.
   */
  constructor(region: MappedRegion, offset: number = 0, options?: SemaphoreOptions) {
    const { initial } = ownOptions(options, ["initial"], "Semaphore");
    const permits = initial === undefined
      ? undefined
      : checkPermits(initial, 0, "Semaphore: option 'initial'");
    this.#place = Place.of(region, offset, SIZE, SIZE, "Semaphore");
    establish(this.#place, MAGIC_TEXT);
    this.#word = new RegionWord(this.#place);
    const words = this.#word.words();
    // Who says nothing of it must not be faster than who does.
    if (permits !== undefined && Atomics.compareExchange(words, COUNT, 0, permits + 1) === 0) this.#wake();
    this.#place.assertIntact();
  }

  /** How many permits there are at this moment. */
  get permits(): number {
    return Math.max(0, this.#word.load() - 1);
  }

  /**
   * Takes a permit when there is one, without holding up the event loop.
   *
   * @param options How long to wait at most, and a signal that ends the wait.
   * @throws {TypeError} If an option has the wrong type or is unknown.
   * @throws {RegionClosedError} If the region is closed, or is while it waits.
   * @throws {MmapError} ETIMEDOUT; EFAULT if the memory was lost.
   * @throws The signal's reason, if it aborts.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Semaphore } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const semaphore = new Semaphore(region, 0, { initial: 1 });
   * await semaphore.acquire();
   * console.log(semaphore.permits); // 0
   * semaphore.release();
   * ```
   */
  async acquire(options?: WaitOptions): Promise<void> {
    const limit = until(options, "Semaphore.acquire", false);
    limit.signal?.throwIfAborted();
    while (!this.tryAcquire()) {
      const seen = this.#announce();
      if (seen > 1) continue;
      checkTime(limit, "Semaphore.acquire", this.#place.path);
      await park(this.#word, seen, limit);
    }
  }

  /**
   * The same as {@linkcode Semaphore.acquire}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @throws What {@linkcode Semaphore.acquire} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Semaphore } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const semaphore = new Semaphore(region, 0, { initial: 1 });
   * semaphore.acquireSync({ timeout: 1000 });
   * semaphore.release();
   * ```
   */
  acquireSync(options?: TimeoutOptions): void {
    const limit = until(options, "Semaphore.acquireSync", true);
    while (!this.tryAcquire()) {
      const seen = this.#announce();
      if (seen > 1) continue;
      checkTime(limit, "Semaphore.acquireSync", this.#place.path);
      block(this.#word, seen, limit);
    }
  }

  /**
   * Takes a permit if there is one.
   *
   * @returns Whether there was one.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Semaphore } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const semaphore = new Semaphore(region, 0, { initial: 1 });
   * console.log(semaphore.tryAcquire(), semaphore.tryAcquire()); // true false
   * ```
   */
  tryAcquire(): boolean {
    const words = this.#word.words();
    let seen = Atomics.load(words, COUNT);
    while (seen > 1) {
      const was = Atomics.compareExchange(words, COUNT, seen, seen - 1);
      if (was === seen) {
        this.#place.assertIntact();
        return true;
      }
      seen = was;
    }
    this.#place.assertIntact();
    return false;
  }

  /**
   * Puts permits there, and wakes who waits for them.
   *
   * @param count How many. Default: 1.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it is no whole number from 1 on.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EOVERFLOW if there would be more than 2^30; EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Semaphore } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const semaphore = new Semaphore(region, 0, { initial: 1 });
   * semaphore.release(2);
   * console.log(semaphore.permits); // 3
   * ```
   */
  release(count: number = 1): void {
    const more = checkPermits(count, 1, "Semaphore.release: 'count'");
    const words = this.#word.words();
    Atomics.compareExchange(words, COUNT, 0, 1);
    let seen = Atomics.load(words, COUNT);
    for (;;) {
      if (seen < 1 || seen - 1 > MOST - more) throw this.#overflow();
      const was = Atomics.compareExchange(words, COUNT, seen, seen + more);
      if (was === seen) break;
      seen = was;
    }
    this.#place.assertIntact();
    this.#wake();
  }

  #wake(): void {
    const words = this.#word.words();
    if (Atomics.load(words, WAITED) === 0) return;
    Atomics.store(words, WAITED, 0);
    wake(this.#word, ALL);
  }

  /** Says that somebody waits; returns the word as it is after that. */
  #announce(): number {
    Atomics.store(this.#word.words(), WAITED, 1);
    return this.#word.load();
  }

  #overflow(): MmapError {
    return new MmapError(errorNumber("EOVERFLOW"), undefined, {
      operation: "Semaphore.release",
      path: this.#place.path,
      explanation: `a semaphore has ${MOST} permits at most`,
    });
  }
}

function checkPermits(value: unknown, least: number, what: string): number {
  const count = wholeNumber(value, what);
  if (count >= least && count <= MOST) return count;
  throw new RangeError(`${what} must be from ${least} to ${MOST}: received ${count}`);
}
