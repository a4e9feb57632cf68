// Keeps trades in a file as a C program would, and looks at one column of them.
//
//     node examples/records.ts /tmp/trades.bin 100000
//     bun examples/records.ts /tmp/trades.bin 100000
//     deno run --allow-ffi --allow-read --allow-write examples/records.ts /tmp/trades.bin 100000
//
// In C: open, ftruncate, mmap with MAP_SHARED; the address is cast to struct trade *.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import * as z from "zod/mini";
import { char, MappedRegion, struct } from "../mod.ts";
import { simpleCommand, wholeNumber } from "./command.ts";

/** struct trade { uint64_t id; double price; uint32_t amount; char name[12]; }; */
const trade = struct({ id: "u64", price: "f64", amount: "u32", name: char(12) });

/** Not every file that has the right size has trades in it. */
const schema = z.object({
  id: z.bigint(),
  price: z.number().check(z.positive()),
  amount: z.int(),
  name: z.string().check(z.regex(/^[A-Z]+$/)),
});

function write(path: string, count: number): void {
  using file = MappedRegion.open(path, { access: "read-write", create: true, size: count * trade.size });
  const trades = file.records(trade);
  for (let index = 0; index < count; index++) {
    const name = index % 3 === 0 ? "OAK" : "BIRCH";
    trades.set(index, { id: BigInt(index), price: 1 + index % 100 / 4, amount: index % 7, name });
  }
}

function read(path: string): void {
  using file = MappedRegion.open(path);
  const trades = file.records(trade, { schema });
  let dearest = 0;
  let at = 0;
  let index = 0;
  for (const price of trades.column("price")) {
    if (price > dearest) [dearest, at] = [price, index];
    index++;
  }
  const { id, name, amount } = trades.get(at);
  console.log(`${trades.length} trades; the dearest is ${id}: ${amount} of ${name} at ${dearest}`);
}

await simpleCommand("usage: records.ts FILE COUNT", 2, 2, (path = "", given = "") => {
  write(path, wholeNumber(given, "COUNT"));
  read(path);
});
