/** What the kernel is told of memory: flags and addresses, protection, advice, discarding, locking, residency. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Advice, MappedRegion, MmapError } from "../mod.ts";
import * as libc from "../ffi/mod.ts";
import { fails, linuxOnly, PAGE, pattern, testFile, vmFlags } from "./helpers/region.ts";

/** A full mapping of so many pages at an address of the kernel's choice, which is then free. */
function freeAddress(pages: number): bigint {
  using region = MappedRegion.anonymous(pages * PAGE);
  return region.address;
}

describe("anonymous", () => {
  test("is zeroed memory of exactly the length asked for", () => {
    using region = MappedRegion.anonymous(PAGE + 1);
    assert.deepEqual(region.bytes, new Uint8Array(PAGE + 1));
    assert.deepEqual(
      [region.access, region.protection, region.shared, region.path],
      ["read-write", "read-write", false, undefined],
    );
    using empty = MappedRegion.anonymous(0);
    assert.equal(empty.length, 0);
  });

  test("options reach the kernel as flags of the mapping", linuxOnly, () => {
    const cases: [Parameters<typeof MappedRegion.anonymous>[1], readonly string[], readonly string[]][] = [
      [{ reserve: false }, ["nr"], ["sh"]],
      [{ lock: true }, ["lo"], []],
      [{ shared: true }, ["sh", "wr"], []],
      [{ growsDown: true, stack: true }, ["gd"], []],
      [{ protection: "read" }, ["rd"], ["wr", "ex"]],
      [{ protection: "none" }, ["mr"], ["rd", "wr"]],
      [{ protection: "read-write-execute" }, ["rd", "wr", "ex"], []],
    ];
    for (const [options, has, lacks] of cases) {
      // Not of a size that the kernel would merge with a neighbour of the same kind.
      using region = MappedRegion.anonymous(PAGE, {
        ...options,
        address: freeAddress(64),
        placement: "hint",
      });
      const flags = vmFlags(region.address);
      if (flags.length === 0) continue; // merged with its neighbour
      for (const flag of has) assert(flags.includes(flag), `${flag} is not in ${flags.join(" ")}`);
      for (const flag of lacks) assert(!flags.includes(flag), `${flag} is in ${flags.join(" ")}`);
    }
  });

  test("populate brings every page in", linuxOnly, () => {
    using lazy = MappedRegion.anonymous(64 * PAGE);
    using region = MappedRegion.anonymous(64 * PAGE, { populate: true });
    assert.equal(region.residency().resident, 64);
    assert(lazy.residency().resident < 64);
    lazy.prefault({ write: true });
    assert.equal(lazy.residency().resident, 64);
  });

  test("an address is taken as a hint, as a command, or refused when it is occupied", linuxOnly, () => {
    const address = freeAddress(4);
    using region = MappedRegion.anonymous(4 * PAGE, { address, placement: "fixed-noreplace" });
    assert.equal(region.address, address);
    fails(() => MappedRegion.anonymous(PAGE, { address, placement: "fixed-noreplace" }), "EEXIST", /address/);
    using elsewhere = MappedRegion.anonymous(PAGE, { address });
    assert.notEqual(elsewhere.address, address);
    region.write(0, "first");
    const second = address + BigInt(PAGE);
    using within = MappedRegion.map({
      address: second,
      length: PAGE,
      protection: libc.PROT_READ,
      flags: libc.MAP_PRIVATE | libc.MAP_ANONYMOUS | libc.MAP_FIXED,
    });
    assert.equal(within.address, second);
    assert.equal(new TextDecoder().decode(region.read(0, 5)), "first");
  });
});

describe("map", () => {
  test("takes every parameter of mmap(2), in numbers", () => {
    using file = testFile(3 * PAGE);
    using opened = MappedRegion.open(file.path, { access: "read-write" });
    using region = MappedRegion.map({
      length: PAGE + 1,
      protection: libc.PROT_READ | libc.PROT_WRITE,
      flags: libc.MAP_PRIVATE | libc.MAP_ANONYMOUS,
    });
    assert.deepEqual([region.length, region.access, region.protection], [
      PAGE + 1,
      "read-write",
      "read-write",
    ]);
    assert.equal(opened.length, 3 * PAGE);
    assert.throws(
      () => MappedRegion.map({ length: 1, protection: 0, flags: libc.MAP_PRIVATE }),
      /option 'fd'/,
    );
    fails(() => MappedRegion.map({ length: 1, protection: 0, flags: libc.MAP_ANONYMOUS }), "EINVAL");
    const { MAP_FIXED, MAP_ANONYMOUS, MAP_PRIVATE } = libc;
    assert.throws(
      () => MappedRegion.map({ length: 1, protection: 0, flags: MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE }),
      RangeError,
    );
  });
});

describe("protect", () => {
  test("of a range is widened to pages, and the rest stays as it was", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    region.protect("read", { offset: PAGE + 5, length: 1 });
    fails(() => region.write(PAGE, "x"), "EACCES");
    fails(() => region.write(2 * PAGE - 1, "xy"), "EACCES");
    assert.equal(region.write(PAGE - 1, "x") + region.write(2 * PAGE, "x"), 2);
    assert.equal(region.protection, "read");
    region.protect("read-write", { offset: PAGE, length: PAGE });
    assert.equal(region.protection, "read-write");
  });

  test("gives a read region of a file no right to store unless the file was opened for it", () => {
    using file = testFile(PAGE);
    using region = MappedRegion.open(file.path);
    region.protect("read-write"); // private: its own copy
    region.write(0, "mine");
    assert.deepEqual(file.read(), pattern(PAGE));
  });
});

