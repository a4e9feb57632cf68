/**
 * What the tests of regions share: files to map, what an MmapError must say, and what the kernel says of a mapping.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import { SIGNATURES } from "../../ffi/signatures.ts";
import { MappedRegion, MmapError } from "../../mod.ts";
import { temporaryDirectory } from "./runtime.ts";

/** The size of a page. */
export const PAGE: number = MappedRegion.pageSize;

/** Bytes in which neighbouring pages always differ. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + Math.floor(index / 251)) & 0xff);
}

/** A typed array's constructor. */
export interface TypedArrayType {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): Uint8Array<ArrayBuffer>;
}

/** Every typed array that the runtime has. Their elements are called numbers here: some are bigints. */
export const typedArrays: readonly TypedArrayType[] = Object.getOwnPropertyNames(globalThis)
  .map((name) => Reflect.get(globalThis, name) as TypedArrayType)
  .filter((value) =>
    typeof value === "function" && Object.getPrototypeOf(value) === Object.getPrototypeOf(Uint8Array)
  );

/** A file in a directory of its own. */
export interface TestFile extends Disposable {
  readonly directory: string;
  readonly path: string;
  /** Its bytes, as read(2) gives them. */
  read(): Uint8Array;
}

/** Makes a file with the bytes given, or with so many bytes of the pattern. */
export function testFile(contents: number | string | Uint8Array): TestFile {
  const directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, typeof contents === "number" ? pattern(contents) : contents);
  return {
    directory: directory.path,
    path,
    read: () => new Uint8Array(readFileSync(path)),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** A region of memory with these bytes. */
export function regionOf(contents: string | Uint8Array): MappedRegion {
  const bytes = Buffer.from(contents);
  const region = MappedRegion.anonymous(bytes.length);
  region.write(0, bytes);
  return region;
}

/** C functions that the library calls by way of `node:fs`. */
const OF_FILES: ReadonlySet<string> = new Set(["open", "close", "fstat", "stat", "ftruncate", "unlink"]);

/** What an MmapError must say, beside its code: words of its message, or its fields. */
export type Says = RegExp | {
  readonly words?: RegExp;
  readonly syscall?: string | undefined;
  readonly operation?: string | undefined;
  readonly path?: string | undefined;
  readonly address?: bigint | undefined;
  readonly length?: number | undefined;
  readonly offset?: number | undefined;
};

/**
 * For `assert.throws` and `assert.rejects`: an MmapError of this code (or one of these), whose fields and words agree with
 * each other and with what is expected.
 */
export function failing(codes: string | readonly string[], says: Says = {}): (error: unknown) => true {
  const { words = /: [^:]{3,}$/, ...fields } = says instanceof RegExp ? { words: says } : says;
  return (error) => {
    assert(error instanceof MmapError, `${error}`);
    assert.equal(error.name, "MmapError");
    assert([codes].flat().includes(error.code), error.message);
    const { syscall } = error;
    assert(
      syscall === undefined || Object.hasOwn(SIGNATURES, syscall) || OF_FILES.has(syscall),
      `${syscall} is not C's`,
    );
    const numbers: Readonly<Record<string, number>> = os.errno;
    assert.equal(error.errno, -(numbers[error.code] ?? Number.NaN));
    assert(error.message.startsWith(`${error.code}: ${error.syscall ?? error.operation}`), error.message);
    assert.match(error.message, words);
    for (const name of Object.keys(fields) as (keyof typeof fields)[]) {
      assert.equal(error[name], fields[name], `${name}: ${error.message}`);
    }
    if (error.path !== undefined) assert(error.message.includes(error.path), error.message);
    return true;
  };
}

/** Asserts that a call fails with such an error. */
export function fails(call: () => unknown, codes: string | readonly string[], says?: Says): void {
  assert.throws(call, failing(codes, says));
}

/**
 * The number of descriptors that this process has open of a file, or of the files in a directory.
 * The runtime opens and closes others at any time, in threads of its own: they don't count.
 */
export function descriptors(path: string): number {
  return readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(path);
    } catch {
      return false; // the one that readdir had open, or one that the runtime has closed since
    }
  }).length;
}

/** The number of mappings of this process. */
export const mapsCount = (): number => readFileSync("/proc/self/maps", "utf8").split("\n").length;

/** Whether this process has a mapping of the file at a path. */
export const isMapped = (path: string): boolean => readFileSync("/proc/self/maps", "utf8").includes(path);

/** How many mappings of a file the kernel has. */
export const mappingsOf = (path: string): number =>
  readFileSync("/proc/self/maps", "utf8").split(path).length - 1;

/** What /proc/self/smaps says of the mapping that an address lies in; the kernel may have merged it with a neighbour. */
export function kernelView(address: bigint): string {
  const entries = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const found = entries.find((entry) => {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(entry) ?? [];
    return BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`);
  });
  assert(found !== undefined, `nothing is mapped at 0x${address.toString(16)}`);
  return found;
}

/** The flags of that mapping: "rd", "wr", "mr", … */
export function vmFlags(address: bigint): readonly string[] {
  return /^VmFlags: (.*)$/m.exec(kernelView(address))?.[1]?.trim().split(" ") ?? [];
}
