// Prints the lines of a file in which a text stands, with their numbers: grep -nF.
//
//     node examples/grep.ts ERROR examples/access.log
//     bun examples/grep.ts ERROR examples/access.log
//     deno run --allow-ffi --allow-read examples/grep.ts ERROR examples/access.log
//
// Exit code, as grep's: 0 if there is such a line, 1 if there is none, 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { MappedRegion } from "../mod.ts";

const NEWLINE = 10;
const WINDOW = 2 ** 26; // a file may be larger than any one ArrayBuffer

/** Counts lines up to an offset, and knows where the last of them begins. */
class LineCounter {
  number = 1;
  start = 0;
  #counted = 0;

  advance(region: MappedRegion, offset: number): void {
    while (this.#counted < offset) {
      const bytes = region.subarray(this.#counted, Math.min(this.#counted + WINDOW, offset));
      for (let at = -1; (at = bytes.indexOf(NEWLINE, at + 1)) !== -1; this.number++) {
        this.start = this.#counted + at + 1;
      }
      this.#counted += bytes.length;
    }
  }
}

function grep(pattern: string, path: string): number {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const decoder = new TextDecoder();
  const line = new LineCounter();
  let from = 0;
  for (let hit; from < region.length && (hit = region.indexOf(pattern, from)) !== -1;) {
    line.advance(region, hit);
    const newline = region.indexOf(NEWLINE, hit);
    const end = newline === -1 ? region.length : newline;
    console.log(`${line.number}:${decoder.decode(region.subarray(line.start, end))}`);
    from = end + 1;
  }
  return from === 0 ? 1 : 0;
}

const [pattern, path, ...rest] = process.argv.slice(2);
if (pattern === undefined || path === undefined || rest.length > 0) {
  console.error("usage: grep.ts PATTERN FILE");
  process.exitCode = 2;
} else {
  try {
    process.exitCode = grep(pattern, path);
  } catch (error) {
    console.error(`grep.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 2;
  }
}
