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

/** The lost ranges of all slots of a table. */
export class LostRanges {
  readonly #words: Uint32Array;

  /** @param words The table. */
  constructor(words: Uint32Array) {
    this.#words = words;
  }

  /** Empties the ranges of a slot that nobody uses. */
  clear(slot: number): void {
    this.#words[stateWord(slot)] = 0;
  }

  /** The ranges of a slot, in no order. They don't touch each other. */
  of(slot: number): readonly LostRange[] {
    const state = Atomics.load(this.#words, stateWord(slot));
    return (state & LAYOUT.LOST_USED_MASK) === 0 ? NONE : this.#read(slot).ranges;
  }

  /** Moves the ranges of a slot by `delta` bytes, and cuts off what then lies outside of `start` to `end`. */
  move(slot: number, delta: number, start: number, end: number): void {
    for (;;) {
      const { state, ranges } = this.#read(slot);
      if (ranges.length === 0) return;
      // The handler writes to the banks 0 and 1.
      const bank = bankOf(state) === 2 ? 3 : 2;
      let used = 0;
      for (let index = 0; index < ranges.length; index++) {
        const from = Math.max((ranges[index]?.start ?? 0) + delta, start);
        const to = Math.min((ranges[index]?.end ?? 0) + delta, end);
        if (from >= to) continue;
        const word = bankWord(slot, bank) + used++ * 4;
        this.#setAddress(word, from);
        this.#setAddress(word + 2, to);
      }
      const changes = (state & -LAYOUT.LOST_CHANGE) + LAYOUT.LOST_CHANGE;
      const next = (changes | bank << LAYOUT.LOST_BANK_SHIFT | used) >>> 0;
      if (Atomics.compareExchange(this.#words, stateWord(slot), state, next) === state) return;
    }
  }

  #read(slot: number): { state: number; ranges: LostRange[] } {
    for (;;) {
      const state = Atomics.load(this.#words, stateWord(slot));
      const first = bankWord(slot, bankOf(state));
      const end = first + (state & LAYOUT.LOST_USED_MASK) * 4;
      const ranges: LostRange[] = [];
      for (let word = first; word < end; word += 4) {
        append(ranges, { start: this.#address(word), end: this.#address(word + 2) });
      }
      // If the state has changed, the bank may have been written to while it was read.
      if (Atomics.load(this.#words, stateWord(slot)) === state) return { state, ranges };
    }
  }

  #address(word: number): number {
    return Atomics.load(this.#words, word + 1) * 2 ** 32 + Atomics.load(this.#words, word);
  }

  #setAddress(word: number, address: number): void {
    Atomics.store(this.#words, word + 1, Math.floor(address / 2 ** 32));
    Atomics.store(this.#words, word, address % 2 ** 32);
  }
}

function stateWord(slot: number): number {
  return (LAYOUT.RECORDS + slot * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_LOST_STATE) / 4;
}

function bankOf(state: number): number {
  return state >>> LAYOUT.LOST_BANK_SHIFT & LAYOUT.LOST_BANK_MASK;
}

function bankWord(slot: number, bank: number): number {
  return (LAYOUT.LOST + slot * LAYOUT.LOST_SIZE + bank * LAYOUT.LOST_BANK_SIZE) / 4;
}
