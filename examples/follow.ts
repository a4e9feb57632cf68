// Prints what is appended to a file, line by line: tail -f. It goes on when the file is cut off, or rotated: replaced by a
// new one of the same name.
//
//     node examples/follow.ts /var/log/syslog
//     bun examples/follow.ts --lines 3 --every 100 access.log
//     deno run --allow-ffi --allow-read examples/follow.ts access.log
//
// In C: fstat, mremap to the new size, write. Here the region has address space to grow into, so that it never moves, and
// a line is printed when its newline is there.
//
// It ends by Ctrl+C, or, with --until, with a line of that text. Exit code: 0, or 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, wholeNumber } from "./command.ts";

const USAGE = "usage: follow.ts [--lines COUNT] [--every MILLISECONDS] [--until TEXT] FILE";
/** Address space for a log of a terabyte takes no memory. */
const CAPACITY = 2 ** 40;

/** Tells a file from the one that takes its name. */
function identity(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : `${status.dev}:${status.ino}`;
}

/** Prints the lines of a file as they come, until it has been replaced; returns whether `until` was met. */
async function follow(
  path: string,
  last: number,
  every: number,
  until: string | undefined,
): Promise<boolean> {
  using log = MappedRegion.open(path, { capacity: CAPACITY });
  const file = identity(path);
  const lines = Iterator.from(log.lines({ finished: true, reverse: true })).take(last).toArray();
  for (const line of lines.reverse()) console.log(line);
  const cursor = log.cursor(log.lastIndexOf("\n") + 1);
  for (;;) {
    for (let line; (line = cursor.readLine({ finished: true })) !== undefined;) {
      console.log(line);
      if (line === until) return true;
    }
    await setTimeout(every);
    if (identity(path) !== file) return false;
    const before = log.length;
    if (log.refresh() < before) cursor.seek(0); // it was cut off: what is in it is new
  }
}

await command("follow.ts", async () => {
  const { values, positionals: [path, ...rest] } = parseArgs({
    options: {
      help: { type: "boolean" },
      lines: { type: "string", short: "n", default: "10" },
      every: { type: "string", default: "250" },
      until: { type: "string" },
    },
    allowPositionals: true,
  });
  if (values.help === true) {
    console.log(USAGE);
  } else {
    if (path === undefined || rest.length > 0) throw new TypeError(USAGE);
    const every = wholeNumber(values.every, "--every");
    let met = await follow(path, wholeNumber(values.lines, "--lines", 0), every, values.until);
    while (!met) {
      if (identity(path) === undefined) await setTimeout(every); // the new one isn't there yet
      else met = await follow(path, Infinity, every, values.until);
    }
  }
});
