import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { MappedRegion, RegionClosedError } from "../../mod.ts";
import {
  anonymousSharedMemory,
  Channel,
  createSharedMemory,
  Event,
  lockFile,
  lockFileSync,
  notify,
  Once,
  ReadWriteLock,
  Semaphore,
  wait,
  waitSync,
} from "../../src/ipc/mod.ts";
import { describeWhere, fails, linuxOnly, runtimeName, temporaryDirectory } from "../helpers/mod.ts";
import { peer, RUNTIMES, sharedRegion, uniqueName, well } from "./support.ts";

describeWhere("wait and notify", linuxOnly, () => {
  test("a word that is not as expected is not waited for", async () => {
    using region = sharedRegion();
    assert.equal(waitSync(region, 0, 1), "not-equal");
    assert.equal(await wait(region, 4, -1), "not-equal");
    assert.equal(notify(region, 0), 0);
  });

  test("the time may be over", async () => {
    using region = sharedRegion();
    assert.equal(waitSync(region, 0, 0, { timeout: 5 }), "timed-out");
    assert.equal(await wait(region, 0, 0, { timeout: 5 }), "timed-out");
    assert.equal(await wait(region, 0, 0, { timeout: 0 }), "timed-out");
  });

  test("more waits than any pool has threads, on as many words, hold up nobody", async () => {
    using region = sharedRegion(8192);
    const words = region.array(Int32Array);
    const all = Array.from({ length: 600 }, (_, index) => wait(region, index * 4, 0));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await setTimeout(30);
    assert(turns > 0);
    for (let index = 0; index < 600; index++) {
      words[index] = 1;
      notify(region, index * 4);
    }
    assert.deepEqual(new Set(await Promise.all(all)), new Set(["ok"]));
    clearInterval(timer);
  });

  test("however many wait for a word in one isolate, they count as one", async () => {
    using region = sharedRegion();
    const all = Promise.all(Array.from({ length: 300 }, () => wait(region, 0, 0)));
    let over = false;
    void all.then(() => over = true);
    let woken = 0;
    while (woken === 0 && !over) {
      await setTimeout(1); // until the thread that waits for them has begun to
      woken = notify(region, 0);
    }
    assert(woken <= 1, `${woken} were woken`); // 0 where the kernel can't wait for several words, and they are polled
    assert.deepEqual(new Set(await all), new Set(["ok"]));
  });

  test("a signal aborts, a closed region rejects", async () => {
    const region = sharedRegion();
    const controller = new AbortController();
    const first = wait(region, 0, 0, { signal: controller.signal });
    const second = wait(region, 4, 0);
    const third = wait(region, 8, 0);
    await setTimeout(5);
    controller.abort();
    await assert.rejects(first, { name: "AbortError" });
    const other = new AbortController();
    const aborted = wait(region, 0, 0, { signal: other.signal });
    other.abort(null);
    assert.deepEqual(await Promise.allSettled([aborted]), [{ status: "rejected", reason: null }]);
    region.array(Int32Array)[1] = 1;
    notify(region, 4, 1);
    assert.equal(await second, "ok");
    region.close();
    await assert.rejects(third, RegionClosedError);
    await assert.rejects(wait(region, 0, 0), RegionClosedError);
    assert.throws(() => notify(region, 0), RegionClosedError);
  });

  test("wrong arguments are refused", async () => {
    using region = sharedRegion();
    assert.throws(() => waitSync(region, 2, 0), /multiple of 4/);
    assert.throws(() => waitSync(region, 4096, 0), RangeError);
    assert.throws(() => waitSync(region, 0, 2 ** 31), RangeError);
    assert.throws(() => waitSync(region, 0, "0" as unknown as number), TypeError);
    assert.throws(() => notify(region, 0, -1), RangeError);
    using own = MappedRegion.anonymous(4096);
    await assert.rejects(wait(own, 0, 0), /not shared/);
  });

  for (const runtime of RUNTIMES) {
    test(`wakes a process of ${runtime}, and is woken by it`, async () => {
      using unique = uniqueName();
      using region = createSharedMemory(unique.name, 4096);
      const words = region.array(Int32Array);
      await using other = peer(runtime, "ping_pong", unique.name, "200");
      for (let round = 1; round <= 200; round++) {
        while (Atomics.load(words, 0) < round) {
          if (round % 2 === 0) await wait(region, 0, round - 1, { timeout: 10_000 });
          else waitSync(region, 0, round - 1, { timeout: 10_000 });
        }
        Atomics.store(words, 16, round);
        notify(region, 64);
      }
      await well(other);
    });
  }

  test("works between the workers of a process", async () => {
    using region = sharedRegion();
    const worker = new Worker(new URL("./programs/worker.ts", import.meta.url), {
      workerData: region.handle(),
    });
    const words = region.array(Int32Array);
    while (Atomics.load(words, 0) === 0) await wait(region, 0, 0);
    Atomics.store(words, 1, 1);
    notify(region, 4);
    const [code, mutexes] = await Promise.all([
      new Promise((resolve) => worker.once("exit", resolve)),
      new Promise((resolve) => worker.once("message", resolve)),
    ]);
    assert.deepEqual([code, mutexes], [0, "done"]);
  });
});

