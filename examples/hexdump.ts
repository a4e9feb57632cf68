// Prints the bytes of a file, from an offset on: hexdump -C.
//
//     node examples/hexdump.ts examples/access.log 100 64
//     bun examples/hexdump.ts examples/access.log
//     deno run --allow-ffi --allow-read examples/hexdump.ts examples/access.log
//
// deno-lint-ignore-file no-console -- a program's output
import { Buffer } from "node:buffer";
import process from "node:process";
import { MappedRegion } from "../mod.ts";

const AT_ONCE = 1000; // rows that are printed by one call

function hexdump(path: string, offset: number, length: number | undefined): void {
  using region = MappedRegion.open(path);
  const cursor = region.cursor(offset);
  const end = length === undefined ? region.length : Math.min(region.length, offset + length);
  const rows: string[] = [];
  while (cursor.tell() < end) {
    const at = cursor.tell().toString(16).padStart(8, "0");
    const row = Buffer.from(cursor.read(Math.min(16, end - cursor.tell())).buffer);
    const hex = row.toString("hex").replace(/../g, "$& ").padEnd(48).replace(/^.{24}/, "$& ");
    rows.push(`${at}  ${hex} |${row.toString("latin1").replace(/[^ -~]/g, ".")}|`);
    if (rows.length === AT_ONCE) console.log(rows.splice(0).join("\n"));
  }
  for (const row of rows) console.log(row);
  console.log(end.toString(16).padStart(8, "0"));
}

const [path, offset = "0", length] = process.argv.slice(2);
if (path === undefined) {
  console.error("usage: hexdump.ts FILE [OFFSET [LENGTH]]");
  process.exitCode = 2;
} else {
  try {
    hexdump(path, Number(offset), length === undefined ? undefined : Number(length));
  } catch (error) {
    console.error(`hexdump.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
