/**
 * The table of the process's regions: which ranges the fault guard looks after, what it has caught in each, and how
 * many owners a region has.
 *
 * Other isolates and the signal handler use the table at the same time. So everything here is done by atomic
 * operations, and without locks: the handler may run at any moment, on any thread, between any two instructions, and
 * must find a table that makes sense.
 *
 * @module
 */
import { Atomics, isInteger, Math, toBigInt, toNumber } from "../captured.ts";
import type { TableMapping } from "./discovery.ts";
import { GuardState, LAYOUT } from "./layout.ts";
import { SlotIndex } from "./index.ts";
import { type LostRange, LostRanges } from "./lost_ranges.ts";
import { type Amount, type DeadMember, LINGERED, type Members, OWNED, SPARE } from "./members.ts";
import { waitUntil } from "./wait.ts";

/** What a region tells the table about itself. */
export interface RegionRange {
  /** Where the mapping begins. */
  readonly start: number;
  /** Its length in bytes; what is guarded ends with its last page. */
  readonly length: number;
  /** Bytes of a page of this mapping, if not the system's: files on hugetlbfs have larger ones. */
  readonly pageSize?: number | undefined;
  /** `"private"` for MAP_PRIVATE: its pages may be made writable without the file being changed. */
  readonly kind: "private" | "shared";
  /** Bytes of address space from the start on that are the region's own, mapped or not. Default: its length. */
  readonly capacity?: number | undefined;
  /** The `MAP_*` flags it was mapped with, for those who attach. Default: 0. */
  readonly flags?: number | undefined;
  /** The `PROT_*` bits of its pages, for those who attach. Default: 0. */
  readonly protection?: number | undefined;
  /** Whether the handler looks after the range. A slot without a guard only counts references. */
  readonly guarded: boolean;
  /** Whether stores to read-only pages and reads of unreadable ones are caught, too. Default: true. */
  readonly strays?: boolean | undefined;
  /** Whether its pages are executable and stay so when a stray store is caught. Default: false. */
  readonly executable?: boolean | undefined;
}

/** Names a slot in every isolate of the process. Plain data: `postMessage` and `structuredClone` carry it. */
export interface SlotHandle {
  /** The address of the table. */
  readonly table: number;
  /** The index of the slot. */
  readonly slot: number;
  /** Which of the slot's tenants is meant. */
  readonly generation: number;
}

/** Thrown by {@linkcode RegionTable.add} when all 65,536 slots are taken. */
export class TableFullError extends Error {
  override readonly name = "TableFullError";
}

/** What is needed to give back the regions of isolates that have ended. */
export interface Estate {
  /** Who has which references; `undefined` where that isn't known. */
  readonly members: Members | undefined;
  /** munmap(2). */
  unmap(start: number, length: number): void;
  /** Puts empty pages over a range. */
  cover(start: number, length: number): void;
}

/** How many free slots an isolate sets aside: giving one to all and taking it again costs two bigint exchanges. */
const MOST_SPARE = 64;

/**
 * How long to wait for an owner that is changing the region, in milliseconds. That takes microseconds, but the owner's thread
 * may have to wait for a processor.
 */
const PATIENCE = 10_000;

const LOW_WORD = 0xffff_ffffn;

// RECORD_LIFE: the upper word is the generation, the lower one `alone << 31 | lingering << 16 | owners`. References
// are counted in the lower word; only `retain` has to look at both at once.
const OWNERS = 0xffff;
const LINGERINGS = 0x7fff;
const LINGERING_SHIFT = 16;
const ALONE = 0x8000_0000;

/** The table, as one isolate sees it. */
export class RegionTable {
  /** Where it lies: the same in every isolate of the process that found the common one. */
  readonly address: number;
  /** Whether new slots can be guarded. */
  readonly guarded: boolean;
  /** Why not, if not. */
  readonly reason: string | undefined;
  readonly #memory: TableMemory;
  readonly #pageSize: number;

  /**
   * A table over memory that is `LAYOUT.TABLE_SIZE` bytes long and began as zeros.
   *
   * @param part Finds a part of the memory.
   * @param reason Why there is no handler; `undefined` when there is one.
   * @param estate How to give back the regions of isolates that have ended; `undefined` where that can't be found
   * out.
   */
  constructor(
    part: TableMapping["part"],
    address: number,
    pageSize: number,
    reason: string | undefined,
    estate?: Estate,
  ) {
    this.address = address;
    this.guarded = reason === undefined;
    this.reason = reason;
    this.#memory = new TableMemory(part, estate);
    this.#pageSize = pageSize;
  }

