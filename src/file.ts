/**
 * Opening, sizing and closing files.
 *
 * Through `node:fs`, so that a runtime's permissions hold and descriptors are what the kernel knows; only what
 * `node:fs` lacks (the size without a Stats object, the allocation of blocks) goes to libc.
 *
 * @module
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, type Stats, writeSync } from "node:fs";
import { constants as system } from "node:os";
import { fileURLToPath } from "node:url";
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import { libc } from "../ffi/libc.ts";
import { show } from "./checks.ts";
import type { Access, OpenOptions } from "./options.ts";

/** A file that a region maps. */
export interface MappedFile {
  readonly fd: number;
  /** The path it was opened by; undefined for a descriptor of the program's. */
  readonly path: string | undefined;
  /** The size in bytes; Infinity for a device, which has none. */
  size(): number;
  /** Makes the file larger; throws and leaves it as it was when there is no room. */
  grow(size: number, sparse: boolean): void;
  /** Makes the file smaller. */
  shrink(size: number): void;
  /** Closes the descriptor, if it is ours. */
  close(): void;
}

/** The path that a program gave, as a string. */
export function toPath(path: unknown): string {
  if (typeof path === "string") return path;
  if (path instanceof URL) return fileURLToPath(path);
  throw new TypeError(`MappedRegion.open: the path must be a string or a file: URL: received ${show(path)}`);
}

/** Opens a file for mapping. */
export function openFile(path: string, options: OpenOptions): MappedFile {
  const { access = "read", create = false, exclusive = false, mode = 0o666 } = options;
  // O_NONBLOCK: opening a FIFO would otherwise wait for a writer. It means nothing to a regular file.
  let flags = constants.O_NONBLOCK | (access === "read-write" ? constants.O_RDWR : constants.O_RDONLY);
  if (create) flags |= constants.O_CREAT | (exclusive ? constants.O_EXCL : 0);
  let fd;
  try {
    fd = openSync(path, flags, mode);
  } catch (error) {
    throw asMmapError(error, "open", path, (code) => openRemedy(code, access));
  }
  return new OpenedFile(fd, path);
}

/** Takes a descriptor of the program's, which stays its own. */
export function borrowFile(fd: number): MappedFile {
  return new BorrowedFile(fd);
}

const SEEK_END = 2;

class OpenedFile implements MappedFile {
  readonly fd: number;
  readonly path: string | undefined;

  constructor(fd: number, path: string | undefined) {
    this.fd = fd;
    this.path = path;
  }

  size(): number {
    // A tenth of what fstatSync costs in Deno 2.9. Zero and failure say too little: those are looked at closely.
    const size = libc().functions.lseek(this.fd, 0, SEEK_END);
    return size > 0 && Number.isSafeInteger(size) ? size : sizeByStatus(status(this), this.path, size === -1);
  }

  grow(size: number, sparse: boolean): void {
    const old = this.size();
    if (size <= old) return;
    if (sparse) truncate(this, size);
    else allocate(this, old, size);
  }

