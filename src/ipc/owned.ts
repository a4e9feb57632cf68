/**
 * A word that one thread owns at a time, and that the kernel gives up when its owner ends. All locks are made of such
 * words.
 *
 * In memory it is 64 bytes. The first 40 are a robust, process-shared `pthread_mutex_t` of glibc's, so that C's
 * `pthread_mutex_lock` and ours exclude each other:
 *
 * |  bytes | what                                                                                         |
 * | -----: | :------------------------------------------------------------------------------------------- |
 * |   0, 4 | the owner's thread number (Linux's `gettid`), 0 if there is none; bit 31: somebody may be     |
 * |        | waiting; bit 30: the owner ended while it was the owner, and nobody has said `markRecovered`   |
 * |  4, 12 | glibc's own                                                                                   |
 * |  16, 4 | 0x90: `PTHREAD_MUTEX_ROBUST_NORMAL_NP`, process-shared                                         |
 * |  20, 4 | glibc's own                                                                                   |
 * | 24, 16 | the owner's list of the locks it holds: addresses in its memory, which mean nothing to others  |
 * |  40, 4 | the magic number of what the word is part of                                                  |
 * | 44, 20 | free for it                                                                                   |
 *
 * @module
 */
import { Atomics } from "../../ffi/captured.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import {
  addressBits,
  type Holding,
  LINK,
  OWNER,
  type Owner,
  owner,
  OWNER_DIED,
  WAITERS,
} from "../../ffi/owner.ts";
import { changed, closing, type RegionMemory } from "../memory.ts";
import { checkTime, type Until } from "./options.ts";
import { establish, type FirstWord, type Place } from "./place.ts";
import { block, park, soon, wake, wakeAt, type Word } from "./waits.ts";

/** What became of an attempt to own a word. */
export type Attempt = typeof BUSY | typeof TAKEN | typeof TAKEN_OVER;
/** Somebody else owns it. */
export const BUSY = 0;
/** It is owned now. */
export const TAKEN = 1;
/** It is owned now, and its last owner ended without giving it back. */
export const TAKEN_OVER = 2;

/** The size of a word and what belongs to it, in bytes; also what its address must be a multiple of. */
export const OWNED_SIZE = 64;
const KIND = 16;
const ROBUST_PROCESS_SHARED = 0x90;
/** What is stored there before anything else: without it, C would take it for another kind of mutex. */
const FIRST: FirstWord = {
  at: KIND,
  value: ROBUST_PROCESS_SHARED,
  accepts: (value) => value === ROBUST_PROCESS_SHARED,
};

/**
 * How often a word is looked at before the thread sleeps. A lock that is held for a shorter time costs no system
 * call.
 */
const SPINS = 200;

/**
 * If a region is closed while this thread owns words in it, the words are given up as if the thread had ended: the
 * kernel can't do that any more when the memory is gone.
 */
function giveUp(memory: RegionMemory): void {
  const held = owner().held();
  for (let index = 0; index < held.length; index++) {
    const lock = held[index];
    if (lock instanceof OwnedWord) lock.giveUpWith(memory);
  }
}

/**
 * If a region is moved, or its protection changes, while this thread owns words in it, the kernel is told where they are
 * now: it has to find them when the thread ends.
 */
function follow(memory: RegionMemory): void {
  const held = owner().held();
  let found = false;
  for (let index = 0; index < held.length; index++) {
    const lock = held[index];
    if (lock instanceof OwnedWord && lock.follow(memory)) found = true;
  }
  if (found) owner().relink();
}

/** A word that one thread owns at a time. */
export class OwnedWord implements Holding, Word {
  readonly #place: Place;
  readonly #owner: Owner = owner();
  /** Where in memory it was when its views were made. */
  #address = 0;
  /** How many of the waiting threads are woken when it is given back. */
  readonly #wakes: number;
  /** Its 64 bytes. Without elements when the region was closed, moved or protected. */
  words: Int32Array<ArrayBuffer> = new Int32Array(0);
  link: Float64Array<ArrayBuffer> = new Float64Array(0);
  place = 0;
  below: Holding | undefined = undefined;

  /** The word with which something at a place begins. It is made, if nothing is there. */
  static establish(place: Place, text: string, wakes?: number): OwnedWord {
    establish(place, text, FIRST);
    return new OwnedWord(place.part(0, OWNED_SIZE), wakes);
  }

  constructor(place: Place, wakes: number = 1) {
    closing.add(giveUp);
    changed.add(follow);
    this.#place = place;
    this.#wakes = wakes;
    this.renew();
    Atomics.store(this.words, KIND / 4, ROBUST_PROCESS_SHARED);
  }

