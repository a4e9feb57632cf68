/**
 * A lock that many have who read, or one who writes.
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import { OWNER } from "../../ffi/owner.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import type { MappedRegion } from "../region.ts";
import { checkTime, type TimeoutOptions, until, type WaitOptions } from "./options.ts";
import { BUSY, OWNED_SIZE, OwnedWord, TAKEN_OVER } from "./owned.ts";
import { Place } from "./place.ts";
import { block, park } from "./waits.ts";

const MAGIC_TEXT = "RWL1";
/** How many may read at one time. */
const READERS = 63;
const ALL = 0x7fff_ffff;

/**
 * A lock that is held by many readers or by one writer, among threads and processes, in 4096 bytes of shared memory.
 *
 * Each reader has a word of its own, so that readers don't slow each other down; there can be 63 at a time. A waiting
 * writer keeps new readers out. The lock is robust as a {@linkcode Mutex} is. A reader that dies holds up nobody. If
 * a writer dies, those that follow, readers too, are told by `ownerDied` that what the lock protects may be half
 * changed, until a writer says that it is whole again.
 *
 * The bytes are 64 owned words of 64 bytes, as a {@linkcode Mutex} is one: that of the writer, with the magic number "RWL1", and
 * 63 of readers.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { ReadWriteLock } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(8192, { shared: true });
 * const lock = new ReadWriteLock(region);
 * {
 *   using _reading = await lock.read();
 *   console.log(lock.tryWrite()); // undefined
 * }
 * using _writing = lock.writeSync({ timeout: 100 });
 * region.write(4096, "changed");
 * ```
 */
export class ReadWriteLock {
  /** The number of bytes that a lock takes; its address must be a multiple of 64. */
  static readonly byteLength: number = (READERS + 1) * OWNED_SIZE;

  readonly #place: Place;
  readonly #writer: OwnedWord;
  #all: Int32Array = new Int32Array(0);
  readonly #readers: (OwnedWord | undefined)[] = [];
  /** The reader's word that was taken last: it is likely to be free. */
  #last = 0;
  /** Whether all of them were taken when this was last tried. */
  #full = false;

  /**
   * The lock at an offset of a region. Where all 4096 bytes are zeros it is made.
   *
   * @param region A region that is shared and may be written to.
   * @param offset Where the lock is, in bytes: a multiple of 64. Default: 0.
   * @throws {TypeError} If an argument has the wrong type, or the region is not shared.
   * @throws {RangeError} If the lock does not lie within the region, or not at a multiple of 64.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there; EFAULT if its pages
   * were lost.
   */
  constructor(region: MappedRegion, offset: number = 0) {
    this.#place = Place.of(region, offset, ReadWriteLock.byteLength, OWNED_SIZE, "ReadWriteLock");
    // All who wait for a writer are woken: readers go on together.
    this.#writer = OwnedWord.establish(this.#place, MAGIC_TEXT, ALL);
  }

