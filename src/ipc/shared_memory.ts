/**
 * Shared memory with a name: POSIX's shm_open(3).
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import { type Call, callOf } from "../../ffi/callers.ts";
import { type ErrorName, errorNumber, MmapError } from "../../ffi/errors.ts";
import { closeDescriptor, longestName, sharedMemoryDirectory, shmOpen, shmUnlink } from "../../ffi/shm.ts";
import { oneOf, show, wholeNumber } from "../checks.ts";
import { mapDescriptor, mapPath } from "../create.ts";
import { type Access, ACCESSES } from "../options.ts";
import { type MappedRegion, regionOf } from "../region.ts";
import { ownOptions } from "./options.ts";

/** Options of {@linkcode createSharedMemory}. */
export interface CreateSharedMemoryOptions {
  /** Fail with EEXIST if there is memory of that name. Default: false. */
  exclusive?: boolean | undefined;
  /** Who may open it: the permissions of new memory, less the process's umask. Default: 0o600. */
  mode?: number | undefined;
}

/** Options of {@linkcode openSharedMemory}. */
export interface OpenSharedMemoryOptions {
  /** What the region may do. Default: `"read-write"`. */
  access?: Access | undefined;
}

/** Attempts to create or open memory, which others may remove or create between the two calls. */
const ATTEMPTS = 8;

/**
 * Creates memory that other processes find by its name, and maps it; opens it if it is there already. It stays until
 * {@linkcode unlinkSharedMemory} is called or the system is shut down, even when all its processes have ended.
 *
 * It is what C's shm_open(3), Python's `multiprocessing.shared_memory` and Boost's `shared_memory_object` find under the same
 * name. On Linux it is a file of `/dev/shm`, opened through `node:fs`: Deno, which takes all of `/dev` for special,
 * needs `--allow-all` for it ({@linkcode anonymousSharedMemory} needs no more than `--allow-ffi`).
 * Its memory is allocated at once, so that a full `/dev/shm` is an error here and not at some later store. On macOS, where
 * nothing of this has been tried, it can't be resized, and a name has 30 bytes at most.
 *
 * @param name The name, with or without a slash before it: 1 to 255 bytes without a slash.
 * @param length The number of bytes. Memory that exists and is shorter becomes longer; of longer memory so much is mapped.
 * @param options Whether it must be new, and who may open it.
 * @throws {TypeError} If an argument has the wrong type, or an option is unknown.
 * @throws {RangeError} If the name is no name, or a number is out of range.
 * @throws {MmapError} EEXIST with `exclusive`; EACCES; ENOSPC if there is no room; ENAMETOOLONG; what else open(2),
 * posix_fallocate(3) and mmap(2) fail with. Memory that this call made is gone then.
 *
 * @example
 * ```ts
 * import { createSharedMemory, openSharedMemory, unlinkSharedMemory } from "@mapped/region/ipc";
 *
 * using region = createSharedMemory("/example-of-sharing", 4096);
 * region.write(0, "hello");
 * using other = openSharedMemory("/example-of-sharing"); // in another process, in Python, in C …
 * console.log(other.length); // 4096
 * unlinkSharedMemory("/example-of-sharing");
 * ```
 */
export function createSharedMemory(
  name: string,
  length: number,
  options?: CreateSharedMemoryOptions,
): MappedRegion {
  const call = "createSharedMemory";
  const given = ownOptions(options, ["exclusive", "mode"], call);
  const { exclusive = false, mode = 0o600 } = given;
  if (typeof exclusive !== "boolean") {
    throw new TypeError(`${call}: option 'exclusive' must be true or false: received ${show(exclusive)}`);
  }
  const permissions = wholeNumber(mode, `${call}: option 'mode'`);
  if (permissions > 0o777) {
    throw new RangeError(
      `${call}: option 'mode' must be permissions from 0 to 0o777: received ${show(mode)}`,
    );
  }
  const plain = checkName(name, call);
  const size = wholeNumber(length, `${call}: the length`);
  if (size === 0) throw new RangeError(`${call}: the length must be 1 or more bytes: received 0`);
  for (let attempt = 1;; attempt++) {
    try {
      return createNew(plain, size, permissions);
    } catch (error) {
      if (exclusive || codeOf(error) !== "EEXIST") throw explained(error, plain);
    }
    try {
      return openExisting(plain, size);
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || attempt === ATTEMPTS) throw explained(error, plain);
    }
  }
}

