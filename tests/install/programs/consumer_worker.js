// consumer.js's worker: writes into the memory that it is told of.
import { parentPort, workerData } from "node:worker_threads";
import { MappedRegion } from "@mapped/region";

using shared = MappedRegion.attach(workerData);
shared.write(0, "written");
parentPort.postMessage("done");
