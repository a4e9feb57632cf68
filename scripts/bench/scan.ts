/**
 * Counting a file's newlines by workers that share one mapping of it, each its part. usage: scan.ts WORKERS FILE PASSES
 * EXPECTED
 *
 * The workers and their regions are there before the first pass, as they are in a program that has more than one file.
 *
 * @module
 */
import { once } from "node:events";
import process from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type Range, type RegionHandle } from "../../mod.ts";
import { eachPass, report } from "./measure.ts";

/** Counts for as long as there are parts to count. */
function work(handle: RegionHandle): void {
  const region = MappedRegion.attach(handle);
  parentPort?.on("message", (part: Range) => parentPort?.postMessage(region.count("\n", part)));
}

async function main(workers: number, file: string, passes: number, expected: number): Promise<void> {
  using region = MappedRegion.open(file);
  const parts = Array.from({ length: workers }, (_, index) => {
    const offset = Math.floor(region.length * index / workers);
    const end = Math.floor(region.length * (index + 1) / workers);
    const worker = new Worker(new URL(import.meta.url), { workerData: region.handle() });
    return { worker, part: { offset, length: end - offset } };
  });
  const pass = async (): Promise<number> => {
    const counts = await Promise.all(parts.map(async ({ worker, part }) => {
      const answer = once(worker, "message");
      worker.postMessage(part);
      const [count] = await answer;
      return Number(count);
    }));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  report(await eachPass(pass, passes, expected));
  await Promise.all(parts.map(({ worker }) => worker.terminate()));
}

const [workers, file = "", passes, expected] = process.argv.slice(2);
if (isMainThread) await main(Number(workers), file, Number(passes), Number(expected));
else work(workerData);
