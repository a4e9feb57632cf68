/**
 * What the programs of this folder have in common: each answers a question about a file, once from memory that the file
 * is mapped to and once from a copy by readFileSync, and says how long that took and how much memory.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program's output
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../../mod.ts";
import { command, progress, wholeNumber } from "../command.ts";
import { again } from "../start_in.ts";
import { temporaryFolder } from "../temporary_folder.ts";

const MIB = 2 ** 20;

/** A program about one format. */
export interface Format {
  /** The program's name. */
  readonly name: string;
  /** What may follow FILE in its arguments: `"[ROW]"`. */
  readonly query: string;
  /** The size of the sample file, in MiB, if no other is asked for. */
  readonly size: number;
  /** Writes a sample file of about so many bytes. */
  write(path: string, size: number): void;
  /** What a program wants to know first of such a file. `query` is what followed FILE. */
  answer(bytes: Uint8Array<ArrayBuffer>, query: readonly string[]): string | Promise<string>;
}

interface Measured {
  readonly text: string;
  readonly milliseconds: number;
  readonly memory: number;
}

/** Asks a question. Memory is what the process has more of when the answer is there, and the bytes still are. */
async function ask(answer: () => string | Promise<string>): Promise<Measured> {
  const before = process.memoryUsage().rss;
  const began = performance.now();
  const text = await answer();
  const milliseconds = performance.now() - began;
  return { text, milliseconds, memory: Math.max(0, process.memoryUsage().rss - before) };
}

type Answer = (bytes: Uint8Array<ArrayBuffer>) => string | Promise<string>;

const WAYS: Readonly<Record<string, (path: string, answer: Answer) => Promise<Measured>>> = {
  mapped: async (path, answer) => {
    let region: MappedRegion | undefined;
    try {
      return await ask(() => {
        const opened = region = MappedRegion.open(path);
        // Until the promise of use() has settled, nothing can close the region.
        return opened.use(async (bytes) => {
          const text = await answer(bytes);
          opened.assertIntact(); // if somebody has truncated the file, the answer was found among zeros
          return text;
        });
      });
    } finally {
      region?.close();
    }
  },
  readFileSync: async (path, answer) => {
    const read: Uint8Array[] = []; // so that it isn't collected before memory is measured
    const measured = await ask(() => {
      const bytes = readFileSync(path);
      read.push(bytes);
      return answer(bytes);
    });
    return read.length === 1 ? measured : { ...measured, memory: NaN };
  },
};

/** Goes one way to an answer. What is loaded and compiled when it is first needed doesn't count: that is done before. */
async function goOneWay(
  format: Format,
  way: string,
  path: string,
  query: readonly string[],
): Promise<Measured> {
  const go = Object.hasOwn(WAYS, way) ? WAYS[way] : undefined;
  if (go === undefined) throw new TypeError(`--way is one of ${Object.keys(WAYS).join(", ")}`);
  using folder = temporaryFolder("format");
  const small = join(folder.path, "small");
  format.write(small, 2 ** 14);
  await go(small, (bytes) => format.answer(bytes, []));
  return await go(path, (bytes) => format.answer(bytes, query));
}

/** Goes one way in a process of its own, since a second way would find memory that the first one has left behind. */
function measure(way: string, path: string, query: readonly string[]): Measured | undefined {
  const { status, stdout } = spawnSync(...again("--way", way, "--", path, ...query), {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

/** Goes both ways, and prints what was found. */
function compare(path: string, query: readonly string[]): void {
  const lines: string[] = [];
  let answer: string | undefined;
  for (const way of Object.keys(WAYS)) {
    progress(`${way} …`);
    const measured = measure(way, path, query);
    progress("");
    if (measured === undefined) { // it has said why
      process.exitCode = 2;
      return;
    }
    const { text, milliseconds, memory } = measured;
    if (text !== (answer ??= text)) throw new Error(`the answers differ:\n${answer}\n${text}`);
    const [time, size] = [`${milliseconds.toFixed(1)} ms`, `${(memory / MIB).toFixed(1)} MiB`];
    lines.push(`${way.padEnd(12)}${time.padStart(15)}${size.padStart(15)}`);
  }
  console.log([answer, "               first answer         memory", ...lines].join("\n"));
}

/** Makes a sample file for as long as something is done with it. */
function withSample(format: Format, size: number, work: (path: string) => void): void {
  using folder = temporaryFolder("format");
  const path = join(folder.path, "sample");
  progress(`writing a file of ${size} MiB …`);
  format.write(path, size * MIB);
  progress("");
  work(path);
}

/** Runs the program of a format. With --way it goes one way only, and prints what it has measured as JSON. */
export function program(format: Format): Promise<void> {
  return command(format.name, async () => {
    const { values: { help, size, way }, positionals: [path, ...query] } = parseArgs({
      options: {
        help: { type: "boolean" },
        size: { type: "string", default: String(format.size) },
        way: { type: "string" },
      },
      allowPositionals: true,
    });
    if (help === true) {
      const ways = Object.keys(WAYS).join("|");
      console.log(`usage: ${format.name} [--size MIB] [--way ${ways}] [FILE ${format.query}]

  --size MIB  the size of the file that is made, if none is named (${format.size})
  --way WAY   goes one way only, and prints what it has measured as JSON`);
    } else if (path === undefined) {
      withSample(format, wholeNumber(size, "--size"), (sample) => compare(sample, []));
    } else if (way === undefined) {
      compare(path, query);
    } else {
      console.log(JSON.stringify(await goOneWay(format, way, path, query)));
    }
  });
}
