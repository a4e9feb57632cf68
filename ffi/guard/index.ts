/**
 * The index of the slots by address. With it, the handler looks at a few slots even if there are 60,000 regions.
 *
 * Think of the address space as divided into blocks of 2^k pages: a region of up to 2^k pages lies in one or two of
 * them. A hash of the block chooses a bucket, and the region's slot is entered there. For an address, the handler
 * looks into one bucket for each size k that there ever was. A slot is entered before the handler may find it, and
 * removed when it no longer may. Each takes one store, so the index is right at every instant. The handler's part is
 * in `x86_64.S`, at `search`.
 *
 * @module
 */
import { Atomics, Math } from "../captured.ts";
import { LAYOUT } from "./layout.ts";

/** By shifting: `**` makes 16.0 in JavaScriptCore, which takes it for an integer and leaves compiled code at each use. */
const BUCKET_WORDS = 1 << LAYOUT.INDEX_BUCKET_SHIFT - 2;

/** Where the first bucket is in the table, in words. */
const FIRST = LAYOUT.INDEX / 4;

/** The value of `RECORD_INDEXED` for a slot that found no room in the index. */
const NO_ROOM = 0xffff_ffff;

/** A table's memory. */
interface IndexMemory {
  /** The table, up to the records that are used. */
  readonly u32: Uint32Array;
}

/** The index of a table. */
export class SlotIndex {
  readonly #memory: IndexMemory;
  readonly #buckets: Uint32Array;

  /** @param buckets What lies at `LAYOUT.INDEX`. */
  constructor(memory: IndexMemory, buckets: Uint32Array) {
    this.#memory = memory;
    this.#buckets = buckets;
  }

  /** Enters a slot for the addresses from `start` to `end`, runs `publish`, and then removes its former entries. */
  replace(slot: number, start: number, end: number, publish: () => void): void {
    const record = recordWord(slot);
    const words = this.#memory.u32;
    const first = words[record] ?? 0;
    const second = words[record + 1] ?? 0;
    this.note(slot, start, end);
    publish();
    this.#strike(first);
    this.#strike(second);
  }

  /** Enters a slot that has no entries. */
  note(slot: number, start: number, end: number): void {
    const size = sizeClass(end - start);
    const unit = 2 ** (size + LAYOUT.INDEX_PAGE_SHIFT);
    const first = Math.floor(start / unit);
    const last = Math.floor((end - 1) / unit);
    const words = this.#memory.u32;
    const classes = LAYOUT.HEADER_CLASSES / 4 + (size >>> 5);
    const bit = (1 << (size & 31)) >>> 0;
    if ((Atomics.load(words, classes) & bit) === 0) Atomics.or(words, classes, bit);
    const record = recordWord(slot);
    words[record] = this.#enter(slot, first, size);
    words[record + 1] = last === first ? 0 : this.#enter(slot, last, size);
  }

  /** Removes a slot that the handler must no longer find. */
  strike(slot: number): void {
    const record = recordWord(slot);
    const words = this.#memory.u32;
    this.#strike(words[record] ?? 0);
    this.#strike(words[record + 1] ?? 0);
    words[record] = 0;
    words[record + 1] = 0;
  }

  #enter(slot: number, block: number, size: number): number {
    const words = this.#buckets;
    const first = bucketWord(block, size);
    for (let word = first; word < first + BUCKET_WORDS; word++) {
      if (words[word] === 0 && Atomics.compareExchange(words, word, 0, slot + 1) === 0) return FIRST + word;
    }
    Atomics.add(this.#memory.u32, LAYOUT.HEADER_UNINDEXED / 4, 1);
    return NO_ROOM;
  }

  #strike(word: number): void {
    if (word === NO_ROOM) Atomics.sub(this.#memory.u32, LAYOUT.HEADER_UNINDEXED / 4, 1);
    else if (word !== 0) Atomics.store(this.#buckets, word - FIRST, 0);
  }
}

function recordWord(slot: number): number {
  return (LAYOUT.RECORDS + slot * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_INDEXED) / 4;
}

/** The smallest k for which `bytes` are at most 2^k pages. */
function sizeClass(bytes: number): number {
  const pages = bytes / 2 ** LAYOUT.INDEX_PAGE_SHIFT;
  return pages <= 1
    ? 0
    : pages <= 2 ** 31
    ? 32 - Math.clz32(Math.ceil(pages) - 1)
    : Math.ceil(Math.log2(pages));
}

function bucketWord(block: number, size: number): number {
  const high = Math.imul(Math.floor(block / 2 ** 32) * 64 + size, LAYOUT.INDEX_MIX_HIGH);
  const bucket = Math.imul(block % 2 ** 32 ^ high, LAYOUT.INDEX_MIX) >>> LAYOUT.INDEX_HASH_SHIFT;
  return bucket * BUCKET_WORDS;
}
