/** A worker that makes calls that fail, and reports each one that failed with the wrong error. */
import { parentPort, workerData } from "node:worker_threads";
import { failures } from "./failing_calls.ts";

const { name, calls, started, threads } = workerData as {
  name: string;
  calls: number;
  /** Counts the threads that are ready: nobody begins before all are. */
  started: Int32Array<SharedArrayBuffer>;
  threads: number;
};

Atomics.add(started, 0, 1);
Atomics.notify(started, 0);
for (let ready = Atomics.load(started, 0); ready < threads; ready = Atomics.load(started, 0)) {
  Atomics.wait(started, 0, ready);
}
parentPort?.on("message", () => {}); // keeps the worker alive: its end could arrive before its answer
parentPort?.postMessage(failures([name], calls));
