/**
 * A region as a list of records of a fixed size.
 *
 * @module
 */
import { show } from "./checks.ts";
import { type Column, FieldColumn } from "./columns.ts";
import type { RegionMemory } from "./memory.ts";
import type { RecordSchema, RecordsOptions } from "./options.ts";
import { Each, Rows, Scratch } from "./rows.ts";
import {
  type Fields,
  type InputOf,
  type Layout,
  planOf,
  type Put,
  type RecordOf,
  type RecordPlan,
  store,
  type ValueOf,
} from "./struct.ts";

/** What a list of records is made of. */
interface Parts {
  readonly rows: Rows;
  readonly schema: RecordSchema | undefined;
  readonly plan: RecordPlan;
}

/** Makes the list of a region's records. Programs call {@linkcode MappedRegion.records}. */
export let makeRecords: <F extends Fields>(
  memory: RegionMemory,
  layout: Layout<F>,
  options: RecordsOptions,
) => Records<F>;

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
  // To V8, a field that has had one value only is a constant. A private field is `undefined` before the constructor
  // gives it a value: so it has its value from the start, which can't be made from the constructor's parameters.
  static #parts: Parts | undefined;
  readonly #rows: Rows = Records.#made.rows;
  readonly #schema: RecordSchema | undefined = Records.#made.schema;
  readonly #plan: RecordPlan = Records.#made.plan;
  readonly #scratch: Scratch = new Scratch(this.#plan.size);
  #put: Put | undefined = this.#plan.put;

  /** Made by {@linkcode MappedRegion.records}. */
  private constructor(layout: Layout<F>) {
    this.layout = layout;
  }

  static {
    makeRecords = (memory, layout, options) => {
      const rows = new Rows(memory, layout.size, options);
      Records.#parts = { rows, schema: options.schema, plan: planOf(layout) };
      try {
        return new Records(layout);
      } finally {
        Records.#parts = undefined;
      }
    };
  }

  static get #made(): Parts {
    if (Records.#parts === undefined) throw new TypeError("records are made by region.records()");
    return Records.#parts;
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
    const put = this.#put;
    if (put === undefined) return this.#store(index, record);
    const values = put(this.#rows, index, record);
    if (values !== undefined) this.#store(index, this.#plan.left(record, values));
  }

  #store(index: number, record: unknown): void {
    const bytes = this.#scratch.take();
    try {
      store(this.#plan, bytes, record, "");
      this.#rows.store(index, 0, bytes);
    } finally {
      this.#scratch.giveBack(bytes);
      this.#put = this.#plan.put;
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
    return FieldColumn.of(this.#rows, place) as Column<ValueOf<F[Name]>, InputOf<F[Name]>>;
  }

  /** The records in order; throws a RegionClosedError if the region is closed in the middle. */
  [Symbol.iterator](): IterableIterator<RecordOf<Layout<F>>, undefined> {
    return new Each(this);
  }
}
