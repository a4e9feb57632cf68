// One region in several workers of a process.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MappedRegion, RegionClosedError, type RegionHandle } from "../mod.ts";
import { failing, fails, LIBRARY, PAGE, temporaryDirectory, type Together, together } from "./helpers/mod.ts";

/** A worker that runs `program` with the region attached; it may post messages, and gets ours. */
function attached(handle: RegionHandle, program: string): Together {
  return together(
    `
    import { parentPort, workerData } from "node:worker_threads";
    import { MappedRegion } from ${JSON.stringify(LIBRARY)};
    const region = MappedRegion.attach(workerData);
    ${program}
    `,
    handle,
  );
}

describe("a handle", () => {
  test("survives a structured clone and names the same memory", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    using same = MappedRegion.attach(structuredClone(region.handle()));
    same.bytes[2 * PAGE] = 9;
    assert.equal(region.bytes[2 * PAGE], 9);
    assert.equal(same.address, region.address);
    assert.equal(same.length, region.length);
    assert.equal(same.protection, "read-write");
  });

  test("carries what the region is: offset, length, path, access, protections", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "0123456789");
    using region = MappedRegion.open(path, { offset: 3, length: 4 });
    using same = MappedRegion.attach(structuredClone(region.handle()));
    assert.equal(new TextDecoder().decode(same.bytes), "3456");
    assert.equal(same.path, path);
    assert.equal(same.access, "read");
    assert.equal(same.shared, false);
    fails(() => same.write(0, "x"), "EACCES");
  });

  test("of a closed region is refused, and so is one of a region that took its place", () => {
    const region = MappedRegion.anonymous(PAGE);
    const handle = region.handle();
    region.close();
    using next = MappedRegion.anonymous(PAGE);
    assert.equal(next.length, PAGE);
    assert.throws(() => MappedRegion.attach(handle), RegionClosedError);
    assert.throws(() => region.handle(), RegionClosedError);
  });

  test("of another process is refused", () => {
    using region = MappedRegion.anonymous(PAGE);
    const handle = { ...region.handle(), process: 1 };
    assert.throws(() => MappedRegion.attach(handle), /process 1/);
  });

  for (
    const [what, forged] of Object.entries<(handle: RegionHandle) => unknown>({
      "nothing": () => undefined,
      "a number": () => 7,
      "no handle": () => ({}),
      "a handle with a wrong slot": (handle) => ({ ...handle, slot: -1 }),
      "what can't be sent": (handle) => ({ ...handle, path: () => {} }),
      "a handle with a fraction": (handle) => ({ ...handle, length: 1.5 }),
      "a handle with more than it should have": (handle) => ({ ...handle, more: 1 }),
    })
  ) {
    test(`that is ${what} is a TypeError`, () => {
      using region = MappedRegion.anonymous(PAGE);
      const value = forged(region.handle());
      assert.throws(() => Reflect.apply(MappedRegion.attach, MappedRegion, [value]), TypeError);
    });
  }

  test("that claims more bytes than the region has is refused", () => {
    using region = MappedRegion.anonymous(PAGE);
    assert.throws(() => MappedRegion.attach({ ...region.handle(), length: 100 * PAGE }), RegionClosedError);
    assert.throws(() => MappedRegion.attach({ ...region.handle(), slot: 60_000 }), RegionClosedError);
    region.resize(2 * PAGE); // no failed attempt has kept a reference
  });
});

describe("a region in a worker", () => {
  test("sees the stores of the main thread, and the other way round", async () => {
    using region = MappedRegion.anonymous(PAGE);
    region.bytes[0] = 41;
    await using other = attached(
      region.handle(),
      "region.bytes[1] = region.bytes[0] + 1; parentPort.postMessage('done');",
    );
    assert.equal(await other.next(), "done");
    assert.equal(region.bytes[1], 42);
  });

  test("stays when the main thread has closed it, file and all", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, new Uint8Array(2 * PAGE));
    const region = MappedRegion.open(path, { access: "read-write" });
    await using other = attached(
      region.handle(),
      `parentPort.postMessage("attached");
       parentPort.once("message", () => {
         region.bytes[PAGE_SIZE] = 7;
         region.flushSync();
         const value = region.bytes[PAGE_SIZE];
         region.close();
         parentPort.postMessage(value);
       });`.replaceAll("PAGE_SIZE", String(PAGE)),
    );
    assert.equal(await other.next(), "attached");
    const { bytes } = region;
    region.close();
    assert.equal(bytes.length, 0);
    assert.equal(await other.ask("go on"), 7);
    assert.equal(readFileSync(path)[PAGE], 7);
  });

  test("stays with the main thread when the worker has closed it", async () => {
    using region = MappedRegion.anonymous(PAGE);
    await using other = attached(
      region.handle(),
      "region.bytes[0] = 3; region.close(); parentPort.postMessage('closed');",
    );
    assert.equal(await other.next(), "closed");
    assert.equal(region.bytes[0], 3);
    region.resize(2 * PAGE);
  });
});

describe("while two have a region", () => {
  test("it can't be resized", () => {
    using region = MappedRegion.anonymous(PAGE);
    {
      using _same = MappedRegion.attach(region.handle());
      fails(() => region.resize(2 * PAGE), "EBUSY");
    }
    region.resize(2 * PAGE);
    assert.equal(region.length, 2 * PAGE);
  });

  test("no rights can be taken from it, but more given", () => {
    using region = MappedRegion.anonymous(PAGE, { protection: "read" });
    using same = MappedRegion.attach(region.handle());
    fails(() => region.protect("none"), "EBUSY");
    same.protect("read-write");
    same.bytes[0] = 1;
    assert.equal(region.bytes[0], 1);
  });

  test("a region of a file is resized by who opened it only", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, new Uint8Array(PAGE));
    const region = MappedRegion.open(path, { access: "read-write" });
    using same = MappedRegion.attach(region.handle());
    region.close();
    fails(() => same.resize(2 * PAGE), "EBUSY");
  });
});

test("memory keeps its bytes when its last owner resizes it, wherever it has to go for that", () => {
  // Pages of two protections can't be moved: the memory is mapped anew, and copied.
  const region = MappedRegion.anonymous(4 * PAGE);
  region.fill(7);
  using same = MappedRegion.attach(structuredClone(region.handle()));
  region.close();
  same.protect("read", { offset: PAGE, length: PAGE });
  same.resize(64 * PAGE);
  assert.equal(same.count(7), 4 * PAGE);
  assert.equal(same.count(0), 60 * PAGE);
  same.write(0, "x");
  assert.throws(
    () => same.write(PAGE, "x"),
    failing("EACCES"),
  );
});