  /** Makes the views anew, after the region was moved; throws if it is closed. */
  renew(): void {
    this.words = this.#place.words();
    const { buffer, byteOffset } = this.words;
    this.link = new Float64Array(buffer, byteOffset + LINK, 1);
    this.#address = this.#place.address;
    this.place = addressBits(this.#address + LINK);
  }

  address(): number {
    return this.#place.address;
  }

  load(): number {
    if (this.words.length === 0) this.renew();
    const value = Atomics.load(this.words, 0);
    this.#place.assertIntact();
    return value;
  }

  /** The path of the region, for messages. */
  get path(): string | undefined {
    return this.#place.path;
  }

  /** Takes the word if nobody owns it. */
  tryTake(flag: number = 0): Attempt {
    if (this.words.length === 0) this.renew();
    this.#owner.want(this);
    const attempt = this.#attempt(flag);
    this.#owner.settled();
    if (attempt === BUSY) this.#place.assertIntact();
    else this.#checkIntact();
    return attempt;
  }

  #attempt(flag: number): Attempt {
    const { words } = this;
    const mine = this.#owner.id | flag;
    const seen = Atomics.compareExchange(words, 0, 0, mine);
    if (seen !== 0) {
      if ((seen & OWNER) !== 0) return BUSY;
      if (Atomics.compareExchange(words, 0, seen, mine | (seen & WAITERS)) !== seen) return BUSY;
    }
    this.#owner.hold(this);
    return (seen & OWNER_DIED) === 0 ? TAKEN : TAKEN_OVER;
  }

  /** A lock whose memory was lost excludes nobody: throws then. */
  #checkIntact(): void {
    try {
      this.#place.assertIntact();
    } catch (error) {
      this.#owner.release(this);
      throw error;
    }
  }

  /**
   * Takes the word, and blocks the thread for as long as somebody else owns it.
   *
   * @param doubt Is called now and then, and throws if it makes no sense to wait on.
   */
  takeSync(until: Until, call: string, doubt?: () => void): Attempt {
    for (let spins = 0; spins < SPINS; spins++) {
      if (this.words.length === 0 || (Atomics.load(this.words, 0) & OWNER) === 0) {
        const attempt = this.tryTake();
        if (attempt !== BUSY) return attempt;
      }
      Atomics.pause();
    }
    // If this thread ends between being woken and taking the word, the kernel wakes another.
    this.#owner.want(this);
    let attempt: Attempt;
    try {
      while ((attempt = this.#attempt(WAITERS)) === BUSY) {
        const expected = this.announce();
        if (expected === 0) continue;
        if (this.ownedHere) throw deadlock(call, this.path);
        checkTime(until, call, this.path);
        block(this, expected, until);
        this.load();
        doubt?.();
      }
    } finally {
      this.#owner.settled();
    }
    this.#checkIntact();
    return attempt;
  }

  /** Takes the word when nobody else owns it any more. `doubt`: as for `takeSync`. */
  async take(until: Until, call: string, doubt?: () => void): Promise<Attempt> {
    until.signal?.throwIfAborted();
    let attempt = this.tryTake();
    while (attempt === BUSY) {
      const expected = this.announce();
      if (expected !== 0) {
        try {
          checkTime(until, call, this.path);
          await park(this, expected, doubt === undefined ? until : soon(until));
          doubt?.();
        } catch (error) {
          // This wait may have been woken to take the word. Another one has to be woken instead.
          if (!this.#place.closed) wake(this, this.#wakes);
          throw error;
        }
      }
      attempt = this.tryTake(WAITERS);
    }
    return attempt;
  }

  /** Says in the word that somebody waits; returns what it is then, 0 if nobody owns it. */
  announce(): number {
    let seen = this.load();
    while ((seen & OWNER) !== 0 && (seen & WAITERS) === 0) {
      const was = Atomics.compareExchange(this.words, 0, seen, seen | WAITERS);
      if (was === seen) return seen | WAITERS;
      seen = was;
    }
    return (seen & OWNER) === 0 ? 0 : seen;
  }

  /** Gives the word back. `died`: whether the next owner is to be told that an owner died, as this one was. */
  giveBack(died: boolean = false): void {
    if (this.words.length === 0) {
      this.#owner.release(this);
      this.renew();
      this.#owner.begin(this);
    } else {
      this.#owner.begin(this);
      this.#owner.release(this);
    }
    const seen = Atomics.exchange(this.words, 0, died ? OWNER_DIED : 0);
    if ((seen & WAITERS) !== 0) wakeAt(this.#address, this.#wakes);
    this.#owner.settled();
  }

  /** Gives the word up as if its owner had died, if its memory is about to be closed. */
  giveUpWith(memory: RegionMemory): void {
    if (memory === this.#place.memory && this.words.length > 0) this.giveBack(true);
  }

  /** Makes the views anew, if possible, and if they are of memory that was moved or protected; returns whether they are. */
  follow(memory: RegionMemory): boolean {
    if (memory !== this.#place.memory) return false;
    try {
      if (this.words.length === 0) this.renew();
    } catch {
      // It was cut off, or may not be written to.
    }
    return true;
  }

  /** Whether its region is closed. */
  get closed(): boolean {
    return this.#place.closed;
  }

  /** Whether somebody owns it who has not ended. */
  get owned(): boolean {
    return (this.load() & OWNER) !== 0;
  }

  /** Whether this thread owns it. */
  get ownedHere(): boolean {
    return this.#owner.holds(this.place);
  }

  /** Whether its owner ended, and nobody has owned it since. */
  get ownerDied(): boolean {
    return (this.load() & (OWNER | OWNER_DIED)) === OWNER_DIED;
  }
}

function deadlock(call: string, path: string | undefined): MmapError {
  return new MmapError(errorNumber("EDEADLK"), undefined, {
    operation: call,
    path,
    explanation: "this thread has the lock already, and would wait for itself; unlock it first",
  });
}
