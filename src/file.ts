/**
 * The files that regions map: opening them, recognising them, making them longer and shorter.
 *
 * They are opened and closed by the runtime, so that its permissions hold. Everything else goes through libc, which takes
 * any descriptor.
 *
 * A mapping needs no descriptor: one that we opened is closed as soon as there is a mapping. Where a descriptor is
 * needed later, the file is opened again by its path. It may be another file by then. So device and inode are
 * compared: while the mapping is there, no other file can have the same.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { encode } from "../ffi/captured.ts";
import { type ErrorName, errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import {
  allocate,
  endOf,
  type FileStatus,
  isSameFile,
  largestFile,
  pageSizeOf,
  statusAt,
  statusOf,
  truncate,
} from "../ffi/files.ts";
import { libc } from "../ffi/libc.ts";
import { type OpenedFile, openToMap } from "../ffi/opening.ts";
import { show } from "./checks.ts";
import type { Access, OpenOptions } from "./options.ts";

/** The path that a program gave, as a string. */
export function toPath(path: unknown, call: string): string {
  if (typeof path === "string") return path;
  if (path instanceof URL) return builtin("node:url").fileURLToPath(path);
  throw new TypeError(`${call}: the path must be a string or a file: URL: received ${show(path)}`);
}

/** Opens a file for mapping. */
export function openFile(path: string, options: OpenOptions): MappedFile {
  const { access = "read", create = false } = options;
  const writable = access === "read-write";
  try {
    return create
      ? makeFile(path, writable, options)
      : new OwnFile(path, writable, openToMap(path, writable), false);
  } catch (error) {
    throw asMmapError(error, "open", path, (code) => openRemedy(code, access, path));
  }
}

/** Opens a file, or creates it. Whether it was created has to be known: if it can't be mapped, it is removed again. */
function makeFile(path: string, writable: boolean, options: OpenOptions): MappedFile {
  const { exclusive = false, mode = 0o666 } = options;
  const make = (exclusive: boolean): OpenedFile => openToMap(path, writable, { exclusive, mode });
  if (exclusive) return new OwnFile(path, writable, make(true), true);
  const found = unless("ENOENT", () => openToMap(path, writable));
  if (found !== undefined) return new OwnFile(path, writable, found, false);
  const made = unless("EEXIST", () => make(true));
  if (made !== undefined) return new OwnFile(path, writable, made, true);
  // Another program has just created it, or it is a symbolic link to a file that is not there yet.
  return new OwnFile(path, writable, make(false), false);
}

/** Uses a descriptor of the program's, which the program goes on owning. */
export function borrowFile(fd: number): MappedFile {
  return new BorrowedFile(fd);
}

/** What `work` returns; undefined if it fails with the error named. */
function unless<T>(code: ErrorName, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errorNumberOf(error) !== errorNumber(code)) throw error;
    return undefined;
  }
}

/** A file that a region maps. */
export abstract class MappedFile {
  /** The path it was opened by; undefined for a descriptor of the program's. */
  readonly path: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Runs what needs a descriptor. Throws if the file isn't to be found any more. */
  abstract use<T>(work: (fd: number) => T): T;

  /** The file's status now; the error if the file isn't to be found any more. */
  protected abstract status(): FileStatus | MmapError;

  /**
   * How many bytes the file has; Infinity for a device, which has no size. Throws if the file isn't to be found any
   * more.
   */
  size(): number {
    const status = this.status();
    if (status instanceof MmapError) throw status;
    return this.sizeOf(status);
  }

  /**
   * The same, but undefined if the file isn't to be found any more: it was renamed or removed, or its owner has
   * closed the descriptor.
   */
  sizeIfKnown(): number | undefined {
    try {
      const status = this.status();
      return status instanceof MmapError ? undefined : this.sizeOf(status);
    } catch {
      return undefined;
    }
  }

  /** The number of the user who owns the file; undefined if the file isn't to be found any more. */
  get owner(): number | undefined {
    const status = this.status();
    return status instanceof MmapError ? undefined : status.owner;
  }

  /** Makes the file larger; throws, and leaves it as it was, when there is no room. */
  grow(size: number, sparse: boolean): void {
    this.use((fd) => {
      const old = this.size();
      if (size <= old) return;
      const syscall = sparse ? "ftruncate" : "posix_fallocate";
      if (size > largestFile()) throw this.#cannotResize(errorNumber("EFBIG"), syscall, fd, size);
      // Linux would let a file of huge pages end within one of them. Touching that one would fault.
      const pageSize = pageSizeOf(fd);
      if (pageSize > libc().pageSize && size % pageSize !== 0) {
        throw this.#cannotResize(errorNumber("EINVAL"), syscall, fd, size);
      }
      const error = sparse ? truncate(fd, size) : allocate(fd, old, size - old);
      if (error !== 0) {
        if (!sparse) truncate(fd, old); // it may have become longer, but not by all of it
        throw this.#cannotResize(error, syscall, fd, size);
      }
      this.grew(old, size);
    });
  }

