/**
 * Programs that try to break the fault guard, each run in a process of its own by `../guard_test.ts`:
 *
 *     node tests/hostile/programs/guard.ts NAME [on|off]
 *
 * @module
 */
// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, webcrypto } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  openSync,
  read,
  readFileSync,
  readSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import * as zlib from "node:zlib";
import type { RegionTable, SlotHandle } from "../../../ffi/guard/mod.ts";
import { ADDRESSES } from "../../../ffi/guard/discovery.ts";
import { FINGERPRINT } from "../../../ffi/guard/code.ts";
import { LAYOUT } from "../../../ffi/guard/layout.ts";
import { constants } from "../../../ffi/platform.ts";
import { eventually, isEmulated } from "../../helpers/mod.ts";
import { calls, map, openHere, pageSize, run, type TestRegion } from "../guard_support.ts";

const { PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_SHARED } = constants;

/** Reads one byte a page; what stops a compiler from dropping the loop is that the sum is returned. */
function touch(bytes: Uint8Array, step = pageSize): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += step) sum += bytes[at] ?? 0;
  return sum;
}

function sumLoop(bytes: Uint8Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = sum + (bytes[(i * 64) % bytes.length] ?? 0) | 0;
  return sum;
}

function storeLoop(bytes: Uint8Array, count: number): void {
  for (let i = 0; i < count; i++) bytes[(i * 64) % bytes.length] = i;
}

/** A region of 256 pages, all but the first lost. */
function lost(table: RegionTable): TestRegion {
  const region = map(table, 256);
  region.keep(1);
  return region;
}

