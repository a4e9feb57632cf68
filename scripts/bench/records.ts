/**
 * The sum of one field of all records, in nanoseconds a record. usage: records.ts WAY FILE COUNT
 *
 * One way in a process, so that the loop's machine code is made for one kind of object.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { char, MappedRegion, struct } from "../../mod.ts";
import { report } from "./measure.ts";

const [kind = "", file = "", count] = process.argv.slice(2);

const layout = struct({ id: "u64", price: "f64", amount: "u32", name: char(12) });

function overView(view: DataView): number {
  let sum = 0;
  const { offsets: { amount }, size } = layout;
  for (let at = amount; at < view.byteLength; at += size) sum = (sum + view.getUint32(at, true)) | 0;
  return sum;
}

using region = MappedRegion.open(file);
region.prefault();
const bytes = readFileSync(file);
const records = region.records(layout);
const { length } = records;

const WAYS: Readonly<Record<string, () => number>> = {
  "array": () => overView(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)),
  "view": () => overView(region.view),
  "column": () => {
    const column = records.column("amount");
    let sum = 0;
    for (let index = 0; index < length; index++) sum = (sum + column.get(index)) | 0;
    return sum;
  },
  "columnOf": () => {
    let sum = 0;
    for (const amount of records.column("amount")) sum = (sum + amount) | 0;
    return sum;
  },
  "get": () => {
    let sum = 0;
    for (let index = 0; index < length; index++) sum = (sum + records.get(index).amount) | 0;
    return sum;
  },
};

const way = WAYS[kind];
const expected = WAYS["array"]?.();
if (way === undefined) throw new TypeError(`no way to read records: ${kind}`);
const samples: number[] = [];
for (let round = 0; round <= Number(count); round++) {
  const start = performance.now();
  const sum = way();
  const spent = performance.now() - start;
  if (sum !== expected) throw new Error(`${kind}: the sum is ${sum}, not ${expected}`);
  if (round > 0) samples.push(spent * 1e6 / length); // the first warms up
}
report(samples);
