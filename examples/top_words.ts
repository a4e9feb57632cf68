// Prints the most frequent words of a text.
//
//     node examples/top_words.ts examples/access.log
//     bun examples/top_words.ts -n 3 examples/access.log
//     deno run --allow-ffi --allow-read examples/top_words.ts examples/access.log
//
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

const EVERY = 100_000; // lines between two remarks on the progress

function topWords(path: string, count: number): [word: string, hits: number][] {
  using region = MappedRegion.open(path);
  region.advise("sequential");
  const hits = new Map<string, number>();
  let lines = 0;
  for (const line of region.lines()) {
    for (const [word] of line.matchAll(/\p{L}+/gu)) hits.set(word, (hits.get(word) ?? 0) + 1);
    if (++lines % EVERY === 0 && process.stderr.isTTY) process.stderr.write(`\r${lines} lines\r`);
  }
  return [...hits].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, count);
}

const { values, positionals: [path] } = parseArgs({
  options: { words: { type: "string", short: "n", default: "10" } },
  allowPositionals: true,
});
const count = Number(values.words);
if (path === undefined || !Number.isInteger(count) || count < 0) {
  console.error("usage: top_words.ts [-n WORDS] FILE");
  process.exitCode = 2;
} else {
  try {
    for (const [word, hits] of topWords(path, count)) console.log(`${String(hits).padStart(7)} ${word}`);
  } catch (error) {
    console.error(`top_words.ts: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