/** Runs workers of this file, each with its data, until all have answered. */
function workers<T>(data: readonly unknown[]): Promise<T[]> {
  return Promise.all(data.map((item) =>
    new Promise<T>((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: item });
      worker.once("message", resolve);
      worker.once("error", reject);
    })
  ));
}

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const programs: Record<string, (table: RegionTable) => unknown> = {
  /** Every way JavaScript has of touching memory, on lost pages. */
  async access(table) {
    const small = map(table, 4);
    small.keep(1);
    assert.equal(small.bytes[pageSize + 5], 0);
    assert.equal(small.bytes[0], 1);
    assert.equal(small.slot.faults, 1);
    assert.equal(small.slot.lastFault, small.start + pageSize + 5);
    small.bytes[2 * pageSize] = 7;
    assert.equal(small.bytes[2 * pageSize], 7);
    assert.equal(small.slot.faults, 2);
    assert.equal(small.slot.strays, 0);
    small.close();
    assert.equal(small.slot.faults, 2);

    const warm = new Uint8Array(1 << 20);
    const ways: Record<string, (bytes: Uint8Array) => unknown> = {
      interpreter: (bytes) => touch(bytes),
      jitReads: (bytes) => (sumLoop(warm, 1e7), sumLoop(bytes, 1e7)),
      jitStores: (bytes) => (storeLoop(warm, 1e7), storeLoop(bytes, 1e7)),
      latin1: (bytes) => new TextDecoder("latin1").decode(bytes),
      utf8: (bytes) => new TextDecoder().decode(bytes),
      buffer: (bytes) => Buffer.from(bytes),
      bufferIndexOf: (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf("zz"),
      slice: (bytes) => bytes.slice(),
      fill: (bytes) => bytes.fill(3),
      set: (bytes) => bytes.set(new Uint8Array(bytes.length)),
      copyWithin: (bytes) => bytes.copyWithin(0, 1),
      sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
      deflateSync: (bytes) => zlib.deflateSync(bytes),
      structuredClone: (bytes) => structuredClone(bytes),
      digest: (bytes) => webcrypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>),
      deflate: (bytes) => promisify(zlib.deflate)(bytes),
      brotli: (bytes) => promisify(zlib.brotliCompress)(bytes),
    };
    for (const [name, way] of Object.entries(ways)) {
      const region = lost(table);
      await way(region.bytes);
      assert.equal(region.slot.faults, 255, name);
      assert.equal(region.slot.strays, 0, name);
      region.close();
    }

    // System calls meet lost pages with a short count or EFAULT, not with a signal. Any outcome but a crash.
    const region = lost(table);
    const sink = openSync("/dev/null", "w");
    const zeros = openSync("/dev/zero", "r");
    for (
      const call of [
        () => writeSync(sink, region.bytes),
        () => readSync(zeros, region.bytes, 0, region.length, null),
        () => promisify(write)(sink, region.bytes, 0, region.length, null),
        () => promisify(read)(zeros, region.bytes, 0, region.length, null),
      ]
    ) {
      try {
        await call();
      } catch (error) {
        assert.equal((error as { code?: string }).code, "EFAULT");
      }
    }
    closeSync(sink);
    closeSync(zeros);
    region.close();

    const last = map(table, 8);
    last.keep(0);
    const longs = new BigInt64Array(last.bytes.buffer);
    Atomics.add(longs, pageSize / 8, 5n);
    assert.equal(longs[pageSize / 8], 5n);
    new DataView(last.bytes.buffer).setFloat64(3 * pageSize, 1.5);
    assert.equal(last.slot.faults, 2);
    last.close();

    const many = Array.from({ length: 50 }, () => map(table, 8));
    for (const each of many) each.keep(1);
    for (const each of many) touch(each.bytes);
    for (const each of many) assert.equal(each.slot.faults, 7);
    for (const each of many) each.close();

    for (let i = 0; i < 1000; i++) {
      const each = map(table, 4);
      each.keep(1);
      touch(each.bytes);
      assert.equal(each.slot.faults, 3);
      each.close();
    }
    assert.equal(table.chained, 0);
  },

  /** A file that comes back is seen again: pages that are good by now are left alone. */
  regrown(table) {
    const region = map(table, 4);
    region.keep(0);
    region.keep(4);
    assert.equal(touch(region.bytes), 0);
    assert.equal(region.slot.faults, 0);
    region.bytes[0] = 9;
    const byte = new Uint8Array(1);
    readSync(region.descriptor, byte, 0, 1, 0);
    assert.equal(byte[0], 9);
    region.close();
  },

  /** The same place lost and mapped again, many times from the same line of code. */
  remapped(table) {
    const region = map(table, 2);
    for (let i = 0; i < 2000; i++) {
      const there = calls.mmap(
        region.start,
        region.length,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | constants.MAP_FIXED,
        region.descriptor,
        0,
      );
      assert.equal(there, region.start);
      region.keep(0);
      region.bytes[1] = 5;
      assert.equal(region.bytes[1], 5);
      region.keep(2);
    }
    assert.equal(region.slot.faults, 2000);
    region.close();
    // One that faults at one place for ever is given up in the end, but not if it was resized in between.
    const resized = map(table, 1);
    const all = PROT_READ | PROT_WRITE;
    const rounds = process.env["TEST_EMULATOR"] === undefined ? LAYOUT.REPEAT_LIMIT + 10 : 100;
    for (let i = 0; i < rounds; i++) {
      calls.mmap(resized.start, pageSize, all, MAP_SHARED | constants.MAP_FIXED, resized.descriptor, 0);
      resized.keep(0);
      resized.slot.move(resized.start, pageSize);
      resized.bytes[1] = 5;
      resized.keep(1);
    }
    assert.equal(resized.slot.faults, rounds);
    resized.close();
  },

  /** More lost pages than are replaced one by one, beside good ones: those stay as they are. */
  mixed(table) {
    const pages = 4000;
    for (const order of ["up", "down", "random"]) {
      const region = map(table, pages);
      const good = map(table, 1000);
      // Pages 2000 to 2999 of the region are another file's.
      const { MAP_FIXED } = constants;
      calls.mmap(
        region.start + 2000 * pageSize,
        good.length,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_FIXED,
        good.descriptor,
        0,
      );
      region.keep(0);
      const lostPages = Array.from({ length: 3000 }, (_, i) => i < 2000 ? i : i + 1000);
      if (order === "down") lostPages.reverse();
      if (order === "random") lostPages.sort((a, b) => (a * 7919) % 4001 - (b * 7919) % 4001);
      const [count] = [region.slot.lostCount];
      for (const page of lostPages) {
        assert.equal(region.bytes[page * pageSize], 0);
        assert.ok(region.slot.isLost(region.start + page * pageSize, 1), `${order}, page ${page}`);
      }
      assert.ok(
        (count[0] ?? 0) >= 1024 && (count[0] ?? 0) < 3000 || process.env["TEST_EMULATOR"] !== undefined,
      );
      assert.equal(region.slot.faults, count[0]);
      for (let page = 2000; page < 3000; page++) {
        assert.equal(region.bytes[page * pageSize], page - 1999 & 255, `${order}, page ${page}`);
      }
      if (order !== "random") {
        assert.equal(region.slot.isLost(region.start + 2000 * pageSize, 1000 * pageSize), false);
      }
      // What was stored to good pages has reached their file.
      region.bytes[2500 * pageSize] = 201;
      assert.equal(good.bytes[500 * pageSize], 201);
      region.close();
      good.close();
    }

    // A block of read-only pages is copied, one of which is lost: it is told, and the others stay.
    const region = map(table, 4000, { protection: PROT_READ, kind: "shared" });
    for (let page = 0; page < 1100; page++) region.bytes[page * pageSize + 1] = 9;
    // QEMU's user mode can't say whether a page is there.
    if (process.env["TEST_EMULATOR"] !== undefined) return;
    region.keep(2100);
    region.bytes[2090 * pageSize + 1] = 9;
    region.bytes[2110 * pageSize + 1] = 9;
    for (let page = 0; page < 2100; page++) {
      assert.equal(region.bytes[page * pageSize], page + 1 & 255, String(page));
    }
    assert.equal(region.bytes[2090 * pageSize + 1], 9);
    assert.equal(region.slot.isLost(region.start, 2100 * pageSize), false);
    assert.equal(region.slot.isLost(region.start + 2110 * pageSize, 1), true);
    region.close();
  },

  /** Which pages were lost is known for as long as the region lives, to all who have it. */
  async lostRanges(table) {
    const region = map(table, 64);
    const at = (page: number): number => region.start + page * pageSize;
    const lost = (): number[] =>
      Array.from({ length: 64 }, (_, i) => i).filter((i) => region.slot.isLost(at(i), 1));
    const count = region.slot.lostCount;
    region.keep(10);
    touch(region.bytes.subarray(0, 10 * pageSize));
    assert.deepEqual(lost(), []);
    region.bytes[20 * pageSize] = 1;
    touch(region.bytes.subarray(30 * pageSize, 33 * pageSize));
    assert.deepEqual([lost(), count[0]], [[20, 30, 31, 32], 4]);
    assert.equal(region.slot.isLost(at(20) - 1, 1), false);
    assert.equal(region.slot.isLost(at(20) - 1, 2), true);
    assert.equal(region.slot.isLost(at(0), 64 * pageSize), true);
    assert.equal(region.slot.isLost(at(21), 9 * pageSize), false);
    assert.equal(region.slot.isLost(at(20), 0), false);
    region.keep(64);
    assert.deepEqual(lost(), [20, 30, 31, 32]);
    region.keep(10);
    // What lies between two is lost with them: they touch.
    region.bytes[21 * pageSize] = 1;
    region.bytes[29 * pageSize] = 1;
    assert.deepEqual(lost(), [20, 21, 29, 30, 31, 32]);

    // Another isolate meets a lost page, and this one knows.
    await workers([{ program: "scan", start: at(40), length: pageSize }]);
    assert.deepEqual([lost(), count[0]], [[20, 21, 29, 30, 31, 32, 40], 7]);

    // Stray stores are no losses.
    const readOnly = map(table, 4, { protection: PROT_READ, kind: "private" });
    readOnly.bytes[0] = 1;
    assert.deepEqual([readOnly.slot.faults, readOnly.slot.lostCount[0]], [1, 0]);
    assert.equal(readOnly.slot.isLost(readOnly.start, readOnly.length), false);
    readOnly.close();

    // They go with the region: what is cut off is forgotten, what is moved keeps its offset.
    region.slot.move(region.start, 31 * pageSize);
    region.slot.move(region.start, 64 * pageSize);
    assert.deepEqual(lost(), [20, 21, 29, 30]);
    region.slot.suspend();
    region.slot.move(region.start + pageSize, 63 * pageSize);
    assert.deepEqual(lost(), [21, 22, 30, 31]);
    region.slot.suspend();
    region.slot.move(region.start, 64 * pageSize);
    assert.deepEqual(lost(), [20, 21, 29, 30]);
    region.bytes[50 * pageSize] = 1;
    assert.deepEqual(lost(), [20, 21, 29, 30, 50]);

    // More places than there is room for: none is forgotten.
    for (let page = 11; page < 64; page += 3) region.bytes[page * pageSize] = 1;
    const pages = lost();
    for (let page = 11; page < 64; page += 3) assert.ok(pages.includes(page), `${page} in ${pages}`);
    for (const page of [20, 21, 29, 30, 50]) assert.ok(pages.includes(page), `${page} in ${pages}`);
    assert.ok(!pages.some((page) => page < 11), String(pages));
    region.slot.release();
    assert.deepEqual(lost(), pages);
  },

  /** Regions of all sizes that come, go and change their length: each fault is found to lie in its own. */
  found(table) {
    let seed = 1;
    const random = (below: number): number => (seed = seed * 48271 % 0x7fff_ffff) % below;
    const regions: TestRegion[] = [];
    for (let i = 0; i < 400; i++) regions.push(map(table, 1 + random(i % 10 === 0 ? 300 : 9)));
    for (let i = 0; i < 1000; i++) {
      const [at, pages] = [random(regions.length), 1 + random(9)];
      const region = regions[at];
      assert.ok(region);
      if (i % 3 > 0) {
        region.close();
        regions[at] = map(table, pages);
      } else {
        // It is made shorter, and as long as it was.
        region.slot.move(region.start, 1 + random(region.length));
        if (random(2) === 0) region.slot.suspend();
        region.slot.move(region.start, region.length);
      }
    }
    // A second slot over a part of the first one is none in its way.
    const { start, length } = regions[0] ?? assert.fail();
    const over = table.add({ start, length: length / 2, kind: "shared", guarded: true });
    for (const region of regions) {
      region.keep(0);
      touch(region.bytes);
    }
    const first = regions[0]?.slot.faults ?? 0;
    assert.equal(first + over.faults, length / pageSize);
    over.release();
    for (const region of regions.slice(1)) assert.equal(region.slot.faults, region.length / pageSize);
    for (const region of regions) region.close();

    // More regions of one place than a bucket has room for.
    const victim = map(table, 2);
    victim.slot.suspend();
    const crowd = Array.from(
      { length: 40 },
      () => table.add({ start: victim.start, length: pageSize * 2, kind: "shared", guarded: true }),
    );
    for (const slot of crowd.slice(0, 39)) slot.suspend();
    victim.keep(0);
    touch(victim.bytes);
    assert.equal(crowd[39]?.faults, 2);
    for (const slot of crowd) slot.release();
    victim.slot.move(victim.start, victim.length);
    victim.close();
    const [unindexed] = new Uint32Array(calls.arrayBuffer(table.address + LAYOUT.HEADER_UNINDEXED, 4));
    assert.equal(unindexed, 0);
    const index = new Uint32Array(
      calls.arrayBuffer(table.address + LAYOUT.INDEX, LAYOUT.TABLE_SIZE - LAYOUT.INDEX),
    );
    assert.ok(index.every((entry) => entry === 0));
  },

  /** Who takes a region away waits for a handler that is at work on it, however long that takes. */
  async slow(table) {
    const region = map(table, 4);
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const pins = table.address + LAYOUT.RECORDS + region.slot.handle.slot * LAYOUT.RECORD_SIZE +
      LAYOUT.RECORD_PINS;
    const worker = workers<number>([{ program: "pin", pins, gate }]);
    while (Atomics.load(gate, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    region.slot.release();
    assert.equal(Atomics.load(gate, 0), 2); // the handler was done
    await worker;
  },

  /** A loss is counted before anyone can read what has taken the page's place. */
  async countFirst(table) {
    const rounds = Number(process.argv[4] ?? 150);
    const gate = new Int32Array(new SharedArrayBuffer(64));
    const address = new Float64Array(gate.buffer, 16, 2);
    const watcher = workers<number>([{ program: "watch", gate }]);
    for (let round = 1; round <= rounds; round++) {
      const region = map(table, 64);
      address[0] = region.start;
      address[1] = region.slot.handle.slot;
      Atomics.store(gate, 1, 0);
      Atomics.store(gate, 0, round);
      while (Atomics.load(gate, 1) === 0); // until it looks
      region.keep(0);
      touch(region.bytes);
      while (Atomics.load(gate, 1) < 2) Atomics.wait(gate, 1, 1, 100);
      region.close();
    }
    Atomics.store(gate, 0, -1);
    assert.deepEqual(await watcher, [0]);
  },

  /** A handler that was installed after ours calls it as a function: what a function saves is saved. */
  calledAsFunction(table) {
    const handler = machineCode(CALLER, table.address + LAYOUT.CODE);
    setAction(handler, SA_SIGINFO | SA_ONSTACK);
    for (const kind of ["private", "shared"] as const) {
      const region = map(table, 2000);
      region.keep(1);
      touch(region.bytes);
      assert.ok(region.slot.isLost(region.start + pageSize, 1999 * pageSize));
      region.close();
      const readOnly = map(table, 1200, { protection: PROT_READ, kind });
      for (let at = 0; at < readOnly.length; at += pageSize) readOnly.bytes[at] = 1;
      assert.ok(readOnly.slot.strays > 0);
      readOnly.close();
    }
  },

  /** Signals that come while faults are handled wait: they would overflow a small alternate stack. */
  async nested(table) {
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGHUP", "SIGURG"] as const) process.on(signal, () => {});
    const script = "i=0; while [ $i -lt 3000 ]; do " +
      ["USR1", "USR2", "HUP", "URG"].map((name) => `kill -${name} ${process.pid} || exit;`).join(" ") +
      " i=$((i+1)); done";
    const sender = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
    // Told by the end of its output: in Node, where signals go through a pipe, so many of them can crowd out SIGCHLD.
    sender.unref();
    let running = true;
    sender.stdout.resume().once("end", () => running = false);
    while (running) {
      const region = map(table, 256);
      region.keep(0);
      touch(region.bytes);
      assert.equal(region.slot.faults, 256);
      region.close();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  },

  /** Stores to read-only pages: the file is never touched, other pages go on showing it. */
  strays(table) {
    for (const kind of ["private", "shared"] as const) {
      const region = map(table, 256, { protection: PROT_READ, kind });
      assert.equal(region.bytes[0], 1);
      region.bytes[0] = 99;
      region.bytes[1] = 98;
      assert.deepEqual([...region.bytes.subarray(0, 3)], [99, 98, 0]);
      assert.equal(region.slot.strays, 1);
      assert.equal(region.slot.faults, 1);
      storeLoop(region.bytes, 1e7);
      assert.equal(region.slot.strays, 256);

      const file = new Uint8Array(region.length);
      readSync(region.descriptor, file, 0, file.length, 0);
      for (let page = 0; page < 256; page++) assert.equal(file[page * pageSize], page + 1 & 255);
      region.close();

      const fresh = map(table, 8, { protection: PROT_READ, kind });
      fresh.bytes[0] = 1;
      writeSync(fresh.descriptor, Uint8Array.of(42), 0, 1, pageSize + 1);
      assert.equal(fresh.bytes[pageSize + 1], 42);
      // QEMU's user mode can't say whether a page is there: the handler would fault when copying it.
      if (kind === "private" || process.env["TEST_EMULATOR"] === undefined) {
        fresh.keep(0);
        fresh.bytes[2 * pageSize] = 3;
        assert.equal(fresh.bytes[2 * pageSize], 3);
        assert.equal(touch(fresh.bytes), 3 + (fresh.bytes[0] ?? 0));
      }
      fresh.close();

      // PROT_NONE: reading gives the data, storing a copy.
      const hidden = map(table, 4, { protection: PROT_NONE, kind });
      assert.equal(hidden.bytes[pageSize], 2);
      hidden.bytes[pageSize] = 77;
      hidden.bytes[2 * pageSize + 1] = 78;
      assert.deepEqual([...hidden.bytes.subarray(2 * pageSize, 2 * pageSize + 3)], [3, 78, 0]);
      assert.equal(hidden.bytes[pageSize], 77);
      readSync(hidden.descriptor, file, 0, 4 * pageSize, 0);
      assert.deepEqual([file[pageSize], file[2 * pageSize]], [2, 3]);
      // Three, where the kernel says which accesses are reads (QEMU's user mode doesn't).
      assert.ok(hidden.slot.strays === 3 || hidden.slot.strays === 2);
      hidden.close();

      // Protected again and again, stored to from one place: each is a new stray access.
      const again = map(table, 1, { protection: PROT_READ, kind });
      for (let i = 1; i <= 3000; i++) {
        again.bytes[7] = i;
        assert.equal(again.bytes[7], i & 255);
        calls.mprotect(again.start, again.length, PROT_READ);
        again.slot.protectionChanged(false);
      }
      assert.equal(again.slot.strays, 3000);
      again.close();
    }
    assert.equal(table.chained, 0);
  },

  /** Far more pages than the kernel grants mappings, every other one touched. */
  limits(table) {
    const pages = 140_000; // half of them are more than 65,530, which are granted
    const step = 2 * pageSize;
    const lostPages = map(table, pages);
    lostPages.keep(0);
    for (let at = 0; at < lostPages.length; at += step) lostPages.bytes[at] = 1;
    const kept = map(table, pages, { protection: PROT_READ, kind: "private" });
    for (let at = 0; at < kept.length; at += step) kept.bytes[at] = 1;
    const copied = map(table, pages, { protection: PROT_READ, kind: "shared" });
    for (let at = 0; at < copied.length; at += step) copied.bytes[at] = 1;
    for (const region of [lostPages, kept, copied]) assert.equal(touch(region.bytes, step), pages / 2);
    say([lostPages, kept, copied].map((region) => region.slot.faults));
    if (process.platform === "linux") say(readFileSync("/proc/self/maps", "utf8").split("\n").length);
    for (const region of [lostPages, kept, copied]) region.close();

    // QEMU's user mode may loop at the limit, without delivering a signal.
    if (process.env["TEST_EMULATOR"] !== undefined) return;

    // The kernel's limit is reached by others: what can't be replaced singly is replaced as a whole.
    const victim = map(table, 64);
    const unrelated = calls.mmap(0, 140_000 * pageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (let page = 0; page < 140_000; page += 2) {
      if (calls.mprotect(unrelated + page * pageSize, pageSize, PROT_READ) === -1) break;
    }
    victim.keep(0);
    for (let page = 1; page < 64; page += 2) victim.bytes[page * pageSize] = 1;
    touch(victim.bytes);
    victim.bytes[5] = 6;
    assert.equal(victim.bytes[5], 6);
    say(victim.slot.faults);
    calls.munmap(unrelated, 140_000 * pageSize);
    victim.close();
  },

  /** Four workers on one region that is truncated under them, a thousand times. */
  async workers(table) {
    const region = map(table, 512);
    region.keep(1);
    await workers([0, 1, 2, 3].map(() => ({ program: "scan", start: region.start, length: region.length })));
    assert.ok(region.slot.faults >= 511 && region.slot.faults <= 512, String(region.slot.faults));
    region.close();

    const gate = new Int32Array(new SharedArrayBuffer(64));
    const running = workers([0, 1, 2, 3].map(() => ({ program: "hammer", gate })));
    let faults = 0;
    const rounds = Number(process.argv[4] ?? 1000);
    for (let round = 1; round <= rounds; round++) {
      const each = map(table, 64);
      const address = new Float64Array(gate.buffer, 16, 2);
      address[0] = each.start;
      address[1] = each.length;
      Atomics.store(gate, 1, 0);
      Atomics.store(gate, 0, round);
      Atomics.notify(gate, 0);
      each.keep(0);
      while (Atomics.load(gate, 1) < 4) Atomics.wait(gate, 1, Atomics.load(gate, 1), 100);
      faults += each.slot.faults;
      each.close();
    }
    Atomics.store(gate, 0, -1);
    Atomics.notify(gate, 0);
    await running;
    say({ faults });
    assert.equal(table.chained, 0);
  },

  /** Stores of several threads to lost pages: none is undone by another thread's replacing the page. */
  async counting(table) {
    const region = map(table, 256);
    region.keep(0);
    const rounds = Number(process.argv[4] ?? (isEmulated ? 2 : 5));
    for (let round = 0; round < rounds; round++) {
      await workers(
        [0, 1, 2, 3].map(() => ({ program: "count", start: region.start, length: region.length })),
      );
    }
    const words = new Int32Array(region.bytes.buffer);
    for (let at = 0; at < words.length; at += pageSize / 4) assert.equal(words[at], 4 * rounds);
    region.close();
  },

  /** Two workers enter and leave the table as fast as they can while two others fault. */
  async storm(table) {
    const count = Number(process.argv[4] ?? 200_000);
    const answers = await workers<number[]>([
      { program: "enter", count },
      { program: "enter", count },
      { program: "fault", count: count / 100 },
      { program: "fault", count: count / 100 },
    ]);
    const [used] = answers.map((answer) => answer[0]);
    say(answers);
    assert.ok((used ?? Infinity) < 40, `${used} slots used`);
    assert.equal(table.chained, 0);
  },

  /** Everyone finds the same table and handler; regions can be attached to, as long as someone holds them. */
  async sharing(table) {
    const handlers = (): string[] => {
      const scratch = calls.mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      const view = new DataView(calls.arrayBuffer(scratch, 4096));
      const found = [7, 11].map((signal) => {
        calls.sigaction(signal, 0, scratch);
        return view.getBigUint64(0, true).toString(16);
      });
      calls.munmap(scratch, 4096);
      return found;
    };
    const before = handlers();
    if (table.guarded) assert.deepEqual(before, Array(2).fill((table.address + LAYOUT.CODE).toString(16)));
    assert.equal(openHere().address, table.address);
    const answers = await workers<number>(Array.from({ length: 8 }, () => ({ program: "address" })));
    assert.deepEqual(new Set(answers), new Set([table.address]));
    assert.deepEqual(handlers(), before);

    const region = map(table, 4);
    assert.deepEqual(
      await workers([{ program: "attach", handle: region.slot.handle }]),
      [{ start: region.start, length: region.length, left: 1, guarded: table.guarded }],
    );
    assert.equal(region.slot.owners, 1);
    region.close();
    assert.deepEqual(await workers([{ program: "attach", handle: region.slot.handle }]), ["gone"]);
  },

  /** A worker that held a region is terminated: others go on. */
  async terminated(table) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { program: "hold" } });
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    const region = map(table, 4);
    region.keep(0);
    assert.equal(touch(region.bytes), 0);
    assert.equal(region.slot.faults, 4);
  },

  /** Workers that ended, or were terminated, with regions open: what was theirs alone is unmapped, the rest is released. */
  async ended(table) {
    const start = (program: string, handle?: SlotHandle): Promise<{ worker: Worker; start: number }> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: { program, handle } });
        worker.once("message", (start: number) => resolve({ worker, start }));
        worker.once("error", reject);
      });
    const isMapped = (start: number): boolean => calls.msync(start, pageSize, constants.MS_ASYNC) === 0;
    const shared = map(table, 4);
    const touched = (): boolean => {
      table.add({ start: 2 ** 45, length: pageSize, kind: "shared", guarded: true }).release();
      return true;
    };
    for (const end of ["terminate", "return"]) {
      const held = await start(end === "return" ? "holdAndEnd" : "holdOn", shared.slot.handle);
      if (end === "terminate") {
        assert.equal(shared.slot.owners, 2);
        assert.equal(shared.slot.alone(() => {}), false);
        await held.worker.terminate();
      }
      // A thread has ended a little later than its worker.
      assert.ok(await eventually(() => touched() && !isMapped(held.start)), end);
      assert.deepEqual([shared.slot.owners, shared.slot.lingering], [1, 0]);
      assert.equal(shared.slot.alone(() => {}), true);
    }
    // One whose buffer may be somebody else's by now is covered, and may be touched.
    const viewed = await start("holdViewed");
    assert.equal(new Uint8Array(calls.arrayBuffer(viewed.start, pageSize))[0], 1);
    await viewed.worker.terminate();
    assert.ok(
      await eventually(() => touched() && new Uint8Array(calls.arrayBuffer(viewed.start, pageSize))[0] === 0),
    );
    // One that was terminated in the middle of a change: who attaches is not kept waiting.
    const changing = await start("holdChanging");
    await changing.worker.terminate();
    for (let round = 0; round < 30; round++) {
      touched();
      assert.equal(isMapped(changing.start), true);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // Many, with many regions each: no slot stays behind.
    const used = (): number | undefined =>
      new Uint32Array(calls.arrayBuffer(table.address, 64))[LAYOUT.HEADER_USED / 4];
    const first = used() ?? 0;
    for (let i = 0; i < 5; i++) {
      const { worker } = await start("holdMany");
      await worker.terminate();
      assert.ok(await eventually(() => touched() && table.retain(shared.slot.handle)?.release() === 1));
    }
    await eventually(() => touched() && (used() ?? 0) < first + 250);
    say([first, used()]);
    assert.ok((used() ?? 0) < first + 250, String(used()));
    shared.close();
  },

  /** Something else lies at the appointed addresses: memory without permissions, a table's worth or less. */
  occupied(table) {
    assert.equal(ADDRESSES["linux"]?.indexOf(table.address), 3);
    assert.equal(table.guarded, true);
    const region = map(table, 4);
    region.keep(0);
    assert.equal(touch(region.bytes), 0);
    region.close();
  },

  /** Files that look like the table lie where it should. */
  forged(table) {
    assert.equal(ADDRESSES["linux"]?.indexOf(table.address), 3);
    assert.equal(table.guarded, true);
    const region = map(table, 4);
    region.keep(0);
    assert.equal(touch(region.bytes), 0);
    region.close();
  },

  /** A child starts afresh: handlers and mappings end with exec(2). */
  forked(table) {
    assert.equal(run("regrown").status, 0);
    const region = map(table, 4);
    region.keep(0);
    assert.equal(touch(region.bytes), 0);
    region.close();
  },

  // What is none of ours, and has to end as it would have without us.

  bus() {
    const descriptor = openSync(`/dev/shm/guard-bus-${process.pid}`, "w+");
    unlinkSync(`/dev/shm/guard-bus-${process.pid}`);
    ftruncateSync(descriptor, pageSize);
    const start = calls.mmap(0, pageSize, PROT_READ, MAP_SHARED, descriptor, 0);
    ftruncateSync(descriptor, 0);
    say(new Uint8Array(calls.arrayBuffer(start, pageSize))[0]);
  },

  segv() {
    const start = calls.mmap(0, pageSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    new Uint8Array(calls.arrayBuffer(start, pageSize))[0] = 1;
  },

  unmapped() {
    // Much address space, of which the middle is read: what other threads map meanwhile goes to its ends.
    const length = 2 ** 30;
    const start = calls.mmap(0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bytes = new Uint8Array(calls.arrayBuffer(start + length / 2, pageSize));
    calls.munmap(start, length);
    say(bytes[0]);
  },

  /** A region without a guard is none of ours either. */
  unguarded(table) {
    const region = map(table, 2, { guarded: false });
    region.keep(0);
    say(region.bytes[0]);
  },

  /** Nor is a region that was given up. */
  released(table) {
    const region = map(table, 2);
    region.slot.release();
    region.keep(0);
    say(region.bytes[0]);
  },

  noStrays(table) {
    map(table, 2, { protection: PROT_READ, strays: false }).bytes[0] = 1;
  },

  async killBus() {
    process.kill(process.pid, "SIGBUS");
    await new Promise((resolve) => setTimeout(resolve, 300));
    say("alive");
  },

  async killSegv() {
    process.kill(process.pid, "SIGSEGV");
    await new Promise((resolve) => setTimeout(resolve, 300));
    say("alive");
  },

  async ignored() {
    for (const signal of ["SIGBUS", "SIGSEGV"]) process.kill(process.pid, signal);
    await new Promise((resolve) => setTimeout(resolve, 300));
    say("alive");
  },

  ignoredFault: (table) => programs["bus"]?.(table),

  /** The handler that was there before finds the mask that it asked for. */
  async mask() {
    process.kill(process.pid, "SIGBUS");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [mask] = new BigUint64Array(calls.arrayBuffer(recorded, 8));
    say(`${mask?.toString(16)}`);
    assert.equal((mask ?? 0n) & 0x442n, 0x440n); // SIGSEGV and SIGBUS, but not SIGINT
  },

  async once() {
    for (let i = 0; i < 2; i++) {
      process.kill(process.pid, "SIGBUS");
      await new Promise((resolve) => setTimeout(resolve, 100));
      say("alive");
    }
  },

  overflow() {
    const deeper = (depth: number): number => 1 + deeper(depth + 1);
    for (let i = 0; i < 20; i++) {
      try {
        deeper(0);
      } catch (error) {
        say((error as Error).constructor.name);
      }
    }
  },

  wasm() {
    // (module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))
    const module = new WebAssembly.Module(Uint8Array.from(
      Buffer.from(
        "0061736d0100000001060160017f017f03020100050301000107050101660000" + "0a0901070020002802000b",
        "hex",
      ),
    ));
    const load = new WebAssembly.Instance(module).exports["f"] as (at: number) => number;
    for (let i = 0; i < 20_000; i++) load(i & 1023);
    let traps = 0;
    for (let i = 0; i < 1000; i++) {
      try {
        load(0x7fff_0000);
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) traps++;
      }
    }
    say({ traps });
  },

  /** What it costs. Not a test. */
  cost(table) {
    const time = (name: string, count: number, work: () => void): void => {
      const start = performance.now();
      work();
      say(`${name}: ${((performance.now() - start) * 1e6 / count).toFixed(1)} ns`);
    };
    const add = (start: number) => table.add({ start, length: pageSize, kind: "shared", guarded: true });
    for (let i = 0; i < 2; i++) {
      time("add + release", 200_000, () => {
        for (let k = 0; k < 200_000; k++) add(2 ** 45).release();
      });
    }
    const region = map(table, 1000);
    let sum = 0;
    for (let i = 0; i < 2; i++) {
      time("reading the count", 1e7, () => {
        for (let k = 0; k < 1e7; k++) sum += region.slot.faults;
      });
    }
    assert.equal(sum, 0);
    region.keep(0);
    time("a lost page", 1000, () => touch(region.bytes));
    assert.equal(region.slot.faults, 1000);
    for (const kind of ["private", "shared"] as const) {
      const readOnly = map(table, 1000, { protection: PROT_READ, kind });
      time(`a stray store, ${kind}`, 1000, () => {
        for (let at = 0; at < readOnly.length; at += pageSize) readOnly.bytes[at] = 1;
      });
      readOnly.close();
    }
    for (const others of [1000, 10_000, 60_000]) {
      const slots = Array.from({ length: others }, (_, i) => add(2 ** 45 + i * pageSize));
      const last = map(table, 1000);
      last.keep(0);
      time(`a lost page, with ${others} other regions`, 1000, () => touch(last.bytes));
      last.close();
      for (const slot of slots) slot.release();
    }
    const start = performance.now();
    openHere();
    say(`opening it again: ${(performance.now() - start).toFixed(3)} ms`);
  },
};

