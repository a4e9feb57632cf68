/**
 * A flag that threads and processes can wait for.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import type { MappedRegion } from "../region.ts";
import { checkTime, type TimeoutOptions, until, type WaitOptions } from "./options.ts";
import { establish, Place } from "./place.ts";
import { block, park, wake } from "./waits.ts";
import { RegionWord } from "./word.ts";

const SIZE = 64;
const MAGIC_TEXT = "EVT1";
/** Whether it is set. */
const STATE = 0;
/** Whether somebody waits. */
const WAITED = 1;
const ALL = 0x7fff_ffff;

/**
 * A flag in 64 bytes of shared memory, for something that has happened or not yet. Whoever waits goes on when it is
 * set, and it stays set until it is reset.
 *
 * Bytes 0 to 3 are 1 when it is set, 4 to 7 whether somebody waits, 40 to 43 the magic number "EVT1".
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Event } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const event = new Event(region);
 * setTimeout(() => event.set(), 10); // in another process
 * await event.wait();
 * console.log(event.isSet); // true
 * ```
 */
export class Event {
  /** The number of bytes that an event takes; its address must be a multiple of it. */
  static readonly byteLength: number = SIZE;

  readonly #place: Place;
  readonly #word: RegionWord;

  /**
   * The event at an offset of a region. Where all 64 bytes are zeros it is made, and not set.
   *
   * @param region A region that is shared and may be written to.
   * @param offset Where the event is, in bytes: a multiple of 64. Default: 0.
   * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
   * @throws {RangeError} If the event does not lie within the region, or not at a multiple of 64.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there; EFAULT if its pages
   * were lost.
   */
  constructor(region: MappedRegion, offset: number = 0) {
    this.#place = Place.of(region, offset, SIZE, SIZE, "Event");
    establish(this.#place, MAGIC_TEXT);
    this.#word = new RegionWord(this.#place);
  }

  /** Whether it is set. */
  get isSet(): boolean {
    return this.#word.load() !== 0;
  }

  /**
   * Sets it, and wakes all who wait.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Event } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const event = new Event(region);
   * event.set();
   * console.log(event.isSet); // true
   * ```
   */
  set(): void {
    const words = this.#word.words();
    Atomics.store(words, STATE, 1);
    this.#place.assertIntact();
    if (Atomics.load(words, WAITED) === 0) return;
    Atomics.store(words, WAITED, 0);
    wake(this.#word, ALL);
  }

  /**
   * Makes it unset again.
   *
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Event } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const event = new Event(region);
   * event.set();
   * event.reset();
   * console.log(event.isSet); // false
   * ```
   */
  reset(): void {
    Atomics.store(this.#word.words(), STATE, 0);
    this.#place.assertIntact();
  }

  /**
   * Waits until it is set, without holding up the event loop. One that is set and reset again at once may not be seen.
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
   * import { Event } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const event = new Event(region);
   * setTimeout(() => event.set(), 10); // in another process
   * await event.wait({ timeout: 1000 });
   * ```
   */
  async wait(options?: WaitOptions): Promise<void> {
    const limit = until(options, "Event.wait", false);
    limit.signal?.throwIfAborted();
    while (this.#announce()) {
      checkTime(limit, "Event.wait", this.#place.path);
      await park(this.#word, 0, limit);
    }
  }

  /**
   * The same as {@linkcode Event.wait}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @throws What {@linkcode Event.wait} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Event } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const event = new Event(region);
   * event.set(); // in another process
   * event.waitSync();
   * ```
   */
  waitSync(options?: TimeoutOptions): void {
    const limit = until(options, "Event.waitSync", true);
    while (this.#announce()) {
      checkTime(limit, "Event.waitSync", this.#place.path);
      block(this.#word, 0, limit);
    }
  }

  /** Says that somebody waits; returns whether the event is still not set. */
  #announce(): boolean {
    if (this.#word.load() !== 0) return false;
    Atomics.store(this.#word.words(), WAITED, 1);
    return this.#word.load() === 0;
  }
}
