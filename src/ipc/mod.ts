/**
 * Between processes: shared memory, locks and channels.
 *
 * @module
 */
export { Mutex, MutexGuard } from "./mutex.ts";
export type { TimeoutOptions, WaitOptions } from "./options.ts";
export { notify, wait, type WaitResult, waitSync } from "./word.ts";