/**
 * Opens memory that another process has created under a name.
 *
 * @param name The name, with or without a slash before it.
 * @param options What the region may do.
 * @throws {TypeError} If an argument has the wrong type, or an option is unknown.
 * @throws {RangeError} If the name is no name.
 * @throws {MmapError} ENOENT if there is no memory of that name; EACCES if its mode forbids it; EAGAIN if it has no bytes yet,
 * because whoever creates it is still at it; what else open(2) and mmap(2) fail with.
 *
 * @example
 * ```ts
 * import { MmapError } from "@mapped/region";
 * import { openSharedMemory } from "@mapped/region/ipc";
 *
 * try {
 *   using region = openSharedMemory("/no-such-memory", { access: "read" });
 *   console.log(region.length);
 * } catch (error) {
 *   if (!(error instanceof MmapError) || error.code !== "ENOENT") throw error;
 * }
 * ```
 */
export function openSharedMemory(name: string, options?: OpenSharedMemoryOptions): MappedRegion {
  const call = "openSharedMemory";
  const { access = "read-write" } = ownOptions(options, ["access"], call);
  const word = oneOf(access, ACCESSES, `${call}: option 'access'`);
  const plain = checkName(name, call);
  try {
    return open(plain, word);
  } catch (error) {
    throw explained(error, plain);
  }
}

/**
 * Removes the name of shared memory. Those that have it mapped keep it; it is freed when the last one has closed it.
 *
 * @param name The name, with or without a slash before it.
 * @throws {TypeError} If the name is no string.
 * @throws {RangeError} If the name is no name.
 * @throws {MmapError} ENOENT if there is no memory of that name; EACCES or EPERM if it is another user's.
 *
 * @example
 * ```ts
 * import { createSharedMemory, unlinkSharedMemory } from "@mapped/region/ipc";
 *
 * createSharedMemory("/example-of-unlinking", 4096).close();
 * unlinkSharedMemory("/example-of-unlinking");
 * ```
 */
export function unlinkSharedMemory(name: string): void {
  const plain = checkName(name, "unlinkSharedMemory");
  const directory = sharedMemoryDirectory();
  try {
    if (directory === undefined) shmUnlink(plain);
    else unlink(`${directory}/${plain}`, plain);
  } catch (error) {
    throw explained(error, plain);
  }
}

function unlink(path: string, name: string): void {
  const { lstatSync, unlinkSync } = builtin("node:fs");
  // Deno's unlinkSync removes empty directories as well.
  if (lstatSync(path).isDirectory()) throw new MmapError(errorNumber("EISDIR"), "shm_unlink", { path: name });
  unlinkSync(path);
}

function checkName(name: unknown, call: string): string {
  if (typeof name !== "string") {
    throw new TypeError(`${call}: the name must be a string: received ${show(name)}`);
  }
  const plain = name.startsWith("/") ? name.slice(1) : name;
  if (plain === "" || plain === "." || plain === ".." || /[/\0]/.test(plain)) {
    throw new RangeError(
      `${call}: a name is some characters, with or without one slash before them: received ${show(name)}`,
    );
  }
  if (new TextEncoder().encode(plain).length > longestName()) {
    throw new MmapError(errorNumber("ENAMETOOLONG"), "shm_open", {
      path: name,
      explanation: `a name has ${longestName()} bytes at most`,
    });
  }
  return plain;
}

function createNew(name: string, size: number, mode: number): MappedRegion {
  const directory = sharedMemoryDirectory();
  if (directory === undefined) return createByCall(name, size, mode);
  const path = `${directory}/${name}`;
  // If anything fails from here on, the file is removed.
  const access = "read-write";
  return regionOf(
    mapPath(
      path,
      { access, create: true, exclusive: true, mode, size, length: size },
      callOf(createSharedMemory),
    ),
  );
}