  /** Notes that the file was made longer. */
  protected abstract grew(from: number, to: number): void;

  /** Makes the file smaller. */
  shrink(size: number): void {
    this.use((fd) => {
      const error = truncate(fd, size);
      if (error !== 0) throw this.#cannotResize(error, "ftruncate", fd, size);
    });
  }

  #cannotResize(errno: number, syscall: string, fd: number, size: number): MmapError {
    const explanation = resizeRemedy(errorName(errno), size, pageSizeOf(fd));
    return new MmapError(errno, syscall, { path: this.path, length: size, explanation });
  }

  /** The size of what can be mapped; throws for what can't. */
  protected sizeOf(status: FileStatus): number {
    return status.kind === "file" ? status.size : this.#sizeOfOther(status);
  }

  #sizeOfOther({ kind }: FileStatus): number {
    if (kind === "directory") {
      throw cannotMap("EISDIR", this.path, "it is a directory; only files and devices can be mapped");
    }
    if (kind === "FIFO" || kind === "socket") {
      throw cannotMap("ENODEV", this.path, `it is a ${kind}; only files and devices can be mapped`);
    }
    return Infinity;
  }

  /** Closes a descriptor of ours. Call it when there is a mapping. */
  abstract rest(): void;

  /**
   * Keeps a descriptor from now on. Call it before a file's mapping goes: without either, its inode may be given to
   * another file.
   */
  abstract keepOpen(): void;

  /**
   * Undoes what was done to a file that can't be mapped: removes one that was created, cuts back one that was grown.
   * Then closes it.
   */
  abstract undo(): void;

  /** Lets go of the file for good. */
  abstract close(): void;
}

/** A file that we opened, by its path. */
class OwnFile extends MappedFile {
  declare readonly path: string;
  readonly #writable: boolean;
  /** Undefined while it isn't open. */
  #opened: OpenedFile | undefined;
  readonly #made: boolean;
  /** Its device and inode, known from when its size was first asked for, which is before it is mapped. */
  #known: FileStatus | undefined;
  /** Whether the descriptor is all that keeps the file's inode from being given to another file. */
  #kept = false;
  /** Whether its inode may have been given to another file. */
  #lost = false;
  /** How it was made longer before it was mapped. */
  #grown: { readonly from: number; readonly to: number } | undefined;
  /** The path as C takes it. */
  #pathBytes: Uint8Array | undefined;

  constructor(path: string, writable: boolean, opened: OpenedFile, made: boolean) {
    super(path);
    this.#writable = writable;
    this.#opened = opened;
    this.#made = made;
  }

