/**
 * Random reads of 8 bytes. usage: random.ts region|readSync FILE READS
 *
 * @module
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import process from "node:process";
import { MappedRegion } from "../../mod.ts";
import { report } from "./measure.ts";

const [kind, file = "", reads] = process.argv.slice(2);
const size = statSync(file).size;
const mask = size / 8 - 1; // the size is a power of two

/** Reads words in an order that is the same in every run: xorshift. */
function measure(read: (word: number) => number, count: number): number {
  let state = 0x9e3779b9 | 0; // within the function: V8 makes an object for each new value of a module's variable
  let sum = 0;
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    sum += read(state & mask);
  }
  const spent = performance.now() - start;
  if (Number.isNaN(sum)) throw new Error("a word was no number");
  return spent * 1e6 / count;
}

const samples: number[] = [];
if (kind === "region") {
  using region = MappedRegion.open(file);
  region.prefault(); // what a page fault costs is shown by open.ts; reads of a file in memory by this
  const words = region.array(Float64Array);
  const read = (word: number): number => words[word] ?? NaN;
  measure(read, 1e5);
  for (let round = 0; round < 3; round++) samples.push(measure(read, Number(reads)));
} else {
  const fd = openSync(file, "r");
  const words = new Float64Array(1);
  const read = (word: number): number => {
    readSync(fd, words, 0, 8, word * 8);
    return words[0] ?? NaN;
  };
  measure(read, 1e5);
  samples.push(measure(read, Number(reads)));
  closeSync(fd);
}
report(samples);
