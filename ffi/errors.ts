/**
 * The error of a failed system call, in the shape of Node's own system errors.
 *
 * @module
 */
import { builtin } from "./builtins.ts";

/** What a failed call was about; what is known of it goes into the error's fields and its message. */
export interface MmapErrorDetails {
  /** The method of the library that was called: `"flush"`. */
  operation?: string | undefined;
  /** The file that was to be mapped, or that is. */
  path?: string | undefined;
  /** The address the call was given. */
  address?: bigint | undefined;
  /** The number of bytes the call was given. */
  length?: number | undefined;
  /** Where in the region it went wrong, in bytes. */
  offset?: number | undefined;
  /** What happened and what to do about it; without it, the system's own text for the code. */
  explanation?: string | undefined;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * A system call that failed. It has the fields of Node's own system errors, so `error.code` is what to look at.
 *
 * @example
 * ```ts
 * import { MappedRegion, MmapError } from "@mapped/region";
 *
 * try {
 *   using region = MappedRegion.open("no-such-file");
 *   region.read(0, 1);
 * } catch (error) {
 *   if (!(error instanceof MmapError) || error.code !== "ENOENT") throw error;
 * }
 * ```
 */
export class MmapError extends Error {
  /** `"MmapError"`. */
  override readonly name: string = "MmapError";
  /** The C name of the error: `"EACCES"`. */
  readonly code: string;
  /** The error number, negative as in Node: -13. Numbers differ between platforms; prefer `code`. */
  readonly errno: number;
  // Declared only: a field would be there, as undefined, even if nothing is known.

  /** The C function that failed, `"mmap"`; absent where the library refused before one was called. */
  declare readonly syscall?: string;
  /** The method of the library that was called, `"flush"`, where it is known. */
  declare readonly operation?: string;
  /** The file in question, where there is one. */
  declare readonly path?: string;
  /** The address in question, where there is one. */
  declare readonly address?: bigint;
  /** The length in question in bytes, where there is one. */
  declare readonly length?: number;
  /** Where in the region it went wrong in bytes, where that is known. */
  declare readonly offset?: number;

  /**
   * Makes the error for a call that failed.
   *
   * @param errno The error number, as `errno` has it (positive).
   * @param syscall The C function that failed; undefined if none was called.
   * @param details What the call was about.
   */
  constructor(errno: number, syscall: string | undefined, details: MmapErrorDetails = {}) {
    const code = errorName(errno);
    const { operation, path, address, length, offset, explanation, cause } = details;
    super(
      `${code}: ${syscall ?? operation ?? "mmap"}${subject(path, address, length)}: ${
        explanation ?? errorText(errno)
      }`,
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    this.errno = -errno;
    if (syscall !== undefined) this.syscall = syscall;
    if (operation !== undefined) this.operation = operation;
    if (path !== undefined) this.path = path;
    if (address !== undefined) this.address = address;
    if (length !== undefined) this.length = length;
    if (offset !== undefined) this.offset = offset;
  }
}

function subject(path: string | undefined, address: bigint | undefined, length: number | undefined): string {
  if (path !== undefined) return ` '${path}'`;
  if (address !== undefined && length !== undefined) return ` 0x${address.toString(16)} + ${length}`;
  if (address !== undefined) return ` 0x${address.toString(16)}`;
  return length === undefined ? "" : ` of ${length} bytes`;
}

/** The C name of a (positive) error number on this platform. */
export function errorName(errno: number): string {
  // Better than the list of names, which has several for some numbers: ENOTSUP and EOPNOTSUPP, EAGAIN and
  // EWOULDBLOCK.
  const name: string | undefined = builtin("node:util").getSystemErrorName(-errno);
  if (name !== undefined && /^E[A-Z0-9]+$/.test(name)) return name;
  const names = Object.entries(builtin("node:os").constants.errno); // it has some that node:util lacks: ESTALE, EDQUOT
  return names.find(([, number]) => number === errno)?.[0] ?? `E${errno}`;
}

function errorText(errno: number): string {
  if (errno === errorNumber("ENOTSUP")) return "operation not supported"; // node:util says "on socket"
  const text: string | undefined = builtin("node:util").getSystemErrorMessage(-errno);
  return text === undefined || text.startsWith("Unknown") ? `error ${errno}` : text;
}

/**
 * The C name of an error.
 *
 * @internal Left out of npm's declarations, which need no types of Node.
 */
export type ErrorName = keyof typeof import("node:os").constants.errno;

/**
 * The number of an error on this platform, by its C name.
 *
 * @internal As its parameter's type.
 */
export function errorNumber(name: ErrorName): number {
  return builtin("node:os").constants.errno[name];
}

/** The error for a runtime, platform or C library that the library doesn't work on. */
export function unsupported(explanation: string, cause?: unknown): MmapError {
  return new MmapError(errorNumber("ENOTSUP"), "dlopen", { explanation, cause });
}
