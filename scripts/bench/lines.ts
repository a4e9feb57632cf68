/**
 * Walking the lines of a file, in nanoseconds a line. usage:
 *
 *     lines.ts strings|bytes|readline|split|stream FILE LINES COUNT
 *
 * @module
 */
import { createReadStream, readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { MappedRegion } from "../../mod.ts";
import { report } from "./measure.ts";

const [kind = "", file = "", expected, count] = process.argv.slice(2);

/** What is done with a line, so that nobody can leave out making it. */
let characters = 0;

function walk(lines: Iterable<{ readonly length: number }>): number {
  let count = 0;
  for (const line of lines) {
    characters += line.length;
    count++;
  }
  return count;
}

interface BunFile {
  stream(): ReadableStream<Uint8Array>;
}

const WAYS: Readonly<Record<string, () => number | Promise<number>>> = {
  strings(): number {
    using region = MappedRegion.open(file);
    return walk(region.lines());
  },
  bytes(): number {
    using region = MappedRegion.open(file);
    return walk(region.lines({ encoding: "bytes" }));
  },
  async readline(): Promise<number> {
    let count = 0;
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      characters += line.length;
      count++;
    }
    return count;
  },
  split(): number {
    const lines = readFileSync(file, "utf8").split("\n");
    lines.pop();
    return walk(lines);
  },
  async stream(): Promise<number> {
    const { Bun } = globalThis as unknown as { Bun: { file(path: string): BunFile } };
    const decoder = new TextDecoder();
    let count = 0;
    let rest = "";
    for await (const chunk of Bun.file(file).stream()) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      count += walk(lines);
    }
    return count;
  },
};

const way = WAYS[kind];
if (way === undefined) throw new TypeError(`no way to walk lines: ${kind}`);
const samples: number[] = [];
for (let round = 0; round <= Number(count); round++) {
  const start = performance.now();
  const lines = await way();
  const spent = performance.now() - start;
  if (lines !== Number(expected)) throw new Error(`${kind}: ${lines} lines, not ${expected}`);
  if (round > 0) samples.push(spent * 1e6 / lines); // the first warms up
}
if (characters === 0) throw new Error("the lines were empty");
report(samples);
