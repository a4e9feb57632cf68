import { parentPort, workerData } from "node:worker_threads";
import { MappedRegion } from "../../../mod.ts";
import { Mutex } from "../../../src/ipc/mod.ts";

const region = MappedRegion.attach(workerData);
const guard = new Mutex(region, 0).lockSync();
parentPort?.postMessage("locked");
setInterval(() => guard.ownerDied, 1000);
