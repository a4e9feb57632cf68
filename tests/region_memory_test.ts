// Memory of a region's own, and every parameter of mmap(2).
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import * as libc from "../ffi/mod.ts";
import { MappedRegion } from "../mod.ts";
import { freeHugePages, hugePagesOnly, reservedHugePages, reserveHugePages } from "./helpers/huge_pages.ts";
import {
  failing,
  fails,
  isEmulated,
  kernelOnly,
  kernelView,
  linuxKernelOnly,
  linuxOnly,
  PAGE,
  temporaryDirectory,
  vmFlags,
  where,
} from "./helpers/mod.ts";

const HUGE = 2 << 20;

/**
 * An address at which nothing is mapped, nor will be: in the middle of much address space. What other threads of the runtime
 * map meanwhile goes to one of its ends.
 */
function unusedAddress(): bigint {
  using probe = MappedRegion.anonymous(2 ** 30, { protection: "none" });
  return probe.address + 2n ** 29n;
}

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
    assert.match(kernelView(region.address), /^[0-9a-f]+-[0-9a-f]+ rw-p/);
  });

  test("may be shared, or have another protection", kernelOnly, () => {
    using shared = MappedRegion.anonymous(PAGE, { shared: true });
    assert.equal(shared.shared, true);
    assert.match(kernelView(shared.address), /^\S+ rw-s/);
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
      assert.equal(kernelView(region.address).split(" ")[1], bits);
    }
  });

  test("may be there beforehand, locked, unreserved, for a stack, growing down", linuxKernelOnly, () => {
    using populated = MappedRegion.anonymous(16 * PAGE, { populate: true });
    assert.equal(populated.residency().resident, 16);
    using lazy = MappedRegion.anonymous(16 * PAGE);
    assert.equal(lazy.residency().resident, 0);
    using locked = MappedRegion.anonymous(4 * PAGE, { lock: true });
    assert(vmFlags(locked.address).includes("lo"));
    assert.equal(locked.residency().resident, 4);
    using unreserved = MappedRegion.anonymous(PAGE, { reserve: false });
    assert(vmFlags(unreserved.address).includes("nr"));
    assert(!vmFlags(lazy.address).includes("nr"));
    using stack = MappedRegion.anonymous(16 * PAGE, { stack: true, growsDown: true });
    assert(vmFlags(stack.address).includes("gd"));
    stack.bytes.fill(1);
  });

  test("may have no bytes", () => {
    using region = MappedRegion.anonymous(0);
    assert.deepEqual([region.length, region.address, region.bytes.length], [0, 0n, 0]);
  });

  test("goes where it is told to", linuxOnly, () => {
    const free = unusedAddress();
    using exact = MappedRegion.anonymous(PAGE, { address: free, placement: "fixed-noreplace" });
    assert.equal(exact.address, free);
    fails(() => MappedRegion.anonymous(PAGE, { address: free, placement: "fixed-noreplace" }), "EEXIST", {
      syscall: "mmap",
      words: /choose another/,
    });
    using hinted = MappedRegion.anonymous(PAGE, { address: free }); // taken: it goes elsewhere
    assert.notEqual(hinted.address, free);
    exact.write(0, "x");
    using over = MappedRegion.anonymous(PAGE, { address: exact.address + BigInt(PAGE), placement: "fixed" });
    assert.equal(over.address, exact.address + BigInt(PAGE));
    assert.equal(exact.indexOf("x"), 0);
    for (const address of [exact.address, over.address]) {
      const taken = { operation: "mmap", words: /close\(\{ now: true \}\)/ };
      fails(() => MappedRegion.anonymous(1, { address, placement: "fixed" }), "EEXIST", taken);
      fails(() => MappedRegion.map({ address, length: 1, protection: 3, flags: 0x32 }), "EEXIST", taken);
    }
    over.close();
    using again = MappedRegion.anonymous(1, { address: exact.address + BigInt(PAGE), placement: "fixed" });
    assert.equal(again.bytes[0], 0);
  });

  test("that can't be had is ENOMEM with what to do", () => {
    fails(() => MappedRegion.anonymous(2 ** 50), "ENOMEM", { syscall: "mmap", words: /close regions/ });
  });
});

describe("huge pages", () => {
  const noneReserved = where(() => {
    if (process.platform !== "linux" || isEmulated || !existsSync("/proc/sys/vm/nr_hugepages")) return false;
    using _alone = reserveHugePages(0);
    return reservedHugePages() === 0;
  }, "this system has huge pages reserved, or none at all");

  test("that are not reserved are ENOMEM with what to do, that don't exist EINVAL", noneReserved, () => {
    using _alone = reserveHugePages(0);
    fails(() => MappedRegion.anonymous(HUGE, { hugePages: true }), "ENOMEM", {
      syscall: "mmap",
      words: /vm\.nr_hugepages/,
    });
    fails(() => MappedRegion.anonymous(HUGE, { hugePages: "2MB" }), "ENOMEM", {
      syscall: "mmap",
      words: /vm\.nr_hugepages/,
    });
    assert.throws(
      () => MappedRegion.anonymous(1 << 30, { hugePages: "1GB" }),
      failing(["ENOMEM", "EINVAL"], /hugePages|huge pages of that size/),
    );
  });

  test("are used, resized, looked at and given back", hugePagesOnly, () => {
    using _reserved = reserveHugePages(4);
    const available = freeHugePages();
    for (const hugePages of [true, "2MB"] as const) {
      using region = MappedRegion.anonymous(HUGE + 1, { hugePages });
      assert.equal(region.length, HUGE + 1);
      assert(vmFlags(region.address).includes("ht"));
      region.bytes.fill(5);
      assert.equal(freeHugePages(), available - 2);
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
      assert.equal(freeHugePages(), available);
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
    const address = unusedAddress();
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
    fails(() => MappedRegion.map({ ...request, flags: 0 }), "EINVAL", { syscall: "mmap" });
    fails(() => MappedRegion.map({ ...request, offset: 1 }), "EINVAL", {
      syscall: "mmap",
      words: /multiples of the page size/,
    });
    fails(() => MappedRegion.map({ ...request, protection: PROT_READ | PROT_WRITE }), "EACCES", {
      syscall: "mmap",
    });
    assert.throws(
      () => MappedRegion.map({ ...request, fd: 999_999 }),
      failing("EBADF"),
    );
    fails(
      () => MappedRegion.map({ length: 2 ** 50, protection: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS }),
      "ENOMEM",
      { syscall: "mmap" },
    );
    closeSync(fd);
  });
});
