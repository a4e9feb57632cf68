// Closing a region gives its memory back: at once if nobody was given a view, or if that is asked for.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import { hugePagesOnly, reserveHugePages } from "./helpers/huge_pages.ts";
import {
  collectUntil,
  fails,
  isMapped,
  kernelView,
  linuxOnly,
  mappingsOf,
  mountOnly,
  PAGE,
  smallFileSystem,
  testFile,
} from "./helpers/mod.ts";

describe("close", () => {
  test("unmaps at once what nobody was given a view of", linuxOnly, () => {
    using file = testFile(PAGE);
    const region = MappedRegion.open(file.path, { access: "read-write" });
    region.write(0, "x");
    assert.equal(region.indexOf("x"), 0);
    assert.equal(region.read(0, 1)[0], 120);
    assert.equal([...region.lines()].length > 0, true);
    region.cursor().readU32();
    region.close();
    assert(!isMapped(file.path));
  });

  test("keeps what somebody may be looking at until the views have been collected", linuxOnly, async () => {
    using file = testFile(PAGE);
    (() => {
      const region = MappedRegion.open(file.path);
      const { bytes } = region;
      region.close();
      assert.equal(bytes.length, 0);
      assert(isMapped(file.path));
    })();
    assert(await collectUntil(() => !isMapped(file.path)));
  });

  test(
    "unlocks the pages of a file that it keeps, and leaves them one mapping to the kernel",
    linuxOnly,
    () => {
      using file = testFile(64 * PAGE);
      const region = MappedRegion.open(file.path);
      const { address, bytes } = region;
      for (let page = 0; page < 64; page += 2) {
        region.lock({ offset: page * PAGE, length: PAGE });
        region.advise("random", { offset: page * PAGE, length: PAGE });
      }
      assert.equal(mappingsOf(file.path), 64);
      assert.match(kernelView(address), /^VmFlags:.* lo( |$)/m);
      region.close();
      assert.equal(bytes.length, 0);
      assert.equal(mappingsOf(file.path), 1);
      assert.doesNotMatch(kernelView(address), /^VmFlags:.* lo( |$)/m);
    },
  );

  test("leaves memory that no file has locked while it is kept: it may be a secret", linuxOnly, () => {
    const region = MappedRegion.anonymous(PAGE);
    const { address, bytes } = region;
    region.lock();
    region.close();
    assert.equal(bytes.length, 0);
    assert.match(kernelView(address), /^VmFlags:.* lo( |$)/m);
  });

  test("can be done twice, in either way", () => {
    for (const first of [{}, { now: true }, { now: false }, undefined]) {
      for (const second of [{}, { now: true }]) {
        const region = MappedRegion.anonymous(PAGE);
        const { bytes } = region;
        region.close(first);
        region.close(second);
        region[Symbol.dispose]();
        assert.deepEqual([region.closed, region.length, bytes.length], [true, 0, 0]);
      }
    }
  });

  test("refuses options that it doesn't have, and the region stays open", () => {
    using region = MappedRegion.anonymous(PAGE);
    assert.throws(() => Reflect.apply(region.close, region, [{ soon: true }]), TypeError);
    assert.throws(() => Reflect.apply(region.close, region, [{ now: 1 }]), TypeError);
    assert.equal(region.closed, false);
  });
});

describe("close({ now: true })", () => {
  test("lets go of the file at once, though views were taken", linuxOnly, () => {
    using file = testFile(4 * PAGE);
    const region = MappedRegion.open(file.path, { access: "read-write" });
    const views = [region.bytes, region.subarray(5), region.array(Int32Array)];
    region.close({ now: true });
    assert(!isMapped(file.path));
    assert.deepEqual(views.map(({ byteLength }) => byteLength), [0, 0, 0]);
  });

  test("lets a file system be unmounted, which it can't be before", mountOnly, () => {
    using disk = smallFileSystem(1 << 20);
    const region = MappedRegion.open(`${disk.path}/file`, {
      access: "read-write",
      create: true,
      size: 5 * PAGE,
    });
    const { bytes } = region;
    bytes.fill(1);
    assert.equal(disk.unmount(), false);
    region.close({ now: true });
    assert.equal(disk.unmount(), true);
  });

  test("frees huge pages at once", hugePagesOnly, () => {
    using _reserved = reserveHugePages(4);
    const region = MappedRegion.anonymous(2 << 20, { hugePages: "2MB" });
    region.bytes.fill(1);
    region.close({ now: true });
    using again = MappedRegion.anonymous(8 << 20, { hugePages: "2MB" });
    again.fill(1);
  });

  test("doesn't wait for use()", async () => {
    const region = MappedRegion.anonymous(PAGE);
    const used = region.use(async (bytes) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return bytes.length;
    });
    region.close({ now: true });
    assert.equal(region.closed, true);
    assert.equal(await used, 0);
  });
});

describe("use", () => {
  test("keeps the region as it is until the work has settled; to everything else it is closed", async () => {
    using file = testFile("hello");
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => go = resolve);
    let seen: Promise<string>;
    {
      using region = MappedRegion.open(file.path, { access: "read-write" });
      seen = region.use(async (bytes) => {
        await gate;
        return new TextDecoder().decode(bytes);
      });
      fails(() => region.resize(1), "EBUSY", /use|await/);
      region.close();
      assert.throws(() => region.bytes, RegionClosedError);
      assert.throws(() => region.read(0, 1), RegionClosedError);
      await assert.rejects(region.use(() => 1), RegionClosedError);
    }
    go();
    assert.equal(await seen, "hello");
  });

  test("gives back what the work gives, and its error", async () => {
    using region = MappedRegion.anonymous(3);
    assert.equal(await region.use((bytes) => bytes.length), 3);
    await assert.rejects(
      region.use(() => {
        throw new RangeError("mine");
      }),
      /mine/,
    );
    await assert.rejects(region.use(() => Promise.reject(new Error("later"))), /later/);
    region.resize(5);
    assert.equal(region.length, 5);
  });

  test("counts: the region is closed when the last work has settled", linuxOnly, async () => {
    using file = testFile("abc");
    const region = MappedRegion.open(file.path);
    const gates: (() => void)[] = [];
    const works = [1, 2, 3].map((value) =>
      region.use(async (bytes) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        return value + (bytes[0] ?? 0);
      })
    );
    region.close();
    gates[1]?.();
    assert.equal(await works[1], 99);
    assert(isMapped(file.path));
    gates[0]?.();
    gates[2]?.();
    assert.deepEqual(await Promise.all(works), [98, 99, 100]);
  });
});
