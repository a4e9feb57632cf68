/**
 * What the tests of regions share: files to map, what an MmapError must say, and what the kernel says of a mapping.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { constants as os } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { MappedRegion, MmapError } from "../../mod.ts";
import { temporaryDirectory } from "./runtime.ts";

/** The size of a page. */
export const PAGE: number = MappedRegion.pageSize;

/** Whether this is Linux, as a node:test option: a reason where it isn't. */
export const linuxOnly: { skip: string | false } = {
  skip: process.platform === "linux" ? false : "Linux only",
};

/** The same for what only root may do. */
export const rootOnly: { skip: string | false } = {
  skip: process.platform !== "linux" ? "Linux only" : process.getuid?.() === 0 ? false : "needs root",
};

/** Bytes of which no two neighbouring pages are alike. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + Math.floor(index / 251)) & 0xff);
}

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

/** Asserts that a call fails with an MmapError of this code, which names the path (where given) and says the words. */
export function fails(call: () => unknown, code: string, words: RegExp = /: [^:]{3,}$/, path?: string): void {
  assert.throws(call, (error) => {
    assert(error instanceof MmapError, `${error}`);
    assert.equal(error.code, code, error.message);
    const numbers: Readonly<Record<string, number>> = os.errno;
    assert.equal(error.errno, -(numbers[code] ?? Number.NaN));
    assert(error.message.startsWith(`${code}: ${error.syscall ?? error.operation}`), error.message);
    assert.match(error.message, words);
    if (path !== undefined) {
      assert.equal(error.path, path);
      assert(error.message.includes(path), error.message);
    }
    return true;
  });
}

/** The number of mappings of this process. */
export const mapsCount = (): number => readFileSync("/proc/self/maps", "utf8").split("\n").length;

/** What /proc/self/smaps says of the mapping that starts at an address: its flags, "rd wr mr …". */
export function vmFlags(address: bigint): readonly string[] {
  const name = address.toString(16).padStart(8, "0");
  const text = readFileSync("/proc/self/smaps", "utf8");
  const entry = text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).find((each) => each.startsWith(`${name}-`));
  return /^VmFlags: (.*)$/m.exec(entry ?? "")?.[1]?.trim().split(" ") ?? [];
}
