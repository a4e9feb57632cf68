/** Adds 1 to 64 numbers, again and again, under a lock for writing: `write_whole.ts NAME TIMES`. */
import process from "node:process";
import { openSharedMemory, ReadWriteLock } from "../../../src/ipc/mod.ts";

const [name = "", times = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
const lock = new ReadWriteLock(region);
const numbers = region.array(Int32Array, 4096, 64);
for (let time = 0; time < Number(times); time++) {
  using _guard = time % 64 === 0 ? await lock.write() : lock.writeSync();
  for (let index = 0; index < 64; index++) numbers[index] = (numbers[index] ?? 0) + 1;
}
