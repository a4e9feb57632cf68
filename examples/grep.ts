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

function grep(pattern: string, path: string): boolean {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const { length } = region;
  const found: string[] = [];
  let any = false;
  let number = 1; // of the line that begins at `counted`
  let counted = 0;
  for (const hit of region.matches(pattern)) {
    if (hit < counted || hit === length) continue; // in a line that has been printed, or behind the last one
    // The line's number is the number of newlines before it, and those up to `counted` are known.
    number += region.count("\n", { offset: counted, length: hit - counted });
    const before = region.lastIndexOf("\n", { offset: counted, length: hit - counted });
    const start = before === -1 ? counted : before + 1;
    const newline = region.indexOf("\n", hit);
    const end = newline === -1 ? length : newline;
    found.push(`${number}:${region.text({ offset: start, length: end - start })}`);
    any = true;
    if (found.length === AT_ONCE) console.log(found.splice(0).join("\n"));
    if (newline === -1) break;
    number++;
    counted = newline + 1;
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