type Task =
  | { program: "scan"; start: number; length: number }
  | { program: "hammer"; gate: Int32Array }
  | { program: "count"; start: number; length: number }
  | { program: "enter"; count: number }
  | { program: "fault"; count: number }
  | { program: "watch"; gate: Int32Array }
  | { program: "pin"; pins: number; gate: Int32Array }
  | { program: "address" }
  | { program: "attach"; handle: SlotHandle }
  | { program: "hold" }
  | { program: "holdOn" | "holdAndEnd" | "holdViewed" | "holdChanging" | "holdMany"; handle?: SlotHandle };

function work(task: Task): unknown {
  switch (task.program) {
    case "scan": {
      const bytes = new Uint8Array(calls.arrayBuffer(task.start, task.length));
      let sum = 0;
      for (let round = 0; round < 100; round++) sum += touch(bytes, 448);
      return sum;
    }
    case "hammer": {
      const { gate } = task;
      const address = new Float64Array(gate.buffer, 16, 2);
      for (let round = 0;;) {
        Atomics.wait(gate, 0, round, 100);
        const next = Atomics.load(gate, 0);
        if (next === round) continue;
        if (next === -1) return 0;
        round = next;
        const bytes = new Uint8Array(calls.arrayBuffer(address[0] ?? 0, address[1] ?? 0));
        for (let at = 0; at < bytes.length; at += 512) {
          bytes[at + 1] = touch(bytes.subarray(at, at + 512), 64);
        }
        Atomics.add(gate, 1, 1);
        Atomics.notify(gate, 1);
      }
    }
    case "count": {
      const words = new Int32Array(calls.arrayBuffer(task.start, task.length));
      for (let at = 0; at < words.length; at += pageSize / 4) Atomics.add(words, at, 1);
      return 0;
    }
    case "enter": {
      const table = openHere();
      for (let i = 0; i < task.count; i++) {
        const slots = Array.from(
          { length: 1 + i % 8 },
          (_, k) =>
            table.add({
              start: 2 ** 45 + (i + k) * pageSize,
              length: pageSize,
              kind: "shared",
              guarded: true,
            }),
        );
        for (const slot of slots) slot.release();
        i += slots.length - 1;
      }
      return [new Uint32Array(calls.arrayBuffer(table.address, 64))[LAYOUT.HEADER_USED / 4]];
    }
    case "fault": {
      const table = openHere();
      for (let i = 0; i < task.count; i++) {
        const region = map(table, 4);
        region.keep(1);
        touch(region.bytes);
        assert.equal(region.slot.faults, 3);
        region.close();
      }
      return [0];
    }
    case "pin": {
      // As a handler does that storage keeps waiting.
      const pins = new Int32Array(calls.arrayBuffer(task.pins, 4));
      Atomics.add(pins, 0, 1);
      Atomics.store(task.gate, 0, 1);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
      Atomics.store(task.gate, 0, 2);
      Atomics.sub(pins, 0, 1);
      return 0;
    }
    case "watch": {
      const { gate } = task;
      const address = new Float64Array(gate.buffer, 16, 2);
      const counts = new Uint32Array(calls.arrayBuffer(openHere().address, LAYOUT.TABLE_SIZE));
      let wrong = 0;
      for (let round = 0;;) {
        const next = Atomics.load(gate, 0);
        if (next === -1) return wrong;
        if (next === round) continue;
        round = next;
        const bytes = new Uint8Array(calls.arrayBuffer(address[0] ?? 0, 64 * pageSize));
        const record = LAYOUT.RECORDS + (address[1] ?? 0) * LAYOUT.RECORD_SIZE;
        const count = (record + LAYOUT.RECORD_LOST_COUNT) / 4;
        Atomics.store(gate, 1, 1);
        for (let page = 0; page < 64; page++) {
          while (Atomics.load(bytes, page * pageSize) !== 0);
          if (Atomics.load(counts, count) <= page) wrong++;
        }
        Atomics.store(gate, 1, 2);
        Atomics.notify(gate, 1);
      }
    }
    case "address":
      return openHere().address;
    case "attach": {
      const slot = openHere().retain(task.handle);
      if (slot === undefined) return "gone";
      const { start, length, guarded } = slot;
      return { start, length, guarded, left: slot.release() };
    }
    case "hold":
      map(openHere(), 4);
      return 0;
    case "holdOn":
    case "holdAndEnd":
    case "holdViewed":
    case "holdChanging":
    case "holdMany": {
      const table = openHere();
      if (task.handle !== undefined) {
        table.retain(task.handle);
        table.retain(task.handle)?.linger();
      }
      const region = map(table, 4);
      if (task.program === "holdViewed") region.slot.view();
      if (task.program === "holdMany") { for (let i = 0; i < 100; i++) map(table, 1); }
      if (task.program !== "holdAndEnd") parentPort?.on("message", () => {});
      if (task.program === "holdChanging") {
        region.slot.alone(() => {
          parentPort?.postMessage(region.start);
          for (;;); // until it is terminated
        });
      }
      return region.start;
    }
  }
}

