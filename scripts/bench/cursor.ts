/**
 * Reading numbers in a row, in nanoseconds each. usage: cursor.ts cursor|dataview FILE COUNT
 *
 * One of them in a process, so that the loop's machine code is made for one kind of object.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Cursor, MappedRegion } from "../../mod.ts";
import { report } from "./measure.ts";

const [kind, file = "", count] = process.argv.slice(2);

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

  readU32(): number {
    const value = this.#view.getUint32(this.#position, true);
    this.#position += 4;
    return value;
  }
}

/** Both have what the loop uses. */
function sum(numbers: Pick<Cursor, "readU32"> & { seek(position: number): unknown }, size: number): number {
  numbers.seek(0);
  let sum = 0;
  for (let left = size; left >= 4; left -= 4) sum = (sum + numbers.readU32()) | 0;
  return sum;
}

using region = kind === "cursor" ? MappedRegion.open(file) : undefined;
region?.prefault();
const bytes = region === undefined ? readFileSync(file) : undefined;
const numbers = region?.cursor() ??
  new Plain(new DataView(bytes?.buffer ?? new ArrayBuffer(0), bytes?.byteOffset));
const size = region?.length ?? bytes?.length ?? 0;
const samples: number[] = [];
for (let round = 0; round <= Number(count); round++) {
  const start = performance.now();
  sum(numbers, size);
  const spent = performance.now() - start;
  if (round > 0) samples.push(spent * 1e6 / (size / 4));
}
report(samples);
