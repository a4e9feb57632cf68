/**
 * Copying bytes: out of a region, into it, within it, and to another.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { libc } from "../ffi/libc.ts";
import { bufferOf, ByteArray, byteLengthOf, byteOffsetOf, Math, setBytes } from "../ffi/captured.ts";
import { show, wholeNumber, within } from "./checks.ts";
import { RegionMemory } from "./memory.ts";
import {
  type CopyOptions,
  copyOptions,
  type Range,
  rangeOptions,
  type TextOptions,
  textOptions,
} from "./options.ts";

/** How much is copied at a time at most, in bytes: a buffer of that size can be had in every runtime. */
const WINDOW = 2 ** 26;
/** Up to this many bytes are copied by libc: that takes no longer than making a buffer over the region's memory. */
const SMALL = 2 ** 12;
/** How much is compared at a time, in bytes: a CPU's second cache holds that twice. */
const COMPARED = 2 ** 16;
/** How much is taken along at a time, in bytes: a CPU's second cache holds it. */
const CARRIED = 2 ** 16;

/**
 * Parts of up to so many bytes are copied by way of SCRATCH. V8 keeps such small arrays on its heap, and has to give one
 * memory of its own before C can write to it.
 */
const TINY = 64;
const SCRATCH = new ByteArray(new ArrayBuffer(TINY));

/** What a program may give to be written. */
export type Data = string | ArrayBuffer | ArrayBufferView;

