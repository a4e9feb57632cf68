// Counts how often a text stands in a file, by workers that share one mapping of it: parallel_count.ts TEXT FILE [WORKERS]
//
//     node examples/parallel_count.ts ERROR examples/access.log 2
//     bun examples/parallel_count.ts ERROR examples/access.log
//     deno run --allow-ffi --allow-read examples/parallel_count.ts ERROR examples/access.log
//
// In C: mmap once, and pthread_create: threads share all memory. Here a worker attaches to the mapping by its handle.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../mod.ts";
import { simpleCommand, wholeNumber } from "./command.ts";

interface Job {
  readonly handle: RegionHandle;
  readonly text: string;
  readonly offset: number;
  readonly length: number;
}

function work({ handle, text, offset, length }: Job): void {
  using region = MappedRegion.attach(handle);
  parentPort?.postMessage(region.count(text, { offset, length }));
}

async function main(text: string = "", path: string = "", given?: string): Promise<void> {
  if (text === "" || text.includes("\n")) {
    throw new TypeError("TEXT is part of a line: it is empty, or has a newline");
  }
  const workers = given === undefined ? availableParallelism() : wholeNumber(given, "WORKERS");
  using region = MappedRegion.open(path);
  const handle = region.handle();
  // Parts begin with a line, so that no hit lies across two of them.
  const starts = [0];
  for (let part = 1; part < workers; part++) {
    const newline = region.indexOf("\n", Math.floor(region.length * part / workers));
    if (newline !== -1 && newline + 1 > (starts.at(-1) ?? 0)) starts.push(newline + 1);
  }
  const counts = await Promise.all(starts.map(async (offset, part) => {
    const length = (starts[part + 1] ?? region.length) - offset;
    const worker = new Worker(new URL(import.meta.url), { workerData: { handle, text, offset, length } });
    const [count] = await once(worker, "message");
    await worker.terminate();
    return Number(count);
  }));
  console.log(counts.reduce((sum, count) => sum + count, 0));
}

if (isMainThread) {
  await simpleCommand("usage: parallel_count.ts TEXT FILE [WORKERS]", 2, 3, main);
} else work(workerData);
