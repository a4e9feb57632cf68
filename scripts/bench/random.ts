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
const words = size / 8;

/** Word numbers, the same in every run: xorshift. */
let state = 0x9e3779b9;
function next(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % words;
}

function measure(read: (offset: number) => number, count: number): number {
  let sum = 0;
  const start = performance.now();
  for (let index = 0; index < count; index++) sum += read(next() * 8);
  const spent = performance.now() - start;
  if (Number.isNaN(sum)) throw new Error("a word was no number");
  return spent * 1e6 / count;
}

const samples: number[] = [];
if (kind === "region") {
  using region = MappedRegion.open(file);
  region.prefault(); // what a page fault costs is shown by open.ts; reads of a file in memory by this
  const view = region.view;
  const read = (offset: number): number => view.getUint32(offset, true) + view.getUint32(offset + 4, true);
  measure(read, 1e5);
  for (let round = 0; round < 3; round++) samples.push(measure(read, Number(reads)));
} else {
  const fd = openSync(file, "r");
  const word = new Uint8Array(8);
  const view = new DataView(word.buffer);
  const read = (offset: number): number => {
    readSync(fd, word, 0, 8, offset);
    return view.getUint32(0, true) + view.getUint32(4, true);
  };
  measure(read, 1e5);
  samples.push(measure(read, Number(reads)));
  closeSync(fd);
}
report(samples);
