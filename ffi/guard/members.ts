/**
 * The isolates that have references to slots, and which of them have ended.
 *
 * A worker may be terminated at any moment, or end without closing its regions. So each isolate has an entry in the
 * table: a count of its references to each slot, and a mutex that its thread locks for ever. The mutex is robust
 * (pthread_mutexattr_setrobust(3)): when the thread ends, however it does, the kernel says so in the mutex's word.
 * Other isolates then give its references back. Thread numbers would not do, since they are reused.
 *
 * @module
 */
import { Atomics, ByteArray, Math } from "../captured.ts";
import type { ConstantTable } from "../constant_table.ts";
import type { GuardCalls } from "./calls.ts";
import type { TableMapping } from "./discovery.ts";
import { LAYOUT } from "./layout.ts";

/** What `LAYOUT.MEMBER_STATE` says. */
const State = { free: 0, joining: 1, alive: 2, leaving: 3 } as const;

/** <linux/futex.h>: the thread that had it locked has ended. */
const FUTEX_OWNER_DIED = 0x4000_0000;

/** What a count of references is made of: one reference of an owner, and one that lingers. */
export const OWNED = 1;
export const LINGERED = 0x1_0000;
/** In place of a count: the slot is free, and set aside for the isolate's next region. */
export const SPARE = 0x8000_0000;

const AMOUNTS = {
  ranges: LAYOUT.MEMBER_RANGES,
  mappings: LAYOUT.MEMBER_MAPPINGS,
  memory: LAYOUT.MEMBER_MEMORY,
  files: LAYOUT.MEMBER_FILES,
} as const;

/** What the process can have only so much of: an isolate tells the others how much it has. */
export type Amount = keyof typeof AMOUNTS;

/** The largest number that is told. */
const MOST = 2 ** 32 - 1;

/** An isolate that has ended. */
export interface DeadMember {
  /** Its number, from 1 on. */
  readonly member: number;
  /** Its references to each slot, or SPARE. Set a count to 0 before giving the references back. */
  readonly counts: Uint32Array;
  /** Frees its entry. */
  done(): void;
}

/** All entries, and this isolate's own. */
export class Members {
  /**
   * This isolate's references to each slot, each counted as OWNED or LINGERED; or SPARE. Only this isolate's thread
   * changes them.
   */
  readonly counts: Uint32Array;
  /** Its number, from 1 on. */
  readonly member: number;
  readonly #calls: GuardCalls;
  readonly #buffer: ArrayBuffer;
  readonly #words: Uint32Array;

  private constructor(calls: GuardCalls, buffer: ArrayBuffer, counts: Uint32Array, member: number) {
    this.#calls = calls;
    this.#buffer = buffer;
    this.#words = new Uint32Array(buffer, 0, LAYOUT.CODE / 4);
    this.counts = counts;
    this.member = member;
  }

  /** Takes an entry for this isolate; `undefined` if none is left, or if the C library has no robust mutexes. */
  static join(calls: GuardCalls, table: TableMapping, constants: ConstantTable): Members | undefined {
    const { lockRobust } = calls;
    if (lockRobust === undefined) return undefined;
    const words = new Uint32Array(table.buffer, 0, LAYOUT.CODE / 4);
    const index = takeEntry(words);
    if (index === undefined) return undefined;
    const entry = entryAt(index);
    const address = new Float64Array(table.buffer, entry + LAYOUT.MEMBER_COUNTS, 1);
    if (address[0] === 0) {
      const { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE } = constants;
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
      const mapped = calls.mmap(0, COUNTS_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
      if (mapped !== -1) address[0] = mapped;
    }
    words.fill(0, (entry + LAYOUT.MEMBER_RANGES) / 4, (entry + LAYOUT.MEMBER_FILES) / 4 + 1);
    const mutex = entry + LAYOUT.MEMBER_MUTEX;
    new ByteArray(table.buffer, mutex, LAYOUT.MEMBER_SIZE - LAYOUT.MEMBER_MUTEX).fill(0);
    if (address[0] === 0 || !lockRobust(table.address + mutex)) {
      Atomics.store(words, entry / 4, State.free);
      return undefined;
    }
    Atomics.store(words, entry / 4, State.alive);
    return new Members(calls, table.buffer, countsAt(calls, address[0] ?? 0), index + 1);
  }

  /** Tells the other isolates how much this one has of something. */
  tell(amount: Amount, value: number): void {
    Atomics.store(this.#words, (entryAt(this.member - 1) + AMOUNTS[amount]) / 4, Math.min(value, MOST));
  }

  /** How much of something the other isolates have in all. */
  elsewhere(amount: Amount): number {
    const words = this.#words;
    const used = Atomics.load(words, LAYOUT.HEADER_MEMBERS / 4);
    let sum = 0;
    for (let index = 0; index < used; index++) {
      const entry = entryAt(index);
      if (index === this.member - 1 || Atomics.load(words, entry / 4) !== State.alive) continue;
      sum += Atomics.load(words, (entry + AMOUNTS[amount]) / 4);
    }
    return sum;
  }

  /**
   * An isolate whose thread has ended; `undefined` if there is none. Only this caller gets it, and has to give its
   * references back.
   */
  takeDead(): DeadMember | undefined {
    const words = this.#words;
    const used = Atomics.load(words, LAYOUT.HEADER_MEMBERS / 4);
    for (let index = 0; index < used; index++) {
      if (index === this.member - 1) continue;
      const entry = entryAt(index) / 4;
      // The word is glibc's first, musl's second; the other one is small.
      const mutex = entry + LAYOUT.MEMBER_MUTEX / 4;
      if (((Atomics.load(words, mutex) | Atomics.load(words, mutex + 1)) & FUTEX_OWNER_DIED) === 0) continue;
      if (Atomics.compareExchange(words, entry, State.alive, State.leaving) !== State.alive) continue;
      const address = new Float64Array(this.#buffer, entryAt(index) + LAYOUT.MEMBER_COUNTS, 1);
      return {
        member: index + 1,
        counts: countsAt(this.#calls, address[0] ?? 0),
        done: () => void Atomics.store(words, entry, State.free),
      };
    }
    return undefined;
  }
}

const COUNTS_SIZE = LAYOUT.SLOTS * 4;

function countsAt(calls: GuardCalls, address: number): Uint32Array {
  return new Uint32Array(calls.arrayBuffer(address, COUNTS_SIZE));
}

function entryAt(index: number): number {
  return LAYOUT.MEMBERS + index * LAYOUT.MEMBER_SIZE;
}

function takeEntry(words: Uint32Array): number | undefined {
  for (let index = 0; index < LAYOUT.MEMBERS_LIMIT; index++) {
    if (Atomics.compareExchange(words, entryAt(index) / 4, State.free, State.joining) !== State.free) {
      continue;
    }
    for (;;) {
      const used = Atomics.load(words, LAYOUT.HEADER_MEMBERS / 4);
      if (used > index) return index;
      Atomics.compareExchange(words, LAYOUT.HEADER_MEMBERS / 4, used, index + 1);
    }
  }
  return undefined;
}
