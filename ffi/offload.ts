/**
 * Calling C off the event loop, where the runtime's FFI has no such calls: on a worker's thread.
 *
 * @module
 */
import type { Worker } from "node:worker_threads";
import { builtin } from "./builtins.ts";

/** One call, as the worker is told of it. */
export interface Call {
  readonly library: string;
  readonly symbol: string;
  /** The function's declaration, as the runtime's FFI takes it. */
  readonly declaration: object;
  readonly values: readonly unknown[];
}

/**
 * What the worker runs. It is text, since a bundler would not include a file of its own, and a worker started from
 * the bundle would run the program a second time. It imports nothing of the library.
 */
const SOURCE = `
  import("node:worker_threads").then(async ({ parentPort, workerData }) => {
    const ffi = await import(workerData.module);
    const functions = new Map();
    const find = (library, symbol, declaration) => {
      let opened = functions.get(symbol);
      if (opened === undefined) {
        opened = ffi.dlopen(library, { [symbol]: declaration });
        functions.set(symbol, opened);
      }
      return opened[workerData.property][symbol];
    };
    parentPort.on("message", ({ id, library, symbol, declaration, values }) => {
      try {
        parentPort.postMessage({ id, result: Number(find(library, symbol, declaration)(...values)) });
      } catch (error) {
        parentPort.postMessage({ id, error });
      }
    });
  });
`;

interface Answer {
  readonly id: number;
  readonly result?: number;
  readonly error?: unknown;
}

interface Waiting {
  resolve(result: number): void;
  reject(error: unknown): void;
}

/** Runs calls on another thread. */
type Thread = (call: Call) => Promise<number>;

/**
 * Makes a function that runs calls on workers. Each C function has a worker of its own, started with its first call,
 * so that a long wait doesn't hold up a flush. Workers keep the process alive only while a call is under way.
 *
 * @param module The runtime's FFI module.
 * @param property Where what its `dlopen` returns has the functions.
 */
export function offload(module: string, property: string): Thread {
  const threads = new Map<string, Thread>();
  return (call) => {
    let run = threads.get(call.symbol);
    if (run === undefined) threads.set(call.symbol, run = thread(module, property));
    return run(call);
  };
}

function thread(module: string, property: string): Thread {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let last = 0;

  const start = (): Worker => {
    const { Worker } = builtin("node:worker_threads");
    const started = new Worker(SOURCE, { eval: true, workerData: { module, property } });
    started.on("message", ({ id, result, error }: Answer) => {
      const call = waiting.get(id);
      waiting.delete(id);
      if (waiting.size === 0) started.unref();
      if (result === undefined) call?.reject(error);
      else call?.resolve(result);
    });
    started.on("error", (error) => {
      worker = undefined;
      for (const call of waiting.values()) call.reject(error);
      waiting.clear();
    });
    return started;
  };

  return (call) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      const id = ++last;
      waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, ...call });
    });
}
