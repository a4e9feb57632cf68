// Prints the lines of a file in which a text stands, with their numbers: grep -nF. With -c, how many there are.
//
//     node examples/grep.ts ERROR examples/access.log
//     bun examples/grep.ts -c ERROR examples/access.log
//     deno run --allow-ffi --allow-read examples/grep.ts ERROR examples/access.log
//
// In C: mmap, memmem for the text, memchr and memrchr for the ends of its line; for a large file, threads. The file is
// searched where it lies: what is copied is the lines that are printed, and what is near them.
//
// A large file is searched by as many threads as there are CPUs: this one, and workers that attach to its mapping. Each
// takes the next part that nobody has taken. What depends on the parts before waits for its turn: the lines' numbers
// until the lines before have been counted, and printing until those before have been printed.
//
// Exit code, as grep's: 0 if there is such a line, 1 if there is none, 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { availableParallelism } from "node:os";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../mod.ts";
import { command, ERASE, progress, wholeNumber } from "./command.ts";
import { Output } from "./output.ts";

const USAGE = "usage: grep.ts [-c] [-j THREADS] PATTERN FILE";

const PART = 2 ** 22; // bytes; what a thread takes at a time
const LARGE = 2 ** 32; // bytes; a smaller file is searched before what a worker's start costs has paid off

/** Where in the threads' shared memory it stands how many parts have been taken, numbered and printed: 32 bits each. */
const [TAKEN, NUMBERED, PRINTED] = [0, 1, 2];
/** Where it stands how many lines there are in the numbered parts, and how many were found in the printed: 64 bits each. */
const [LINES, FOUND] = [2, 3];
const SHARED = 32; // bytes

/** Whether lines are printed where progress is shown. */
const sameTerminal = isatty(1) && isatty(2);

interface Job {
  readonly handle: RegionHandle;
  readonly pattern: string;
  readonly onlyCount: boolean;
  readonly shared: SharedArrayBuffer;
}

/** The lines that begin in a part. */
function linesOf(region: MappedRegion, part: number): { readonly offset: number; readonly length: number } {
  const begin = part * PART;
  const end = Math.min(begin + PART, region.length);
  const before = begin === 0 ? -1 : region.indexOf("\n", { offset: begin - 1, length: end - begin });
  if (before === -1 && begin > 0) return { offset: begin, length: 0 };
  const last = region.indexOf("\n", end - 1);
  return { offset: before + 1, length: (last === -1 ? region.length : last + 1) - (before + 1) };
}

/** Waits until it is a part's turn. */
async function turnOf(part: number, turns: Int32Array<SharedArrayBuffer>, which: number): Promise<void> {
  for (let turn; (turn = Atomics.load(turns, which)) !== part;) {
    if (isMainThread) await Atomics.waitAsync(turns, which, turn).value; // and hear of workers' errors
    else Atomics.wait(turns, which, turn);
  }
}

function next(part: number, turns: Int32Array<SharedArrayBuffer>, which: number): void {
  Atomics.store(turns, which, part + 1);
  Atomics.notify(turns, which);
}

/** Takes parts and searches them, until there are none left. */
async function search(region: MappedRegion, { pattern, onlyCount, shared }: Job): Promise<void> {
  const turns = new Int32Array(shared);
  const totals = new Float64Array(shared);
  const parts = Math.ceil(region.length / PART);
  const output = new Output(PART);
  for (let part; (part = Atomics.add(turns, TAKEN, 1)) < parts;) {
    const { offset, length } = linesOf(region, part);
    let before = 0;
    if (!onlyCount) {
      const newlines = region.count("\n", { offset, length });
      await turnOf(part, turns, NUMBERED);
      before = totals[LINES] ?? 0;
      totals[LINES] = before + newlines;
      next(part, turns, NUMBERED);
    }
    const lines = region.lines({ offset, length, containing: pattern, encoding: "offsets" });
    let found = 0;
    let bytes = new Uint8Array(0);
    for (const { start, end } of lines) {
      found++;
      if (onlyCount) continue;
      if (!output.hasRoom(end - start)) {
        await turnOf(part, turns, PRINTED);
        output.flush();
      }
      if (found === 1) {
        bytes = region.subarray(offset, offset + length);
        if (sameTerminal) output.addText(ERASE);
      }
      output.addNumbered(before + lines.number, bytes, start - offset, end - offset);
    }
    region.assertIntact(); // what was copied is the file's
    await turnOf(part, turns, PRINTED);
    output.flush();
    totals[FOUND] = (totals[FOUND] ?? 0) + found;
    if (isMainThread) progress(`${Math.floor(100 * part / parts)} %`);
    next(part, turns, PRINTED);
    if (isMainThread) await setImmediate(); // workers' errors are heard now
  }
  if (isMainThread) await turnOf(parts, turns, PRINTED);
}

async function grep(pattern: string, path: string, onlyCount: boolean, threads?: number): Promise<boolean> {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const shared = new SharedArrayBuffer(SHARED);
  const job: Job = { handle: region.handle(), pattern, onlyCount, shared };
  const count = threads ?? (region.length < LARGE ? 1 : availableParallelism());
  progress("0 %");
  const workers = Array.from(
    { length: Math.min(count, Math.ceil(region.length / PART)) - 1 },
    () => new Worker(new URL(import.meta.url), { workerData: job }),
  );
  // Nobody else would hear of a worker's error: everybody may be waiting for its turn to end.
  const errors = workers.map((worker) =>
    new Promise<never>((_, reject) => worker.on("message", reject).on("error", reject))
  );
  try {
    await Promise.race([search(region, job), ...errors]);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  const [found = 0] = new Float64Array(shared).subarray(FOUND);
  progress("");
  if (onlyCount) console.log(found);
  return found > 0;
}

async function work(job: Job): Promise<void> {
  try {
    using region = MappedRegion.attach(job.handle);
    await search(region, job);
  } catch (error) {
    parentPort?.postMessage(error);
  }
}

if (isMainThread) {
  await command("grep.ts", async () => {
    const { values: { c = false, j, help }, positionals: [pattern, path, ...rest] } = parseArgs({
      options: {
        c: { type: "boolean", short: "c" },
        j: { type: "string", short: "j" },
        help: { type: "boolean" },
      },
      allowPositionals: true,
    });
    if (help === true) console.log(USAGE);
    else if (pattern === undefined || path === undefined || rest.length > 0) throw new TypeError(USAGE);
    else {
      const threads = j === undefined ? undefined : wholeNumber(j, "-j");
      process.exitCode = await grep(pattern, path, c, threads) ? 0 : 1;
    }
  });
} else await work(workerData as Job);