function openExisting(name: string, size: number): MappedRegion {
  const directory = sharedMemoryDirectory();
  if (directory === undefined) {
    const { O_RDWR } = builtin("node:fs").constants;
    return mapOwn(shmOpen(name, O_RDWR, 0), "read-write", size, callOf(createSharedMemory));
  }
  const path = plainFile(directory, name);
  return regionOf(mapPath(path, { access: "read-write", size, length: size }, callOf(createSharedMemory)));
}

/** The path of memory that is there. Anybody may put a symbolic link into the directory: like shm_open, we follow none. */
function plainFile(directory: string, name: string): string {
  const path = `${directory}/${name}`;
  if (builtin("node:fs").lstatSync(path).isSymbolicLink()) {
    throw new MmapError(errorNumber("ELOOP"), "shm_open", { path: name });
  }
  return path;
}

function open(name: string, access: Access): MappedRegion {
  const directory = sharedMemoryDirectory();
  let region;
  if (directory === undefined) {
    const { O_RDONLY, O_RDWR } = builtin("node:fs").constants;
    const fd = shmOpen(name, access === "read-write" ? O_RDWR : O_RDONLY, 0);
    region = mapOwn(fd, access, undefined, callOf(openSharedMemory));
  } else {
    region = regionOf(mapPath(plainFile(directory, name), { access }, callOf(openSharedMemory)));
  }
  if (region.length > 0) return region;
  region.close();
  throw new MmapError(errorNumber("EAGAIN"), "shm_open", { path: name });
}

/** For macOS: the mode gets lost in a variadic call, and memory can be given a size only once. */
function createByCall(name: string, size: number, mode: number): MappedRegion {
  const { constants, fchmodSync, ftruncateSync } = builtin("node:fs");
  const { O_CREAT, O_EXCL, O_RDWR } = constants;
  const fd = shmOpen(name, O_CREAT | O_EXCL | O_RDWR, mode);
  try {
    fchmodSync(fd, mode);
    ftruncateSync(fd, size);
  } catch (error) {
    closeDescriptor(fd);
    shmUnlink(name);
    throw error;
  }
  return mapOwn(fd, "read-write", size, callOf(createSharedMemory));
}

function mapOwn(fd: number, access: Access, length: number | undefined, caller: Call): MappedRegion {
  try {
    return regionOf(mapDescriptor(fd, { access, length }, caller));
  } finally {
    closeDescriptor(fd);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as { code?: unknown }).code : undefined;
}

/** Explains an error in the terms of shared memory. Permission errors of the runtime stay as they are. */
function explained(error: unknown, name: string): unknown {
  const code = codeOf(error);
  const explanation = typeof code === "string" ? remedy(code) : undefined;
  if (explanation === undefined) return error;
  const number = errorNumber(code as ErrorName);
  return new MmapError(number, "shm_open", { path: `/${name}`, explanation, cause: error });
}

function remedy(code: string): string | undefined {
  switch (code) {
    case "ENOENT":
      return "there is no shared memory of this name; make it with createSharedMemory";
    case "EEXIST":
      return "there is shared memory of this name; leave out 'exclusive' to open it, or remove it with " +
        "unlinkSharedMemory";
    case "EAGAIN":
      return "it has no bytes yet: whoever creates it has not come further; try again";
    case "EACCES":
      return "permission denied: its owner's 'mode' doesn't allow it";
    case "EPERM":
      return "it is another user's; only its owner and root may remove it";
    case "ENOSPC":
      return "there is no room for it: /dev/shm is full; unlink what is not needed any more, or make it larger " +
        "(mount -o remount,size=…)";
    case "EISDIR":
    case "ENODEV":
    case "ENXIO":
    case "ELOOP":
      return "what has this name is not shared memory";
    default:
      return undefined;
  }
}
