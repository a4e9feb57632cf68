// Counts the lines, words and bytes of files: wc. Lines alone, with -l, are counted sixteen bytes at a time.
//
//     node examples/wc.ts examples/access.log
//     bun examples/wc.ts -l examples/access.log
//     deno run --allow-ffi --allow-read examples/wc.ts examples/access.log
//
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

/** A word begins where a byte that isn't white space follows one that is. */
const SPACE: Uint8Array = new Uint8Array(256);
for (const byte of " \t\n\v\f\r") SPACE[byte.charCodeAt(0)] = 1;

async function words(region: MappedRegion): Promise<number> {
  let count = 0;
  let space = 1;
  let done = 0;
  for await (const part of region.windows()) {
    for (let at = 0; at < part.length; at++) {
      const next = SPACE[part[at] ?? 0] ?? 0;
      count += space & ~next;
      space = next;
    }
    done += part.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${Math.floor(100 * done / region.length)} %\r`);
  }
  return count;
}

const { values, positionals } = parseArgs({
  options: { l: { type: "boolean", short: "l" } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error("usage: wc.ts [-l] FILE...");
  process.exitCode = 2;
}
for (const path of positionals) {
  try {
    using region = MappedRegion.open(path);
    region.advise("sequential");
    const lines = region.count("\n");
    console.log(
      values.l === true ? `${lines} ${path}` : `${lines} ${await words(region)} ${region.length} ${path}`,
    );
  } catch (error) {
    console.error(`wc.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
