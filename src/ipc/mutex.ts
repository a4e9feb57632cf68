/**
 * Mutual exclusion between threads and processes.
 *
 * @module
 */
import { owner } from "../../ffi/owner.ts";
import type { MappedRegion } from "../region.ts";
import { type TimeoutOptions, until, type WaitOptions } from "./options.ts";
import { type Attempt, BUSY, OWNED_SIZE, OwnedWord, TAKEN_OVER } from "./owned.ts";
import { Place } from "./place.ts";

const MAGIC_TEXT = "MUX1";

/**
 * A lock that one thread of one process has at a time, in 64 bytes of shared memory.
 *
 * It is robust: if its owner ends without unlocking it, even by SIGKILL between any two instructions, the next one
 * gets it, and is told by {@linkcode MutexGuard.ownerDied} that what the lock protects may be half changed. Linux's
 * kernel does that when the thread ends (robust futexes). Process numbers are never compared, so a reused one can't
 * be mistaken for the owner's. On macOS it is not robust yet: {@linkcode Mutex.robust}.
 *
 * A mutex belongs to the thread that locked it. Locking and unlocking a free one makes no system call. Unlock it before the
 * region is closed, or protected against stores.
 *
 * Its first 40 bytes are a `pthread_mutex_t` of glibc's (robust, process-shared): in C, `pthread_mutex_lock` does.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Mutex } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const mutex = new Mutex(region, 0);
 * {
 *   using guard = await mutex.lock();
 *   if (guard.ownerDied) guard.markRecovered(); // after making good what it left half done
 *   region.view.setUint32(64, region.view.getUint32(64) + 1);
 * } // unlocked here
 * ```
 */
export class Mutex {
  /** The number of bytes that a mutex takes; its address must be a multiple of it. */
  static readonly byteLength: number = OWNED_SIZE;

  readonly #word: OwnedWord;

  /**
   * The mutex at an offset of a region. Where all 64 bytes are zeros it is made.
   *
   * @param region A region that is shared and may be written to.
   * @param offset Where the mutex is, in bytes: a multiple of 64. Default: 0.
   * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
   * @throws {RangeError} If the mutex does not lie within the region, or not at a multiple of 64.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there; EFAULT if its pages
   * were lost.
   */
  constructor(region: MappedRegion, offset: number = 0) {
    const place = Place.of(region, offset, OWNED_SIZE, OWNED_SIZE, "Mutex");
    this.#word = OwnedWord.establish(place, MAGIC_TEXT);
  }

  /** Whether the system tells the next owner when one ended without unlocking it. True on Linux. */
  static get robust(): boolean {
    return owner().robust;
  }

  /** Whether somebody has the lock at this moment. */
  get locked(): boolean {
    return this.#word.owned;
  }

  /**
   * Locks the mutex, without holding up the event loop while another has it.
   *
   * @param options How long to wait at most, and a signal that ends the wait.
   * @throws {TypeError} If an option has the wrong type or is unknown.
   * @throws {RegionClosedError} If the region is closed, or is while it waits.
   * @throws {MmapError} ETIMEDOUT; EFAULT if the memory was lost; EAGAIN if the thread holds 1024 locks.
   * @throws The signal's reason, if it aborts.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Mutex } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const mutex = new Mutex(region);
   * using guard = await mutex.lock({ timeout: 100, signal: AbortSignal.timeout(50) });
   * console.log(guard.ownerDied); // false
   * ```
   */
  async lock(options?: WaitOptions): Promise<MutexGuard> {
    return guard(this.#word, await this.#word.take(until(options, "Mutex.lock", false), "Mutex.lock"));
  }

  /**
   * Locks the mutex, and blocks the thread while another has it.
   *
   * @param options How long to wait at most.
   * @throws What {@linkcode Mutex.lock} throws, and {@linkcode MmapError} EDEADLK if this thread has it already.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Mutex } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const mutex = new Mutex(region);
   * using guard = mutex.lockSync({ timeout: 100 });
   * console.log(guard.ownerDied); // false
   * ```
   */
  lockSync(options?: TimeoutOptions): MutexGuard {
    const limit = until(options, "Mutex.lockSync", true);
    const attempt = this.#word.tryTake();
    return guard(this.#word, attempt === BUSY ? this.#word.takeSync(limit, "Mutex.lockSync") : attempt);
  }

  /**
   * Locks the mutex if nobody has it.
   *
   * @returns undefined if somebody has.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Mutex } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const mutex = new Mutex(region);
   * using guard = mutex.tryLock();
   * console.log(guard !== undefined, mutex.tryLock()); // true undefined
   * ```
   */
  tryLock(): MutexGuard | undefined {
    const attempt = this.#word.tryTake();
    return attempt === BUSY ? undefined : guard(this.#word, attempt);
  }
}

/** The constructor, which is private to programs. */
let guard: (word: OwnedWord, attempt: Attempt) => MutexGuard;

/**
 * A mutex that is locked: made by {@linkcode Mutex.lock}, and unlocked at the end of a block by `using`.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Mutex } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(4096, { shared: true });
 * const mutex = new Mutex(region);
 * {
 *   using guard = mutex.lockSync();
 *   console.log(guard.ownerDied, mutex.locked); // false true
 * }
 * console.log(mutex.locked); // false
 * ```
 */
export class MutexGuard implements Disposable {
  readonly #word: OwnedWord;
  #ownerDied: boolean;
  #unlocked = false;

  /** Guards are made by {@linkcode Mutex.lock}, {@linkcode Mutex.lockSync} and {@linkcode Mutex.tryLock}. */
  private constructor(word: OwnedWord, attempt: Attempt) {
    if (!(word instanceof OwnedWord)) {
      throw new TypeError("MutexGuard has no public constructor: use Mutex.lock");
    }
    this.#word = word;
    this.#ownerDied = attempt === TAKEN_OVER;
  }

  static {
    guard = (word, attempt) => new MutexGuard(word, attempt);
  }

  /**
   * Whether an owner ended while it had the lock, so that what the lock protects may be half changed. It stays true
   * for the owners that follow, until one of them calls {@linkcode MutexGuard.markRecovered}.
   */
  get ownerDied(): boolean {
    return this.#ownerDied;
  }

  /**
   * Says that what the lock protects is whole again.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Mutex } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const mutex = new Mutex(region);
   * using guard = mutex.lockSync();
   * if (guard.ownerDied) {
   *   region.fill(0, { offset: 64 }); // what the lock protects, made whole
   *   guard.markRecovered();
   * }
   * ```
   */
  markRecovered(): void {
    this.#ownerDied = false;
  }

  /**
   * Unlocks the mutex. Again it does nothing.
   *
   * @throws {RegionClosedError} If the region was closed before: others are told then that the owner died.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Mutex } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(4096, { shared: true });
   * const mutex = new Mutex(region);
   * const guard = mutex.lockSync();
   * guard.unlock();
   * console.log(mutex.locked); // false
   * ```
   */
  unlock(): void {
    if (this.#unlocked) return;
    this.#unlocked = true;
    this.#word.giveBack(this.#ownerDied);
  }

  /** The same as {@linkcode MutexGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }
}
