/**
 * Locks on files: flock(2).
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { libc } from "../../ffi/libc.ts";
import { show } from "../checks.ts";
import { asMmapError, toPath } from "../file.ts";
import { MappedRegion } from "../region.ts";
import { checkTime, ownOptions, type Until, until } from "./options.ts";
import { sleep } from "./waits.ts";

/** Options of {@linkcode lockFileSync}. */
export interface LockFileSyncOptions {
  /**
   * Share the lock with others that ask for a shared one: there can be any number of these, or a single one that is
   * not shared. Default: false.
   */
  shared?: boolean | undefined;
  /** Wait while another has it; false fails with EAGAIN. Default: true. */
  wait?: boolean | undefined;
  /** Create the file if there is none. Default: false. */
  create?: boolean | undefined;
  /** The number of milliseconds to wait, after which ETIMEDOUT is thrown. Default: any number. */
  timeout?: number | undefined;
}

/** Options of {@linkcode lockFile}. */
export interface LockFileOptions extends LockFileSyncOptions {
  /** Aborts the wait, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
/** How long to sleep between two attempts, in milliseconds: at first, and at most. */
const FIRST_NAP = 1;
const LONGEST_NAP = 32;

interface Request {
  readonly path: string;
  readonly create: boolean;
  readonly wait: boolean;
  readonly operation: number;
  readonly until: Until;
}

/**
 * Locks a file against others that lock it, here or in other programs: flock(2). The file isn't changed, and who
 * doesn't ask for the lock can still read and write it. The lock is given up when its holder ends, however it ends.
 *
 * Two locks of one process exclude each other, too.
 *
 * @param file The file's path or `file:` URL, or a region that was opened by a path.
 * @param options Whether others may share the lock, and how long to wait.
 * @throws {TypeError} If an argument has the wrong type, or an option is unknown.
 * @throws {RangeError} If a number is out of range.
 * @throws {MmapError} EAGAIN with `wait: false`; ETIMEDOUT; what open(2) and flock(2) fail with: ENOENT, EACCES, …
 * @throws The signal's reason, if it aborts.
 *
 * @example
 * ```ts
 * import { lockFile } from "@mapped/region/ipc";
 *
 * using lock = await lockFile("/tmp/example.lock", { create: true, timeout: 1000 });
 * console.log(lock.path);
 * ```
 */
export async function lockFile(
  file: string | URL | MappedRegion,
  options?: LockFileOptions,
): Promise<FileLock> {
  const request = toRequest(file, options, "lockFile", false);
  const { signal, deadline } = request.until;
  signal?.throwIfAborted();
  const fd = open(request);
  try {
    // By polling, since a thread that blocks in flock(2) can't be interrupted.
    for (let nap = FIRST_NAP; !attempt(fd, request); nap = Math.min(2 * nap, LONGEST_NAP)) {
      checkTime(request.until, "flock", request.path);
      await sleep(Math.max(0, Math.min(nap, deadline - performance.now())));
      signal?.throwIfAborted();
    }
    return make(fd, request.path);
  } catch (error) {
    builtin("node:fs").closeSync(fd);
    throw error;
  }
}

/**
 * The same as {@linkcode lockFile}, blocking the thread.
 *
 * @param file The file's path or `file:` URL, or a region that was opened by a path.
 * @param options Whether others may share the lock, and how long to wait.
 * @throws What {@linkcode lockFile} throws.
 *
 * @example
 * ```ts
 * import { lockFileSync } from "@mapped/region/ipc";
 *
 * using lock = lockFileSync("/tmp/example.lock", { create: true, shared: true });
 * console.log(lock.path);
 * ```
 */
export function lockFileSync(
  file: string | URL | MappedRegion,
  options?: LockFileSyncOptions,
): FileLock {
  const request = toRequest(file, options, "lockFileSync", true);
  const { deadline } = request.until;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const fd = open(request);
  try {
    for (let nap = FIRST_NAP; !attempt(fd, request); nap = Math.min(2 * nap, LONGEST_NAP)) {
      checkTime(request.until, "flock", request.path);
      Atomics.wait(sleeper, 0, 0, Math.max(0, Math.min(nap, deadline - performance.now())));
    }
    return make(fd, request.path);
  } catch (error) {
    builtin("node:fs").closeSync(fd);
    throw error;
  }
}

function toRequest(file: unknown, options: unknown, call: string, blocking: boolean): Request {
  const names = ["shared", "wait", "create", "timeout", ...(blocking ? [] : ["signal" as const])] as const;
  const given = ownOptions(options, names, call);
  const flag = (name: "shared" | "wait" | "create", otherwise: boolean): boolean => {
    const value = given[name] ?? otherwise;
    if (typeof value === "boolean") return value;
    throw new TypeError(`${call}: option '${name}' must be true or false: received ${show(value)}`);
  };
  const shared = flag("shared", false);
  const { timeout, signal } = given as { timeout?: unknown; signal?: unknown };
  return {
    path: file instanceof MappedRegion ? pathOf(file, call) : toPath(file, "lockFile"),
    create: flag("create", false),
    wait: flag("wait", true),
    operation: LOCK_NB | (shared ? LOCK_SH : LOCK_EX),
    until: until({ timeout, signal }, call, false),
  };
}

function pathOf(region: MappedRegion, call: string): string {
  if (region.path !== undefined) return region.path;
  throw new TypeError(`${call}: the region was not opened by a path; pass the path of a file`);
}

function open({ path, create }: Request): number {
  const { constants, openSync } = builtin("node:fs");
  try {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    return openSync(
      path,
      constants.O_NONBLOCK | constants.O_RDONLY | (create ? constants.O_CREAT : 0),
      0o666,
    );
  } catch (error) {
    throw asMmapError(
      error,
      "open",
      path,
      (code) => code === "ENOENT" ? "there is no such file; pass create: true to make one" : undefined,
    );
  }
}

/** Returns whether the lock is ours now. */
function attempt(fd: number, { operation, wait, path }: Request): boolean {
  const { functions, errno } = libc();
  if (functions.flock(fd, operation) === 0) return true;
  const number = errno();
  if (number === errorNumber("EINTR")) return false;
  if (number === errorNumber("EWOULDBLOCK") && wait) return false;
  throw new MmapError(number, "flock", {
    path,
    explanation: number === errorNumber("EWOULDBLOCK") ? "another has it locked; wait for it" : undefined,
  });
}

/** The constructor, which is private to programs. */
let make: (fd: number, path: string) => FileLock;

/**
 * A file that is locked: made by {@linkcode lockFile}, and unlocked at the end of a block by `using`.
 *
 * @example
 * ```ts
 * import { lockFileSync } from "@mapped/region/ipc";
 *
 * {
 *   using lock = lockFileSync("/tmp/example.lock", { create: true });
 *   console.log(lock.path);
 * } // unlocked here
 * ```
 */
export class FileLock implements Disposable {
  /** The file's path. */
  readonly path: string;
  #fd: number;

  /** Made by {@linkcode lockFile} and {@linkcode lockFileSync}. */
  private constructor(fd: number, path: string) {
    if (typeof fd !== "number") throw new TypeError("FileLock has no public constructor: use lockFile");
    this.#fd = fd;
    this.path = path;
  }

  static {
    make = (fd, path) => new FileLock(fd, path);
  }

  /**
   * Gives the lock up. Again it does nothing.
   *
   * @example
   * ```ts
   * import { lockFileSync } from "@mapped/region/ipc";
   *
   * const lock = lockFileSync("/tmp/example.lock", { create: true });
   * lock.unlock();
   * ```
   */
  unlock(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd !== -1) builtin("node:fs").closeSync(fd); // closing its descriptor gives the lock up
  }

  /** The same as {@linkcode FileLock.unlock}. */
  [Symbol.dispose](): void {
    this.unlock();
  }
}
