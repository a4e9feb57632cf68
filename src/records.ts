/**
 * A region as a list of records of a fixed size.
 *
 * @module
 */
import { setBytes } from "./captured.ts";
import { show, wholeNumber } from "./checks.ts";
import type { RegionMemory } from "./memory.ts";
import type { RecordSchema, RecordsOptions } from "./options.ts";
import {
  type Fields,
  type InputOf,
  type Layout,
  type Place,
  type Plan,
  planOf,
  type RecordOf,
  type RecordPlan,
  ScalarPlan,
  store,
  STORED,
  type ValueOf,
  WrongValue,
} from "./struct.ts";
import { Window } from "./window.ts";

/** The bytes of records, one behind the other. */
class Rows {
  readonly #memory: RegionMemory;
  readonly #window: Window;
  readonly #offset: number;
  readonly #count: number;
  readonly #size: number;
  /** How many records there were when last counted, and how many bytes the region had then. */
  #known = 0;
  #room = 0;

  constructor(memory: RegionMemory, size: number, { offset = 0, count }: RecordsOptions) {
    memory.check(offset, count === undefined ? undefined : count * size, "records");
    this.#memory = memory;
    this.#window = new Window(memory);
    this.#window.open(offset);
    this.#offset = offset;
    this.#count = count ?? Infinity;
    this.#size = size;
  }

  get length(): number {
    const length = this.#memory.length("records");
    if (length !== this.#room) {
      this.#room = length;
      this.#known = Math.min(this.#count, Math.floor(Math.max(0, length - this.#offset) / this.#size));
    }
    return this.#known;
  }

  /** Reads a part of a record. */
  read(index: number, offset: number, plan: Plan): unknown {
    if (Number.isInteger(index) && index >= 0 && index < this.#known) {
      const { start, view } = this.#window;
      try {
        const at = this.#offset + index * this.#size + offset - start;
        const value = plan.read(view, at);
        this.#window.look(at);
        return value;
      } catch {
        // The window is elsewhere, the region is closed or resized, or pages were lost: the slow way finds out.
      }
    }
    const start = this.#locate(index, "get") + offset;
    return this.#window.slowly(start, plan.size, false, "get", (view, at) => plan.read(view, at));
  }

  /** Stores a number in a record, directly: none of the program's code can run in between. */
  write(index: number, offset: number, plan: ScalarPlan<unknown>, value: unknown): void {
    if (Number.isInteger(index) && index >= 0 && index < this.#known) {
      const { start, target } = this.#window;
      try {
        const at = this.#offset + index * this.#size + offset - start;
        plan.write(target, at, value);
        this.#window.look(at);
        return;
      } catch {
        // As above; or the value is wrong.
      }
    }
    const start = this.#locate(index, "set") + offset;
    this.#window.slowly(start, plan.size, true, "set", (view, at) => plan.write(view, at, value));
  }

  /** Stores a record where it belongs; if that can't be done, returns what is left to be stored by `store`. */
  put(index: number, plan: RecordPlan, record: unknown): unknown {
    return Number.isInteger(index) && index >= 0 && index < this.#known
      ? plan.put(this.#window, this.#offset + index * this.#size, record)
      : record;
  }

  /** Stores a part of a record, from bytes that only the library has. */
  store(index: number, offset: number, bytes: DataView<ArrayBuffer>): void {
    const size = bytes.byteLength;
    if (Number.isInteger(index) && index >= 0 && index < this.#known) {
      const { start, target } = this.#window;
      try {
        const at = this.#offset + index * this.#size + offset - start;
        copy(bytes, size, target, at);
        this.#window.look(at);
        return;
      } catch {
        // As above.
      }
    }
    const start = this.#locate(index, "set") + offset;
    this.#window.slowly(start, size, true, "set", (view, at) => copy(bytes, size, view, at));
  }

  /** Where in the region a record begins. */
  #locate(index: number, operation: string): number {
    wholeNumber(index, `${operation}: 'index'`);
    const { length } = this;
    if (index >= length) {
      throw new RangeError(`${operation}: there is no record ${index}: the region has ${length}`);
    }
    return this.#offset + index * this.#size;
  }
}

/** The elements of a list, in order. Not a generator, since that is slower. */
class Each<T> implements IterableIterator<T, undefined> {
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
 * A region as a list of records, made by {@linkcode MappedRegion.records}. Records are read when they are asked for, and
 * are copies: changing one changes nothing in the region.
 *
 * @example
 * ```ts
 * import { char, MappedRegion, struct } from "@mapped/region";
 *
 * using memory = MappedRegion.anonymous(3200);
 * const people = memory.records(struct({ age: "u8", name: char(31) }));
 * people.set(7, { age: 36, name: "Ada" });
 * console.log(people.length, people.get(7).name); // 100 Ada
 * ```
 */
export class Records<F extends Fields> implements Iterable<RecordOf<Layout<F>>> {
  /** What a record looks like. */
  readonly layout: Layout<F>;
  readonly #rows: Rows;
  readonly #schema: RecordSchema | undefined;
  readonly #plan: RecordPlan;
  readonly #scratch: Scratch;

  /**
   * Made by {@linkcode MappedRegion.records}.
   *
   * @param memory The region's memory.
   * @param layout What a record looks like.
   * @param options Where the records are, and what checks them.
   */
  constructor(memory: RegionMemory, layout: Layout<F>, options: RecordsOptions) {
    this.layout = layout;
    this.#rows = new Rows(memory, layout.size, options);
    this.#schema = options.schema;
    this.#plan = planOf(layout);
    this.#scratch = new Scratch(this.#plan.size);
  }

