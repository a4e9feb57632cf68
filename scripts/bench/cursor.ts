/**
 * Reading numbers in a row, in nanoseconds each. usage: cursor.ts cursor|dataview u8|u32|f64 FILE PASSES
 *
 * One of them in a process, so that the loop's machine code is made for one kind of object.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Cursor, MappedRegion } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [kind, type = "", file = "", passes] = process.argv.slice(2);
const bytes = readFileSync(file);

/** What the loops use of a cursor. */
type Numbers = Pick<Cursor, "readU8" | "readU32" | "readF64"> & { seek(position: number): unknown };

/** What a program writes when it has no cursor: a position of its own. */
class Plain implements Numbers {
  #position = 0;
  readonly #view: DataView;

  constructor(view: DataView) {
    this.#view = view;
  }

  seek(position: number): void {
    this.#position = position;
  }

  readU8(): number {
    const value = this.#view.getUint8(this.#position);
    this.#position += 1;
    return value;
  }

  readU32(): number {
    const value = this.#view.getUint32(this.#position, true);
    this.#position += 4;
    return value;
  }

  readF64(): number {
    const value = this.#view.getFloat64(this.#position, true);
    this.#position += 8;
    return value;
  }
}

interface Way {
  readonly size: number;
  sum(numbers: Numbers): number;
  /** What the sum has to be: by other means, in the same order. */
  expected(): number;
}

/** The file as numbers. */
function over<T>(Numbers: new (buffer: ArrayBuffer, offset: number, length: number) => T, size: number): T {
  return new Numbers(bytes.buffer, bytes.byteOffset, bytes.length / size);
}

const WAYS: Readonly<Record<string, Way>> = {
  "u8": {
    size: 1,
    sum: (numbers) => {
      let sum = 0;
      for (let left = bytes.length; left >= 1; left -= 1) sum = (sum + numbers.readU8()) | 0;
      return sum;
    },
    expected: () => bytes.reduce((sum, value) => (sum + value) | 0, 0),
  },
  "u32": {
    size: 4,
    sum: (numbers) => {
      let sum = 0;
      for (let left = bytes.length; left >= 4; left -= 4) sum = (sum + numbers.readU32()) | 0;
      return sum;
    },
    expected: () => over(Uint32Array, 4).reduce((sum, value) => (sum + value) | 0, 0),
  },
  "f64": {
    size: 8,
    sum: (numbers) => {
      let sum = 0;
      for (let left = bytes.length; left >= 8; left -= 8) sum += numbers.readF64();
      return sum;
    },
    expected: () => over(Float64Array, 8).reduce((sum, value) => sum + value, 0),
  },
};

const way = WAYS[type];
if (way === undefined) throw new TypeError(`cursor.ts: there is no type '${type}'`);
using region = kind === "cursor" ? MappedRegion.open(file) : undefined;
const numbers: Numbers = region?.cursor() ??
  new Plain(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
const once = (): number => {
  numbers.seek(0);
  return way.sum(numbers);
};
const samples = await eachPass(once, Number(passes), way.expected());
report(samples.map((spent) => spent / (bytes.length / way.size)));
