// Prints the last lines of a file: tail. It looks at the file's end only, however large the file is.
//
//     node examples/tail.ts examples/access.log
//     bun examples/tail.ts -n 3 examples/access.log
//     deno run --allow-ffi --allow-read examples/tail.ts examples/access.log
//
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

const { values, positionals: [path] } = parseArgs({
  options: { lines: { type: "string", short: "n", default: "10" } },
  allowPositionals: true,
});
const count = Number(values.lines);
if (path === undefined || !Number.isInteger(count) || count < 0) {
  console.error("usage: tail.ts [-n LINES] FILE");
  process.exitCode = 2;
} else {
  try {
    using region = MappedRegion.open(path);
    const last = Iterator.from(region.lines({ reverse: true })).take(count).toArray();
    for (const line of last.reverse()) console.log(line);
  } catch (error) {
    console.error(`tail.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
