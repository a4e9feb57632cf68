/** Locks a mutex, and then ends as it is told: `hold_mutex.ts NAME HOW`. */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { Mutex, openSharedMemory } from "../../../src/ipc/mod.ts";

const [name = "", how = ""] = process.argv.slice(2);
using region = openSharedMemory(name);
if (how === "worker") {
  // The process lives on, the thread that has the lock doesn't.
  const worker = new Worker(new URL("./hold_mutex_worker.ts", import.meta.url), {
    workerData: region.handle(),
  });
  await new Promise((resolve) => worker.once("message", resolve));
  await worker.terminate();
  process.stdout.write("terminated\n");
} else {
  const guard = new Mutex(region, 0).lockSync();
  process.stdout.write("locked\n");
  if (how === "kill") process.kill(process.pid, "SIGKILL");
  else if (how === "exit") process.exit(0);
  else if (how === "throw") throw new Error("on purpose");
  else if (how === "close") {
    region.close();
    process.exit(0);
  } else if (how === "wait") await new Promise((resolve) => setTimeout(resolve, 600_000));
  guard.unlock();
}
