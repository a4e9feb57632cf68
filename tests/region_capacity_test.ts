// Regions that grow where they are.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { MappedRegion } from "../mod.ts";
import {
  fails,
  mapsCount,
  mountOnly,
  PAGE,
  pattern,
  smallFileSystem,
  temporaryDirectory,
  testFile,
} from "./helpers/mod.ts";

const CAPACITY = 2 ** 30;

describe("a region with capacity", () => {
  test("stays where it is, with its views, through a thousand growths", () => {
    using memory = MappedRegion.anonymous(PAGE, { capacity: CAPACITY });
    const { address } = memory;
    const held: Uint8Array[] = [];
    for (let pages = 1; pages <= 1000; pages++) {
      memory.resize(pages * PAGE);
      const block = memory.subarray((pages - 1) * PAGE, (pages - 1) * PAGE + 8);
      block.fill(pages & 0xff);
      held.push(block, memory.bytes.subarray(0, 1));
    }
    assert.equal(memory.address, address);
    assert.equal(memory.capacity, CAPACITY);
    assert.equal(memory.bytes.length, 1000 * PAGE);
    for (const [index, view] of held.entries()) {
      if (index % 2 === 0) assert.deepEqual([...view], Array(8).fill((index / 2 + 1) & 0xff));
      else assert.equal(view[0], 1);
    }
    held[0]?.set([9]);
    assert.equal(memory.bytes[0], 9);
  });

  test("grows its file by allocation, and cuts it where that is asked for", () => {
    using file = testFile(PAGE + 5);
    using region = MappedRegion.open(file.path, { access: "read-write", offset: 3, capacity: CAPACITY });
    const before = region.bytes;
    region.resize(10 * PAGE);
    assert.equal(statSync(file.path).size, 10 * PAGE + 3);
    assert(statSync(file.path).blocks * 512 >= 10 * PAGE);
    assert.deepEqual(before, pattern(PAGE + 5).subarray(3));
    region.write(9 * PAGE, "end");
    region.resize(7);
    assert.equal(before.length, 0);
    assert.equal(statSync(file.path).size, 10 * PAGE + 3);
    region.resize(10 * PAGE);
    assert.equal(region.text({ offset: 9 * PAGE, length: 3 }), "end"); // the file's, as ever
    region.resize(7, { file: true });
    assert.deepEqual(file.read(), pattern(10));
    region.resize(0);
    region.resize(7);
    assert.deepEqual(region.bytes, pattern(10).subarray(3));
  });

  test("gives what it lost back as zeros, or as the file has it", () => {
    using memory = MappedRegion.anonymous(3 * PAGE, { capacity: 8 * PAGE });
    memory.fill(7);
    memory.resize(PAGE + 1);
    memory.resize(8 * PAGE);
    assert.deepEqual([memory.count(7), memory.count(0)], [PAGE + 1, 7 * PAGE - 1]);
    using file = testFile(4 * PAGE);
    using copy = MappedRegion.open(file.path, { access: "copy-on-write", capacity: 8 * PAGE });
    copy.fill(1);
    copy.resize(PAGE);
    copy.resize(4 * PAGE);
    assert.equal(copy.mismatch(new Uint8Array(PAGE).fill(1)), PAGE);
    assert.deepEqual(copy.read(PAGE, 3 * PAGE), pattern(4 * PAGE).subarray(PAGE));
    assert.deepEqual(file.read(), pattern(4 * PAGE));
  });

  test("shrinks with the views that reach behind the new end, and no others", () => {
    using memory = MappedRegion.anonymous(4 * PAGE, { capacity: 8 * PAGE });
    const inside = memory.subarray(0, PAGE);
    const across = memory.subarray(PAGE - 1, PAGE + 1);
    const numbers = memory.array(Uint32Array, PAGE, 4);
    const whole = memory.bytes;
    memory.resize(PAGE);
    assert.deepEqual([inside.length, across.length, numbers.length, whole.length], [PAGE, 0, 0, 0]);
    assert.equal(memory.bytes.length, PAGE);
  });

  test("is refused more than its capacity, and a capacity below its length", () => {
    using memory = MappedRegion.anonymous(PAGE, { capacity: 2 * PAGE });
    memory.resize(2 * PAGE);
    assert.throws(() => memory.resize(2 * PAGE + 1), /capacity of \d+/);
    assert.equal(memory.length, 2 * PAGE);
    assert.throws(() => MappedRegion.anonymous(PAGE, { capacity: PAGE - 1 }), RangeError);
    using file = testFile(100);
    assert.throws(() => MappedRegion.open(file.path, { capacity: 99 }), RangeError);
  });

  test("grows while it is flushed and used", async () => {
    using file = testFile(64 * PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write", capacity: CAPACITY });
    const flushed = region.flush();
    region.resize(65 * PAGE);
    await region.use(async (bytes) => {
      region.resize(66 * PAGE);
      assert.equal(bytes.length, 65 * PAGE);
      await flushed;
      fails(() => region.resize(PAGE), "EBUSY", /await/);
    });
    assert.equal(region.length, 66 * PAGE);
  });

  test("can begin with nothing, and be shared memory", () => {
    using empty = MappedRegion.anonymous(0, { capacity: CAPACITY });
    assert.deepEqual([empty.length, empty.address, empty.bytes.length], [0, 0n, 0]);
    empty.resize(10);
    empty.fill(1);
    using shared = MappedRegion.anonymous(PAGE, { shared: true, capacity: CAPACITY });
    shared.fill(2);
    shared.resize(3 * PAGE);
    assert.deepEqual([shared.count(2), shared.count(0)], [PAGE, 2 * PAGE]);
  });

  test("keeps its protections as it grows", () => {
    using memory = MappedRegion.anonymous(2 * PAGE, { capacity: CAPACITY });
    memory.protect("read", { offset: PAGE });
    memory.resize(4 * PAGE);
    memory.write(0, "x");
    fails(() => memory.write(3 * PAGE, "x"), "EACCES");
    memory.protect("read-write");
    memory.write(3 * PAGE, "x");
  });

  test("grows in one worker, and is seen to have grown in another", async () => {
    using file = testFile(PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write", capacity: CAPACITY });
    const source = `
      import { parentPort, workerData } from "node:worker_threads";
      import { MappedRegion } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
      const region = MappedRegion.attach(workerData);
      const before = region.bytes;
      parentPort.postMessage(region.length);
      parentPort.once("message", () => {
        const seen = [region.length, region.text({ offset: 9 * ${PAGE}, length: 4 }), before.length];
        region.close();
        parentPort.postMessage(seen);
      });`;
    using directory = temporaryDirectory();
    const path = join(directory.path, "worker.mjs");
    writeFileSync(path, source);
    const worker = new Worker(path, { workerData: region.handle() });
    const message = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    assert.equal(await message(), PAGE);
    region.resize(10 * PAGE);
    region.write(9 * PAGE, "grew");
    fails(() => region.resize(PAGE), "EBUSY"); // the worker's views can't be taken back
    worker.postMessage("go on");
    assert.deepEqual(await message(), [10 * PAGE, "grew", PAGE]);
    await worker.terminate();
    region.resize(PAGE);
  });

  test("takes address space alone, and gives it back", () => {
    const before = mapsCount();
    const regions = Array.from({ length: 10_000 }, () => MappedRegion.anonymous(10, { capacity: CAPACITY }));
    for (const region of regions) region.write(0, "x");
    for (const region of regions) region.close();
    assert(mapsCount() - before < 1000); // the runtime has some of its own
  });

  test("survives the loss of pages that it grew by", () => {
    using file = testFile(PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write", capacity: CAPACITY });
    if (!region.guarded) return;
    region.resize(4 * PAGE);
    const { bytes } = region;
    truncateSync(file.path, PAGE);
    assert.equal(bytes[3 * PAGE], 0);
    fails(() => region.read(3 * PAGE, 1), "EFAULT");
    region.resize(5 * PAGE);
    fails(() => region.read(3 * PAGE, 1), "EFAULT");
    assert.deepEqual(region.read(0, PAGE), pattern(PAGE));
  });

  test("keeps all as it was when the disk is full", mountOnly, () => {
    using disk = smallFileSystem(1 << 20);
    const path = join(disk.path, "file");
    const options = { access: "read-write", create: true, size: PAGE, capacity: CAPACITY } as const;
    using region = MappedRegion.open(path, options);
    const { bytes } = region;
    bytes[0] = 5;
    fails(() => region.resize(8 << 20), "ENOSPC");
    assert.deepEqual([region.length, statSync(path).size, bytes[0]], [PAGE, PAGE, 5]);
    region.resize(2 * PAGE);
    assert.equal(bytes[0], 5);
    region.close({ now: true });
    assert(disk.unmount());
  });
});

describe("refresh", () => {
  test("follows a file that grows, and one that is cut off", () => {
    using file = testFile("one\n");
    using log = MappedRegion.open(file.path, { capacity: CAPACITY });
    const { address } = log;
    assert.equal(log.refresh(), 4);
    let text = "one\n";
    for (let line = 0; line < 500; line++) {
      appendFileSync(file.path, `line ${line}\n`);
      text += `line ${line}\n`;
      assert.equal(log.refresh(), text.length);
    }
    assert.equal(log.text(), text);
    assert.equal(log.address, address);
    truncateSync(file.path, 2);
    assert.equal(log.refresh(), 2);
    assert.equal(log.text(), "on");
  });

  test("lets lines and cursors go on where they stopped, and wait for the end of a line", () => {
    using file = testFile("one\ntwo\nth");
    using log = MappedRegion.open(file.path, { capacity: CAPACITY });
    assert.deepEqual([...log.lines({ finished: true })], ["one", "two"]);
    assert.deepEqual([...log.lines({ finished: true, reverse: true })], ["two", "one"]);
    assert.deepEqual([...log.lines({ finished: true, offset: 8 })], []);
    assert.deepEqual([...log.lines({ finished: true, offset: 1, length: 4 })], ["ne"]);
    const cursor = log.cursor();
    const read = (): string[] => {
      const lines: string[] = [];
      for (let line; (line = cursor.readLine({ finished: true })) !== undefined;) lines.push(line);
      return lines;
    };
    assert.deepEqual(read(), ["one", "two"]);
    const next = log.lastIndexOf("\n") + 1;
    appendFileSync(file.path, "ree\r\nfour");
    log.refresh();
    assert.deepEqual(read(), ["three"]);
    assert.deepEqual([...log.lines({ offset: next, finished: true })], ["three"]);
    assert.deepEqual(
      [...log.lines({ offset: next, finished: true, encoding: "bytes" })].map((line) => line.length),
      [5],
    );
    assert.equal(cursor.readLine(), "four");
  });

  test("works without capacity too, and does nothing to memory", () => {
    using file = testFile("one\n");
    using log = MappedRegion.open(file.path);
    appendFileSync(file.path, "two\n");
    assert.equal(log.refresh(), 8);
    assert.equal(log.text(), readFileSync(file.path, "utf8"));
    using memory = MappedRegion.anonymous(10);
    assert.equal(memory.refresh(), 10);
  });
});
