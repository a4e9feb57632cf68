// Prints the lines of a file in which a text stands, with their numbers: grep -nF.
//
//     node examples/grep.ts ERROR examples/access.log
//     bun examples/grep.ts ERROR examples/access.log
//     deno run --allow-ffi --allow-read examples/grep.ts ERROR examples/access.log
//
// In C: mmap, then memmem for the text and memchr and memrchr for the ends of its line. The file is searched where it lies:
// what is copied is the lines that are printed, and what is near them.
//
// Exit code, as grep's: 0 if there is such a line, 1 if there is none, 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { Output } from "./output.ts";

const USAGE = "usage: grep.ts PATTERN FILE";

function grep(pattern: string, path: string): boolean {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  using output = new Output();
  const lines = region.lines({ containing: pattern, encoding: "offsets" });
  for (const { start, end } of lines) output.addNumbered(lines.number, region, start, end);
  return lines.number > 0;
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
