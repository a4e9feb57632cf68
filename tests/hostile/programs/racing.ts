// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/**
 * Numbers read and stored by the million, in loops that compilers have done their best on, while the file is cut off
 * under them: by another thread, and the zeros put in by this one, another one or another owner.
 */
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { MappedRegion, struct } from "../../../mod.ts";
import { PAGE, together } from "../../helpers/mod.ts";
import { failure, file, type Programs } from "../support.ts";

const LIBRARY = JSON.stringify(new URL("../../../mod.ts", import.meta.url).href);
const SIZE = 2 ** 24;
const KEPT = SIZE / 2;
const ROUNDS = 4;

/** What the file is full of, as numbers of each kind. */
const U8 = 0xa5;
const U32 = 0xa5a5a5a5;
const F64 = new DataView(new Uint8Array(8).fill(U8).buffer).getFloat64(0);
const FULL = new Uint8Array(SIZE).fill(U8);

/** What a loop came upon. */
interface Found {
  /** How many numbers it was given, or stored. */
  count: number;
  /** How many of those that it was given were others than are in the file. */
  wrong: number;
}

/** Makes a loop through a whole region. */
type Loop = (region: MappedRegion, found: Found) => () => void;

const layout = struct({ first: "u32", second: "u32" });

/** Each is written out, as a program does: so that nothing but its own numbers has a part in how it is compiled. */
const reading = {
  readU8(region, found) {
    const cursor = region.cursor();
    return () => {
      cursor.seek(0);
      for (let left = SIZE; left > 0; left--) {
        if (cursor.readU8() !== U8) found.wrong++;
        found.count++;
      }
    };
  },
  readU32(region, found) {
    const cursor = region.cursor();
    return () => {
      cursor.seek(0);
      for (let left = SIZE; left > 0; left -= 4) {
        if (cursor.readU32() !== U32) found.wrong++;
        found.count++;
      }
    };
  },
  /** Nothing but the sum is known behind the loop: the look at the faults is all that could be taken out of it. */
  readU32Bare(region, found) {
    const cursor = region.cursor();
    const pass = (): number => {
      let wrong = 0;
      for (let left = SIZE / 4; left > 0; left--) wrong += (cursor.readU32() ^ U32) & 1;
      return wrong;
    };
    return () => {
      cursor.seek(0);
      found.wrong += pass();
      found.count += SIZE / 4;
    };
  },
  readF64Unrolled(region, found) {
    const cursor = region.cursor();
    return () => {
      cursor.seek(0);
      for (let left = SIZE; left > 0; left -= 32) {
        if (cursor.readF64() !== F64) found.wrong++;
        if (cursor.readF64() !== F64) found.wrong++;
        if (cursor.readF64() !== F64) found.wrong++;
        if (cursor.readF64() !== F64) found.wrong++;
        found.count += 4;
      }
    };
  },
  column(region, found) {
    const column = region.records(layout).column("second");
    return () => {
      for (let index = 0; index < SIZE / 8; index++) {
        if (column.get(index) !== U32) found.wrong++;
        found.count++;
      }
    };
  },
  records(region, found) {
    const records = region.records(layout);
    return () => {
      for (let index = 0; index < SIZE / 64; index++) { // every eighth: it takes longer
        const { first, second } = records.get(index * 8);
        if (first !== U32 || second !== U32) found.wrong++;
        found.count += 2;
      }
    };
  },
} satisfies Record<string, Loop>;

const writing = {
  writeU32(region, found) {
    const cursor = region.cursor();
    return () => {
      cursor.seek(0);
      for (let left = SIZE; left > 0; left -= 4) {
        cursor.writeU32(U32);
        found.count++;
      }
    };
  },
  columnSet(region, found) {
    const column = region.records(layout).column("second");
    return () => {
      for (let index = 0; index < SIZE / 8; index++) {
        column.set(index, U32);
        found.count++;
      }
    };
  },
  recordsSet(region, found) {
    const records = region.records(layout);
    const record = { first: U32, second: U32 };
    return () => {
      for (let index = 0; index < SIZE / 8; index++) {
        records.set(index, record);
        found.count += 2;
      }
    };
  },
} satisfies Record<string, Loop>;