  use<T>(work: (fd: number) => T): T {
    if (this.#opened !== undefined) return work(this.#opened.fd);
    this.#opened = this.#openAgain();
    try {
      return work(this.#opened.fd);
    } finally {
      if (!this.#kept) this.close();
    }
  }

  #openAgain(): OpenedFile {
    let opened;
    try {
      opened = openToMap(this.path, this.#writable);
    } catch (error) {
      throw asMmapError(error, "open", this.path, (code) => againRemedy(code, this.path));
    }
    const status = this.#check("fstat", statusOf(opened.fd));
    if (!(status instanceof MmapError)) return opened;
    opened.close();
    throw status;
  }

  protected status(): FileStatus | MmapError {
    if (this.#opened !== undefined) {
      const status = this.#check("fstat", statusOf(this.#opened.fd));
      if (!(status instanceof MmapError)) this.#known ??= status;
      return status;
    }
    return this.#check("stat", statusAt(this.#bytesOfPath()));
  }

  #bytesOfPath(): Uint8Array {
    return this.#pathBytes ??= encode(`${this.path}\0`);
  }

  /** Returns what was found if it is this file, else the error that says so. */
  #check(syscall: string, found: FileStatus | number): FileStatus | MmapError {
    const { path } = this;
    if (typeof found === "number") {
      return new MmapError(found, syscall, { path, explanation: againRemedy(errorName(found), path) });
    }
    if (this.#known === undefined || isSameFile(found, this.#known) && !this.#lost) return found;
    return new MmapError(errorNumber("ESTALE"), syscall, {
      path,
      explanation:
        "it is another file by now, and the region still shows the one that was opened: open it again",
    });
  }

  protected override sizeOf(status: FileStatus): number {
    const size = super.sizeOf(status);
    if (status.kind === "block device") {
      const end = this.use(endOf);
      return end > 0 ? end : Infinity;
    }
    // A file of /proc or its like seems to be empty, and lseek finds no end of it.
    if (size === 0 && this.#opened !== undefined && endOf(this.#opened.fd) < 0) {
      throw cannotMap(
        "ENODEV",
        this.path,
        "its file system makes it up when it is read; read it with node:fs",
      );
    }
    return size;
  }

  protected override grew(from: number, to: number): void {
    this.#grown ??= { from, to };
  }

  rest(): void {
    this.#kept = false;
    this.close();
  }

  keepOpen(): void {
    this.#kept = true;
    try {
      this.#opened ??= this.#openAgain();
    } catch {
      this.#lost = true;
    }
  }

  undo(): void {
    if (this.#opened === undefined) return;
    const { fd } = this.#opened;
    try {
      const status = statusOf(fd);
      const there = statusAt(this.#bytesOfPath());
      if (typeof status === "number") return;
      if (this.#made) {
        if (typeof there !== "number" && isSameFile(status, there)) builtin("node:fs").unlinkSync(this.path);
      } else if (this.#grown !== undefined && status.size === this.#grown.to) {
        truncate(fd, this.#grown.from);
      }
    } catch {
      // A runtime's permissions may forbid it. The caller throws the error that led here.
    } finally {
      this.close();
    }
  }

  close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.close();
  }
}

/** A descriptor of the program's: its file position is not moved, and it is not closed. */
class BorrowedFile extends MappedFile {
  readonly #fd: number;
  readonly #known: FileStatus;

  constructor(fd: number) {
    super(undefined);
    this.#fd = fd;
    const status = this.#statusOf(fd);
    if (status instanceof MmapError) throw status;
    this.#known = status;
  }

  use<T>(work: (fd: number) => T): T {
    const status = this.status();
    if (status instanceof MmapError) throw status;
    return work(this.#fd);
  }

  protected status(): FileStatus | MmapError {
    const status = this.#statusOf(this.#fd);
    if (status instanceof MmapError || isSameFile(status, this.#known)) return status;
    // A descriptor that the program closed may have been given to another file since.
    return this.#bad(
      `descriptor ${this.#fd} is no longer the file that is mapped; keep it open for as long as the region is resized`,
    );
  }

  #statusOf(fd: number): FileStatus | MmapError {
    if (fd > LARGEST_DESCRIPTOR) return this.#bad(`there is no descriptor ${fd}; pass one that is open`);
    const status = statusOf(fd);
    return typeof status === "number" ? this.#bad(`descriptor ${fd} is not open; pass one that is`) : status;
  }

  #bad(explanation: string): MmapError {
    return new MmapError(errorNumber("EBADF"), "fstat", { explanation });
  }

  protected override grew(): void {}

  rest(): void {}

  keepOpen(): void {}

  undo(): void {}

  close(): void {}
}

/** A descriptor is an int to C. */
const LARGEST_DESCRIPTOR = 2 ** 31 - 1;

function cannotMap(code: "EISDIR" | "ENODEV", path: string | undefined, explanation: string): MmapError {
  return new MmapError(errorNumber(code), "mmap", { path, explanation });
}

function openRemedy(code: string, access: Access, path: string): string | undefined {
  switch (code) {
    case "ENOENT":
      if (path.startsWith("file:")) return "there is no such file; for a URL pass new URL(…), not a string";
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

/** What to do when a file that is mapped can't be found, or opened, again. */
function againRemedy(code: string, path: string): string | undefined {
  const opened = "the file has to be opened again for this, and";
  switch (code) {
    case "ENOENT":
      return `it was removed or renamed${
        path.startsWith("/") ? "" : ", or the working directory has changed"
      }; a region that is to be resized all the same is made by MappedRegion.fromDescriptor, of a descriptor kept open`;
    case "EACCES":
      return `${opened} permission is denied by now`;
    case "EMFILE":
    case "ENFILE":
      return `${opened} too many are open; close some, or raise the limit (ulimit -n)`;
    default:
      return undefined;
  }
}

function resizeRemedy(code: string, size: number, pageSize: number): string | undefined {
  switch (code) {
    case "ENOSPC":
      return `no space left for ${size} bytes; free some, or pass sparse: true to allocate only what is stored`;
    case "ENOMEM":
      return `${size} bytes are more memory than the machine has, or more than is free`;
    case "EFBIG":
      return `${size} bytes are more than the file system or the limit on file sizes (ulimit -f) allows`;
    case "EDQUOT":
      return `${size} bytes are more than the disk quota allows`;
    case "EPERM":
      return "a seal of the memory forbids it (option 'seal' of anonymousSharedMemory)";
    case "EBADF":
    case "EINVAL":
      return size % pageSize === 0
        ? "the file can't be resized; it must be a regular file, opened for writing"
        : `its file system has pages of ${pageSize} bytes: the file's size must be a multiple of that`;
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
  const numbers: Readonly<Record<string, number>> = builtin("node:os").constants.errno;
  return typeof code === "string" && Object.hasOwn(numbers, code) ? numbers[code] : undefined;
}
