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
import { closeSync, existsSync, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MappedRegion, MmapError } from "../mod.ts";
import { command, wholeNumber } from "./command.ts";
import { Output } from "./output.ts";

const USAGE = `usage: follow.ts [--lines COUNT] [--every MILLISECONDS] [--until TEXT] FILE

  -n, --lines COUNT     how many lines that are there already are printed first (10)
  --every MILLISECONDS  how often the file is looked at (250)
  --until TEXT          ends with a line of this text`;
/** Address space for a log of a terabyte takes no memory. */
const CAPACITY = 2 ** 40;

/** What tells a file from the one that takes its name; undefined if there is none. */
function identity(status: Stats | undefined): string | undefined {
  return status === undefined ? undefined : `${status.dev}:${status.ino}`;
}

/** Where the last so many lines of a region begin. A line that has no newline yet is not counted. */
function startOfLast(log: MappedRegion, lines: number): number {
  let start = log.lastIndexOf("\n") + 1;
  const offsets = log.lines({ finished: true, reverse: true, encoding: "offsets" });
  for (const line of Iterator.from(offsets).take(lines)) start = line.start;
  return start;
}

/** Prints the lines of a file as they come, until it has been replaced; returns whether `until` was met. */
async function follow(
  path: string,
  lines: number,
  every: number,
  until: string | undefined,
): Promise<boolean> {
  // By a descriptor that is kept, the file can be looked at when its name is another one's.
  const fd = openSync(path, "r");
  try {
    using log = MappedRegion.fromDescriptor(fd, { capacity: CAPACITY });
    const file = identity(fstatSync(fd));
    const cursor = log.cursor(startOfLast(log, lines));
    using output = new Output();
    for (;;) {
      // This is asked first: then all that was in the file when it was replaced is printed below.
      const replaced = identity(statSync(path, { throwIfNoEntry: false })) !== file;
      const before = log.length;
      if (log.refresh() < before) cursor.seek(0); // it was cut off: what is in it is new
      for (let line; (line = cursor.readLine({ finished: true })) !== undefined;) {
        output.addLine(line);
        if (line === until) return true;
      }
      output.flush(); // it ends the program if nobody reads it any more
      if (replaced) return false;
      await setTimeout(every);
    }
  } catch (error) {
    // It was cut off while it was read: what is in it is looked at anew.
    if (error instanceof MmapError && error.code === "EFAULT") return false;
    throw error;
  } finally {
    closeSync(fd);
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
      if (existsSync(path)) met = await follow(path, Infinity, every, values.until);
      else await setTimeout(every); // the new one isn't there yet
    }
  }
});
