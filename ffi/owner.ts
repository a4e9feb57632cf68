/**
 * This thread as the owner of locks. Its number stands in the words of the locks it holds. It also has a list of
 * these locks, which the kernel goes through when the thread ends, however it ends.
 *
 * Linux calls it a robust list (`Documentation/locking/robust-futex-ABI.rst`). The kernel reads the list from the memory
 * of the thread that ended. In each lock's word it finds the thread's number in, it sets {@linkcode OWNER_DIED} instead,
 * and wakes one who waits. So a lock's owner can't be taken for another process that was given its number later: the
 * number is gone from the word before anyone can be given it.
 *
 * @module
 */
import { append } from "./captured.ts";
import { errorNumber, MmapError } from "./errors.ts";
import { type Libc, libc } from "./libc.ts";
import { SYSCALLS } from "./syscalls.ts";

/** In a lock's word: somebody may be waiting for it (`FUTEX_WAITERS`). */
export const WAITERS: number = 0x8000_0000 | 0;
/** In a lock's word: its last owner ended while holding it (`FUTEX_OWNER_DIED`). */
export const OWNER_DIED = 0x4000_0000;
/** In a lock's word: the number of the thread that holds it; 0 if none does (`FUTEX_TID_MASK`). */
export const OWNER = 0x3fff_ffff;

/**
 * How many bytes behind a lock's word its link in the owner's list is. The same as in glibc's `pthread_mutex_t`,
 * since the kernel takes one such distance for all locks of a thread.
 */
export const LINK = 32;

/**
 * The kernel goes through at most 2048 locks of a thread (`ROBUST_LIST_LIMIT`). Half of them are left to other
 * libraries.
 */
const MOST_HELD = 1024;

/** A lock that this thread may hold. */
export interface Holding {
  /** The address of the lock's link in the list, as the bits of a double: {@linkcode addressBits}. */
  readonly place: number;
  /**
   * The link itself: one 64-bit word of the lock. It has no elements once the region is closed, and while it can't be
   * written to.
   */
  readonly link: Float64Array;
  /** Whether the region is closed. */
  readonly closed: boolean;
  /** The lock that was taken before it. Kept by `hold` and `release`. */
  below: Holding | undefined;
}

/** This thread as the owner of locks. */
export interface Owner {
  /** What stands in the words of the locks it holds. */
  readonly id: number;
  /** Whether the system tells others when the thread ends. */
  readonly robust: boolean;
  /**
   * Says which lock is about to be taken, until `settled`, since the thread may be killed at any instruction.
   *
   * @throws {MmapError} EAGAIN if the thread holds as many locks as the kernel goes through.
   */
  want(lock: Holding): void;
  /** The same of a lock that is about to be given back. */
  begin(lock: Holding): void;
  /** Says that it has been taken, or given back. */
  settled(): void;
  /** Puts a lock that was taken on the list. */
  hold(lock: Holding): void;
  /** Takes a lock off the list, before it is given back. */
  release(lock: Holding): void;
  /** Links the locks anew, after memory of theirs was moved, or its protection changed. */
  relink(): void;
  /** Whether a lock at a place is on the list. */
  holds(place: number): boolean;
  /** The locks that are on the list. */
  held(): Holding[];
}

const bits = new Float64Array(1);
const halves = new Uint32Array(bits.buffer);

/**
 * The double that has the same bits as an address. It can be stored by one instruction, as the kernel needs it, and
 * without a BigInt. Nothing is computed with that number.
 */
export function addressBits(address: number): number {
  halves[0] = address % 2 ** 32;
  halves[1] = Math.floor(address / 2 ** 32);
  return bits[0] ?? 0;
}

let opened: Owner | undefined;

/** The thread that runs this isolate. It stays the same for as long as the isolate lives. */
export function owner(): Owner {
  opened ??= libc().has("syscall") ? linuxOwner(libc()) : new Unlisted(libc());
  return opened;
}

/** `struct robust_list_head { void *next; long offset; void *pending }`. */
const HEAD = 24;
const NEXT = 0;
const OFFSET = 1;
const PENDING = 2;