/** Gives SIGBUS and SIGSEGV an action, as a program might that loads the library later. */
function setAction(handler: number, flags: number, mask = 0n): void {
  const scratch = calls.mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const view = new DataView(calls.arrayBuffer(scratch, 4096));
  view.setBigUint64(0, BigInt(handler), true);
  view.setBigUint64(8, mask, true);
  view.setUint32(136, flags, true);
  for (const signal of [7, 11]) assert.equal(calls.sigaction(signal, scratch, 0), 0);
}

/** Machine code for this processor, whose last eight bytes are `value`. */
function machineCode(codes: Readonly<Record<string, string>>, value?: number): number {
  const code = Buffer.from(codes[process.arch] ?? "", "base64");
  if (value !== undefined) code.writeBigUInt64LE(BigInt(value), code.length - 8);
  const start = calls.mmap(0, pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  new Uint8Array(calls.arrayBuffer(start, pageSize)).set(code);
  calls.mprotect(start, pageSize, PROT_READ | constants.PROT_EXEC);
  return start;
}

/** A signal handler that returns. */
const RETURN = { x64: "ww==", arm64: "wANf1g==" };

/** One that gives the callee-saved registers values, calls the function at `value`, and traps if one has changed. */
const CALLER = {
  x64:
    "U1VBVEFVQVZBV0iD7Ai7AQEAAL0CAQAAQbwDAQAAQb0EAQAAQb4FAQAAQb8GAQAA/xVKAAAAgfsBAQAAdTuB/QIBAAB1M0GB/AMB" +
    "AAB1KkGB/QQBAAB1IUGB/gUBAAB1GEGB/wYBAAB1D0iDxAhBX0FeQV1BXF1bww8LDx9EAAAAAAAAAAAAAA==",
  arm64:
    "/4MB0fNTAKn1WwGp92MCqflrA6n7cwSp/XsFqXMCgNKUAoDStQKA0tYCgNL3AoDSGAOA0jkDgNJaA4DSewOA0pwDgNK9A4DSUAQA" +
    "WAACP9Z/TgDxoQMAVJ9SAPFhAwBUv1YA8SEDAFTfWgDx4QIAVP9eAPGhAgBUH2MA8WECAFQ/ZwDxIQIAVF9rAPHhAQBUf28A8aEB" +
    "AFSfcwDxYQEAVL93APEhAQBU81NAqfVbQan3Y0Kp+WtDqftzRKn9e0Wp/4MBkcADX9YAAAAAHyAD1QAAAAAAAAAA",
};

/** One that stores the signal mask at `value`: rt_sigprocmask(2). */
const MASK_RECORDER = {
  x64: "uA4AAAAx/zH2SIsVEAAAAEG6CAAAAA8Fww8fgAAAAAAAAAAAAAAAAA==",
  arm64: "6BCA0gAAgNIBAIDSogAAWAMBgNIBAADUwANf1h8gA9UAAAAAAAAAAA==",
};

/** Where it stores it. */
let recorded = 0;

const SIG_IGN = 1;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x0800_0000;
const SA_RESETHAND = 0x8000_0000;

/** What happens before the table is opened. */
const before: Record<string, () => void> = {
  ignored: () => setAction(SIG_IGN, 0),
  ignoredFault: () => setAction(SIG_IGN, 0),
  once: () => setAction(machineCode(RETURN), SA_RESETHAND),
  mask() {
    recorded = calls.mmap(0, pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    setAction(machineCode(MASK_RECORDER, recorded), SA_SIGINFO, 1n << 11n - 1n); // SIGSEGV
  },
  forged() {
    const { MAP_FIXED_NOREPLACE = 0 } = constants;
    const path = `/dev/shm/guard-forged-${process.pid}`;
    for (const [i, flags] of [MAP_SHARED, MAP_PRIVATE, MAP_SHARED].entries()) {
      const descriptor = openSync(path, "w+");
      unlinkSync(path);
      ftruncateSync(descriptor, LAYOUT.TABLE_SIZE);
      const header = new BigUint64Array([0x6d61_7070n << 32n | BigInt(FINGERPRINT), 2n]);
      writeSync(descriptor, new Uint8Array(header.buffer), 0, 16, 0);
      const address = ADDRESSES["linux"]?.[i] ?? 0;
      const all = PROT_READ | PROT_WRITE;
      const there = calls.mmap(
        address,
        LAYOUT.TABLE_SIZE,
        all,
        flags | MAP_FIXED_NOREPLACE,
        descriptor,
        0,
      );
      assert.equal(there, address);
      if (i === 2) ftruncateSync(descriptor, 0);
    }
  },
  occupied() {
    const { MAP_FIXED_NOREPLACE = 0 } = constants;
    const sizes = [LAYOUT.TABLE_SIZE, pageSize, 2 * LAYOUT.TABLE_SIZE];
    for (const [i, size] of sizes.entries()) {
      const address = ADDRESSES["linux"]?.[i] ?? 0;
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
      assert.equal(calls.mmap(address, size, PROT_NONE, flags, -1, 0), address);
    }
  },
};

if (isMainThread) {
  const [, , name = "", guard = "on"] = process.argv;
  if (name === "names") {
    say(Object.keys(programs));
    process.exit(0);
  }
  const program = programs[name];
  assert.ok(program, `no such program: ${name}`);
  before[name]?.();
  const table = openHere(guard === "off" ? "off" : "on");
  await program(table);
  say("done");
  process.exit(0);
} else {
  parentPort?.postMessage(work(workerData as Task));
}
