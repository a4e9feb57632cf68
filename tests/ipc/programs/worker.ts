/** A worker that waits, locks, and sends, in the region that it is given. */
import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { MappedRegion } from "../../../mod.ts";
import { Channel, Mutex, notify, wait } from "../../../src/ipc/mod.ts";

using region = MappedRegion.attach(workerData);
const words = region.array(Int32Array);
Atomics.store(words, 0, 1);
notify(region, 0);
while (Atomics.load(words, 1) === 0) await wait(region, 4, 0);
{
  using guard = await new Mutex(region, 1024).lock();
  assert(!guard.ownerDied);
}
if (region.length > 65_536) {
  using channel = new Channel(region, { offset: 4096 });
  for (let index = 0; index < 1000; index++) await channel.send(`message ${index}`);
}
parentPort?.postMessage("done");