  shrink(size: number): void {
    truncate(this, size);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** A descriptor of the program's: its file position is not moved, and it is not closed. */
class BorrowedFile extends OpenedFile {
  readonly #device: number;
  readonly #inode: number;

  constructor(fd: number) {
    super(fd, undefined);
    const { dev, ino } = status(this);
    this.#device = dev;
    this.#inode = ino;
  }

  override size(): number {
    const stats = status(this);
    // A descriptor that the program closed may have been given to another file since.
    if (stats.dev !== this.#device || stats.ino !== this.#inode) {
      throw new MmapError(errorNumber("EBADF"), "fstat", {
        explanation: `descriptor ${this.fd} is no longer the file that is mapped; ` +
          `keep it open for as long as the region is resized`,
      });
    }
    return sizeByStatus(stats, undefined, false);
  }

  override shrink(size: number): void {
    this.size();
    super.shrink(size);
  }

  override close(): void {}
}

function status(file: MappedFile): Stats {
  try {
    return fstatSync(file.fd);
  } catch (error) {
    throw asMmapError(
      error,
      "fstat",
      file.path,
      (code) => code === "EBADF" ? `descriptor ${file.fd} is not open; pass one that is` : undefined,
    );
  }
}

/** The size of what can be mapped; throws for what can't. */
function sizeByStatus(stats: Stats, path: string | undefined, unseekable: boolean): number {
  if (stats.isDirectory()) {
    throw cannotMap("EISDIR", path, "it is a directory; only files and devices can be mapped");
  }
  if (stats.isFIFO() || stats.isSocket()) {
    const kind = stats.isFIFO() ? "FIFO" : "socket";
    throw cannotMap("ENODEV", path, `it is a ${kind}; only files and devices can be mapped`);
  }
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return Infinity;
  if (unseekable) {
    throw cannotMap("ENODEV", path, "its file system makes it up when it is read; read it with node:fs");
  }
  return stats.size;
}

function cannotMap(code: "EISDIR" | "ENODEV", path: string | undefined, explanation: string): MmapError {
  return new MmapError(errorNumber(code), "mmap", { path, explanation });
}

function truncate(file: MappedFile, size: number): void {
  try {
    ftruncateSync(file.fd, size);
  } catch (error) {
    throw asMmapError(error, "ftruncate", file.path, (code) => growRemedy(code, size));
  }
}

/** Grows a file and allocates its blocks, so that a full file system is found out now and not by a store. */
function allocate(file: MappedFile, old: number, size: number): void {
  const error = fallocate(file.fd, old, size - old);
  if (error === 0) return;
  try {
    truncate(file, old);
  } catch {
    // The first failure is the one to tell of.
  }
  throw new MmapError(error, "posix_fallocate", {
    path: file.path,
    length: size,
    explanation: growRemedy(errorName(error), size),
  });
}

/** Returns an error number, 0 for success. */
function fallocate(fd: number, offset: number, length: number): number {
  const { functions, has } = libc();
  if (!has("posix_fallocate")) return writeZeros(fd, offset, length);
  let error: number;
  do error = functions.posix_fallocate(fd, offset, length); while (error === errorNumber("EINTR"));
  // What musl returns for a file system without the call; glibc writes into every block itself.
  return error === errorNumber("EOPNOTSUPP") ? writeZeros(fd, offset, length) : error;
}

const ZEROS = 1 << 20;

/** Allocates blocks where nothing better exists: by writing them. */
function writeZeros(fd: number, offset: number, length: number): number {
  const zeros = new Uint8Array(Math.min(length, ZEROS));
  for (let done = 0; done < length;) {
    try {
      done += writeSync(fd, zeros, 0, Math.min(zeros.length, length - done), offset + done);
    } catch (error) {
      return errorNumberOf(error) ?? errorNumber("EIO");
    }
  }
  return 0;
}

function openRemedy(code: string, access: Access): string | undefined {
  switch (code) {
    case "ENOENT":
      return access === "read-write"
        ? "there is no such file; pass create: true to make one"
        : "there is no such file";
    case "EACCES":
      return access === "read-write"
        ? 'permission denied; open it with access "read", or change its permissions'
        : "permission denied; change the file's permissions, or run as another user";
    case "EEXIST":
      return "the file exists already; leave out 'exclusive' to open it";
    case "EISDIR":
      return "it is a directory; only files and devices can be mapped";
    case "EROFS":
      return 'its file system is read-only; open it with access "read" or "copy-on-write"';
    case "ETXTBSY":
      return 'it is a program that is running; open it with access "read" or "copy-on-write"';
    case "EMFILE":
    case "ENFILE":
      return "too many files are open; close regions that are done with, or raise the limit (ulimit -n)";
    case "ENXIO":
      return "it is a FIFO, a socket or a device that is not there; only files and devices can be mapped";
    default:
      return undefined;
  }
}

function growRemedy(code: string, size: number): string | undefined {
  switch (code) {
    case "ENOSPC":
      return `no space left for ${size} bytes; free some, or pass sparse: true to allocate only what is stored`;
    case "EFBIG":
      return `${size} bytes are more than the file system or the limit on file sizes (ulimit -f) allows`;
    case "EBADF":
    case "EINVAL":
      return "the file can't be resized; it must be a regular file, opened for writing";
    default:
      return undefined;
  }
}

/**
 * Turns an error of `node:fs` into ours. A permission error of the runtime, and whatever else is no system error,
 * comes back as it is.
 */
export function asMmapError(
  error: unknown,
  syscall: string,
  path: string | undefined,
  remedy: (code: string) => string | undefined,
): unknown {
  const errno = errorNumberOf(error);
  if (errno === undefined) return error;
  const { code } = error as { code: string };
  return new MmapError(errno, syscall, { path, explanation: remedy(code), cause: error });
}

/** The positive number of a system error; Deno leaves `errno` out of some, so it is found by the code. */
function errorNumberOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  const numbers: Readonly<Record<string, number>> = system.errno;
  return typeof code === "string" && Object.hasOwn(numbers, code) ? numbers[code] : undefined;
}
