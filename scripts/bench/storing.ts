/**
 * Storing records and numbers, in nanoseconds each.
 * usage: storing.ts dataview|records.set|column.set|cursor numbers|trade|f64 FILE PASSES
 *
 * One of them in a process, so that the loop's machine code is made for one kind of object.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { char, MappedRegion, struct } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

const [kind, what, file = "", passes] = process.argv.slice(2);
const COUNT = 2 ** 16;

/** Four numbers; and three with a name, as in records.ts. */
const four = struct({ id: "u64", price: "f64", amount: "u32", flags: "u32" });
const trade = struct({ id: "u64", price: "f64", amount: "u32", name: char(12) });
const numbers = Array.from({ length: 64 }, (_, index) => ({
  id: BigInt(index),
  price: index / 4,
  amount: index * 7,
  flags: index & 3,
}));
const trades = numbers.map(({ id, price, amount }, index) => ({ id, price, amount, name: `name ${index}` }));

using region = MappedRegion.open(file, { access: "read-write", create: true, size: COUNT * 32 });
const { view, bytes } = region;
const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

type Pass = () => void;

const WAYS: Readonly<Record<string, Pass>> = {
  "dataview numbers": () => {
    for (let index = 0; index < COUNT; index++) {
      const record = numbers[index & 63];
      if (record === undefined) return;
      const at = index * 24;
      view.setBigUint64(at, record.id, true);
      view.setFloat64(at + 8, record.price, true);
      view.setUint32(at + 16, record.amount, true);
      view.setUint32(at + 20, record.flags, true);
    }
  },
  "dataview trade": () => {
    for (let index = 0; index < COUNT; index++) {
      const record = trades[index & 63];
      if (record === undefined) return;
      const at = index * 32;
      view.setBigUint64(at, record.id, true);
      view.setFloat64(at + 8, record.price, true);
      view.setUint32(at + 16, record.amount, true);
      const length = buffer.write(record.name, at + 20, 12);
      buffer.fill(0, at + 20 + length, at + 32);
    }
  },
  "dataview f64": () => {
    for (let index = 0; index < COUNT; index++) view.setFloat64(index * 24 + 8, index, true);
  },
  "records.set numbers": () => {
    for (let index = 0; index < COUNT; index++) {
      const record = numbers[index & 63];
      if (record !== undefined) records.set(index, record);
    }
  },
  "records.set trade": () => {
    for (let index = 0; index < COUNT; index++) {
      const record = trades[index & 63];
      if (record !== undefined) tradeRecords.set(index, record);
    }
  },
  "column.set f64": () => {
    for (let index = 0; index < COUNT; index++) column.set(index, index);
  },
  "cursor f64": () => {
    cursor.seek(0);
    for (let index = 0; index < COUNT; index++) cursor.writeF64(index);
  },
};
const records = region.records(four);
const tradeRecords = region.records(trade);
const column = records.column("price");
const cursor = region.cursor();

const way = WAYS[`${kind} ${what}`];
if (way === undefined) throw new TypeError(`storing.ts: there is no way '${kind} ${what}'`);
const once = (): number => {
  for (let round = 0; round < 20; round++) way();
  return view.getFloat64(what === "f64" && kind === "cursor" ? 8 * 63 : 8 + 24 * 63, true);
};
once();
const samples = await eachPass(once, Number(passes), once());
report(samples.map((spent) => spent / 20 / COUNT));
