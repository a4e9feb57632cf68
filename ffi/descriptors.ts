/**
 * What is asked of descriptors that the runtime didn't open: Deno's `node:fs` knows only its own (2.9).
 *
 * @module
 */
import { errorNumber, MmapError } from "./errors.ts";
import { libc } from "./libc.ts";

/** What is known of an open file: a part of `node:fs`'s Stats. */
export interface DescriptorStatus {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** Where in the 256 bytes of `struct statx` things are. */
const MODE = 28;
const INODE = 32;
const SIZE = 40;
const DEVICE_MAJOR = 136;
const DEVICE_MINOR = 140;
const STATX = 256;

const S_IFMT = 0o170000;

/** statx(2) of a descriptor; undefined where the system has no such call, or knows no such descriptor. */
export function descriptorStatus(fd: number): DescriptorStatus | undefined {
  const { functions, has } = libc();
  if (!has("statx")) return undefined;
  const view = new DataView(new ArrayBuffer(STATX));
  const bytes = new Uint8Array(view.buffer);
  const empty = new Uint8Array(new ArrayBuffer(1));
  if (functions.statx(fd, empty, AT_EMPTY_PATH, STATX_BASIC_STATS, bytes) === -1) return undefined;
  const is = (kind: number) => (): boolean => (view.getUint16(MODE, true) & S_IFMT) === kind;
  return {
    dev: view.getUint32(DEVICE_MAJOR, true) * 2 ** 32 + view.getUint32(DEVICE_MINOR, true),
    ino: Number(view.getBigUint64(INODE, true)),
    size: Number(view.getBigUint64(SIZE, true)),
    isDirectory: is(0o040000),
    isFIFO: is(0o010000),
    isSocket: is(0o140000),
    isCharacterDevice: is(0o020000),
    isBlockDevice: is(0o060000),
  };
}

/** ftruncate(2); returns an error number, 0 for success. */
export function truncateDescriptor(fd: number, size: number): number {
  const { functions, errno } = libc();
  return functions.ftruncate(fd, size) === -1 ? errno() : 0;
}

/** close(2). */
export function closeDescriptor(fd: number): void {
  const { functions, errno } = libc();
  if (functions.close(fd) === -1) {
    const number = errno();
    // The descriptor is closed nevertheless.
    if (number !== errorNumber("EINTR")) throw new MmapError(number, "close");
  }
}
