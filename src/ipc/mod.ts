/**
 * Between processes: shared memory, locks and channels.
 *
 * @module
 */
export {
  AnonymousSharedMemory,
  anonymousSharedMemory,
  type AnonymousSharedMemoryOptions,
  type Seal,
} from "./anonymous.ts";
export { Channel, type ChannelOptions, Message, Reservation } from "./channel.ts";
export { Event } from "./event.ts";
export {
  FileLock,
  lockFile,
  type LockFileOptions,
  lockFileSync,
  type LockFileSyncOptions,
} from "./lock_file.ts";
export { Mutex, MutexGuard } from "./mutex.ts";
export { Once } from "./once.ts";
export type { TimeoutOptions, WaitOptions } from "./options.ts";
export { ReadGuard, ReadWriteLock, WriteGuard } from "./read_write_lock.ts";
export { Semaphore } from "./semaphore.ts";
export {
  createSharedMemory,
  type CreateSharedMemoryOptions,
  openSharedMemory,
  type OpenSharedMemoryOptions,
  unlinkSharedMemory,
} from "./shared_memory.ts";
export { notify, wait, type WaitResult, waitSync } from "./word.ts";