describeWhere("Semaphore", linuxOnly, () => {
  test("has the permits it was made with, less those taken, and those released", async () => {
    using region = sharedRegion();
    const semaphore = new Semaphore(region, 64, { initial: 2 });
    const same = new Semaphore(region, 64, { initial: 7 });
    assert.equal(same.permits, 2);
    assert(semaphore.tryAcquire());
    same.acquireSync();
    assert(!same.tryAcquire());
    fails(() => same.acquireSync({ timeout: 5 }), "ETIMEDOUT");
    await assert.rejects(same.acquire({ timeout: 5 }), { code: "ETIMEDOUT" });
    await assert.rejects(same.acquire({ signal: AbortSignal.timeout(5) }), { name: "TimeoutError" });
    const waiting = [same.acquire(), same.acquire(), semaphore.acquire()];
    await setTimeout(5);
    same.release(2);
    await Promise.any(waiting);
    same.release();
    await Promise.all(waiting);
    assert.equal(semaphore.permits, 0);
    semaphore.release(2 ** 30);
    fails(() => semaphore.release(), "EOVERFLOW");
    assert.throws(() => semaphore.release(0), RangeError);
    assert.throws(() => new Semaphore(region, 128, { initial: -1 }), RangeError);
    fails(() => new Event(region, 64), "EINVAL", /SEM1|something else/);
  });

  test("a polluted Object.prototype sets no option", () => {
    using region = sharedRegion(1 << 15);
    const polluted = { initial: 5, capacity: 1024, senders: "none", exclusive: true, name: "polluted" };
    for (const [key, value] of Object.entries(polluted)) {
      Object.defineProperty(Object.prototype, key, { value, configurable: true, writable: true });
    }
    try {
      assert.equal(new Semaphore(region, 0).permits, 0);
      assert.equal(new Channel(region, { offset: 64 }).capacity, 16_384);
      using unique = uniqueName();
      createSharedMemory(unique.name, 100).close();
      createSharedMemory(unique.name, 100).close();
      using _memory = anonymousSharedMemory(100);
      assert.doesNotMatch(readFileSync("/proc/self/maps", "utf8"), /memfd:polluted/);
    } finally {
      for (const key of Object.keys(polluted)) Reflect.deleteProperty(Object.prototype, key);
    }
  });

  test("its layout is the one that is documented", () => {
    using region = sharedRegion();
    new Semaphore(region, 0, { initial: 3 });
    new Event(region, 64).set();
    new Once(region, 128).runSync(() => undefined);
    const words = region.array(Int32Array);
    assert.deepEqual([words[0], words[1], words[10]], [4, 0, 0x314d4553]);
    assert.deepEqual([words[16], words[17], words[26]], [1, 0, 0x31545645]);
    assert.deepEqual([words[32], words[36], words[42], words[44]], [0, 0x90, 0x31434e4f, 1]);
  });
});

describeWhere("Event", linuxOnly, () => {
  test("lets all go on who wait, until it is reset", async () => {
    using region = sharedRegion();
    const event = new Event(region);
    assert(!event.isSet);
    fails(() => event.waitSync({ timeout: 5 }), "ETIMEDOUT");
    const waiting = Promise.all([event.wait(), event.wait(), new Event(region).wait()]);
    await setTimeout(5);
    event.set();
    await waiting;
    event.waitSync();
    await event.wait();
    assert(event.isSet);
    event.reset();
    await assert.rejects(event.wait({ timeout: 5 }), { code: "ETIMEDOUT" });
  });
});

describeWhere("Once", linuxOnly, () => {
  test("is done once", async () => {
    using region = sharedRegion();
    const once = new Once(region);
    const other = new Once(region);
    let count = 0;
    assert(!once.done);
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? once : other).run(async () => {
          await setTimeout(1);
          count++;
        })),
    );
    assert.equal(count, 1);
    assert.equal(results.filter((done) => done).length, 1);
    assert(once.done && other.done);
    assert(!other.runSync(() => assert.fail("again")));
  });

  test("is done anew when who did it throws, or dies", async () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 4096);
    const once = new Once(region);
    assert.throws(() => once.runSync(() => assert.fail("on purpose")), /on purpose/);
    await assert.rejects(once.run(() => Promise.reject(new Error("on purpose"))), /on purpose/);
    fails(() => once.runSync(() => once.runSync(() => undefined)), "EDEADLK");
    await using victim = peer(runtimeName, "die_in_once", unique.name);
    assert.equal((await victim.ended).signal, "SIGKILL");
    assert(!once.done);
    assert(await once.run(() => undefined));
  });
});

