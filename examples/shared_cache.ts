// A table that processes share, mostly to read from it: shared_cache.ts [KEYS]
//
//     node examples/shared_cache.ts 1000
//     bun examples/shared_cache.ts
//     deno run --allow-all examples/shared_cache.ts
//
// In C: shm_open, ftruncate, mmap with MAP_SHARED; pthread_rwlock_t with PTHREAD_PROCESS_SHARED.
//
// Exit code: 0; 2 if something went wrong.
// deno-lint-ignore-file no-console -- a program's output
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { MappedRegion } from "../mod.ts";
import { createSharedMemory, openSharedMemory, ReadWriteLock, unlinkSharedMemory } from "../src/ipc/mod.ts";
import { simpleCommand, wholeNumber } from "./command.ts";
import { ended, installedRuntimes, startIn } from "./start_in.ts";

/** A hash table of 4096 numbers by numbers: each entry is a key, 0 if it is free, and a value. */
class SharedTable {
  static readonly byteLength: number = ReadWriteLock.byteLength + 4096 * 8;
  readonly #lock: ReadWriteLock;
  readonly #entries: Int32Array;

  constructor(region: MappedRegion) {
    this.#lock = new ReadWriteLock(region);
    this.#entries = region.array(Int32Array, ReadWriteLock.byteLength, 4096 * 2);
  }

  get(key: number): number | undefined {
    using _guard = this.#lock.readSync();
    const at = this.#find(key);
    return this.#entries[at] === key ? this.#entries[at + 1] : undefined;
  }

  /** Returns what was there before, or what `make` makes. */
  getOrMake(key: number, make: (key: number) => number): number {
    const found = this.get(key);
    if (found !== undefined) return found;
    using guard = this.#lock.writeSync();
    // Who wrote last may have been killed: an entry has its key last, so that it is whole or free.
    if (guard.ownerDied) guard.markRecovered();
    const at = this.#find(key);
    if (this.#entries[at] !== key) {
      this.#entries[at + 1] = make(key);
      this.#entries[at] = key;
    }
    return this.#entries[at + 1] ?? 0;
  }

  #find(key: number): number {
    for (let probe = 0; probe < 4096; probe++) {
      const at = (Math.imul(key, 0x9e3779b1) >>> 20) + probe & 4095;
      const found = this.#entries[at * 2];
      if (found === 0 || found === key) return at * 2;
    }
    throw new Error("the table is full");
  }
}

function use(name: string, keys: number): void {
  using region = openSharedMemory(name);
  const table = new SharedTable(region);
  let made = 0;
  for (let round = 0; round < 10; round++) {
    for (let key = 1; key <= keys; key++) {
      const value = table.getOrMake(key, () => {
        made++;
        return key * key;
      });
      if (value !== key * key) throw new Error(`${key}: ${value}`);
    }
  }
  Atomics.add(region.array(Int32Array, SharedTable.byteLength, 1), 0, made);
}

async function main(keys: number): Promise<void> {
  const name = `/shared-cache-${process.pid}`;
  using region = createSharedMemory(name, SharedTable.byteLength + 4, { exclusive: true });
  try {
    const runtimes = installedRuntimes();
    const file = fileURLToPath(import.meta.url);
    await Promise.all(runtimes.map((runtime) => ended(startIn(runtime, file, String(keys), name))));
    const [made] = region.array(Int32Array, SharedTable.byteLength, 1);
    console.log(`${runtimes.length} processes asked ${keys} keys 10 times each: ${made} values were made`);
  } finally {
    unlinkSharedMemory(name);
  }
}

await simpleCommand("usage: shared_cache.ts [KEYS]", 0, 2, async (given = "1000", name) => {
  const keys = wholeNumber(given, "KEYS", 0);
  if (name === undefined) await main(keys);
  else use(name, keys); // this is one of the processes
});
