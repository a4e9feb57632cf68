/** Answers each number that comes at byte 64 with the next at byte 0: `ping_pong.ts NAME ROUNDS`. */
import process from "node:process";
import { notify, openSharedMemory, wait, waitSync } from "../../../src/ipc/mod.ts";

const [name = "", rounds = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
const words = region.array(Int32Array);
for (let round = 1; round <= Number(rounds); round++) {
  Atomics.store(words, 0, round);
  notify(region, 0);
  while (Atomics.load(words, 16) < round) {
    if (round % 2 === 0) await wait(region, 64, round - 1, { timeout: 10_000 });
    else waitSync(region, 64, round - 1, { timeout: 10_000 });
  }
}
