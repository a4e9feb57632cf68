// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Stores to pages that may not be stored to, and native work on pages that may not be touched. */
import { Buffer } from "node:buffer";
import { webcrypto } from "node:crypto";
import { closeSync, openSync, read, readFileSync, readSync } from "node:fs";
import { promisify } from "node:util";
import { deflate, inflateSync } from "node:zlib";
import { MappedRegion } from "../../../mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { failure, file, outcome, type Programs } from "../support.ts";

const PAGES = 64;

/** Whether a file still is what `file` made. */
function isUntouched(path: string, pages = PAGES): boolean {
  return Buffer.compare(readFileSync(path), Buffer.alloc(pages * PAGE, 65)) === 0;
}

export const programs: Programs = {
  /** Stores by an optimized loop to a region that was opened for reading. */
  optimizedLoop() {
    const path = file(PAGES);
    using region = MappedRegion.open(path);
    const { bytes } = region;
    for (let i = 0; i < 1e7; i++) bytes[(i * 64) % bytes.length] = i & 127;
    return [
      bytes[64 * 100] === ((1e7 - (1e7 % (bytes.length / 64))) + 100 & 127),
      region.faults,
      isUntouched(path),
    ];
  },

  /** Stores by every method of Uint8Array to a region that was opened for reading. */
  methods() {
    const stores: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => unknown>> = {
      fill: (bytes) => bytes.fill(66),
      set: (bytes) => bytes.set(new Uint8Array(bytes.length).fill(66)),
      copyWithin: (bytes) => (bytes[0] = 66, bytes.copyWithin(1, 0)),
      sort: (bytes) => (bytes[0] = 66, bytes.sort()),
      reverse: (bytes) => (bytes[0] = 66, bytes.reverse()),
      encodeInto: (bytes) => new TextEncoder().encodeInto("B".repeat(bytes.length), bytes),
      buffer: (bytes) => Buffer.from(bytes.buffer).write("B".repeat(bytes.length)),
      random: (bytes) => webcrypto.getRandomValues(bytes.subarray(0, 65_536)),
    };
    return Object.entries(stores).map(([name, store]) => {
      const path = file(PAGES);
      using region = MappedRegion.open(path);
      store(region.bytes);
      return [name, region.faults > 0 && region.bytes.some((byte) => byte !== 65), isUntouched(path)];
    });
  },

  /** Stores by every width of number to a region that was opened for reading. */
  widths() {
    const path = file(1);
    using region = MappedRegion.open(path);
    region.view.setBigUint64(1, 0x0102030405060708n);
    region.array(Float64Array)[2] = 1.5;
    region.array(Int16Array)[20] = -2;
    Atomics.store(region.array(Int32Array), 20, 7);
    return [
      [...region.read(0, 0), region.bytes[1], region.bytes[8]],
      [region.array(Float64Array)[2], region.array(Int16Array)[20], region.array(Int32Array)[20]],
      region.faults,
      isUntouched(path, 1),
    ];
  },

  /** Stores across the border of two pages. */
  acrossPages() {
    const path = file(2);
    using region = MappedRegion.open(path);
    region.view.setFloat64(PAGE - 4, 2.5);
    return [
      region.view.getFloat64(PAGE - 4),
      region.bytes[PAGE - 5],
      region.bytes[PAGE + 4],
      region.faults,
      isUntouched(path, 2),
    ];
  },

  /** Takes writing from a shared region, and stores through a view taken afterwards: other regions don't see it. */
  protectedShared() {
    const path = file(2);
    using region = MappedRegion.open(path, { access: "read-write" });
    using other = MappedRegion.open(path);
    const old = region.bytes;
    old[1] = 66;
    region.protect("read");
    region.bytes[0] = 67;
    return [
      old.length,
      [...region.read(PAGE, 2)],
      region.bytes[0],
      region.bytes[1],
      [...other.read(0, 2)],
      region.faults,
    ];
  },

  /** Takes writing from a copy-on-write region, whose own stores must stay. */
  protectedPrivate() {
    const path = file(2);
    using region = MappedRegion.open(path, { access: "copy-on-write" });
    region.bytes[0] = 66;
    region.protect("read");
    region.bytes[1] = 67;
    return [[...region.bytes.subarray(0, 3)], region.faults, isUntouched(path, 2)];
  },

  /** Stores to a protected region, and gives writing back: what was stored without the right stays private. */
  protectedAndBack() {
    const path = file(2);
    using region = MappedRegion.open(path, { access: "read-write" });
    region.protect("read");
    region.bytes[0] = 66;
    region.protect("read-write");
    region.bytes[PAGE] = 67;
    region.bytes[1] = 68;
    const told = outcome(() => region.flushSync());
    const stored = readFileSync(path);
    return [[...region.bytes.subarray(0, 3)], [...stored.subarray(0, 3)], stored[PAGE], told];
  },

  /** Gives up the pages of a region in every way, among them one that has a private copy: no zeros come of it. */
  protectedAndDiscarded() {
    using region = MappedRegion.open(file(2), { access: "read-write" });
    region.protect("read");
    region.bytes[0] = 66;
    region.protect("read-write");
    const page = { offset: 0, length: PAGE };
    region.advise("dont-need", page);
    for (const how of ["dont-need", "free"] as const) region.discard({ how, ...page });
    for (const _ of region.windows({ dropBehind: true }));
    return [...region.read(0, 2)];
  },

  /** Stores to memory that is protected and given back a thousand times. */
  protectedAgainAndAgain() {
    using region = MappedRegion.anonymous(PAGE);
    let right = 0;
    for (let i = 0; i < 1000; i++) {
      region.protect("read");
      region.bytes[i] = i & 255;
      region.protect("read-write");
      region.bytes[i + 1] = 1;
      if (region.bytes[i] === (i & 255)) right++;
    }
    return [right, region.faults];
  },

  /** Asks for pages of protection "none" by every way in. */
  noneRefused() {
    using region = MappedRegion.anonymous(3 * PAGE);
    region.bytes.fill(1);
    region.protect("none", { offset: PAGE, length: PAGE });
    return [
      outcome(() => region.bytes),
      outcome(() => region.subarray(PAGE, PAGE + 1)),
      outcome(() => region.read(2 * PAGE - 1, 2)),
      outcome(() => region.write(PAGE, "x")),
      outcome(() => region.indexOf("x")),
      outcome(() => [...region.subarray(2 * PAGE, 2 * PAGE + 2)].join()),
      outcome(() => region.array(Int8Array, PAGE - 1, 1)[0]),
    ];
  },

  /** Takes every right from pages that the thread pool is compressing. */
  async noneUnderDeflate() {
    using region = MappedRegion.anonymous(1024 * PAGE);
    region.bytes.fill(65);
    const work = promisify(deflate)(region.bytes);
    const refused = outcome(() => region.protect("none"));
    const result = await work.then((bytes) => inflateSync(bytes), failure);
    region.protect("read");
    const right = typeof result === "string" ? result : result.length;
    return [refused, right, region.bytes[1023 * PAGE]];
  },

  /** Has system calls store to pages that may only be read: they tell EFAULT. */
  async readInto() {
    const path = file(2);
    using region = MappedRegion.open(path);
    const zeros = openSync("/dev/zero", "r");
    const sync = outcome(() => readSync(zeros, region.bytes, 0, PAGE, null));
    const pool = await new Promise((resolve) => {
      read(zeros, region.bytes, 0, PAGE, null, (error) => resolve(error === null ? "read" : failure(error)));
    });
    closeSync(zeros);
    return [sync, pool, region.bytes[0], isUntouched(path, 2)];
  },

  /** Calls write() where it is refused: nothing is stored, nothing faults. */
  writeRefused() {
    const path = file(1);
    using region = MappedRegion.open(path);
    using memory = MappedRegion.anonymous(PAGE, { protection: "read" });
    return [
      outcome(() => region.write(0, "B")),
      outcome(() => memory.write(0, "B")),
      region.faults + memory.faults,
      region.bytes[0],
      memory.bytes[0],
    ];
  },
};