/** A worker that cuts the file off after a while, and, if it is given a handle, touches what is gone. */
const CUTTER = `
  import { truncateSync } from "node:fs";
  import { parentPort } from "node:worker_threads";
  import { MappedRegion } from ${LIBRARY};
  parentPort.on("message", ({ path, handle, wait }) => {
    const region = handle && MappedRegion.attach(handle);
    const bytes = region?.bytes;
    parentPort.postMessage("ready");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait);
    truncateSync(path, ${KEPT});
    for (let at = ${SIZE} - ${PAGE}; bytes && at >= ${KEPT}; at -= ${PAGE}) bytes[at + 5];
    region?.close();
  });
`;

/**
 * Runs a loop until it throws, again and again.
 *
 * @param who Takes the faults besides: nobody, or another thread.
 * @returns How many numbers were wrong, and what was thrown.
 */
async function race(make: Loop, who: "nobody" | "a worker"): Promise<unknown[]> {
  const path = file(1);
  const found: Found = { count: 0, wrong: 0 };
  const thrown = new Set<string>();
  const cutter = together(CUTTER);
  const enough = make === reading.records || make === writing.recordsSet ? 1e6 : 1e7;
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(path, FULL);
    using region = MappedRegion.open(path, { access: "read-write" });
    const pass = make(region, found);
    while (found.count < enough) pass(); // until compilers have done their best
    const handle = who === "nobody" ? undefined : region.handle();
    await cutter.ask({ path, handle, wait: 40 + 13 * round });
    const end = performance.now() + 120_000;
    try {
      while (performance.now() < end) pass();
      thrown.add("nothing");
    } catch (error) {
      thrown.add(failure(error));
    }
    // One page was lost, when it was touched: nothing went on behind the first.
    if (who === "nobody" && region.faults !== 1) thrown.add(`${region.faults} faults`);
    // Whatever was read or stored before the cut is there.
    if (readFileSync(path).compare(FULL, 0, KEPT, 0, KEPT) !== 0) thrown.add("other bytes");
  }
  await cutter.end();
  return [found.wrong, ...thrown];
}

/** Lets another owner, on this thread, take all faults before a loop that has been compiled. */
function afterwards(make: Loop): unknown[] {
  const path = file(1);
  const found: Found = { count: 0, wrong: 0 };
  writeFileSync(path, FULL);
  {
    using region = MappedRegion.open(path, { access: "read-write" });
    const pass = make(region, found);
    for (let round = 0; round < 6; round++) pass();
  }
  using region = MappedRegion.open(path, { access: "read-write" });
  using other = MappedRegion.attach(region.handle());
  const pass = make(region, found);
  pass();
  truncateSync(path, KEPT);
  const { bytes } = other;
  let sum = 0;
  for (let at = KEPT; at < SIZE; at += PAGE) sum += bytes[at] ?? 0;
  const before = found.count;
  try {
    pass();
    return ["nothing was thrown", sum];
  } catch (error) {
    // A loop that counts in whole passes counts none of this one.
    return [failure(error), found.wrong, found.count <= before + KEPT];
  }
}

export const programs: Programs = {
  readU8: () => race(reading.readU8, "nobody"),
  readU32: () => race(reading.readU32, "nobody"),
  readU32Bare: () => race(reading.readU32Bare, "nobody"),
  readF64Unrolled: () => race(reading.readF64Unrolled, "nobody"),
  column: () => race(reading.column, "nobody"),
  records: () => race(reading.records, "nobody"),
  writeU32: () => race(writing.writeU32, "nobody"),
  columnSet: () => race(writing.columnSet, "nobody"),
  recordsSet: () => race(writing.recordsSet, "nobody"),
  readU32BareWhileAWorkerFaults: () => race(reading.readU32Bare, "a worker"),
  readU8WhileAWorkerFaults: () => race(reading.readU8, "a worker"),
  columnWhileAWorkerFaults: () => race(reading.column, "a worker"),
  writeU32WhileAWorkerFaults: () => race(writing.writeU32, "a worker"),
  afterAnotherOwner: () => Object.values<Loop>({ ...reading, ...writing }).map(afterwards),
};
