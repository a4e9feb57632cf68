// Processes of different runtimes add to one number in shared memory: counter.ts [TIMES]
//
//     node examples/counter.ts 100000
//     bun examples/counter.ts
//     deno run --allow-all examples/counter.ts
//
// In C: shm_open, ftruncate, mmap with MAP_SHARED; atomic_fetch_add; pthread_mutex_t with PTHREAD_PROCESS_SHARED.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createSharedMemory, Mutex, openSharedMemory, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand, wholeNumber } from "./command.ts";
import { ended, installedRuntimes, startIn } from "./start_in.ts";

/** The mutex is at 0, the two numbers behind it: one is added to atomically, one under the mutex. */
const NUMBERS = 64;

function add(name: string, times: number): void {
  using region = openSharedMemory(name);
  const mutex = new Mutex(region);
  const [atomic, locked] = [0, 1];
  const numbers = region.array(Int32Array, NUMBERS, 2);
  for (let time = 0; time < times; time++) {
    Atomics.add(numbers, atomic, 1);
    using _guard = mutex.lockSync();
    numbers[locked] = (numbers[locked] ?? 0) + 1; // two steps, which the mutex makes one
  }
}

async function main(times: number): Promise<void> {
  const name = `/counter-${process.pid}`;
  using region = createSharedMemory(name, 4096, { exclusive: true });
  try {
    const runtimes = installedRuntimes();
    const file = fileURLToPath(import.meta.url);
    await Promise.all(runtimes.map((runtime) => ended(startIn(runtime, file, String(times), name))));
    const [atomic, locked] = region.array(Int32Array, NUMBERS, 2);
    console.log(`${runtimes.join(", ")}: ${times} times each: ${atomic} atomically, ${locked} under a mutex`);
  } finally {
    unlinkSharedMemory(name);
  }
}

await simpleCommand("usage: counter.ts [TIMES]", 0, 2, async (given = "100000", name) => {
  const times = wholeNumber(given, "TIMES", 0);
  if (name === undefined) await main(times);
  else add(name, times); // this is one of the processes
});
