/**
 * Reading numbers in a row, in nanoseconds each. usage: cursor.ts cursor|dataview u8|u32|f64 FILE COUNT
 *
 * One of them in a process, so that the loop's machine code is made for one kind of object.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Cursor, MappedRegion } from "../../mod.ts";
import { report } from "./measure.ts";

const [kind, type = "", file = "", count] = process.argv.slice(2);

/** What a program writes when it has no cursor: a position of its own. */
class Plain {
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

/** Both have what the loops use. */
type Numbers = Pick<Cursor, "readU8" | "readU32" | "readF64"> & { seek(position: number): unknown };

const LOOPS: Readonly<
  Record<string, { readonly width: number; sum(numbers: Numbers, size: number): number }>
> = {
  u8: {
    width: 1,
    sum(numbers, size): number {
      let sum = 0;
      for (let left = size; left >= 1; left -= 1) sum = (sum + numbers.readU8()) | 0;
      return sum;
    },
  },
  u32: {
    width: 4,
    sum(numbers, size): number {
      let sum = 0;
      for (let left = size; left >= 4; left -= 4) sum = (sum + numbers.readU32()) | 0;
      return sum;
    },
  },
  f64: {
    width: 8,
    sum(numbers, size): number {
      let sum = 0;
      for (let left = size; left >= 8; left -= 8) sum += numbers.readF64();
      return sum;
    },
  },
};

const loop = LOOPS[type];
if (loop === undefined) throw new TypeError(`no type of numbers: ${type}`);
using region = kind === "cursor" ? MappedRegion.open(file) : undefined;
region?.prefault();
const bytes = region === undefined ? readFileSync(file) : undefined;
const numbers: Numbers = region?.cursor() ??
  new Plain(new DataView(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset));
const size = region?.length ?? bytes?.length ?? 0;
const samples: number[] = [];
for (let round = 0; round <= Number(count); round++) {
  numbers.seek(0);
  const start = performance.now();
  loop.sum(numbers, size);
  const spent = performance.now() - start;
  if (round > 0) samples.push(spent * 1e6 / (size / loop.width)); // the first warms up
}
report(samples);
