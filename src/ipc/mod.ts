/**
 * Between processes: shared memory that others find by its name, locks in it, and channels of messages through it. All of it
 * outlives any process that is killed, at whichever instruction.
 *
 * A bare name is asynchronous and doesn't hold up the event loop; its `…Sync` twin blocks the thread; `try…` doesn't wait. All
 * that lives in memory is made of zeros, so that whoever comes first makes it; its layout is documented in its source,
 * to the byte, and `examples/ipc.h` has it for C.
 *
 * ```ts
 * import { Channel, createSharedMemory, unlinkSharedMemory } from "@mapped/region/ipc";
 *
 * using region = createSharedMemory("/example-of-ipc", 1 << 16);
 * using channel = new Channel(region);
 * channel.sendSync("hello"); // here, in Python, in C …
 * console.log(new TextDecoder().decode(channel.receiveSync())); // … or there
 * unlinkSharedMemory("/example-of-ipc");
 * ```
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
export { Semaphore, type SemaphoreOptions } from "./semaphore.ts";
export {
  createSharedMemory,
  type CreateSharedMemoryOptions,
  openSharedMemory,
  type OpenSharedMemoryOptions,
  unlinkSharedMemory,
} from "./shared_memory.ts";
export { notify, wait, type WaitResult, waitSync } from "./word.ts";
