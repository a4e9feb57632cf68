/**
 * What the programs of this folder have in common: each answers a question about a file, once from memory that the file
 * is mapped to and once from a copy by readFileSync, and says how long that took and how much memory.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program's output
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../../mod.ts";
import { command, progress, wholeNumber } from "../command.ts";

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
  const directory = mkdtempSync(join(tmpdir(), "format-"));
  try {
    const small = join(directory, "small");
    format.write(small, 2 ** 14);
    await go(small, (bytes) => format.answer(bytes, []));
  } finally {
    rmSync(directory, { recursive: true });
  }
  return await go(path, (bytes) => format.answer(bytes, query));
}

/** Goes one way in a process of its own, since a second way would find memory that the first one has left behind. */
function measure(way: string, path: string, query: readonly string[]): Measured | undefined {
  const flags = process.versions["deno"] === undefined
    ? process.execArgv
    : ["run", "--allow-env", "--allow-ffi", "--allow-read", "--allow-write"];
  const command = [...flags, process.argv[1] ?? "", "--way", way, "--", path, ...query];
  const { status, stdout } = spawnSync(process.execPath, command, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

/** Goes both ways, and prints what was found. */
function compare(path: string, query: readonly string[]): void {
  const [mapped, copied] = Object.keys(WAYS).map((way) => {
    progress(`${way} …`);
    const measured = measure(way, path, query);
    progress("");
    return measured;
  });
  if (mapped === undefined || copied === undefined) { // it has said why
    process.exitCode = 2;
    return;
  }
  if (mapped.text !== copied.text) throw new Error(`the answers differ:\n${mapped.text}\n${copied.text}`);
  console.log(mapped.text);
  console.log("               first answer         memory");
  for (const [name, { milliseconds, memory }] of Object.entries({ mapped, readFileSync: copied })) {
    const time = `${milliseconds.toFixed(1)} ms`;
    const size = `${(memory / MIB).toFixed(1)} MiB`;
    console.log(`${name.padEnd(12)}${time.padStart(15)}${size.padStart(15)}`);
  }
}

/** Makes a sample file for as long as something is done with it. */
function withSample(format: Format, size: number, work: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "format-"));
  try {
    const path = join(directory, "sample");
    progress(`writing a file of ${size} MiB …`);
    format.write(path, size * MIB);
    progress("");
    work(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
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
      console.log(
        `usage: ${format.name} [--size MIB] [--way ${Object.keys(WAYS).join("|")}] [FILE ${format.query}]`,
      );
    } else if (path === undefined) {
      withSample(format, wholeNumber(size, "--size"), (sample) => compare(sample, []));
    } else if (way === undefined) {
      compare(path, query);
    } else {
      console.log(JSON.stringify(await goOneWay(format, way, path, query)));
    }
  });
}