/** The bytes of what a program gave to be written. */
export function toBytes(data: unknown, call: string): Uint8Array {
  if (typeof data === "string") return builtin("node:buffer").Buffer.from(data);
  if (data instanceof ArrayBuffer) return new ByteArray(data);
  if (ArrayBuffer.isView(data)) return new ByteArray(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError(
    `${call}: the data must be a string, an ArrayBuffer or a view of one: received ${show(data)}`,
  );
}

/** A part of an array, which is the program's: none of its methods or getters is asked. */
function partOf(array: Uint8Array, offset: number, length: number): Uint8Array {
  return new ByteArray(bufferOf(array), byteOffsetOf(array) + offset, length);
}

/** Copies bytes out. */
export function read(
  memory: RegionMemory,
  offset: number,
  length: number,
  operation: string,
): Uint8Array<ArrayBuffer> {
  const { offset: start, length: count } = memory.part(offset, length, operation);
  if (count > 0 && count <= SMALL) {
    const copy = new ByteArray(count);
    memory.copy(start, count, count <= TINY ? SCRATCH : copy, operation);
    memory.assertNotLost(operation, start, count);
    if (count <= TINY) { for (let index = 0; index < count; index++) copy[index] = SCRATCH[index] ?? 0; }
    return copy;
  }
  memory.readable(start, count, operation);
  const copy = new ByteArray(count);
  for (let done = 0; done < count; done += WINDOW) {
    const size = Math.min(WINDOW, count - done);
    const bytes = memory.borrow(start + done, size, operation);
    memory.watch(operation, start + done, size, () => setBytes(copy, bytes, done));
  }
  return copy;
}

/** Decodes a copy of bytes as UTF-8: a runtime's decoder may end the process if its bytes change meanwhile. */
export function text(memory: RegionMemory, options: TextOptions | undefined): string {
  const checked = textOptions(options);
  const { offset: start, length: count } = memory.range(checked, "text");
  const copy = read(memory, start, count, "text");
  memory.confirm("text", start, count);
  return new TextDecoder("utf-8", { fatal: checked.fatal ?? false, ignoreBOM: true }).decode(copy);
}

/** Copies bytes in; returns how many. */
export function write(memory: RegionMemory, offset: number, data: Data): number {
  if (typeof offset !== "number" && typeof data === "number") {
    throw new TypeError("write: the offset comes first, then the data: write(offset, data)");
  }
  const bytes = toBytes(data, "write");
  const length = byteLengthOf(bytes);
  wholeNumber(offset, "write: 'offset'");
  const total = memory.length("write");
  if (length > total - offset) {
    throw new RangeError(
      `write: ${length} bytes from offset ${offset} reach past the end of the region, which has ${total} bytes: ` +
        `resize() it first`,
    );
  }
  const address = memory.writes(offset, length, "write").start + memory.delta + offset;
  // The data may lie in the region itself. (A single part is copied as by memmove.)
  const backwards = length > WINDOW && isWithin(address, addressOf(bytes), length);
  for (let passed = 0; passed < length; passed += WINDOW) {
    const size = Math.min(WINDOW, length - passed);
    const done = backwards ? length - passed - size : passed;
    const part = size === length ? bytes : partOf(bytes, done, size);
    const target = memory.borrow(offset + done, size, "write");
    memory.watch("write", offset + done, size, () => setBytes(target, part));
  }
  return length;
}

/** memmove(3) within one region. */
export function move(memory: RegionMemory, to: number, from: number, length: number): void {
  const count = wholeNumber(length, "move: 'length'");
  const { offset: target } = memory.part(to, count, "move");
  const { offset: source } = memory.part(from, count, "move");
  copy(memory, source, memory, target, count, "move");
}

/** memset(3). */
export function fill(memory: RegionMemory, value: number, range: Range | undefined): void {
  const checked = rangeOptions(range, "fill");
  if (wholeNumber(value, "fill: the byte") > 255) {
    throw new RangeError(`fill: the byte must be at most 255: received ${value}`);
  }
  const { offset: start, length: count } = memory.range(checked, "fill");
  const { start: pages } = memory.writes(start, count, "fill");
  if (count === 0) return;
  const address = pages + memory.delta + start;
  memory.watch("fill", start, count, () => libc().functions.memset(address, value, count));
}

/** Copies to another region, or an array; returns how many bytes. */
export function copyTo(
  memory: RegionMemory,
  target: RegionMemory | Uint8Array,
  options: CopyOptions | undefined,
): number {
  const checked = copyOptions(options);
  const { at = 0 } = checked;
  const { offset: start, length: count } = memory.range(checked, "copyTo");
  if (target instanceof RegionMemory) {
    within(at, count, target.length("copyTo"), "copyTo: the target");
    copy(memory, start, target, at, count, "copyTo");
    return count;
  }
  within(at, count, byteLengthOf(target), "copyTo: the target");
  const source = memory.at(start, count, "copyTo");
  // The array may lie in the region itself. (A single chunk can go where it came from.)
  const backwards = count > CARRIED && isWithin(addressOf(target) + at, source, count);
  const part = { from: start, length: count, backwards };
  carry(memory, part, "copyTo", (chunk, _, done) => setBytes(target, chunk, at + done));
  return count;
}

/** Copies from one region to another. The caller has checked that both parts lie in their regions. */
function copy(
  memory: RegionMemory,
  from: number,
  target: RegionMemory,
  to: number,
  length: number,
  operation: string,
): void {
  const source = memory.at(from, length, operation);
  const destination = target.writes(to, length, operation).start + target.delta + to;
  if (length === 0) return;
  const { memmove } = libc().functions;
  if (memory.live(operation).anonymous) { // it has no file that could be cut off
    const move = (): number => memmove(destination, source, length);
    memory.watch(operation, from, length, () => target.watch(operation, to, length, move));
    return;
  }
  const part = { from, length, backwards: isWithin(destination, source, length) };
  carry(memory, part, operation, ({ length: size }, chunk, done) => {
    target.watch(operation, to + done, size, () => memmove(destination + done, chunk, size));
  });
}

/** Where an array's bytes are. 0 for those of a SharedArrayBuffer, which no region lies in. */
function addressOf(array: Uint8Array): number {
  // memcpy(3) returns where it copies to.
  return bufferOf(array) instanceof ArrayBuffer ? libc().functions.memcpy(array, 0, 0) : 0;
}

/** Whether copying to an address from the first byte on would overwrite what is still to be copied. */
function isWithin(address: number, start: number, length: number): boolean {
  return address > start && address < start + length;
}

/** A part that is carried out of a region, from its start or from its end on. */
interface Load {
  readonly from: number;
  readonly length: number;
  readonly backwards: boolean;
}

/** Where to bytes are carried. It is kept, so that nothing moves or frees it while libc works on it. */
let carried: Uint8Array | undefined;

/**
 * Copies bytes out by chunks. Hands each chunk to `store`, with its address and its place in the part, when it is known
 * that none of it was lost: so zeros never overwrite what stands where the bytes go.
 */
function carry(
  memory: RegionMemory,
  { from, length, backwards }: Load,
  operation: string,
  store: (chunk: Uint8Array, address: number, done: number) => void,
): void {
  const chunk = carried ??= new ByteArray(new ArrayBuffer(CARRIED));
  for (let passed = 0; passed < length; passed += CARRIED) {
    const size = Math.min(CARRIED, length - passed);
    const done = backwards ? length - passed - size : passed;
    const address = memory.watch(
      operation,
      from + done,
      size,
      () => memory.copy(from + done, size, chunk, operation),
    );
    store(size === CARRIED ? chunk : chunk.subarray(0, size), address, done);
  }
}

/**
 * The first offset at which two differ; if one begins with all of the other, the length of the shorter one; -1 if
 * they are equal.
 */
export function mismatch(memory: RegionMemory, other: RegionMemory | Uint8Array): number {
  const total = memory.length("mismatch");
  const rest = other instanceof RegionMemory ? other.length("mismatch") : byteLengthOf(other);
  const length = Math.min(total, rest);
  for (let offset = 0; offset < length; offset += COMPARED) {
    const size = Math.min(COMPARED, length - offset);
    const look = (): number => differs(memory, other, offset, size);
    const found = memory.watch(
      "mismatch",
      offset,
      size,
      () => other instanceof RegionMemory ? other.watch("mismatch", offset, size, look) : look(),
    );
    if (found !== -1) {
      // They may differ because one file was cut off there.
      const count = offset + found + 1;
      memory.confirm("mismatch", 0, count);
      if (other instanceof RegionMemory) other.confirm("mismatch", 0, count);
      return offset + found;
    }
  }
  memory.confirm("mismatch", 0, total);
  return total === rest ? -1 : length;
}

/** Where a part of a region and the same part of another, or of an array, first differ; -1 if they are equal. */
function differs(
  memory: RegionMemory,
  other: RegionMemory | Uint8Array,
  offset: number,
  size: number,
): number {
  // By their addresses: whoever got hold of a view could go on using it when its region has gone.
  const address = memory.at(offset, size, "mismatch");
  const start = other instanceof RegionMemory ? other.at(0, offset + size, "mismatch") : addressOf(other);
  if (start !== 0 && libc().functions.memcmp(address, start + offset, size) === 0) return -1;
  const mine = new ByteArray(new ArrayBuffer(size));
  memory.copy(offset, size, mine, "mismatch");
  const theirs = other instanceof RegionMemory ? new ByteArray(size) : partOf(other, offset, size);
  if (other instanceof RegionMemory) other.copy(offset, size, theirs, "mismatch");
  for (let index = 0; index < size; index++) if (mine[index] !== theirs[index]) return index;
  return -1;
}