function linuxOwner(c: Libc): Owner {
  const { functions } = c;
  const id = functions.syscall(SYSCALLS.gettid, 0, 0, 0, 0, 0);
  // Never freed: the kernel reads it when the thread ends, and after that none of our code runs.
  const address = functions.calloc(1, HEAD + 16);
  const head = new Float64Array(c.arrayBuffer(address, HEAD));
  const former = new BigUint64Array(c.arrayBuffer(address + HEAD, 16));
  let end = addressBits(address);
  if (functions.syscall(SYSCALLS.get_robust_list, 0, address + HEAD, address + HEAD + 8, 0, 0) === 0) {
    const [formerHead = 0n] = former;
    if (formerHead !== 0n) {
      const [, offset] = new BigInt64Array(c.arrayBuffer(Number(formerHead), HEAD));
      // The C library's own list comes after ours: the kernel goes on there, so that its locks stay robust.
      if (offset === BigInt(-LINK)) end = addressBits(Number(formerHead));
    }
  }
  head[NEXT] = end;
  new BigInt64Array(head.buffer)[OFFSET] = BigInt(-LINK);
  const listed = functions.syscall(SYSCALLS.set_robust_list, address, HEAD, 0, 0, 0) === 0;
  return new Listed(id, head, end, listed);
}

class Listed implements Owner {
  readonly id: number;
  readonly robust: boolean;
  readonly #head: Float64Array;
  /** What follows the last of our locks in the list. */
  readonly #end: number;
  #top: Holding | undefined;
  #held = 0;

  constructor(id: number, head: Float64Array, end: number, robust: boolean) {
    this.id = id;
    this.robust = robust;
    this.#head = head;
    this.#end = end;
  }

  want(lock: Holding): void {
    if (this.#held >= MOST_HELD) throw tooMany();
    this.#head[PENDING] = lock.place;
  }

  begin(lock: Holding): void {
    this.#head[PENDING] = lock.place;
  }

  settled(): void {
    this.#head[PENDING] = 0;
  }

  hold(lock: Holding): void {
    this.#forgetClosed();
    // The links in shared memory are for the kernel. We never read them, since others may have changed them.
    lock.link[0] = this.#head[NEXT] ?? this.#end;
    lock.below = this.#top;
    this.#top = lock;
    this.#head[NEXT] = lock.place;
    this.#held++;
  }

  release(lock: Holding): void {
    if (this.#top === lock) {
      this.#pop(lock);
      this.#forgetClosed();
      return;
    }
    let above = this.#top;
    while (above !== undefined && above.below !== lock) above = above.below;
    if (above === undefined) return;
    const { below } = lock;
    above.below = below;
    lock.below = undefined;
    this.#held--;
    if (above.link.length === 0 || below?.link.length === 0) this.relink();
    else above.link[0] = below === undefined ? this.#end : below.place;
  }

  relink(): void {
    const held = this.held();
    // From the last to the first: so the kernel finds a list that leads to its end, whenever the thread ends. What it
    // can't write to it must not meet: it would go no further.
    let next = this.#end;
    for (let index = held.length - 1; index >= 0; index--) {
      const lock = held[index];
      if (lock === undefined || lock.link.length === 0) continue;
      lock.link[0] = next;
      next = lock.place;
    }
    this.#head[NEXT] = next;
  }

  holds(place: number): boolean {
    let lock = this.#top;
    while (lock !== undefined && (lock.place !== place || lock.link.length === 0)) lock = lock.below;
    return lock !== undefined;
  }

  held(): Holding[] {
    const held: Holding[] = [];
    for (let lock = this.#top; lock !== undefined; lock = lock.below) append(held, lock);
    return held;
  }

  #pop(top: Holding): void {
    this.#top = top.below;
    let next = top.below;
    while (next !== undefined && next.link.length === 0) next = next.below;
    this.#head[NEXT] = next === undefined ? this.#end : next.place;
    top.below = undefined;
    this.#held--;
  }

  /**
   * Takes locks off the list whose regions were closed while the locks were held: their memory may be something
   * else's.
   */
  #forgetClosed(): void {
    while (this.#top !== undefined && this.#top.link.length === 0 && this.#top.closed) this.#pop(this.#top);
  }
}

/** For systems without such a list: nobody is told that an owner has ended. */
class Unlisted implements Owner {
  readonly id: number;
  readonly robust = false;
  readonly #held = new Set<Holding>();

  constructor(c: Libc) {
    this.id = c.functions.getpid();
  }

  want(): void {}
  begin(): void {}
  settled(): void {}
  relink(): void {}

  hold(lock: Holding): void {
    this.#held.add(lock);
  }

  release(lock: Holding): void {
    this.#held.delete(lock);
  }

  holds(place: number): boolean {
    return this.held().some((lock) => lock.place === place && lock.link.length > 0);
  }

  held(): Holding[] {
    return [...this.#held];
  }
}

function tooMany(): MmapError {
  return new MmapError(errorNumber("EAGAIN"), undefined, {
    operation: "lock",
    explanation: `this thread holds ${MOST_HELD} locks; unlock some`,
  });
}
