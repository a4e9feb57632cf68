// Workers of all three runtimes take jobs from one channel: work_queue.ts [JOBS]
//
//     node examples/work_queue.ts 200
//     bun examples/work_queue.ts
//     deno run --allow-all examples/work_queue.ts
//
// A worker that is killed takes the job along that it is at, and no other.
// In C: shm_open, ftruncate, mmap with MAP_SHARED; atomics for the ring, futex(2) to wait for a message or for room.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Channel, createSharedMemory, openSharedMemory, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand, wholeNumber } from "./command.ts";
import { ended, installedRuntimes, startIn } from "./start_in.ts";

const CAPACITY = 1 << 16;
const JOBS = { offset: 0, capacity: CAPACITY };
const RESULTS = { offset: Channel.byteLength(CAPACITY), capacity: CAPACITY };

/** The number of primes below a limit: something that takes a while. */
function primes(limit: number): number {
  const composite = new Uint8Array(limit);
  let count = 0;
  for (let number = 2; number < limit; number++) {
    if (composite[number] !== 0) continue;
    count++;
    for (let multiple = number * 2; multiple < limit; multiple += number) composite[multiple] = 1;
  }
  return count;
}

async function work(name: string, runtime: string): Promise<void> {
  using region = openSharedMemory(name);
  using jobs = new Channel(region, JOBS);
  using results = new Channel(region, RESULTS);
  await results.send("here");
  for (;;) {
    const job = await jobs.receive();
    if (job === undefined) return;
    const { limit } = JSON.parse(new TextDecoder().decode(job));
    await results.send(JSON.stringify({ runtime, limit, count: primes(limit) }));
  }
}

async function main(count: number): Promise<void> {
  const name = `/work-queue-${process.pid}`;
  using region = createSharedMemory(name, RESULTS.offset + Channel.byteLength(CAPACITY), { exclusive: true });
  try {
    using jobs = new Channel(region, JOBS);
    using results = new Channel(region, RESULTS);
    const file = fileURLToPath(import.meta.url);
    const runtimes = installedRuntimes();
    const workers = runtimes.map((runtime) => ended(startIn(runtime, file, String(count), name, runtime)));
    // All have started before the first job is there: so each gets its share.
    for (const _ of runtimes) await Promise.race([results.receive(), ...workers]);
    const sending = jobs.sendAll(
      Array.from({ length: count }, (_, job) => JSON.stringify({ limit: 400_000 + job })),
    ).then(() => jobs.close()); // workers end when there is nothing left to do
    const done = new Map<string, number>();
    let sum = 0;
    for (let received = 0; received < count; received++) {
      const bytes = await results.receive();
      if (bytes === undefined) throw new Error("the workers have gone");
      const result = JSON.parse(new TextDecoder().decode(bytes));
      done.set(result.runtime, (done.get(result.runtime) ?? 0) + 1);
      sum += result.count;
    }
    await Promise.all([sending, ...workers]);
    for (const runtime of runtimes) console.log(`${runtime} did ${done.get(runtime) ?? 0} jobs`);
    console.log(`${count} jobs, ${sum} primes`);
  } finally {
    unlinkSharedMemory(name);
  }
}

await simpleCommand("usage: work_queue.ts [JOBS]", 0, 3, async (given = "200", name, runtime = "") => {
  if (name === undefined) await main(wholeNumber(given, "JOBS", 0));
  else await work(name, runtime); // this is one of the workers
});
