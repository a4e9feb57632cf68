/**
 * Workers of this process.
 *
 * @module
 */
import { Worker } from "node:worker_threads";

/** A worker that answers messages. */
export interface Together extends AsyncDisposable {
  /** Posts a message and waits for the answer. */
  ask(message: unknown, transfer?: readonly ArrayBuffer[]): Promise<unknown>;
  /** Waits for the next message, without posting one. */
  next(): Promise<unknown>;
  /** Terminates the worker. */
  end(): Promise<unknown>;
}

/** The library's front door, for what a worker imports. */
export const LIBRARY: string = new URL("../../mod.ts", import.meta.url).href;

/** Starts a worker that runs a program, in JavaScript, with `data` for its workerData. */
export function together(program: string, data?: unknown): Together {
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const worker = new Worker(url, { workerData: data });
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once("message", (message) => {
        worker.off("error", reject);
        resolve(message);
      });
      worker.once("error", reject);
    });
  const end = (): Promise<unknown> => worker.terminate();
  return {
    ask: (message, transfer = []) => {
      const answer = next();
      worker.postMessage(message, [...transfer]);
      return answer;
    },
    next,
    end,
    async [Symbol.asyncDispose](): Promise<void> {
      await end();
    },
  };
}
