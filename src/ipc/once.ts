/**
 * Something that is done once, by one of many threads and processes.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import type { MappedRegion } from "../region.ts";
import { until, type WaitOptions } from "./options.ts";
import { OWNED_SIZE, OwnedWord } from "./owned.ts";
import { Place } from "./place.ts";

const MAGIC_TEXT = "ONC1";
/** Whether the work is done: behind the owned word's bytes. */
const DONE = 48 / 4;

/**
 * Work that is done once, by one of many threads and processes, in 64 bytes of shared memory. The first one does it,
 * and the others wait until it is done. If that one throws or dies, the next does it anew.
 *
 * The bytes are an owned word, as a {@linkcode Mutex} is one, with the magic number "ONC1"; 48 to 51 are 1 when it is done.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Once } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const once = new Once(region);
 * console.log(await once.run(() => region.write(64, "made"))); // true: it was done here
 * console.log(once.runSync(() => region.write(64, "again"))); // false
 * ```
 */
export class Once {
  /** The number of bytes that it takes; its address must be a multiple of it. */
  static readonly byteLength: number = OWNED_SIZE;

  readonly #word: OwnedWord;

  /**
   * The one at an offset of a region. Where all 64 bytes are zeros it is made.
   *
   * @param region A region that is shared and may be written to.
   * @param offset Where it is, in bytes: a multiple of 64. Default: 0.
   * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
   * @throws {RangeError} If it does not lie within the region, or not at a multiple of 64.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there; EFAULT if its pages
   * were lost.
   */
  constructor(region: MappedRegion, offset: number = 0) {
    const place = Place.of(region, offset, OWNED_SIZE, OWNED_SIZE, "Once");
    this.#word = OwnedWord.establish(place, MAGIC_TEXT);
  }

  /** Whether it is done. */
  get done(): boolean {
    this.#word.load();
    return Atomics.load(this.#word.words, DONE) !== 0;
  }

  /**
   * Does the work, if it isn't done. If another is doing it, waits until that is over.
   *
   * @param work What is to be done. It may return a promise.
   * @param options How long to wait for another that is doing it, and a signal that ends the wait.
   * @returns Whether it was done here.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} ETIMEDOUT; EFAULT if the memory was lost.
   * @throws What `work` throws, and the signal's reason, if it aborts.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Once } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const once = new Once(region);
   * await once.run(() => region.write(64, "made"));
   * console.log(once.done); // true
   * ```
   */
  async run(work: () => unknown, options?: WaitOptions): Promise<boolean> {
    const limit = until(options, "Once.run", false);
    if (this.done) return false;
    await this.#word.take(limit, "Once.run");
    try {
      if (this.done) return false;
      await work();
      this.#finish();
      return true;
    } finally {
      this.#word.giveBack();
    }
  }

  /**
   * The same as {@linkcode Once.run}, blocking the thread.
   *
   * @param work What is to be done.
   * @param options How long to wait for another that is doing it.
   * @returns Whether it was done here.
   * @throws What {@linkcode Once.run} throws, and {@linkcode MmapError} EDEADLK if this thread is at it.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Once } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const once = new Once(region);
   * console.log(once.runSync(() => region.write(64, "made"))); // true
   * ```
   */
  runSync(work: () => void, options?: { readonly timeout?: number | undefined }): boolean {
    const limit = until(options, "Once.runSync", true);
    if (this.done) return false;
    this.#word.takeSync(limit, "Once.runSync");
    try {
      if (this.done) return false;
      work();
      this.#finish();
      return true;
    } finally {
      this.#word.giveBack();
    }
  }

  #finish(): void {
    this.#word.load();
    Atomics.store(this.#word.words, DONE, 1);
  }
}
