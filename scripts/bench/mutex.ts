/**
 * Locking and unlocking a mutex, in nanoseconds. usage: mutex.ts alone|contended TIMES
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  createSharedMemory,
  Mutex,
  notify,
  openSharedMemory,
  unlinkSharedMemory,
} from "../../src/ipc/mod.ts";
import { report } from "./measure.ts";

const [kind, count = "0", name = `/bench-mutex-${process.pid}`, role] = process.argv.slice(2);
const times = Number(count);
using region = role === undefined ? createSharedMemory(name, 4096) : openSharedMemory(name);
const mutex = new Mutex(region);
const words = region.array(Int32Array, 64, 4);

function lockOften(): void {
  for (let time = 0; time < times; time++) {
    const guard = mutex.lockSync();
    words[0] = (words[0] ?? 0) + 1;
    guard.unlock();
  }
}

if (role !== undefined) {
  Atomics.store(words, 1, 1);
  notify(region, 68);
  while (Atomics.load(words, 2) === 0) Atomics.pause();
  lockOften();
} else {
  lockOften(); // warms up
  let child;
  if (kind === "contended") {
    const flags = process.execArgv.length > 0 ? process.execArgv : "Deno" in globalThis ? ["run", "-A"] : [];
    child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), kind, count, name, "child"], {
      stdio: "inherit",
    });
    while (Atomics.load(words, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  words[0] = 0;
  const start = performance.now();
  Atomics.store(words, 2, 1);
  lockOften();
  if (child !== undefined) await once(child, "exit");
  const spent = (performance.now() - start) * 1e6;
  const done = words[0] ?? 0;
  if (done !== times * (child === undefined ? 1 : 2)) throw new Error(`${done} times`);
  report([spent / done]);
  unlinkSharedMemory(name);
}
