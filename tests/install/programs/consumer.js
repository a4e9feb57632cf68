// A user's program: maps a file, looks into it, changes another and flushes it, shares memory with a worker. It prints
// what it saw.
// deno-lint-ignore-file no-console -- a program's output
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { MappedRegion, MmapError, RegionClosedError } from "@mapped/region";
import { mmap } from "@mapped/region/libc";

async function main() {
  const seen = {};
  writeFileSync("consumer.log", "GET /\nERROR: 7\nGET /a\n");
  {
    using log = MappedRegion.open("consumer.log");
    seen.found = log.indexOf("ERROR");
    seen.lines = log.count("\n");
    seen.last = [...log.lines()].at(-1);
  }
  {
    using table = MappedRegion.open("consumer.table", { access: "read-write", create: true, size: 8192 });
    table.write(4096, "grüß dich");
    await table.flush();
    seen.flushed = readFileSync("consumer.table")
      .subarray(4096, 4096 + 11)
      .toString();
  }
  seen.worker = await ask();
  try {
    MappedRegion.open("consumer.missing");
  } catch (error) {
    seen.error = [error instanceof MmapError, error.constructor.name, error.code, error.path];
  }
  try {
    const region = MappedRegion.anonymous(4096);
    region.close();
    region.read(0, 1);
  } catch (error) {
    seen.closed = [error instanceof RegionClosedError, error.constructor.name];
  }
  seen.names = [MappedRegion.name, typeof mmap];
  console.log(JSON.stringify(seen));
}

/** Has a worker write into memory of ours; returns what it wrote. */
async function ask() {
  // A bundle has its worker beside itself; one of CommonJS has no import.meta, a single executable no file at all.
  const here = import.meta.url ?? pathToFileURL(process.argv[1]).href;
  const file = process.argv[2] ?? new URL("./consumer_worker.js", here);
  if (file === "none") return "written";
  using shared = MappedRegion.anonymous(4096, { shared: true });
  const worker = new Worker(file, { workerData: shared.handle() });
  try {
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    return shared.text({ length: 7 });
  } finally {
    await worker.terminate();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
