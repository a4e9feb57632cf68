/**
 * Adds under a mutex until it is killed, or has added so often: `mutex.ts NAME TIMES`. Prints how often it found that an
 * owner had died. What the mutex protects: two numbers that are the same, and the process that is at work.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { Mutex, openSharedMemory } from "../../../src/ipc/mod.ts";

const [name = "", times = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
const mutex = new Mutex(region, 0);
const numbers = region.array(Int32Array, 64, 4);
let died = 0;
process.stdout.write("started\n");
for (let round = 0; round < Number(times); round++) {
  using guard = round % 16 === 0 ? await mutex.lock() : mutex.lockSync();
  const [first = 0, second = 0, worker = 0] = numbers;
  if (guard.ownerDied) {
    died++;
    guard.markRecovered();
  } else {
    assert.deepEqual([first, worker], [second, 0]);
  }
  numbers[2] = process.pid;
  numbers[0] = first + 1;
  for (let spin = 0; spin < 10; spin++) Atomics.pause();
  numbers[1] = first + 1;
  assert.equal(numbers[2], process.pid);
  numbers[2] = 0;
}
process.stdout.write(`died ${died}\n`);