describeWhere("ReadWriteLock", linuxOnly, () => {
  test("many read, or one writes", async () => {
    using region = sharedRegion(8192);
    const lock = new ReadWriteLock(region);
    const other = new ReadWriteLock(region);
    const first = lock.readSync();
    const second = await other.read();
    assert.equal(other.tryWrite(), undefined);
    const writing = other.write();
    await setTimeout(5);
    assert.equal(lock.tryRead(), undefined); // who wants to write comes before those who come after it
    first.unlock();
    assert.equal(await Promise.race([writing, setTimeout(5, "waits")]), "waits");
    second.unlock();
    {
      using guard = await writing;
      assert(!guard.ownerDied);
      assert.equal(lock.tryRead(), undefined);
      assert.equal(lock.tryWrite(), undefined);
      await assert.rejects(lock.read({ timeout: 5 }), { code: "ETIMEDOUT" });
      fails(() => lock.readSync(), "EDEADLK");
      fails(() => lock.writeSync(), "EDEADLK");
    }
    using _reading = lock.readSync();
    fails(() => lock.writeSync(), "EDEADLK");
    await assert.rejects(lock.write({ timeout: 5 }), { code: "ETIMEDOUT" });
    using again = lock.tryRead(); // one who gave up keeps nobody out
    assert(again !== undefined);
  });

  test("63 may read at one time, and the next when one has gone", async () => {
    using region = sharedRegion(4096);
    const lock = new ReadWriteLock(region);
    const guards = Array.from({ length: 63 }, () => lock.readSync());
    assert.equal(lock.tryRead(), undefined);
    await assert.rejects(lock.read({ timeout: 5 }), { code: "ETIMEDOUT" });
    for (const guard of guards) guard.unlock();
    lock.readSync().unlock();
    lock.writeSync().unlock();
  });

  test("a reader that dies holds up nobody; after a writer that dies all are told", async () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 8192);
    const lock = new ReadWriteLock(region);
    for (const runtime of RUNTIMES) {
      await using reader = peer(runtime, "hold_read_write", unique.name, "read");
      await reader.printed("locked");
      assert.equal(lock.tryWrite(), undefined);
      const writing = lock.write({ timeout: 120_000 });
      reader.process.kill("SIGKILL");
      using guard = await writing;
      assert(!guard.ownerDied);
    }
    await using writer = peer(runtimeName, "hold_read_write", unique.name, "write");
    await writer.printed("locked");
    const reading = lock.read({ timeout: 120_000 });
    writer.process.kill("SIGKILL");
    {
      using guard = await reading;
      assert(guard.ownerDied);
    }
    {
      using guard = lock.writeSync();
      assert(guard.ownerDied);
      guard.markRecovered();
    }
    using guard = lock.readSync();
    assert(!guard.ownerDied);
  });

  test("what is read under it is whole, whoever writes", async () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 8192);
    const lock = new ReadWriteLock(region);
    const numbers = region.array(Int32Array, 4096, 64);
    await using one = peer(RUNTIMES[0], "write_whole", unique.name, "3000");
    await using other = peer(RUNTIMES[2], "write_whole", unique.name, "3000");
    for (let round = 0; round < 6000; round++) {
      using _guard = round % 64 === 0 ? await lock.read() : lock.readSync();
      assert.equal(new Set(numbers).size, 1);
    }
    await well(one);
    await well(other);
    assert.equal(numbers[63], 6000);
  });
});

describeWhere("lockFile", linuxOnly, () => {
  test("is had by one, or shared by many", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "file");
    fails(() => lockFileSync(file), "ENOENT", { words: /create: true/, path: file });
    using first = await lockFile(file, { create: true });
    assert.equal(first.path, file);
    assert(existsSync(file));
    fails(() => lockFileSync(file, { wait: false }), "EAGAIN", { words: /another has it/, path: file });
    fails(() => lockFileSync(file, { timeout: 5 }), "ETIMEDOUT");
    await assert.rejects(lockFile(file, { shared: true, timeout: 5 }), { code: "ETIMEDOUT" });
    await assert.rejects(lockFile(file, { signal: AbortSignal.timeout(5) }), { name: "TimeoutError" });
    const waiting = lockFile(file, { shared: true });
    await setTimeout(5);
    first.unlock();
    first.unlock();
    using _second = await waiting;
    using _third = lockFileSync(file, { shared: true });
    fails(() => lockFileSync(file, { wait: false }), "EAGAIN");
  });

  test("takes a region that has a path", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "file");
    writeFileSync(file, "text");
    using region = MappedRegion.open(file);
    using _lock = lockFileSync(region);
    await assert.rejects(lockFile(file, { wait: false }), { code: "EAGAIN" });
    using memory = sharedRegion();
    assert.throws(() => lockFileSync(memory), /path/);
    assert.throws(() => lockFileSync(7 as unknown as string), TypeError);
    assert.throws(() => lockFileSync(file, { share: true } as unknown as object), /no option 'share'/);
    assert.throws(() => lockFileSync(file, { shared: 1 } as unknown as object), TypeError);
  });

  test("is given up when its holder is killed", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "file");
    await using holder = peer(runtimeName, "hold_file", file);
    await holder.printed("locked");
    fails(() => lockFileSync(file, { wait: false }), "EAGAIN");
    const waiting = lockFile(file, { timeout: 120_000 });
    holder.process.kill("SIGKILL");
    (await waiting).unlock();
  });
});
