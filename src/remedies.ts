/**
 * What to do about a call that failed, in the terms of the options that led to it.
 *
 * @module
 */
import { errorNumber, MmapError } from "../ffi/errors.ts";
import type { OtherConstant } from "../ffi/constant_table.ts";
import { constants } from "../ffi/platform.ts";
import type { Access, AnonymousOptions, DescriptorOptions } from "./options.ts";

/** What to do when mmap refuses. */
export function mapRemedy(
  code: string,
  options: DescriptorOptions & AnonymousOptions,
  access: Access,
): string | undefined {
  switch (code) {
    case "EACCES":
      return access === "read-write"
        ? 'the descriptor was not opened for reading and writing; open it so, or use access "read" or "copy-on-write"'
        : "the descriptor was not opened for reading; open it so";
    case "EAGAIN":
      return "more memory would be locked than the limit allows; raise it (ulimit -l), or leave out 'lock'";
    case "EBADF":
      return "the descriptor is not open; pass one that is";
    case "EEXIST":
      return "something is mapped at that address; choose another, or leave out 'placement'";
    case "EINVAL":
      if (options.hugePages !== undefined && options.hugePages !== false) {
        return "the system has no huge pages of that size; choose another, or leave out 'hugePages'";
      }
      return "the kernel refuses these parameters; address and offset must be multiples of the page size, and the flags " +
        "must have one of MAP_SHARED and MAP_PRIVATE";
    case "ENODEV":
      return "its file system or device can't be mapped; read it with node:fs";
    case "ENOMEM":
      return memoryRemedy(options);
    case "EPERM":
      return "the address is kept from programs, the file's seals forbid it, or its file system is mounted noexec";
    default:
      return undefined;
  }
}

function memoryRemedy(options: AnonymousOptions): string {
  if (options.hugePages !== undefined && options.hugePages !== false) {
    return "not enough huge pages are free; reserve some (sysctl vm.nr_hugepages), or leave out 'hugePages'";
  }
  if (options.lock === true) {
    return "not enough memory, or more locked than the limit allows; raise it (ulimit -l), or leave out 'lock'";
  }
  return "no room: too much memory or address space is asked for, or the process has as many mappings as it may " +
    "(sysctl vm.max_map_count); close regions that are done with";
}

/** What to do about pages that may not be read. */
export function notReadable(): string {
  return 'pages of the range have protection "none"; protect() them, or take other parts';
}

/** What to do about pages that may not be stored to. */
export function notWritable(anonymous: boolean, access: Access, raw: boolean): string {
  if (anonymous) return 'pages of the range are not writable; protect("read-write") them';
  if (raw) return "pages of the range are not writable; map it with PROT_WRITE, or protect() them";
  return access === "read"
    ? 'the region was opened for reading; open it with access "read-write" or "copy-on-write"'
    : 'pages of the range are not writable; protect("read-write") them';
}

/** What to do when the kernel refuses to lock pages. */
export function lockRemedy(code: string): string | undefined {
  if (code !== "ENOMEM" && code !== "EPERM" && code !== "EAGAIN") return undefined;
  return 'the pages can\'t be locked: the limit is too low (ulimit -l), some have protection "none", or the file has ' +
    "become shorter than the region, or its disk is full";
}

/** What to do when the kernel refuses advice or to throw contents away. */
export function adviseRemedy(code: string): string | undefined {
  switch (code) {
    case "EINVAL":
      return "the kernel refuses this for this kind of mapping, for locked pages, or because it is too old to know it";
    case "EACCES":
      return 'the region is not writable; open it with access "read-write"';
    case "EFAULT":
      return "the file has become shorter than the region, or its disk is full";
    default:
      return undefined;
  }
}

/** The value of a constant that an option stands for; throws ENOTSUP where the platform has none. */
export function needed(name: OtherConstant, option: string, operation: string): number {
  const value = constants[name];
  if (value === undefined) {
    throw new MmapError(errorNumber("ENOTSUP"), undefined, {
      operation,
      explanation: `${option} needs ${name}, which this platform does not have`,
    });
  }
  return value;
}
