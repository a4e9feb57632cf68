/**
 * Opening files to map them, by what the runtime offers for it, so that its permissions hold.
 *
 * That is `node:fs`. In Deno it takes 20 ms to load, more than all the rest of the library's start. So the first files
 * are opened by `Deno.openSync` there, which doesn't tell the descriptor's number: it is found by the file's position,
 * which belongs to what was opened.
 *
 * @module
 */
import { builtin, denoGlobal } from "./builtins.ts";
import { libc } from "./libc.ts";

/** A file that was opened. */
export interface OpenedFile {
  /** Its descriptor. */
  readonly fd: number;
  close(): void;
}

/** How a file that isn't there is made. */
export interface Creation {
  /** Fail if it is there (`O_EXCL`). */
  readonly exclusive: boolean;
  /** The permissions of a new file, less the process's umask. */
  readonly mode: number;
}

/** Opens a file for reading, or for both reading and writing. Throws what the runtime throws. */
export function openToMap(path: string, writable: boolean, creation?: Creation): OpenedFile {
  if (creation === undefined && soFar < FIRST) {
    soFar++;
    const opened = openByDeno(path, writable);
    if (opened !== undefined) return opened;
  }
  const { closeSync, constants, openSync } = builtin("node:fs");
  const { O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR } = flags ??= { ...constants };
  const create = creation === undefined ? 0 : O_CREAT | (creation.exclusive ? O_EXCL : 0);
  // O_NONBLOCK: opening a FIFO would otherwise wait for a writer. It means nothing to a regular file.
  const fd = openSync(path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | create, creation?.mode);
  return { fd, close: () => closeSync(fd) };
}

/** The flags of open(2), copied: `constants` itself is slow to look into. */
let flags: typeof import("node:fs").constants | undefined;

/** So many files are opened without `node:fs`: with it, a file takes 10 µs less. */
const FIRST = 8;

let soFar = 0;

/** What we use of the `Deno` global, written by hand: its own types would tie every consumer to Deno's. */
interface DenoFiles {
  statSync(path: string): { readonly isFile: boolean; readonly size: number };
  openSync(path: string, options: { read: boolean; write: boolean }): DenoFile;
}

interface DenoFile {
  seekSync(offset: number, whence: number): number;
  close(): void;
}

/**
 * Opens a regular file that is there; undefined where that can't be done, or fails. Then `node:fs` says why. (A FIFO
 * would be waited for, and a file of /proc, which has no size, has positions of its own.)
 */
function openByDeno(path: string, writable: boolean): OpenedFile | undefined {
  const deno = denoGlobal() as DenoFiles | undefined;
  if (deno === undefined) return undefined;
  let file: DenoFile | undefined;
  try {
    const { isFile, size } = deno.statSync(path);
    if (!isFile || size === 0) return undefined;
    file = deno.openSync(path, { read: true, write: writable });
    const fd = descriptorOf(file);
    if (fd !== undefined) return { fd, close: () => file?.close() };
  } catch (error) {
    file?.close();
    // Deno's own refusal; the system's is called PermissionDenied.
    if (error instanceof Error && error.name === "NotCapable") throw error;
    return undefined;
  }
  file.close();
  return undefined;
}

const SEEK_SET = 0, SEEK_CUR = 1;

/** Descriptors are given out from the smallest on. */
const MOST_DESCRIPTORS = 1024;

/** Which descriptor's position goes where the file's is moved to. Asking for it changes nothing of other descriptors. */
function descriptorOf(file: DenoFile): number | undefined {
  const { lseek } = libc().functions;
  const isAt = (fd: number, position: number): boolean => lseek(fd, 0, SEEK_CUR) === position;
  const [first, second] = [randomPosition(), randomPosition()];
  file.seekSync(first, SEEK_SET);
  for (let fd = 0; fd < MOST_DESCRIPTORS; fd++) {
    if (!isAt(fd, first)) continue;
    file.seekSync(second, SEEK_SET);
    if (isAt(fd, second)) return fd;
    file.seekSync(first, SEEK_SET);
  }
  return undefined;
}

/** One that another descriptor's is not likely to be, and less likely twice. */
function randomPosition(): number {
  return 1 + Math.floor(Math.random() * (2 ** 31 - 1));
}
