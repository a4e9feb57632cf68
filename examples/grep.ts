// Prints the lines of a file in which a text stands, with their numbers: grep -nF.
//
//     node examples/grep.ts ERROR examples/access.log
//     bun examples/grep.ts ERROR examples/access.log
//     deno run --allow-ffi --allow-read examples/grep.ts ERROR examples/access.log
//
// In C: mmap, then memmem for the text and memchr and memrchr for the ends of its line. The file is searched where it lies:
// what is copied is the lines that are printed.
//
// Exit code, as grep's: 0 if there is such a line, 1 if there is none, 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

const USAGE = "usage: grep.ts PATTERN FILE";
const AT_ONCE = 1000; // lines that are printed by one call
const FAR = 2 ** 14; // bytes between two hits that are better skipped by counting newlines than line by line

function grep(pattern: string, path: string): boolean {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const { length } = region;
  const found: string[] = [];
  let any = false;
  // The line that was looked at last: its number, and where it ends.
  let number = 0;
  let end = -1;
  let newlines = region.matches("\n");
  for (const hit of region.matches(pattern)) {
    if (hit <= end || hit === length) continue; // in a line that was printed, or behind the last one
    let start = end + 1;
    if (hit - start > FAR) {
      const between = { offset: start, length: hit - start };
      number += region.count("\n", between);
      start = Math.max(start, region.lastIndexOf("\n", between) + 1);
      newlines = region.matches("\n", hit);
    }
    for (;; start = end + 1) {
      number++;
      end = newlines.next().value ?? length;
      if (end >= hit) break;
    }
    found.push(`${number}:${region.text({ offset: start, length: end - start })}`);
    any = true;
    if (found.length === AT_ONCE) console.log(found.splice(0).join("\n"));
  }
  if (found.length > 0) console.log(found.join("\n"));
  return any;
}

try {
  const { values: { help }, positionals: [pattern, path, ...rest] } = parseArgs({
    options: { help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (help === true) {
    console.log(USAGE);
  } else if (pattern === undefined || path === undefined || rest.length > 0) {
    console.error(USAGE);
    process.exitCode = 2;
  } else {
    process.exitCode = grep(pattern, path) ? 0 : 1;
  }
} catch (error) {
  console.error(`grep.ts: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
