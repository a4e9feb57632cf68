/**
 * Searching, lines and records, each against what a program does without the library; in the runtime that runs it:
 * `node scripts/bench/reading.ts [MEBIBYTES]`. What is compared alternates within the run; the median of five is shown,
 * and how many times as long as the first of its group it took.
 *
 * Run by hand, on a machine that does nothing else. Needs a file of that size among the temporary files, grep and wc.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program's output
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { MappedRegion, struct } from "../../mod.ts";

type Way = readonly [name: string, once: () => unknown];

const ROUNDS = 5;

async function compare(title: string, ...ways: readonly Way[]): Promise<void> {
  const samples = ways.map((): number[] => []);
  let answer: unknown;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, [name, once]] of ways.entries()) {
      const start = performance.now();
      const result = await once();
      if (round > 0) samples[index]?.push(performance.now() - start); // the first warms up
      answer ??= result;
      if (result !== answer) throw new Error(`${title}: ${name} says ${result}, not ${answer}`);
    }
  }
  const medians = samples.map((list) => list.sort((a, b) => a - b)[ROUNDS >> 1] ?? NaN);
  console.log(`\n${title}: ${answer}`);
  for (const [index, [name]] of ways.entries()) {
    const time = medians[index] ?? NaN;
    console.log(
      `  ${name.padEnd(44)} ${time.toFixed(1).padStart(9)} ms ${(time / (medians[0] ?? NaN)).toFixed(2)}×`,
    );
  }
}

/** Runs a program that prints a number. */
function number(program: string, ...options: string[]): number {
  const { stdout } = spawnSync(program, options, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  return Number.parseInt(stdout, 10);
}

function countIn(bytes: Buffer, needle: string): number {
  let hits = 0;
  for (let at = -1; (at = bytes.indexOf(needle, at + 1)) !== -1;) hits++;
  return hits;
}

async function main(directory: string, size: number): Promise<void> {
  const path = join(directory, "log");
  const fd = openSync(path, "w");
  const line = (index: number): string =>
    `2026-03-14T09:00:00.${index % 1000} GET /index.html?id=${index} 200 ${"x".repeat(40)}`;
  const block = Buffer.from(
    Array.from({ length: 10_000 }, (_, index) => line(index).slice(0, 79) + "\n").join(""),
  );
  for (let done = 0; done < size - block.length; done += block.length) writeSync(fd, block);
  writeSync(fd, Buffer.from("a needle\n"));
  closeSync(fd);

  using region = MappedRegion.open(path);
  region.prefault();
  await compare(
    "a rare literal",
    ["region.count", () => region.count("needle")],
    ["grep -c -F", () => number("grep", "-c", "-F", "needle", path)],
    ["readFileSync, Buffer.indexOf", () => countIn(readFileSync(path), "needle")],
  );
  await compare(
    "a frequent literal",
    ["region.count", () => region.count("index")],
    ["grep -c -F", () => number("grep", "-c", "-F", "index", path)],
    ["readFileSync, Buffer.indexOf", () => countIn(readFileSync(path), "index")],
  );
  await compare(
    "newlines",
    ["region.count", () => region.count("\n")],
    ["wc -l", () => number("wc", "-l", path)],
  );
  const lines = (of: Iterable<{ readonly length: number }>): number => {
    let count = 0;
    for (const _ of of) count++;
    return count;
  };
  await compare(
    "lines",
    ["region.lines()", () => lines(region.lines())],
    ["region.lines, bytes", () => lines(region.lines({ encoding: "bytes" }))],
    ["node:readline", async () => {
      let count = 0;
      for await (const _ of createInterface({ input: createReadStream(path) })) count++;
      return count;
    }],
  );

  // Any bytes are numbers.
  const layout = struct({ id: "u64", price: "u32", amount: "u32" });
  const records = region.records(layout);
  const few = Math.min(records.length, 2 ** 21);
  const end = few * layout.size;
  await compare(
    "sum of one field of records",
    ["DataView over readFileSync", () => {
      const { buffer, byteOffset } = readFileSync(path);
      const view = new DataView(buffer, byteOffset);
      let sum = 0;
      for (let at = 0; at < end; at += layout.size) sum = (sum + view.getUint32(at + 8, true)) | 0;
      return sum;
    }],
    ["DataView over the region", () => {
      const { view } = region;
      let sum = 0;
      for (let at = 0; at < end; at += layout.size) sum = (sum + view.getUint32(at + 8, true)) | 0;
      return sum;
    }],
    ["records.column", () => {
      const column = records.column("price");
      let sum = 0;
      for (let index = 0; index < few; index++) sum = (sum + column.get(index)) | 0;
      return sum;
    }],
    ["records.get", () => {
      let sum = 0;
      for (let index = 0; index < few; index++) sum = (sum + records.get(index).price) | 0;
      return sum;
    }],
  );
}

const directory = mkdtempSync(join(tmpdir(), "mapped-region-bench-"));
try {
  await main(directory, Number(process.argv[2] ?? 1024) * 2 ** 20);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
