/**
 * The records of a region, as bytes: what `records.ts` and `columns.ts` read and store them through.
 *
 * @module
 */
import { ByteArray, Math, setBytes } from "../ffi/captured.ts";
import { wholeNumber } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import type { RecordsOptions } from "./options.ts";
import { partOf, type Plan, type ScalarPlan } from "./struct.ts";
import { Window } from "./window.ts";

/** The bytes of records, one behind the other: a window over them, and where in it the first one is. */
export class Rows extends Window {
  declare readonly size: number;
  /** Where in the window the first record begins, in bytes. */
  declare base: number;
  /** How many records there were when last counted. */
  declare count: number;
  readonly #memory: RegionMemory;
  readonly #offset: number;
  readonly #most: number;
  /** How many bytes the region had when the records were last counted. */
  #room: number;

  constructor(memory: RegionMemory, size: number, { offset = 0, count = Infinity }: RecordsOptions) {
    memory.check(offset, count === Infinity ? undefined : count * size, "records");
    super(memory, offset);
    this.size = size;
    this.base = offset - this.start;
    this.#memory = memory;
    this.#offset = offset;
    this.#most = count;
    this.#room = memory.length("records");
    this.count = this.#counted();
  }

  get length(): number {
    const length = this.#memory.length("records");
    if (length !== this.#room) {
      this.#room = length;
      this.count = this.#counted();
    }
    return this.count;
  }

  #counted(): number {
    return Math.min(this.#most, Math.floor(Math.max(0, this.#room - this.#offset) / this.size));
  }

  /** Where in the window a part of a record is; outside of it if there is no such record. */
  at(index: number, offset: number): number {
    return Number.isInteger(index) && index >= 0 && index < this.count
      ? this.base + index * this.size + offset
      : -1;
  }

  /** Reads a part of a record. */
  read(index: number, offset: number, plan: Plan): unknown {
    try {
      const at = this.at(index, offset);
      const value = plan.read(this.view, at);
      this.look(at);
      return value;
    } catch {
      // The window is elsewhere, the region is closed or resized, or pages were lost: the slow way finds out.
      const start = this.#locate(index, "get") + offset;
      return this.slowly(start, plan.size, false, "get", (view, at) => plan.read(view, at));
    }
  }

  /** Stores a part of a record, from bytes that only the library has. */
  store(index: number, offset: number, bytes: DataView<ArrayBuffer>): void {
    const size = bytes.byteLength;
    try {
      const at = this.at(index, offset);
      copy(bytes, size, this.target, at);
      this.look(at);
    } catch {
      const start = this.#locate(index, "set") + offset;
      this.slowly(start, size, true, "set", (view, at) => copy(bytes, size, view, at));
    }
  }

  /** Stores a number or a bool: none of the program's code can run in between. */
  write(index: number, offset: number, plan: ScalarPlan, value: unknown): void {
    try {
      const at = this.at(index, offset);
      plan.write(this.target, at, value);
      this.look(at);
    } catch {
      const start = this.#locate(index, "set") + offset;
      this.slowly(start, plan.size, true, "set", (view, at) => plan.write(view, at, value));
    }
  }

  override slowly<T>(
    offset: number,
    size: number,
    writable: boolean,
    operation: string,
    touch: (view: DataView<ArrayBuffer>, at: number) => T,
  ): T {
    try {
      return super.slowly(offset, size, writable, operation, touch);
    } finally {
      const base = this.#offset - this.start; // the window may have moved
      if (this.base !== base) this.base = base;
    }
  }

  /** Where in the region a record begins. */
  #locate(index: number, operation: string): number {
    wholeNumber(index, `${operation}: 'index'`);
    const { length } = this;
    if (index >= length) {
      throw new RangeError(`${operation}: there is no record ${index}: the region has ${length}`);
    }
    return this.#offset + index * this.size;
  }
}

/** The elements of a list, in order. Not a generator, since that is slower. */
export class Each<T> implements IterableIterator<T, undefined> {
  readonly #list: { readonly length: number; get(index: number): T };
  #index = 0;

  constructor(list: { readonly length: number; get(index: number): T }) {
    this.#list = list;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T, undefined> {
    if (this.#index < this.#list.length) return { done: false, value: this.#list.get(this.#index++) };
    this.#index = Infinity; // for good, even if the region grows
    return { done: true, value: undefined };
  }
}

/**
 * The bytes in which a value is encoded before it is stored. They are reused, unless one of the program's getters
 * stores another record in the middle.
 */
export class Scratch {
  readonly #size: number;
  #bytes: DataView<ArrayBuffer> | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  take(): DataView<ArrayBuffer> {
    const bytes = this.#bytes ?? new DataView(new ArrayBuffer(this.#size));
    this.#bytes = undefined;
    return bytes;
  }

  giveBack(bytes: DataView<ArrayBuffer>): void {
    this.#bytes = bytes;
  }
}

/** Up to this many bytes are copied faster in a loop than by a call. */
const SHORT = 64;

/** Copies all of some bytes to a part of others. */
function copy(from: DataView<ArrayBuffer>, size: number, to: DataView<ArrayBuffer>, at: number): void {
  if (size > SHORT) {
    setBytes(partOf(to, at, size), new ByteArray(from.buffer));
    return;
  }
  let index = 0;
  for (; index + 8 <= size; index += 8) to.setBigUint64(at + index, from.getBigUint64(index));
  for (; index < size; index++) to.setUint8(at + index, from.getUint8(index));
}