  /**
   * The number of records: as many as there is room for, or as were asked for.
   *
   * @throws {RegionClosedError} If the region is closed.
   */
  get length(): number {
    return this.#rows.length;
  }

  /**
   * Reads a record.
   *
   * @param index Which one, from 0 on.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {RangeError} If there is no such record.
   * @throws {MmapError} EACCES if its pages have protection `"none"`; EFAULT if they were lost.
   *
   * @example
   * ```ts
   * import { char, MappedRegion, struct } from "@mapped/region";
   *
   * using log = MappedRegion.open("access.log");
   * console.log(log.records(struct({ start: char(4), rest: char(12) })).get(0).start);
   * ```
   */
  get(index: number): RecordOf<Layout<F>> {
    const record = this.#rows.read(index, 0, this.#plan);
    // The schema is the program's code, which may close the region: nothing of that is used afterwards.
    return (this.#schema === undefined ? record : this.#schema.parse(record)) as RecordOf<Layout<F>>;
  }

  /**
   * Stores a record; the padding between its fields becomes 0.
   *
   * Its properties are read once each, and checked, before anything is stored.
   *
   * @param index Which one, from 0 on.
   * @param record A value for each field.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {TypeError} If a value is missing or has the wrong type; nothing is stored then.
   * @throws {RangeError} If there is no such record, a number is out of its field's range, or text, bytes or an array don't
   * fit their field; nothing is stored then.
   * @throws {MmapError} EACCES if the region is not writable; EFAULT if its pages were lost.
   *
   * @example
   * ```ts
   * import { MappedRegion, struct } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1600);
   * const trades = memory.records(struct({ id: "u64", amount: "u32" }));
   * trades.set(3, { id: 1n, amount: 2 ** 32 - 1 });
   * // trades.set(3, { id: 1n, amount: 2 ** 32 }) throws a RangeError: field 'amount' must be a whole number from 0 to 4294967295
   * ```
   */
  set(index: number, record: InputOf<Layout<F>>): void {
    const left = this.#rows.put(index, this.#plan, record);
    if (left === STORED) return;
    const bytes = this.#scratch.take();
    try {
      store(this.#plan, bytes, left, "");
      this.#rows.store(index, 0, bytes);
    } finally {
      this.#scratch.giveBack(bytes);
    }
  }

  /**
   * One field of all records.
   *
   * @param name Which field.
   * @throws {TypeError} If there is no such field.
   *
   * @example
   * ```ts
   * import { MappedRegion, struct } from "@mapped/region";
   *
   * using memory = MappedRegion.anonymous(1600);
   * const prices = memory.records(struct({ id: "u64", price: "f64" })).column("price");
   * prices.set(3, 9.5);
   * console.log(prices.length, prices.get(3)); // 100 9.5
   * ```
   */
  column<Name extends keyof F & string>(name: Name): Column<ValueOf<F[Name]>, InputOf<F[Name]>> {
    const place = this.#plan.places.find((each) => each.name === name);
    if (place === undefined) throw new TypeError(`column: there is no field ${show(name)}`);
    return new FieldColumn(this.#rows, place);
  }

  /** The records in order; throws a RegionClosedError if the region is closed in the middle. */
  [Symbol.iterator](): IterableIterator<RecordOf<Layout<F>>, undefined> {
    return new Each(this);
  }
}

/** One field of all records: {@linkcode Records.column}. */
export interface Column<Value, Input = Value> extends Iterable<Value> {
  /** The number of records. */
  readonly length: number;
  /** Reads the field of one record. Throws as {@linkcode Records.get} does. The schema isn't called. */
  get(index: number): Value;
  /** Stores the field of a record. Throws as {@linkcode Records.set} does. */
  set(index: number, value: Input): void;
}

/** A column, by where its field is in a record. */
class FieldColumn<Value, Input> implements Column<Value, Input> {
  readonly #rows: Rows;
  readonly #place: Place;
  readonly #scratch: Scratch;

  constructor(rows: Rows, place: Place) {
    this.#rows = rows;
    this.#place = place;
    this.#scratch = new Scratch(place.plan.size);
  }

  get length(): number {
    return this.#rows.length;
  }

  get(index: number): Value {
    return this.#rows.read(index, this.#place.offset, this.#place.plan) as Value;
  }

  set(index: number, value: Input): void {
    const { name, offset, plan } = this.#place;
    if (plan instanceof ScalarPlan) {
      try {
        this.#rows.write(index, offset, plan, value);
      } catch (error) {
        throw WrongValue.told(error, name);
      }
      return;
    }
    const bytes = this.#scratch.take();
    try {
      store(plan, bytes, value, name);
      this.#rows.store(index, offset, bytes);
    } finally {
      this.#scratch.giveBack(bytes);
    }
  }

  [Symbol.iterator](): IterableIterator<Value, undefined> {
    return new Each(this);
  }
}

/**
 * The bytes in which a value is encoded before it is stored. They are reused, unless one of the program's getters
 * stores another record in the middle.
 */
class Scratch {
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
    setBytes(new Uint8Array(to.buffer, to.byteOffset + at, size), new Uint8Array(from.buffer));
    return;
  }
  let index = 0;
  for (; index + 8 <= size; index += 8) to.setBigUint64(at + index, from.getBigUint64(index));
  for (; index < size; index++) to.setUint8(at + index, from.getUint8(index));
}
