/**
 * One field of all records of a region.
 *
 * The columns of numbers are alike, and still each is written out, as the methods of `cursor.ts` are: code for all of
 * them, which goes by the table in `numbers.ts`, takes four times as long. It is used when the fast attempt has failed,
 * which tells nothing of why: {@linkcode FieldColumn} finds out.
 *
 * @module
 */
import { fitsI64, fitsU64, type ScalarField, type ScalarOf } from "./numbers.ts";
import { Each, type Rows, Scratch } from "./rows.ts";
import { type Place, ScalarPlan, store, WrongValue } from "./struct.ts";

/** One field of all records: {@linkcode Records.column}. */
export interface Column<Value, Input = Value> extends Iterable<Value> {
  /** The number of records. */
  readonly length: number;
  /** Reads the field of one record. Throws as {@linkcode Records.get} does. The schema isn't called. */
  get(index: number): Value;
  /** Stores the field of a record. Throws as {@linkcode Records.set} does. */
  set(index: number, value: Input): void;
}

/** A class for each kind of number. */
type Kinds = { readonly [F in ScalarField]: new () => Column<ScalarOf<F>> };

/** A column, by where its field is in a record. */
export class FieldColumn<Value, Input> implements Column<Value, Input> {
  // Fields have their values from the start: see `records.ts`.
  static #parts: readonly [rows: Rows, place: Place] | undefined;
  static #kinds: Kinds | undefined;
  readonly #rows: Rows = FieldColumn.#made[0];
  readonly #place: Place = FieldColumn.#made[1];
  readonly #offset: number = this.#place.offset;
  readonly #scratch: Scratch = new Scratch(this.#place.plan.size);

  /** The column of a field. */
  static of(rows: Rows, place: Place): Column<unknown> {
    const { plan } = place;
    const Kind = plan instanceof ScalarPlan && plan.little
      ? (FieldColumn.#kinds ??= FieldColumn.#makeKinds())[plan.field]
      : FieldColumn<unknown, unknown>;
    FieldColumn.#parts = [rows, place];
    try {
      return new Kind();
    } finally {
      FieldColumn.#parts = undefined;
    }
  }

  static get #made(): readonly [rows: Rows, place: Place] {
    if (FieldColumn.#parts === undefined) {
      throw new TypeError("a column is made by the records that it is one of");
    }
    return FieldColumn.#parts;
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

  /**
   * The columns of numbers and bools, if they are little-endian. They are here since they use what is private, and are
   * made with the first column: in the JavaScript that TypeScript makes, a class can't be extended by its own fields.
   */
  static readonly #makeKinds = (): Kinds => ({
    u8: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getUint8(at);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && (value & 0xff) === value) {
          try {
            const rows = this.#rows;
            rows.target.setUint8(rows.at(index, this.#offset), value);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // `super` finds out why.
          }
        }
        super.set(index, value);
      }
    },
    i8: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getInt8(at);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && value << 24 >> 24 === value) {
          try {
            const rows = this.#rows;
            rows.target.setInt8(rows.at(index, this.#offset), value);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    u16: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getUint16(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && (value & 0xffff) === value) {
          try {
            const rows = this.#rows;
            rows.target.setUint16(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    i16: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getInt16(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && value << 16 >> 16 === value) {
          try {
            const rows = this.#rows;
            rows.target.setInt16(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    u32: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getUint32(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && value >>> 0 === value) {
          try {
            const rows = this.#rows;
            rows.target.setUint32(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    i32: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getInt32(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number" && (value | 0) === value) {
          try {
            const rows = this.#rows;
            rows.target.setInt32(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    u64: class extends FieldColumn<bigint, bigint> {
      override get(index: number): bigint {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getBigUint64(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: bigint): void {
        if (typeof value === "bigint" && fitsU64(value)) {
          try {
            const rows = this.#rows;
            rows.target.setBigUint64(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    i64: class extends FieldColumn<bigint, bigint> {
      override get(index: number): bigint {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getBigInt64(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: bigint): void {
        if (typeof value === "bigint" && fitsI64(value)) {
          try {
            const rows = this.#rows;
            rows.target.setBigInt64(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    f16: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getFloat16(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number") {
          try {
            const rows = this.#rows;
            rows.target.setFloat16(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    f32: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getFloat32(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number") {
          try {
            const rows = this.#rows;
            rows.target.setFloat32(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    f64: class extends FieldColumn<number, number> {
      override get(index: number): number {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getFloat64(at, true);
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: number): void {
        if (typeof value === "number") {
          try {
            const rows = this.#rows;
            rows.target.setFloat64(rows.at(index, this.#offset), value, true);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
    bool: class extends FieldColumn<boolean, boolean> {
      override get(index: number): boolean {
        try {
          const rows = this.#rows;
          const at = rows.at(index, this.#offset);
          const value = rows.view.getUint8(at) !== 0;
          rows.look(at);
          return value;
        } catch {
          return super.get(index);
        }
      }
      override set(index: number, value: boolean): void {
        if (typeof value === "boolean") {
          try {
            const rows = this.#rows;
            rows.target.setUint8(rows.at(index, this.#offset), value ? 1 : 0);
            if (rows.losses[0] === rows.known) return;
          } catch {
            // As above.
          }
        }
        super.set(index, value);
      }
    },
  });
}