describe("advise", () => {
  const everywhere: readonly Advice[] = [
    "normal",
    "random",
    "sequential",
    "will-need",
    "cold",
    "page-out",
    "dont-fork",
    "do-fork",
    "dont-dump",
    "do-dump",
    "populate-read",
  ];
  for (const advice of everywhere) {
    test(`${advice} is taken by every kind of mapping, and changes nothing that is read`, linuxOnly, () => {
      using file = testFile(2 * PAGE);
      for (const access of ["read", "read-write", "copy-on-write"] as const) {
        using region = MappedRegion.open(file.path, { access });
        region.advise(advice);
        region.advise(advice, { offset: PAGE + 1, length: 1 });
        assert.deepEqual(region.read(0, 2 * PAGE), pattern(2 * PAGE));
      }
      for (const shared of [false, true]) {
        using region = MappedRegion.anonymous(2 * PAGE, { shared });
        region.bytes.set(pattern(2 * PAGE));
        region.advise(advice);
        assert.deepEqual(region.read(0, 2 * PAGE), pattern(2 * PAGE));
      }
    });
  }

  const sometimes: readonly Advice[] = [
    "populate-write",
    "huge-page",
    "no-huge-page",
    "collapse",
    "mergeable",
    "unmergeable",
    "wipe-on-fork",
    "keep-on-fork",
    "dont-need",
  ];
  for (const advice of sometimes) {
    test(`${advice} is taken or is an MmapError, and changes nothing that is read`, linuxOnly, () => {
      using file = testFile(2 * PAGE);
      const regions = [
        MappedRegion.open(file.path),
        MappedRegion.open(file.path, { access: "read-write" }),
        MappedRegion.open(file.path, { access: "copy-on-write" }),
        MappedRegion.anonymous(2 * PAGE),
        MappedRegion.anonymous(2 * PAGE, { shared: true }),
      ];
      for (const region of regions) {
        if (region.protection === "read-write") region.write(0, pattern(2 * PAGE));
        try {
          region.advise(advice);
        } catch (error) {
          assert(error instanceof MmapError, String(error));
        }
        assert.deepEqual(region.read(0, 2 * PAGE), pattern(2 * PAGE));
        region.close();
      }
    });
  }
});

describe("discard", () => {
  test("throws away only the whole pages within a range", () => {
    using region = MappedRegion.anonymous(4 * PAGE);
    region.bytes.fill(1);
    region.discard({ offset: 1, length: 2 * PAGE });
    assert.deepEqual([0, PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE].map((at) => region.bytes[at]), [
      1,
      1,
      0,
      0,
      1,
    ]);
    region.discard();
    assert.deepEqual(region.bytes, new Uint8Array(4 * PAGE));
  });

  test(
    "shows the file again in a copy-on-write region, and with remove makes a hole in it",
    linuxOnly,
    () => {
      using file = testFile(3 * PAGE);
      using copy = MappedRegion.open(file.path, { access: "copy-on-write" });
      copy.bytes.fill(1);
      copy.discard();
      assert.deepEqual(copy.bytes, pattern(3 * PAGE));
      fails(() => copy.discard({ how: "free" }), "EINVAL");
      using region = MappedRegion.open(file.path, { access: "read-write" });
      region.discard({ offset: PAGE, length: PAGE, how: "remove" });
      const expected = pattern(3 * PAGE).fill(0, PAGE, 2 * PAGE);
      assert.deepEqual(file.read(), expected);
    },
  );
});

describe("sync, lock and residency", () => {
  test("sync takes every mode and range", () => {
    using file = testFile(3 * PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write", offset: 5 });
    region.write(0, "x");
    for (const mode of ["sync", "async"] as const) {
      for (const invalidate of [false, true]) region.sync({ mode, invalidate, offset: PAGE + 1, length: 3 });
    }
    using reader = MappedRegion.open(file.path);
    reader.sync();
  });

  test("locked pages are locked in the kernel's eyes, and can't be invalidated", linuxOnly, () => {
    using file = testFile(2 * PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write" });
    region.lock();
    assert(vmFlags(region.address).includes("lo"));
    fails(() => region.sync({ invalidate: true }), "EBUSY", /unlock/, file.path);
    region.unlock();
    assert(!vmFlags(region.address).includes("lo"));
  });

  test("residency counts and draws the pages of a range", linuxOnly, () => {
    using region = MappedRegion.anonymous(4 * PAGE);
    region.advise("no-huge-page");
    region.write(PAGE, "x");
    region.write(3 * PAGE, "x");
    const residency = region.residency();
    assert.deepEqual([...residency.bitmap], [0, 1, 0, 1]);
    assert.deepEqual([residency.pages, residency.resident, residency.reliable], [4, 2, true]);
    assert.equal(String(residency), `[·█·█] 2 of 4 pages of ${PAGE} bytes in memory, 50.0 %`);
    assert.deepEqual([...region.residency({ offset: PAGE + 1, length: 1 }).bitmap], [1]);
  });
});
