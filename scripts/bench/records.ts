/**
 * The sum of one field of a file's records, C's `struct { uint64_t id; double price; uint32_t amount; char name[12]; }`.
 * usage: records.ts buffer|read|view|get|iterate|column.get|column.iterate FILE PASSES EXPECTED
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { char, MappedRegion, struct } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [way = "", file = "", passes, expected] = process.argv.slice(2);
const layout = struct({ id: "u64", price: "f64", amount: "u32", name: char(12) });
using region = MappedRegion.open(file);
const records = region.records(layout);
const bytes = way === "buffer" ? readFileSync(file) : undefined;

function sum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < view.byteLength; at += 32) sum += view.getFloat64(at + 8, true);
  return sum;
}

const over = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const WAYS: Readonly<Record<string, () => number>> = {
  "buffer": () => sum(over(bytes ?? new Uint8Array())),
  "read": () => sum(over(readFileSync(file))),
  "view": () => sum(region.view),
  "get": () => {
    let sum = 0;
    for (let index = 0; index < records.length; index++) sum += records.get(index).price;
    return sum;
  },
  "iterate": () => {
    let sum = 0;
    for (const { price } of records) sum += price;
    return sum;
  },
  "column.get": () => {
    const prices = records.column("price");
    let sum = 0;
    for (let index = 0; index < prices.length; index++) sum += prices.get(index);
    return sum;
  },
  "column.iterate": () => {
    let sum = 0;
    for (const price of records.column("price")) sum += price;
    return sum;
  },
};

const once = WAYS[way];
if (once === undefined) throw new TypeError(`records.ts: there is no way '${way}'`);
report(await eachPass(once, Number(passes), Number(expected)));
