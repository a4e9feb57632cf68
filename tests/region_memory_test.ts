// Memory of a region's own, and every parameter of mmap(2).
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import * as libc from "../ffi/mod.ts";
import { MappedRegion, MmapError } from "../mod.ts";
import { temporaryDirectory } from "./helpers/runtime.ts";

const PAGE = MappedRegion.pageSize;
const HUGE = 2 << 20;

const failure = (code: string, remedy = /./) => (error: unknown): boolean =>
  error instanceof MmapError && error.code === code && error.message.startsWith(`${code}: mmap`) &&
  remedy.test(error.message);

/**
 * What the kernel says of the mapping at a region's address, in /proc/self/smaps. It may have merged it with a
 * neighbour that is like it.
 */
function kernelView(region: MappedRegion): string {
  const entries = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const found = entries.find((entry) => {
    const [, start = "", end = ""] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(entry) ?? [];
    return BigInt(`0x${start}`) <= region.address && region.address < BigInt(`0x${end}`);
  });
  assert(found !== undefined, `nothing is mapped at 0x${region.address.toString(16)}`);
  return found;
}

const flags = (region: MappedRegion): string[] =>
  /VmFlags: (.*)/.exec(kernelView(region))?.[1]?.trim().split(" ") ?? [];

describe("anonymous memory", () => {
  test("is private, zeroed, readable and writable", () => {
    using region = MappedRegion.anonymous(3 * PAGE + 1);
    assert.equal(region.length, 3 * PAGE + 1);
    assert.equal(region.count(0), region.length);
    assert.deepEqual([region.access, region.protection, region.shared, region.path], [
      "read-write",
      "read-write",
      false,
      undefined,
    ]);
    assert.equal(Number(region.address) % PAGE, 0);
    region.bytes.fill(1);
    assert.equal(region.count(1), region.length);
    assert.match(kernelView(region), /^[0-9a-f]+-[0-9a-f]+ rw-p/);
  });

  test("may be shared, or have another protection", () => {
    using shared = MappedRegion.anonymous(PAGE, { shared: true });
    assert.equal(shared.shared, true);
    assert.match(kernelView(shared), /^\S+ rw-s/);
    for (
      const [protection, bits, access] of [
        ["none", "---p", "read"],
        ["read", "r--p", "read"],
        ["read-write", "rw-p", "read-write"],
        ["read-execute", "r-xp", "read"],
        ["read-write-execute", "rwxp", "read-write"],
      ] as const
    ) {
      using region = MappedRegion.anonymous(PAGE, { protection });
      assert.equal(region.protection, protection);
      assert.equal(region.access, access);
      assert.equal(kernelView(region).split(" ")[1], bits);
    }
  });

  test("may be there beforehand, locked, unreserved, for a stack, growing down", () => {
    using populated = MappedRegion.anonymous(16 * PAGE, { populate: true });
    assert.equal(populated.residency().resident, 16);
    using lazy = MappedRegion.anonymous(16 * PAGE);
    assert.equal(lazy.residency().resident, 0);
    using locked = MappedRegion.anonymous(4 * PAGE, { lock: true });
    assert(flags(locked).includes("lo"));
    assert.equal(locked.residency().resident, 4);
    using unreserved = MappedRegion.anonymous(PAGE, { reserve: false });
    assert(flags(unreserved).includes("nr"));
    assert(!flags(lazy).includes("nr"));
    using stack = MappedRegion.anonymous(16 * PAGE, { stack: true, growsDown: true });
    assert(flags(stack).includes("gd"));
    stack.bytes.fill(1);
  });

  test("may have no bytes", () => {
    using region = MappedRegion.anonymous(0);
    assert.deepEqual([region.length, region.address, region.bytes.length], [0, 0n, 0]);
  });

  test("goes where it is told to", () => {
    const probe = MappedRegion.anonymous(16 * PAGE);
    const free = probe.address;
    probe.close();
    using exact = MappedRegion.anonymous(PAGE, { address: free, placement: "fixed-noreplace" });
    assert.equal(exact.address, free);
    assert.throws(
      () => MappedRegion.anonymous(PAGE, { address: free, placement: "fixed-noreplace" }),
      failure("EEXIST", /choose another/),
    );
    using hinted = MappedRegion.anonymous(PAGE, { address: free }); // taken: it goes elsewhere
    assert.notEqual(hinted.address, free);
    exact.write(0, "x");
    using over = MappedRegion.anonymous(PAGE, { address: exact.address + BigInt(PAGE), placement: "fixed" });
    assert.equal(over.address, exact.address + BigInt(PAGE));
    assert.equal(exact.indexOf("x"), 0);
  });

  test("that can't be had is ENOMEM with what to do", () => {
    assert.throws(() => MappedRegion.anonymous(2 ** 50), failure("ENOMEM", /close regions/));
  });
});

