/**
 * Which pages of each region were lost: the handler adds a range before it replaces its pages, and there it stays
 * for as long as the region lives, whatever has become of the file.
 *
 * A slot has room for eight ranges. If there are more, neighbours are merged: so the ranges always cover all that was
 * lost, and sometimes more. They change without a lock: a new set is written to a bank that nobody reads, and takes
 * effect when one word is changed to name that bank. The handler's part is in `x86_64.S`, at `replace_range`.
 *
 * @module
 */
import { append, Atomics, Math } from "../captured.ts";
import { LAYOUT } from "./layout.ts";

/** Addresses of whole pages: `end` is the first that was not lost. */
export interface LostRange {
  readonly start: number;
  readonly end: number;
}

const NONE: readonly LostRange[] = [];

/** A table's memory. */
interface LostMemory {
  /** The table, up to the records that are used. */
  readonly u32: Uint32Array;
  /** Makes a view of a slot's banks. */
  banks(slot: number): Uint32Array;
}

/** The lost ranges of all slots of a table. */
export class LostRanges {
  readonly #memory: LostMemory;

  constructor(memory: LostMemory) {
    this.#memory = memory;
  }

  /** Empties the ranges of a slot that nobody uses. */
  clear(slot: number): void {
    this.#memory.u32[stateWord(slot)] = 0;
  }

  /** The ranges of a slot, in no order. They don't touch each other. */
  of(slot: number): readonly LostRange[] {
    const state = Atomics.load(this.#memory.u32, stateWord(slot));
    return (state & LAYOUT.LOST_USED_MASK) === 0 ? NONE : this.#read(slot).ranges;
  }

  /** Moves the ranges of a slot by `delta` bytes, and cuts off what then lies outside of `start` to `end`. */
  move(slot: number, delta: number, start: number, end: number): void {
    for (;;) {
      const { state, ranges } = this.#read(slot);
      if (ranges.length === 0) return;
      const banks = this.#memory.banks(slot);
      // The handler writes to the banks 0 and 1.
      const bank = bankOf(state) === 2 ? 3 : 2;
      let used = 0;
      for (let index = 0; index < ranges.length; index++) {
        const from = Math.max((ranges[index]?.start ?? 0) + delta, start);
        const to = Math.min((ranges[index]?.end ?? 0) + delta, end);
        if (from >= to) continue;
        const word = bankWord(bank) + used++ * 4;
        setAddress(banks, word, from);
        setAddress(banks, word + 2, to);
      }
      const changes = (state & -LAYOUT.LOST_CHANGE) + LAYOUT.LOST_CHANGE;
      const next = (changes | bank << LAYOUT.LOST_BANK_SHIFT | used) >>> 0;
      if (Atomics.compareExchange(this.#memory.u32, stateWord(slot), state, next) === state) return;
    }
  }

  #read(slot: number): { state: number; ranges: LostRange[] } {
    const { u32 } = this.#memory;
    for (;;) {
      const state = Atomics.load(u32, stateWord(slot));
      const ranges: LostRange[] = [];
      const used = state & LAYOUT.LOST_USED_MASK;
      if (used === 0) return { state, ranges };
      const banks = this.#memory.banks(slot);
      const first = bankWord(bankOf(state));
      for (let word = first; word < first + used * 4; word += 4) {
        append(ranges, { start: addressAt(banks, word), end: addressAt(banks, word + 2) });
      }
      // If the state has changed, the bank may have been written to while it was read.
      if (Atomics.load(u32, stateWord(slot)) === state) return { state, ranges };
    }
  }
}

function addressAt(words: Uint32Array, word: number): number {
  return Atomics.load(words, word + 1) * 2 ** 32 + Atomics.load(words, word);
}

function setAddress(words: Uint32Array, word: number, address: number): void {
  Atomics.store(words, word + 1, Math.floor(address / 2 ** 32));
  Atomics.store(words, word, address % 2 ** 32);
}

function stateWord(slot: number): number {
  return (LAYOUT.RECORDS + slot * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_LOST_STATE) / 4;
}

function bankOf(state: number): number {
  return state >>> LAYOUT.LOST_BANK_SHIFT & LAYOUT.LOST_BANK_MASK;
}

function bankWord(bank: number): number {
  return bank * LAYOUT.LOST_BANK_SIZE / 4;
}
