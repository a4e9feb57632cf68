// The ten nearest of a million vectors, by dot product, as a search by meaning does it: on one core, and on all of them, by
// workers that share one mapping of the file.
//
//     node examples/formats/nearest.ts
//     bun examples/formats/nearest.ts --count 100000 --dimensions 256
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/formats/nearest.ts --workers 4
//
// In C: mmap, and threads that each go through a part of the same array of floats.
//
// What a worker is given is a handle, a few numbers: by attach() it has the same memory, where a copy by readFileSync would
// have to be copied again for each, or read into a SharedArrayBuffer.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MappedRegion, type RegionHandle } from "../../mod.ts";
import { command, progress, wholeNumber } from "../command.ts";
import { temporaryFolder } from "../temporary_folder.ts";

const WANTED = 10;

/** A vector's number, and its dot product with what is looked for. */
interface Hit {
  readonly index: number;
  readonly score: number;
}

/** The better of two hits first; of equals, the earlier one. */
const byScore = (a: Hit, b: Hit): number => b.score - a.score || a.index - b.index;

/** The dot product of a vector, which begins at an index, and of what is looked for. */
function dotProduct(vectors: Float32Array, start: number, query: Float32Array): number {
  // Four sums, so that no addition has to wait for the one before.
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let k = 0; k < query.length; k += 4) {
    const at = start + k;
    a += (vectors[at] ?? 0) * (query[k] ?? 0);
    b += (vectors[at + 1] ?? 0) * (query[k + 1] ?? 0);
    c += (vectors[at + 2] ?? 0) * (query[k + 2] ?? 0);
    d += (vectors[at + 3] ?? 0) * (query[k + 3] ?? 0);
  }
  return a + b + c + d;
}

/** The nearest of the vectors from one to another. */
function nearest(vectors: Float32Array, query: Float32Array, begin: number, end: number): Hit[] {
  const best: Hit[] = [];
  let least = -Infinity;
  for (let index = begin; index < end; index++) {
    const score = dotProduct(vectors, index * query.length, query);
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

/** What a worker is given: the memory's handle, and which vectors are its own. */
interface Part {
  readonly handle: RegionHandle;
  readonly dimensions: number;
  readonly begin: number;
  readonly end: number;
}

/** Searches a few vectors, so that what is measured later has been compiled. */
function warmUp(query: Float32Array): void {
  const vectors = new Float32Array(10_000 * query.length);
  fill(vectors, 3);
  nearest(vectors, query, 0, 10_000);
}

/** A worker: attaches once, and then answers each query for its part. */
function work({ handle, dimensions, begin, end }: Part): void {
  const vectors = MappedRegion.attach(handle).array(Float32Array); // a view keeps its region
  warmUp(new Float32Array(dimensions).fill(0.5));
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

/** How often a search is done again. */
const TIMES = 5;

/**
 * Searches in one way, and prints how long the first search took, how long the fastest of a few more, and how much memory of
 * its own the process had more of after the first.
 */
async function search(
  name: string,
  open: () => () => Hit[] | Promise<Hit[]>,
): Promise<string> {
  const before = ownMemory();
  const began = performance.now();
  const find = open();
  const hits = await find();
  const first = performance.now() - began;
  const after = ownMemory();
  const more = before === undefined || after === undefined ? "?" : Math.max(0, after - before).toFixed(1);

  let again = Infinity;
  for (let time = 0; time < TIMES; time++) {
    const start = performance.now();
    await find();
    again = Math.min(again, performance.now() - start);
  }
  console.log(
    `${name.padEnd(24)}${first.toFixed(1).padStart(10)} ms${again.toFixed(1).padStart(12)} ms${
      more.padStart(10)
    } MiB`,
  );
  return hits.map(({ index, score }) => `${index} (${score.toFixed(3)})`).join(", ");
}

/** Starts workers, each with a part of the vectors; returns how they are asked, and how they are ended. */
async function start(handle: RegionHandle, dimensions: number, count: number, workers: number): Promise<{
  readonly ask: (query: Float32Array) => Promise<Hit[]>;
  readonly end: () => Promise<void>;
}> {
  const started = await Promise.all(Array.from({ length: workers }, async (_, index) => {
    const part: Part = {
      handle,
      dimensions,
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

/** Makes a file of vectors. */
function makeFile(path: string, size: number): void {
  using file = MappedRegion.open(path, { access: "read-write", create: true, size });
  fill(file.array(Float32Array), 1);
  progress("");
}

async function main(path: string, count: number, dimensions: number, workers: number): Promise<void> {
  makeFile(path, 4 * count * dimensions);
  const query = new Float32Array(dimensions);
  fill(query, 2);
  warmUp(query);

  console.log(`${count} vectors of ${dimensions} numbers`);
  console.log("                         first answer         again         memory");
  using region = MappedRegion.open(path);
  const { ask, end } = await start(region.handle(), dimensions, count, workers);
  const shared = await search(`mapped, ${workers} worker${workers === 1 ? "" : "s"}`, () => () => ask(query));
  await end();
  const mapped = await search("mapped, one core", () => {
    const vectors = region.array(Float32Array);
    return () => nearest(vectors, query, 0, count);
  });
  const copied = await search("readFileSync, one core", () => {
    const bytes = readFileSync(path);
    const vectors = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    return () => nearest(vectors, query, 0, count);
  });

  if (mapped !== copied || shared !== copied) throw new Error("the ways found different vectors");
  console.log(`nearest: ${copied}`);
}

const USAGE = `usage: nearest.ts [--count COUNT] [--dimensions COUNT] [--workers COUNT]

  --count COUNT       how many vectors there are (1000000)
  --dimensions COUNT  how many numbers a vector has: a multiple of 4 (64)
  --workers COUNT     how many workers search together (as many as there are cores)`;

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
      console.log(USAGE);
      return;
    }
    const count = wholeNumber(values.count, "--count");
    const dimensions = wholeNumber(values.dimensions, "--dimensions");
    const workers = wholeNumber(values.workers, "--workers");
    if (dimensions % 4 !== 0) throw new RangeError("--dimensions must be a multiple of 4");
    using folder = temporaryFolder("nearest");
    await main(join(folder.path, "vectors"), count, dimensions, workers);
  });
} else work(workerData);