  /** How many signals the handler passed on to the former handler, because no region had caused them. */
  get chained(): number {
    return toNumber(Atomics.load(this.#memory.u64, LAYOUT.HEADER_CHAINED / 8));
  }

  /** Tells the other isolates how much this one has of what the process can have only so much of. */
  tell(amount: Amount, value: number): void {
    this.#memory.members?.tell(amount, value);
  }

  /** How much of it the other isolates have in all. */
  elsewhere(amount: Amount): number {
    return this.#memory.members?.elsewhere(amount) ?? 0;
  }

  /**
   * Takes a slot for a new region, with one reference.
   *
   * @throws {TableFullError} when there are 65,536 regions.
   */
  add(range: RegionRange): Slot {
    const memory = this.#memory;
    memory.buryDead();
    const index = memory.takeFreeSlot();
    const record = LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE;
    const guarded = range.guarded && this.guarded;

    // Plain stores will do, since nobody else looks at a slot without references and without an end.
    memory.u32[(record + LAYOUT.RECORD_PAGE_SIZE) / 4] = range.pageSize ?? this.#pageSize; // the upper half stays 0
    memory.f64[(record + LAYOUT.RECORD_LAST) / 8] = 0;
    memory.f64[(record + LAYOUT.RECORD_MARK) / 8] = 0;
    memory.u32[(record + LAYOUT.RECORD_FLAGS) / 4] = (range.strays === false ? 0 : LAYOUT.FLAG_STRAYS) |
      (range.kind === "private" ? LAYOUT.FLAG_PRIVATE : 0) |
      (range.executable === true ? LAYOUT.FLAG_EXECUTABLE : 0) |
      (guarded ? LAYOUT.FLAG_GUARDED : 0);
    for (let i = 0; i < COUNTERS.length; i++) memory.u32[(record + (COUNTERS[i] ?? 0)) / 4] = 0;
    memory.f64[(record + LAYOUT.RECORD_CAPACITY) / 8] = range.capacity ?? range.length;
    memory.u32[(record + LAYOUT.RECORD_MAP_FLAGS) / 4] = range.flags ?? 0;
    memory.u32[(record + LAYOUT.RECORD_COMMON_RIGHTS) / 4] = range.protection ?? 0;
    memory.u32[(record + LAYOUT.RECORD_ANY_RIGHTS) / 4] = range.protection ?? 0;
    memory.lost.clear(index);
    memory.place(index, range.start, range.length, guarded);

    const generation = memory.nextGeneration(index);
    Atomics.store(memory.u32, record / 4, OWNED);
    memory.count(index, OWNED);
    return new Slot(memory, this.address, index, generation);
  }

  /**
   * Whether a region that somebody has, or the table itself, has any of `length` bytes from the address `start`.
   *
   * @param except A region that doesn't count.
   */
  isOccupied(start: number, length: number, except?: Slot): boolean {
    const end = start + length;
    if (this.address < end && start < this.address + LAYOUT.TABLE_SIZE) return true;
    const used = this.#memory.reachUsed();
    const { u32, f64 } = this.#memory;
    for (let slot = 0; slot < used; slot++) {
      const record = (LAYOUT.RECORDS + slot * LAYOUT.RECORD_SIZE) / 8;
      if (Atomics.load(u32, record * 2) === 0 || slot === except?.index) continue;
      const from = f64[record + LAYOUT.RECORD_START / 8] ?? 0;
      const size = Math.max(
        f64[record + LAYOUT.RECORD_LENGTH / 8] ?? 0,
        f64[record + LAYOUT.RECORD_CAPACITY / 8] ?? 0,
      );
      if (from < end && start < from + Math.ceil(size / this.#pageSize) * this.#pageSize) return true;
    }
    return false;
  }

  /**
   * One more owner of a region that another isolate has; `undefined` when it has no owner any more, or when the
   * handle comes from another table.
   *
   * @throws {TableFullError} when it has 65,535 owners.
   */
  retain(handle: SlotHandle): Slot | undefined {
    const { table, slot, generation } = handle;
    if (table !== this.address || table === 0) return undefined;
    if (!isInteger(slot) || slot < 0 || slot >= LAYOUT.SLOTS) return undefined;
    if (!isInteger(generation)) return undefined;
    const memory = this.#memory;
    memory.buryDead();
    memory.reach(slot);
    const word = (LAYOUT.RECORDS + slot * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_LIFE) / 8;
    for (;;) {
      const life = Atomics.load(memory.u64, word);
      if (toNumber(life >> 32n) !== generation) return undefined;
      const references = toNumber(life & LOW_WORD);
      if ((references & OWNERS) === 0) return undefined;
      if ((references & OWNERS) === OWNERS) throw new TableFullError("the region has 65,535 owners already");
      if ((references & ALONE) !== 0) {
        // Its only owner is moving it, which takes microseconds, or copying it.
        const isAlone = (): boolean => (Atomics.load(memory.u32, word * 2) & ALONE) !== 0;
        if (!waitUntil(() => !isAlone(), PATIENCE)) return undefined;
        memory.buryDead();
        continue;
      }
      if (Atomics.compareExchange(memory.u64, word, life, life + toBigInt(OWNED)) === life) {
        memory.count(slot, OWNED);
        return new Slot(memory, table, slot, generation);
      }
    }
  }
}

/**
 * A reference to a region's entry in the table. It is an owner's, until {@linkcode Slot.linger} makes it that of
 * someone who only needs the memory to stay where it is for a while.
 */
export class Slot {
  /** Which slot of the table it is. */
  readonly index: number;
  readonly #table: number;
  readonly #generation: number;
  /** Whether the handler looks after this region. */
  readonly guarded: boolean;
  readonly #memory: TableMemory;
  /** The record; once released, a copy of it, since the slot may be another region's by then. */
  #words: Uint32Array;
  #record: number;
  #kind: "owner" | "lingering" | "released" = "owner";
  /** The lost ranges when it was released. */
  #lost: readonly LostRange[] = [];

  /** Made by {@linkcode RegionTable.add} and {@linkcode RegionTable.retain}. */
  constructor(memory: TableMemory, table: number, index: number, generation: number) {
    this.#memory = memory;
    this.#table = table;
    this.index = index;
    this.#generation = generation;
    this.#words = memory.u32;
    this.#record = (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE) / 4;
    this.guarded =
      (Atomics.load(this.#words, this.#record + LAYOUT.RECORD_FLAGS / 4) & LAYOUT.FLAG_GUARDED) !== 0;
  }

  /** What another isolate needs for {@linkcode RegionTable.retain}. */
  get handle(): SlotHandle {
    return { table: this.#table, slot: this.index, generation: this.#generation };
  }

  /**
   * How many faults the handler has caught in this region: lost pages that it replaced, and stray accesses.
   *
   * An atomic load, a nanosecond or two: an operation compares it before and after. (An ordinary load could be
   * merged by a compiler with the one before.) It counts modulo 2^32.
   */
  get faults(): number {
    return Atomics.load(this.#words, this.#record + LAYOUT.RECORD_FAULTS / 4);
  }

  /** How often the handler has replaced lost pages of this region. It goes up before anyone can see the new pages. */
  get losses(): number {
    return Atomics.load(this.#words, this.#record + LAYOUT.RECORD_LOST_COUNT / 4);
  }

  /** The same, as an array of one number. Once the slot is released, the number may be another region's. */
  get lostCount(): Uint32Array {
    const index = this.#record + LAYOUT.RECORD_LOST_COUNT / 4;
    return this.#words.subarray(index, index + 1);
  }

  /**
   * Whether a page among `length` bytes from the address `start` was ever lost, in whatever thread. After losses in
   * more than eight places, what lies between two of them may count as lost.
   */
  isLost(start: number, length: number): boolean {
    return this.firstLost(start, length) !== undefined;
  }

  /** The first of `length` bytes from the address `start` on that lies on such a page; undefined if none does. */
  firstLost(start: number, length: number): number | undefined {
    const ranges = this.#lostRanges();
    let first: number | undefined;
    for (let i = 0; i < ranges.length; i++) {
      const range = ranges[i];
      if (range === undefined || range.start >= start + length || start >= range.end) continue;
      first = Math.min(first ?? Infinity, Math.max(range.start, start));
    }
    return first;
  }

  /** How many of them were stray accesses: stores to read-only pages, reads of pages without permission. */
  get strays(): number {
    return Atomics.load(this.#words, this.#record + LAYOUT.RECORD_STRAYS / 4);
  }

  /** The address of the newest fault; `undefined` when there was none. */
  get lastFault(): number | undefined {
    const word = this.#record + LAYOUT.RECORD_LAST / 4;
    let high: number, low: number;
    do { // until both halves are of the same fault
      high = Atomics.load(this.#words, word + 1);
      low = Atomics.load(this.#words, word);
    } while (high !== Atomics.load(this.#words, word + 1));
    const address = high * 2 ** 32 + low;
    return address === 0 ? undefined : address;
  }

  /** Where the region begins. */
  get start(): number {
    return this.#double(LAYOUT.RECORD_START);
  }

  /** The region's length in bytes. */
  get length(): number {
    return this.#double(LAYOUT.RECORD_LENGTH);
  }

  /** How many references of owners there are, in all isolates that are still there. */
  get owners(): number {
    const owners = this.#references() & OWNERS;
    return owners > 1 && this.#memory.buryDead() ? this.#references() & OWNERS : owners;
  }

  /** How many references there are that linger. */
  get lingering(): number {
    return this.#references() >>> LINGERING_SHIFT & LINGERINGS;
  }

  /**
   * Makes this a lingering reference, which is no owner's: the handler goes on looking after the region. It has to be
   * given up by {@linkcode Slot.release} all the same.
   *
   * @throws {TableFullError} when 32,767 linger; then nothing has changed.
   */
  linger(): void {
    this.#assertHeld();
    if (this.#kind === "lingering") return;
    if (this.lingering === LINGERINGS) throw new TableFullError("32,767 linger at the region already");
    Atomics.add(this.#words, this.#record, LINGERED - OWNED);
    this.#memory.count(this.index, LINGERED - OWNED);
    this.#kind = "lingering";
  }

  /**
   * Hides the region from the handler until {@linkcode Slot.move} says where it is. What was lost of it stays known.
   * When this returns, no handler is at work on the region.
   */
  suspend(): void {
    this.#assertHeld();
    this.#memory.hide(this.index);
  }

  /**
   * Tells the handler that the mapping lies elsewhere or has another length. When it returns, no handler is at work
   * on what the slot no longer covers. What was lost stays lost, at the same offset; what lies behind the new end is
   * forgotten.
   *
   * With the same start, the change is one store. With another there is a moment without a guard, so other
   * threads must not be using the region. To shrink or move, call this before memory is given back; to grow, after
   * it has been mapped.
   */
  move(start: number, length: number): void {
    this.#assertHeld();
    const slot = this.index;
    const memory = this.#memory;
    const before = this.start;
    if (start !== before || length === 0) memory.hide(slot);
    const end = memory.pageEnd(slot, start + length);
    if (start !== before) memory.lost.move(slot, start - before, start, end);
    memory.place(slot, start, length, this.guarded);
    memory.settle(slot);
    if (start === before) memory.lost.move(slot, 0, start, end);
    memory.forgetFault(slot);
  }

  /**
   * Has the handler look after more than the region, from its start on: what work in flight may be looking at until it is
   * part of the region. `move` ends that.
   */
  reach(length: number): void {
    this.#assertHeld();
    if (this.guarded) this.#memory.guard(this.index, this.start, length);
  }

  /**
   * Tells the handler that the protection of the mapping has changed, and whether its pages are executable now. A
   * stray access to a page that was mended before is a new fault then.
   */
  protectionChanged(executable: boolean): void {
    this.#assertHeld();
    const flags = this.#record + LAYOUT.RECORD_FLAGS / 4;
    if (executable) Atomics.or(this.#words, flags, LAYOUT.FLAG_EXECUTABLE);
    else Atomics.and(this.#words, flags, ~LAYOUT.FLAG_EXECUTABLE);
    this.#memory.forgetFault(this.index);
  }

  /** Bytes of address space from the start on that are the region's own, mapped or not. */
  get capacity(): number {
    return this.#double(LAYOUT.RECORD_CAPACITY);
  }

  /**
   * The region's length in bytes, as an array of one number that can be read without a call. Once the slot is
   * released, the number may be another region's.
   */
  get liveLength(): Float64Array {
    const index = (this.#record * 4 + LAYOUT.RECORD_LENGTH) / 8;
    return this.#memory.f64.subarray(index, index + 1);
  }

  /** The `MAP_*` flags that it was mapped with. */
  get flags(): number {
    return Atomics.load(this.#words, this.#record + LAYOUT.RECORD_MAP_FLAGS / 4) | 0;
  }

  /** The size of its pages in bytes. */
  get pageSize(): number {
    return this.#words[this.#record + LAYOUT.RECORD_PAGE_SIZE / 4] ?? 0;
  }

  /** The `PROT_*` bits that all of its pages have, and those that any has. */
  get rights(): { readonly common: number; readonly any: number } {
    return {
      common: Atomics.load(this.#words, this.#record + LAYOUT.RECORD_COMMON_RIGHTS / 4),
      any: Atomics.load(this.#words, this.#record + LAYOUT.RECORD_ANY_RIGHTS / 4),
    };
  }

  /** Tells those who attach what the pages may be used for. */
  setRights(common: number, any: number): void {
    this.#assertHeld();
    Atomics.store(this.#words, this.#record + LAYOUT.RECORD_COMMON_RIGHTS / 4, common);
    Atomics.store(this.#words, this.#record + LAYOUT.RECORD_ANY_RIGHTS / 4, any);
  }

  /** Tells those who attach how much address space is the region's own. */
  setCapacity(capacity: number): void {
    this.#assertHeld();
    this.#memory.f64[(this.#record * 4 + LAYOUT.RECORD_CAPACITY) / 8] = capacity;
  }

  /**
   * Says that a buffer over the memory has left the library. If this isolate ends without having released the region,
   * its memory is then covered with empty pages, and not unmapped.
   */
  view(): void {
    this.#assertHeld();
    const flags = this.#record + LAYOUT.RECORD_FLAGS / 4;
    if ((Atomics.load(this.#words, flags) & LAYOUT.FLAG_VIEWED) === 0) {
      Atomics.or(this.#words, flags, LAYOUT.FLAG_VIEWED);
    }
  }

  /**
   * Runs `change` while no other owner can run one, and no new owner can come: they wait.
   *
   * @throws {Error} when another owner doesn't finish.
   */
  exclusively(change: () => void): void {
    this.#assertHeld();
    const isAlone = (): boolean => (Atomics.load(this.#words, this.#record) & ALONE) !== 0;
    while (!this.#takeTurn((references) => (references & ALONE) === 0)) {
      if (waitUntil(() => !isAlone(), PATIENCE) || this.#memory.buryDead()) continue;
      throw new Error("another owner of the region is changing it, and doesn't finish");
    }
    this.#inTurn(change);
  }

  /** Whether an isolate that let go of the region said that its memory might still be used. */
  get lent(): boolean {
    return (Atomics.load(this.#words, this.#record + LAYOUT.RECORD_FLAGS / 4) & LAYOUT.FLAG_LENT) !== 0;
  }

  /** Says that the memory might still be used after this reference is released. */
  lend(): void {
    this.#assertHeld();
    Atomics.or(this.#words, this.#record + LAYOUT.RECORD_FLAGS / 4, LAYOUT.FLAG_LENT);
  }

  /**
   * Runs `change` if there is no other owner; returns whether it ran. `retain` waits until it is done. Lingering
   * references don't matter.
   */
  alone(change: () => void): boolean {
    this.#assertHeld();
    const isOnlyOwner = (references: number): boolean => (references & (OWNERS | ALONE)) === OWNED;
    while (!this.#takeTurn(isOnlyOwner)) {
      if (!this.#memory.buryDead()) return false;
    }
    this.#inTurn(change);
    return true;
  }

  #takeTurn(may: (references: number) => boolean): boolean {
    for (;;) {
      const references = Atomics.load(this.#words, this.#record);
      if (!may(references)) return false;
      const alone = (references | ALONE) >>> 0;
      if (Atomics.compareExchange(this.#words, this.#record, references, alone) !== references) continue;
      this.#words[this.#record + LAYOUT.RECORD_CHANGER / 4] = this.#memory.member;
      return true;
    }
  }

  #inTurn(change: () => void): void {
    try {
      change();
    } finally {
      this.#words[this.#record + LAYOUT.RECORD_CHANGER / 4] = 0;
      Atomics.and(this.#words, this.#record, ~ALONE);
    }
  }

  /**
   * Gives up this reference and returns how many are left, lingering ones included. If none is, the slot is free, and
   * the handler neither knows the region nor is at work on it: only then may its memory be unmapped.
   *
   * The counters and what was lost can still be read afterwards and stay as they were.
   *
   * @param last Runs if this is the last reference, while the handler still looks after the region. Memory that might
   * still be used is replaced here. It is told what `lent` says by now.
   * @throws {Error} when this reference was given up before.
   */
  release(last?: (lent: boolean) => void): number {
    this.#assertHeld();
    const memory = this.#memory;
    const slot = this.index;
    const flags = this.#record + LAYOUT.RECORD_FLAGS / 4;
    const one = this.#kind === "owner" ? OWNED : LINGERED;
    if (this.faults === 0) {
      this.#words = WITHOUT_FAULTS;
    } else {
      this.#words = memory.u32.slice(this.#record, this.#record + LAYOUT.RECORD_SIZE / 4);
      this.#lost = memory.lost.of(slot);
    }
    this.#record = 0;
    // In this order: if this isolate ends in between, a reference stays, but none is given back twice.
    memory.count(slot, -one);
    const left = memory.giveBack(slot, one);
    this.#kind = "released";
    if (left === 0) {
      last?.((Atomics.load(memory.u32, flags) & LAYOUT.FLAG_LENT) !== 0);
      memory.hide(slot);
      memory.giveFreeSlot(slot);
    }
    memory.buryDead();
    return left;
  }

  #lostRanges(): readonly LostRange[] {
    if (this.#kind === "released") return this.#lost;
    return this.losses === 0 ? [] : this.#memory.lost.of(this.index);
  }

  #references(): number {
    return this.#kind === "released" ? 0 : Atomics.load(this.#words, this.#record);
  }

  #assertHeld(): void {
    if (this.#kind === "released") throw new Error("this reference to the region was released");
  }

  #double(field: number): number {
    const word = this.#record + field / 4;
    return new Float64Array(this.#words.slice(word, word + 2).buffer)[0] ?? 0;
  }
}

/** The counters of a region that met no fault. */
const WITHOUT_FAULTS = new Uint32Array(LAYOUT.RECORD_SIZE / 4);

const COUNTERS = [
  LAYOUT.RECORD_SINGLES,
  LAYOUT.RECORD_REPEATS,
  LAYOUT.RECORD_FAULTS,
  LAYOUT.RECORD_STRAYS,
  LAYOUT.RECORD_LOST_COUNT,
  LAYOUT.RECORD_CHANGER,
];

/** So many slots the views of the table reach at first. */
const FIRST_SLOTS = 1024;

/**
 * The table's memory, and the operations on it whose order matters.
 *
 * The views reach the slots that are used, and few more. Bun's collector counts the bytes of a buffer as memory in use,
 * and lets the more garbage grow the more is in use: views of all of the table, 52 MB, made it 100 MB.
 */
class TableMemory {
  readonly #part: TableMapping["part"];
  /** How many slots the views reach. */
  #slots = 0;
  /** The table up to the last record that is reached: as words, as pairs of them, as addresses. */
  u32: Uint32Array = new Uint32Array(0);
  u64: BigUint64Array = new BigUint64Array(0);
  f64: Float64Array = new Float64Array(0);
  #pins = this.u32;
  readonly lost: LostRanges;
  readonly #index: SlotIndex;
  readonly #estate: Estate | undefined;
  readonly members: Members | undefined;
  /** The slots that are set aside. If the isolate ends, others find them by its counts. */
  readonly #spare = new Uint32Array(MOST_SPARE);
  #spares = 0;

  constructor(part: TableMapping["part"], estate: Estate | undefined) {
    this.#estate = estate;
    this.members = estate?.members;
    this.#part = part;
    this.reach(FIRST_SLOTS - 1);
    this.lost = new LostRanges(this);
    this.#index = new SlotIndex(this, this.#words(LAYOUT.INDEX, LAYOUT.TABLE_SIZE - LAYOUT.INDEX));
  }

  #words(start: number, length: number): Uint32Array {
    const { buffer, offset } = this.#part(start, length);
    return new Uint32Array(buffer, offset, length / 4);
  }

  /** Has the views reach a slot. To be called before a slot is used that may be new to this isolate. */
  reach(slot: number): void {
    if (slot < this.#slots) return;
    let slots = FIRST_SLOTS;
    while (slots <= slot) slots *= 2;
    const size = slots * LAYOUT.RECORD_SIZE;
    const { buffer, offset } = this.#part(0, LAYOUT.RECORDS + size);
    this.u32 = new Uint32Array(buffer, offset, (LAYOUT.RECORDS + size) / 4);
    this.u64 = new BigUint64Array(buffer, offset, (LAYOUT.RECORDS + size) / 8);
    this.f64 = new Float64Array(buffer, offset, (LAYOUT.RECORDS + size) / 8);
    this.#pins = this.#words(LAYOUT.PINS, size);
    this.#slots = slots;
  }

  /** Has the views reach all slots that were ever used; returns how many these are. */
  reachUsed(): number {
    const used = Atomics.load(this.u32, LAYOUT.HEADER_USED / 4);
    if (used > 0) this.reach(used - 1);
    return used;
  }

  /** A view of a slot's banks of lost ranges. */
  banks(slot: number): Uint32Array {
    return this.#words(LAYOUT.LOST + slot * LAYOUT.LOST_SIZE, LAYOUT.LOST_SIZE);
  }

  /**
   * Takes a free slot: one that was given back, or else the next that was never used. So the part of the table that
   * the handler searches is no longer than the largest number of regions there ever were at once.
   */
  takeFreeSlot(): number {
    if (this.#spares > 0) {
      const spare = this.#spare[--this.#spares] ?? 0;
      if (this.members !== undefined) this.members.counts[spare] = 0;
      return spare;
    }
    for (;;) {
      const head = Atomics.load(this.u64, LAYOUT.HEADER_FREE / 8);
      const index = toNumber(head & LOW_WORD) - 1;
      if (index < 0) break;
      this.reach(index);
      const next = Atomics.load(this.u32, nextWord(index));
      if (Atomics.compareExchange(this.u64, LAYOUT.HEADER_FREE / 8, head, changedHead(head, next)) === head) {
        return index;
      }
    }
    for (;;) {
      const used = Atomics.load(this.u32, LAYOUT.HEADER_USED / 4);
      if (used >= LAYOUT.SLOTS) throw new TableFullError(`there are ${LAYOUT.SLOTS} regions already`);
      this.reach(used);
      if (Atomics.compareExchange(this.u32, LAYOUT.HEADER_USED / 4, used, used + 1) === used) return used;
    }
  }

  /** Takes references from a slot; returns how many are left. If none is, handles of the region are no longer valid. */
  giveBack(index: number, references: number): number {
    const word = (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_LIFE) / 4;
    const rest = Atomics.sub(this.u32, word, references) - references;
    const left = (rest & OWNERS) + (rest >>> LINGERING_SHIFT & LINGERINGS);
    if (left === 0) this.nextGeneration(index);
    return left;
  }

  /** Raises the generation of a slot without references: it is the next region's, or free. */
  nextGeneration(index: number): number {
    const word = (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_LIFE) / 4 + 1;
    return (Atomics.add(this.u32, word, 1) + 1) >>> 0;
  }

  /** Which isolate this is; 0 if that isn't known. */
  get member(): number {
    return this.members?.member ?? 0;
  }

  /** Counts that this isolate has this many more references to a slot. */
  count(index: number, references: number): void {
    const counts = this.members?.counts;
    if (counts !== undefined) counts[index] = (counts[index] ?? 0) + references;
  }

  /** Gives back the references of isolates that have ended; returns whether there were any. */
  buryDead(): boolean {
    let found = false;
    for (;;) {
      const dead = this.members?.takeDead();
      if (dead === undefined) return found;
      found = true;
      this.#bury(dead);
    }
  }

  #bury({ member, counts, done }: DeadMember): void {
    const used = this.reachUsed();
    for (let index = 0; index < used; index++) {
      const references = counts[index] ?? 0;
      if (references === 0) continue;
      counts[index] = 0;
      if (references === SPARE) {
        this.giveFreeSlot(index);
        continue;
      }
      const record = LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE;
      // It ended while it was changing the mapping alone, and nobody knows how far it came.
      const life = (record + LAYOUT.RECORD_LIFE) / 4;
      const changer = this.u32[(record + LAYOUT.RECORD_CHANGER) / 4];
      const moving = changer === member && (Atomics.load(this.u32, life) & ALONE) !== 0;
      if (moving) Atomics.and(this.u32, life, ~ALONE);
      // It may have transferred a buffer to another isolate.
      const flags = record + LAYOUT.RECORD_FLAGS;
      const viewed = (Atomics.load(this.u32, flags / 4) & (LAYOUT.FLAG_LENT | LAYOUT.FLAG_VIEWED)) !== 0;
      if (viewed) Atomics.or(this.u32, flags / 4, LAYOUT.FLAG_LENT);
      if (this.giveBack(index, references) > 0) continue;
      const start = this.f64[(record + LAYOUT.RECORD_START) / 8] ?? 0;
      const size = this.f64[(record + LAYOUT.RECORD_LENGTH) / 8] ?? 0;
      const length = this.pageEnd(
        index,
        Math.max(size, this.f64[(record + LAYOUT.RECORD_CAPACITY) / 8] ?? 0),
      );
      const there = length > 0 && !moving;
      if (there && viewed) this.#estate?.cover(start, length);
      this.hide(index);
      if (there && !viewed) this.#estate?.unmap(start, length);
      this.giveFreeSlot(index);
    }
    done();
  }

  giveFreeSlot(index: number): void {
    this.#index.strike(index);
    if (this.members !== undefined && this.#spares < MOST_SPARE) {
      this.members.counts[index] = SPARE;
      this.#spare[this.#spares++] = index;
      return;
    }
    for (;;) {
      const head = Atomics.load(this.u64, LAYOUT.HEADER_FREE / 8);
      Atomics.store(this.u32, nextWord(index), toNumber(head & LOW_WORD));
      const changed = changedHead(head, index + 1);
      if (Atomics.compareExchange(this.u64, LAYOUT.HEADER_FREE / 8, head, changed) === head) return;
    }
  }

  /**
   * Says where a slot's region is. The handler uses a start only if the end isn't 0, and the end is stored last: so
   * it sees the new pair or none. (The rest of the reasoning is in `x86_64.S`, where the slot is pinned.)
   */
  place(index: number, start: number, length: number, guarded: boolean): void {
    const record = (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE) / 8;
    this.f64[record + LAYOUT.RECORD_START / 8] = start;
    this.f64[record + LAYOUT.RECORD_LENGTH / 8] = length;
    if (guarded && length > 0) this.guard(index, start, length);
  }

  /** Has the handler look after a range. */
  guard(index: number, start: number, length: number): void {
    this.#show(index, start, length);
    Atomics.add(this.u32, LAYOUT.HEADER_SHOWN / 4, 1);
  }

  #show(index: number, start: number, length: number): void {
    const pageSize = this.#pageSize(index);
    const range = LAYOUT.RANGES / 8 + index * 2;
    const first = start - start % pageSize;
    const end = this.pageEnd(index, start + length);
    if (this.u32[range * 2 + 2] !== 0 || this.u32[range * 2 + 3] !== 0) {
      // It is seen already, and begins where it did.
      this.#index.replace(index, first, end, () => void Atomics.store(this.u64, range + 1, toBigInt(end)));
      return;
    }
    this.#index.strike(index);
    this.#index.note(index, first, end);
    // Words are faster than bigints. The end is 0: with its upper half alone, it lies before the real one.
    Atomics.store(this.u32, range * 2, first % 2 ** 32);
    Atomics.store(this.u32, range * 2 + 1, Math.floor(first / 2 ** 32));
    Atomics.store(this.u32, range * 2 + 3, Math.floor(end / 2 ** 32));
    Atomics.store(this.u32, range * 2 + 2, end % 2 ** 32);
  }

  /** The end of the page that a slot's region ends in. */
  pageEnd(index: number, end: number): number {
    const pageSize = this.#pageSize(index);
    return Math.ceil(end / pageSize) * pageSize;
  }

  #pageSize(index: number): number {
    return this.u32[(LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_PAGE_SIZE) / 4] ?? 0;
  }

  /** Makes the next fault count as a new one, wherever it is: something that may cause faults has changed. */
  forgetFault(index: number): void {
    const record = LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE;
    Atomics.store(this.u32, (record + LAYOUT.RECORD_REPEATS) / 4, 0);
    Atomics.store(this.u64, (record + LAYOUT.RECORD_MARK) / 8, 0n);
  }

  /** Hides a slot from the handler. When this returns, no handler is at work on it. */
  hide(index: number): void {
    Atomics.store(this.u64, LAYOUT.RANGES / 8 + index * 2 + 1, 0n);
    this.settle(index);
  }

  /**
   * Waits until no handler is at work on a slot, however long that takes: slow storage may hold a handler up, and it
   * must not go on when something else has been mapped at the range. The wait does end: no signal interrupts a
   * handler, and a child of fork(2) starts with none at work.
   */
  settle(index: number): void {
    const pins = this.#pins;
    const word = (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_PINS - LAYOUT.PINS) / 4;
    if (Atomics.load(pins, word) !== 0) waitUntil(() => Atomics.load(pins, word) === 0, Infinity);
  }
}

function nextWord(index: number): number {
  return (LAYOUT.RECORDS + index * LAYOUT.RECORD_SIZE + LAYOUT.RECORD_NEXT) / 4;
}

/**
 * A new head of the free list. The upper half counts changes: without it, a slot that was taken and given back
 * between another isolate's load and its exchange would look untouched, while the slot after it has changed.
 */
function changedHead(head: bigint, next: number): bigint {
  return ((head >> 32n) + 1n & LOW_WORD) << 32n | toBigInt(next);
}

/** Why there is no handler, in words; `undefined` when there is one. */
export function reasonFor(state: number): string | undefined {
  switch (state) {
    case GuardState.installed:
      return undefined;
    case GuardState.notExecutable:
      return "the system refused executable memory";
    case GuardState.noSigaction:
      return "the system refused a signal handler";
    default:
      return "the thread that was installing the handler did not finish";
  }
}
