// Prints the last lines of a file: tail. It looks at the file's end only, however large the file is.
//
//     node examples/tail.ts examples/access.log
//     bun examples/tail.ts -n 3 examples/access.log
//     deno run --allow-ffi --allow-read examples/tail.ts examples/access.log
//
// In C: mmap, memrchr for the newlines, write. Counting newlines many at a time is faster than looking for each, and what
// is printed is printed from where it lies.
//
// Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, progress, wholeNumber } from "./command.ts";
import { Output } from "./output.ts";

const USAGE = "usage: tail.ts [-n LINES] FILE";

const PART = 2 ** 20; // bytes whose lines are counted at a time

/** Where the last lines begin. */
function startOf(region: MappedRegion, count: number): number {
  if (count === 0) return region.length;
  // The newline before these lines, counted from the end. One at the very end is of the last line.
  let left = count + (region.lastIndexOf("\n") === region.length - 1 ? 1 : 0);
  for (let end = region.length; end > 0;) {
    const offset = Math.max(0, end - PART);
    const part = { offset, length: end - offset };
    const newlines = region.count("\n", part);
    if (newlines >= left) {
      for (const newline of region.matches("\n", part)) if (left++ === newlines) return newline + 1;
    }
    left -= newlines;
    end = offset;
    progress(`looking for the first line: ${Math.floor(100 * (1 - end / region.length))} %`);
  }
  return 0;
}

function tail(path: string, count: number): void {
  using region = MappedRegion.open(path);
  using output = new Output();
  const start = startOf(region, count);
  progress("");
  let done = start;
  for (const window of region.windows({ offset: start })) {
    output.add(window);
    done += window.length;
    // Where the lines are printed on a terminal, they are the progress.
    if (!process.stdout.isTTY) progress(`${Math.floor(100 * (done - start) / (region.length - start))} %`);
  }
}

await command("tail.ts", () => {
  const { values: { help, lines }, positionals: [path, ...rest] } = parseArgs({
    options: { lines: { type: "string", short: "n", default: "10" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (help === true) console.log(USAGE);
  else if (path === undefined || rest.length > 0) throw new TypeError(USAGE);
  else tail(path, wholeNumber(lines, "-n", 0));
});