  /**
   * Locks for reading, without holding up the event loop while somebody writes.
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
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using reading = await lock.read({ timeout: 1000 });
   * console.log(reading.ownerDied); // false
   * ```
   */
  async read(options?: WaitOptions): Promise<ReadGuard> {
    const limit = until(options, "ReadWriteLock.read", false);
    limit.signal?.throwIfAborted();
    for (;;) {
      const guard = this.tryRead();
      if (guard !== undefined) return guard;
      const awaited = this.#full ? this.#reader(this.#last) : this.#writer;
      const expected = awaited.announce();
      if (expected === 0) continue;
      checkTime(limit, "ReadWriteLock.read", this.#place.path);
      await park(awaited, expected, limit);
    }
  }

  /**
   * The same as {@linkcode ReadWriteLock.read}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @throws What {@linkcode ReadWriteLock.read} throws, and {@linkcode MmapError} EDEADLK if this thread writes.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using reading = lock.readSync();
   * console.log(reading.ownerDied); // false
   * ```
   */
  readSync(options?: TimeoutOptions): ReadGuard {
    const limit = until(options, "ReadWriteLock.readSync", true);
    for (;;) {
      const guard = this.tryRead();
      if (guard !== undefined) return guard;
      if (this.#writer.ownedHere) throw this.#deadlock("ReadWriteLock.readSync");
      const awaited = this.#full ? this.#reader(this.#last) : this.#writer;
      const expected = awaited.announce();
      if (expected === 0) continue;
      checkTime(limit, "ReadWriteLock.readSync", this.#place.path);
      block(awaited, expected, limit);
    }
  }

  /**
   * Locks for reading if nobody writes, or wants to.
   *
   * @returns undefined if somebody does, or 63 are reading.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using reading = lock.tryRead();
   * console.log(reading === undefined); // false: nobody writes
   * ```
   */
  tryRead(): ReadGuard | undefined {
    this.#full = false;
    if (this.#writer.owned) return undefined;
    for (let tries = 0; tries < READERS; tries++) {
      const index = (this.#last + tries) % READERS;
      const slot = this.#reader(index);
      if (slot.tryTake() === BUSY) continue; // a reader that died leaves nothing half changed
      this.#last = index;
      // A writer takes its own word first, and then looks at the readers' words. So at least one of us sees the
      // other.
      if (!this.#writer.owned) return makeReadGuard(slot, this.#writer.ownerDied);
      slot.giveBack();
      return undefined;
    }
    this.#full = true;
    return undefined;
  }

  /**
   * Locks for writing, without holding up the event loop while others have the lock. From now on no more readers get it.
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
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using writing = await lock.write({ timeout: 1000 });
   * if (writing.ownerDied) writing.markRecovered(); // after making good what it left half done
   * region.write(4096, "changed");
   * ```
   */
  async write(options?: WaitOptions): Promise<WriteGuard> {
    const limit = until(options, "ReadWriteLock.write", false);
    const died = await this.#writer.take(limit, "ReadWriteLock.write") === TAKEN_OVER;
    try {
      for (let index = 0; index < READERS; index++) {
        for (;;) {
          const seen = this.#waitedFor(index);
          if (seen === 0) break;
          checkTime(limit, "ReadWriteLock.write", this.#place.path);
          await park(this.#reader(index), seen, limit);
        }
      }
    } catch (error) {
      this.#abandon(died);
      throw error;
    }
    return makeWriteGuard(this.#writer, died);
  }

  /**
   * The same as {@linkcode ReadWriteLock.write}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @throws What {@linkcode ReadWriteLock.write} throws, and {@linkcode MmapError} EDEADLK if this thread has the lock.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * {
   *   using _writing = lock.writeSync();
   *   region.write(4096, "changed");
   * } // unlocked here
   * ```
   */
  writeSync(options?: TimeoutOptions): WriteGuard {
    const limit = until(options, "ReadWriteLock.writeSync", true);
    const died = this.#writer.takeSync(limit, "ReadWriteLock.writeSync") === TAKEN_OVER;
    try {
      for (let index = 0; index < READERS; index++) {
        for (;;) {
          const seen = this.#waitedFor(index);
          if (seen === 0) break;
          if (this.#reader(index).ownedHere) throw this.#deadlock("ReadWriteLock.writeSync");
          checkTime(limit, "ReadWriteLock.writeSync", this.#place.path);
          block(this.#reader(index), seen, limit);
        }
      }
    } catch (error) {
      this.#abandon(died);
      throw error;
    }
    return makeWriteGuard(this.#writer, died);
  }

  /**
   * Locks for writing if nobody has the lock.
   *
   * @returns undefined if somebody has.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EFAULT if the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using writing = lock.tryWrite();
   * console.log(writing === undefined, lock.tryRead()); // false undefined
   * ```
   */
  tryWrite(): WriteGuard | undefined {
    const attempt = this.#writer.tryTake();
    if (attempt === BUSY) return undefined;
    const died = attempt === TAKEN_OVER;
    for (let index = 0; index < READERS; index++) {
      if (!this.#isRead(index)) continue;
      this.#abandon(died);
      return undefined;
    }
    return makeWriteGuard(this.#writer, died);
  }

  #reader(index: number): OwnedWord {
    return this.#readers[index] ??= new OwnedWord(
      this.#place.part((index + 1) * OWNED_SIZE, OWNED_SIZE),
      ALL,
    );
  }

  #words(): Int32Array {
    if (this.#all.length === 0) this.#all = this.#place.words();
    return this.#all;
  }

  /**
   * Whether a reader's word has an owner. Read directly, since most words have never been used here, and have no
   * object.
   */
  #isRead(index: number): boolean {
    return (Atomics.load(this.#words(), (index + 1) * OWNED_SIZE / 4) & OWNER) !== 0;
  }

  /** Says to a reader that somebody waits; returns what its word is then, 0 if it has gone. */
  #waitedFor(index: number): number {
    return this.#isRead(index) ? this.#reader(index).announce() : 0;
  }

  #abandon(died: boolean): void {
    if (!this.#place.closed) this.#writer.giveBack(died);
  }

  #deadlock(call: string): MmapError {
    return new MmapError(errorNumber("EDEADLK"), undefined, {
      operation: call,
      path: this.#place.path,
      explanation: "this thread has the lock already, and would wait for itself; unlock it first",
    });
  }
}

/** The constructors, which are private to programs. */
let makeReadGuard: (word: OwnedWord, died: boolean) => ReadGuard;
let makeWriteGuard: (word: OwnedWord, died: boolean) => WriteGuard;

/**
 * A lock that is held for reading: made by {@linkcode ReadWriteLock.read}, and unlocked at the end of a block by
 * `using`.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { ReadWriteLock } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(8192, { shared: true });
 * const lock = new ReadWriteLock(region);
 * {
 *   using reading = lock.readSync();
 *   console.log(reading.ownerDied, region.read(4096, 8));
 * } // unlocked here
 * ```
 */
export class ReadGuard implements Disposable {
  /** Whether one who wrote has died, and what the lock protects has not been made good since. */
  readonly ownerDied: boolean;
  #word: OwnedWord | undefined;

  /** Made by {@linkcode ReadWriteLock.read} and its siblings. */
  private constructor(word: OwnedWord, died: boolean) {
    if (!(word instanceof OwnedWord)) {
      throw new TypeError("ReadGuard has no public constructor: use ReadWriteLock.read");
    }
    this.#word = word;
    this.ownerDied = died;
  }

  static {
    makeReadGuard = (word, died) => new ReadGuard(word, died);
  }

  /**
   * Unlocks. Again it does nothing.
   *
   * @throws {RegionClosedError} If the region was closed before.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * const reading = lock.readSync();
   * reading.unlock();
   * ```
   */
  unlock(): void {
    const word = this.#word;
    this.#word = undefined;
    word?.giveBack();
  }

  /** The same as {@linkcode ReadGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }
}

/**
 * A lock that is held for writing: made by {@linkcode ReadWriteLock.write}, and unlocked at the end of a block by
 * `using`.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { ReadWriteLock } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(8192, { shared: true });
 * const lock = new ReadWriteLock(region);
 * {
 *   using _writing = lock.writeSync();
 *   region.write(4096, "changed");
 * } // unlocked here
 * ```
 */
export class WriteGuard implements Disposable {
  #word: OwnedWord | undefined;
  #ownerDied: boolean;

  /** Made by {@linkcode ReadWriteLock.write} and its siblings. */
  private constructor(word: OwnedWord, died: boolean) {
    if (!(word instanceof OwnedWord)) {
      throw new TypeError("WriteGuard has no public constructor: use ReadWriteLock.write");
    }
    this.#word = word;
    this.#ownerDied = died;
  }

  static {
    makeWriteGuard = (word, died) => new WriteGuard(word, died);
  }

  /** Whether one who wrote has died, and what the lock protects has not been made good since. */
  get ownerDied(): boolean {
    return this.#ownerDied;
  }

  /**
   * Says that what the lock protects is whole again.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * using writing = lock.writeSync();
   * if (writing.ownerDied) {
   *   region.fill(0, { offset: 4096 }); // what the lock protects, made whole
   *   writing.markRecovered();
   * }
   * ```
   */
  markRecovered(): void {
    this.#ownerDied = false;
  }

  /**
   * Unlocks. Again it does nothing.
   *
   * @throws {RegionClosedError} If the region was closed before: others are told then that the owner died.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { ReadWriteLock } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(8192, { shared: true });
   * const lock = new ReadWriteLock(region);
   * const writing = lock.writeSync();
   * writing.unlock();
   * ```
   */
  unlock(): void {
    const word = this.#word;
    this.#word = undefined;
    word?.giveBack(this.#ownerDied);
  }

  /** The same as {@linkcode WriteGuard.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }
}
