/**
 * Counting the newlines of a file by workers that share one mapping. usage: scan.ts WORKERS FILE EXPECTED COUNT
 *
 * @module
 */
import process from "node:process";
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../../mod.ts";
import { report } from "./measure.ts";

interface Part {
  readonly handle: RegionHandle;
  readonly offset: number;
  readonly length: number;
}

function work({ handle, offset, length }: Part): void {
  const region = MappedRegion.attach(handle);
  parentPort?.on("message", (message) => {
    if (message === "count") return parentPort?.postMessage(region.count("\n", { offset, length }));
    region.close();
    parentPort?.postMessage("closed");
  });
}

async function main(workers: number, file: string, expected: number, count: number): Promise<void> {
  using region = MappedRegion.open(file);
  region.prefault();
  const size = Math.ceil(region.length / workers);
  const pool = Array.from({ length: workers }, (_, index) => {
    const offset = index * size;
    const part: Part = {
      handle: region.handle(),
      offset,
      length: Math.min(size, region.length - offset),
    };
    return new Worker(new URL(import.meta.url), { workerData: part });
  });
  const samples: number[] = [];
  for (let round = 0; round <= count; round++) {
    const start = performance.now();
    const counts = await Promise.all(pool.map(async (worker): Promise<number> => {
      worker.postMessage("count");
      const [hits] = await once(worker, "message");
      return hits;
    }));
    const spent = performance.now() - start;
    const sum = counts.reduce((a, b) => a + b);
    if (sum !== expected) throw new Error(`${workers} workers: ${sum} newlines, not ${expected}`);
    if (round > 0) samples.push(spent * 1e6); // the first warms up
  }
  await Promise.all(pool.map(async (worker) => {
    worker.postMessage("close");
    await once(worker, "message");
    await worker.terminate();
  }));
  report(samples);
}

if (isMainThread) {
  const [workers, file = "", expected, count] = process.argv.slice(2);
  await main(Number(workers), file, Number(expected), Number(count));
} else work(workerData);
