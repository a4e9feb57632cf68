/** A thread that makes calls that fail, and reports each whose error isn't the one that this call fails with. */
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
parentPort?.on("message", () => {}); // stays until it is terminated: its end could overtake its answer
parentPort?.postMessage(failures([name], calls));
