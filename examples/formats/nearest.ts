// The ten nearest of a million vectors, by dot product, as a search by meaning does it: on one core, and on all of them, by workers
// that share one mapping of the file.
//
//     node examples/formats/nearest.ts
//     bun examples/formats/nearest.ts --count 100000 --dimensions 256
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/formats/nearest.ts --workers 4
//
// In C: mmap, and threads that each go through a part of the same array of floats.
//
// What a worker is given is a handle, a few numbers: by attach() it has the same memory, where a copy by readFileSync would have to
// be copied again for each, or read into a SharedArrayBuffer.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../../mod.ts";
import { command, progress, wholeNumber } from "../command.ts";

const WANTED = 10;

/** A vector's number, and its dot product with what is looked for. */
interface Hit {
  readonly index: number;
  readonly score: number;
}

/** The better of two hits first; of equals, the earlier one. */
const byScore = (a: Hit, b: Hit): number => b.score - a.score || a.index - b.index;

/** The nearest of the vectors from one to another. */
function nearest(vectors: Float32Array, query: Float32Array, begin: number, end: number): Hit[] {
  const dimensions = query.length;
  const best: Hit[] = [];
  let least = -Infinity;
  for (let index = begin; index < end; index++) {
    // Four sums, so that no addition has to wait for the one before.
    let [a, b, c, d] = [0, 0, 0, 0];
    const start = index * dimensions;
    for (let k = 0; k < dimensions; k += 4) {
      const at = start + k;
      a += (vectors[at] ?? 0) * (query[k] ?? 0);
      b += (vectors[at + 1] ?? 0) * (query[k + 1] ?? 0);
      c += (vectors[at + 2] ?? 0) * (query[k + 2] ?? 0);
      d += (vectors[at + 3] ?? 0) * (query[k + 3] ?? 0);
    }
    const score = a + b + c + d;
    if (score <= least) continue;
    best.push({ index, score });
    best.sort(byScore).splice(WANTED);
    if (best.length === WANTED) least = best.at(-1)?.score ?? least;
  }
  return best;
}

/** Numbers between -1 and 1, the same each time, made by a linear congruential generator. */
function fill(numbers: Float32Array, seed: number): void {
  let state = seed;
  for (let index = 0; index < numbers.length; index++) {
    if (index % 2 ** 22 === 0) progress(`${index} of ${numbers.length} numbers written`);
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    numbers[index] = state / 2 ** 31;
  }
}

interface Part {
  readonly handle: RegionHandle;
  readonly begin: number;
  readonly end: number;
}

/** A worker: attaches once, and then answers each query for its part. */
function work({ handle, begin, end }: Part): void {
  const vectors = MappedRegion.attach(handle).array(Float32Array); // a view keeps its region
  parentPort?.on("message", (query: Float32Array) => {
    parentPort?.postMessage(nearest(vectors, query, begin, end));
  });
  parentPort?.postMessage("ready");
}

/** This process's own memory, without what it shares with the page cache; undefined where the system doesn't tell. */
function ownMemory(): number | undefined {
  try {
    const [, kibibytes] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
  } catch {
    return undefined;
  }
}

/** Searches in one way, and prints how long it took and how much memory of its own the process has more of. */
async function search(name: string, find: () => Hit[] | Promise<Hit[]>): Promise<string> {
  const before = ownMemory();
  const began = performance.now();
  const hits = await find();
  const milliseconds = (performance.now() - began).toFixed(1);
  const after = ownMemory();
  const more = before === undefined || after === undefined ? "?" : Math.max(0, after - before).toFixed(1);
  console.log(`${name.padEnd(24)}${milliseconds.padStart(10)} ms${more.padStart(10)} MiB`);
  return hits.map(({ index, score }) => `${index} (${score.toFixed(3)})`).join(", ");
}

/** Starts workers, each with a part of the vectors; returns how they are asked, and how they are ended. */
async function start(handle: RegionHandle, count: number, workers: number): Promise<{
  readonly ask: (query: Float32Array) => Promise<Hit[]>;
  readonly end: () => Promise<void>;
}> {
  const started = await Promise.all(Array.from({ length: workers }, async (_, index) => {
    const part: Part = {
      handle,
      begin: Math.floor(count * index / workers),
      end: Math.floor(count * (index + 1) / workers),
    };
    const worker = new Worker(new URL(import.meta.url), { workerData: part });
    await once(worker, "message");
    return worker;
  }));
  return {
    ask: async (query) => {
      const answers = await Promise.all(started.map(async (worker) => {
        const answer = once(worker, "message");
        worker.postMessage(query);
        const [hits] = await answer;
        return hits as Hit[];
      }));
      return answers.flat().sort(byScore).slice(0, WANTED);
    },
    end: async () => {
      await Promise.all(started.map((worker) => worker.terminate()));
    },
  };
}

async function main(path: string, count: number, dimensions: number, workers: number): Promise<void> {
  using sample = MappedRegion.open(path, {
    access: "read-write",
    create: true,
    size: 4 * count * dimensions,
  });
  fill(sample.array(Float32Array), 1);
  progress("");
  const query = new Float32Array(dimensions);
  fill(query, 2);
  nearest(sample.array(Float32Array), query, 0, Math.min(count, 10_000)); // so that it is compiled

  console.log(`${count} vectors of ${dimensions} numbers`);
  using region = MappedRegion.open(path);
  const mapped = await search(
    "mapped, one core",
    () => nearest(region.array(Float32Array), query, 0, count),
  );
  const { ask, end } = await start(region.handle(), count, workers);
  const shared = await search(`mapped, ${workers} worker${workers === 1 ? "" : "s"}`, () => ask(query));
  await end();
  let kept: Float32Array | undefined;
  const copied = await search("readFileSync, one core", () => {
    const bytes = readFileSync(path);
    kept = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    return nearest(kept, query, 0, count);
  });

  if (mapped !== copied || shared !== copied || kept === undefined) {
    throw new Error("the ways found different vectors");
  }
  console.log(`nearest: ${copied}`);
}

if (isMainThread) {
  await command("nearest.ts", async () => {
    const { values } = parseArgs({
      options: {
        help: { type: "boolean" },
        count: { type: "string", default: "1000000" },
        dimensions: { type: "string", default: "64" },
        workers: { type: "string", default: String(availableParallelism()) },
      },
    });
    if (values.help === true) {
      console.log("usage: nearest.ts [--count VECTORS] [--dimensions NUMBER] [--workers NUMBER]");
      return;
    }
    const count = wholeNumber(values.count, "--count");
    const dimensions = wholeNumber(values.dimensions, "--dimensions");
    const workers = wholeNumber(values.workers, "--workers");
    if (dimensions % 4 !== 0) throw new RangeError("--dimensions must be a multiple of 4");
    const directory = mkdtempSync(join(tmpdir(), "nearest-"));
    try {
      await main(join(directory, "vectors"), count, dimensions, workers);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
} else work(workerData);