describe("huge pages", () => {
  const reserved = (): number => Number(readFileSync("/proc/sys/vm/nr_hugepages", "utf8"));
  const free = (): number =>
    Number(/HugePages_Free:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]);

  test("that are not reserved are ENOMEM with what to do, that don't exist EINVAL", () => {
    if (reserved() > 0) {
      process.stdout.write("skipped: this system has huge pages reserved\n");
      return;
    }
    assert.throws(
      () => MappedRegion.anonymous(HUGE, { hugePages: true }),
      failure("ENOMEM", /vm\.nr_hugepages/),
    );
    assert.throws(
      () => MappedRegion.anonymous(HUGE, { hugePages: "2MB" }),
      failure("ENOMEM", /vm\.nr_hugepages/),
    );
    assert.throws(
      () => MappedRegion.anonymous(1 << 30, { hugePages: "1GB" }),
      (error) => failure("ENOMEM", /hugePages/)(error) || failure("EINVAL", /huge pages of that size/)(error),
    );
  });

  test("are used, resized, looked at and given back", () => {
    const before = reserved();
    try {
      writeFileSync("/proc/sys/vm/nr_hugepages", String(before + 4));
    } catch {
      process.stdout.write("skipped: huge pages can't be reserved here\n");
      return;
    }
    try {
      const available = free();
      if (available < 4) {
        process.stdout.write("skipped: no huge pages could be reserved\n");
        return;
      }
      for (const hugePages of [true, "2MB"] as const) {
        using region = MappedRegion.anonymous(HUGE + 1, { hugePages });
        assert.equal(region.length, HUGE + 1);
        assert(flags(region).includes("ht"));
        region.bytes.fill(5);
        assert.equal(free(), available - 2);
        region.protect("read", { offset: 0, length: 1 }); // a whole huge page
        assert.throws(() => region.write(HUGE - 1, "x"), /EACCES/);
        region.write(HUGE, "x");
        assert.equal(region.residency().resident, region.residency().pages);
        region.protect("read-write");
        region.resize(10);
        assert.equal(region.count(5), 10);
        region.resize(HUGE + 10);
        assert.equal(region.count(0), HUGE);
        region.close({ now: true }); // a view was taken: else they would be kept until it has been collected
        assert.equal(free(), available);
      }
    } finally {
      writeFileSync("/proc/sys/vm/nr_hugepages", String(before));
    }
  });
});

describe("map", () => {
  test("makes what mmap(2) makes of its parameters", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "x".repeat(PAGE) + "second page");
    const fd = openSync(path, "r+");
    using shared = MappedRegion.map({
      length: 11,
      protection: libc.PROT_READ | libc.PROT_WRITE,
      flags: libc.MAP_SHARED,
      fd,
      offset: PAGE,
    });
    assert.equal(shared.indexOf("second"), 0);
    assert.deepEqual([shared.access, shared.shared, shared.protection], ["read-write", true, "read-write"]);
    shared.write(0, "SECOND");
    assert.equal(readFileSync(path).indexOf("SECOND"), PAGE);
    using copy = MappedRegion.map({
      length: PAGE,
      protection: libc.PROT_READ | libc.PROT_WRITE,
      flags: libc.MAP_PRIVATE,
      fd,
    });
    assert.equal(copy.access, "copy-on-write");
    closeSync(fd);
    using code = MappedRegion.map({
      length: PAGE,
      protection: libc.PROT_READ | libc.PROT_EXEC,
      flags: libc.MAP_PRIVATE | libc.MAP_ANONYMOUS,
    });
    assert.deepEqual([code.protection, code.access], ["read-execute", "read"]);
  });

  test("goes to the address it is given", () => {
    const probe = MappedRegion.anonymous(PAGE);
    const { address } = probe;
    probe.close();
    const flags = libc.MAP_PRIVATE | libc.MAP_ANONYMOUS;
    using region = MappedRegion.map({
      address,
      length: PAGE,
      protection: libc.PROT_READ,
      flags: flags | libc.MAP_FIXED,
    });
    assert.equal(region.address, address);
    assert.throws(
      () => MappedRegion.map({ length: PAGE, protection: 0, flags: flags | libc.MAP_FIXED }),
      /MAP_FIXED needs an address/,
    );
  });

  test("fails with what mmap(2) fails with", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "x".repeat(2 * PAGE));
    const fd = openSync(path, "r");
    const { PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS } = libc;
    const request = { length: PAGE, protection: PROT_READ, flags: MAP_SHARED, fd };
    assert.throws(() => MappedRegion.map({ ...request, flags: 0 }), failure("EINVAL"));
    assert.throws(
      () => MappedRegion.map({ ...request, offset: 1 }),
      failure("EINVAL", /multiples of the page size/),
    );
    assert.throws(
      () => MappedRegion.map({ ...request, protection: PROT_READ | PROT_WRITE }),
      failure("EACCES"),
    );
    assert.throws(
      () => MappedRegion.map({ ...request, fd: 999_999 }),
      (error) => error instanceof MmapError && error.code === "EBADF",
    );
    assert.throws(
      () => MappedRegion.map({ length: 2 ** 50, protection: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS }),
      failure("ENOMEM"),
    );
    closeSync(fd);
  });
});
