import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { MappedRegion, RegionClosedError } from "../../mod.ts";
import {
  Channel,
  createSharedMemory,
  Event,
  Mutex,
  MutexGuard,
  Once,
  ReadWriteLock,
  Semaphore,
} from "../../src/ipc/mod.ts";
import {
  compiled,
  denoOnly,
  describeWhere,
  fails,
  linuxOnly,
  needsC,
  run,
  runtimeName,
  testFile,
} from "../helpers/mod.ts";
import { peer, RUNTIMES, sharedRegion, start, uniqueName, well } from "./support.ts";

describeWhere("Mutex", linuxOnly, () => {
  test("is had by one at a time", () => {
    using region = sharedRegion();
    const mutex = new Mutex(region, 128);
    const other = new Mutex(region, 128);
    assert(!mutex.locked);
    {
      using guard = mutex.lockSync();
      assert(!guard.ownerDied);
      assert(mutex.locked);
      assert.equal(other.tryLock(), undefined);
      fails(() => other.lockSync(), "EDEADLK", /unlock it first/);
    }
    assert(!mutex.locked);
    const guard = other.tryLock();
    assert(guard !== undefined);
    guard.unlock();
    guard.unlock();
    assert(!mutex.locked);
  });

  test("its layout is the one that is documented, and glibc's", () => {
    using region = sharedRegion();
    const mutex = new Mutex(region, 64);
    const words = region.array(Int32Array, 64, 16);
    assert.deepEqual([...words], [0, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x3158554d, 0, 0, 0, 0, 0]); // "MUX1"
    using _guard = mutex.lockSync();
    assert.equal(words[0], process.pid === words[0] ? process.pid : words[0]);
    assert.notEqual(words[0], 0);
    assert.equal(Mutex.byteLength, 64);
  });

  test("several are had at once, and given back in any order", () => {
    using region = sharedRegion(1 << 20);
    const all = Array.from({ length: 50 }, (_, index) => new Mutex(region, index * 64));
    const guards = all.map((mutex) => mutex.lockSync());
    for (const index of [49, 0, 25, 24, 26, 1, 48]) guards[index]?.unlock();
    for (const guard of guards) guard.unlock();
    for (const mutex of all) mutex.lockSync().unlock();
    assert(all.every((mutex) => !mutex.locked));
  });

  test("so many locks that the kernel would lose some are refused", () => {
    using region = sharedRegion(2048 * 64);
    const guards: MutexGuard[] = [];
    fails(
      () => {
        for (let index = 0; index < 2048; index++) guards.push(new Mutex(region, index * 64).lockSync());
      },
      "EAGAIN",
      /locks/,
    );
    assert.equal(guards.length, 1024);
    for (const guard of guards) guard.unlock();
    new Mutex(region, 0).lockSync().unlock();
  });

  test("lock() waits without holding up the event loop, and one after the other gets it", async () => {
    using region = sharedRegion();
    const mutex = new Mutex(region);
    const order: number[] = [];
    const first = mutex.lockSync();
    const all = Array.from({ length: 20 }, async (_, index) => {
      using _guard = await mutex.lock();
      order.push(index);
      await setTimeout(0);
      assert.equal(order.at(-1), index);
    });
    await setTimeout(20);
    assert.deepEqual(order, []);
    first.unlock();
    await Promise.all(all);
    assert.deepEqual(order.toSorted((a, b) => a - b), Array.from({ length: 20 }, (_, index) => index));
    assert(!mutex.locked);
  });

  test("waits end when the time is over or the signal aborts, and harm nobody", async () => {
    using region = sharedRegion();
    const mutex = new Mutex(region);
    const guard = mutex.lockSync();
    await assert.rejects(mutex.lock({ timeout: 20 }), { code: "ETIMEDOUT" });
    await assert.rejects(mutex.lock({ timeout: 0 }), { code: "ETIMEDOUT" });
    const reason = new Error("enough");
    await assert.rejects(mutex.lock({ signal: AbortSignal.abort(reason) }), reason);
    const controller = new AbortController();
    const waiting = mutex.lock({ signal: controller.signal });
    await setTimeout(5);
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    guard.unlock();
    (await mutex.lock({ timeout: 0 })).unlock();
  });

  test("unlocks what was locked when the block throws", () => {
    using region = sharedRegion();
    const mutex = new Mutex(region);
    assert.throws(() => {
      using _guard = mutex.lockSync();
      throw new Error("within");
    }, /within/);
    assert(!mutex.locked);
  });

  test("wrong arguments are refused", async () => {
    using region = sharedRegion();
    for (const offset of [-64, 4096, 4080, 32, 1, 0.5, NaN]) {
      assert.throws(() => new Mutex(region, offset), RangeError, String(offset));
    }
    assert.throws(() => new Mutex(region, "0" as unknown as number), TypeError);
    assert.throws(() => new Mutex({} as MappedRegion), TypeError);
    using own = MappedRegion.anonymous(4096);
    assert.throws(() => new Mutex(own), /not shared/);
    using file = testFile(4096);
    using reader = MappedRegion.open(file.path);
    assert.throws(() => new Mutex(reader), /not shared/);
    using sealed = sharedRegion();
    sealed.protect("read");
    fails(() => new Mutex(sealed), "EACCES", /not writable/);
    using shifted = MappedRegion.open(file.path, { access: "read-write", offset: 4 });
    assert.throws(() => new Mutex(shifted, 0), /multiple of 64/);
    const mutex = new Mutex(region);
    assert.throws(() => mutex.lockSync({ timeout: "1" } as unknown as object), TypeError);
    using _guard = mutex.lockSync();
    assert.throws(() => mutex.lockSync({ timeout: -1 }), RangeError);
    assert.throws(() => mutex.lockSync({ timeout: NaN }), RangeError);
    await assert.rejects(mutex.lock({ signal: {} } as unknown as object), TypeError);
    await assert.rejects(mutex.lock({ time: 1 } as unknown as object), /no option 'time'/);
    // deno-lint-ignore no-explicit-any -- what a program without types can do
    assert.throws(() => new (MutexGuard as any)({}), /no public constructor/);
  });

  test("memory in which there is something else is refused", () => {
    using region = sharedRegion(1 << 14);
    const makers = [
      () => new Mutex(region, 64),
      () => new Once(region, 64),
      () => new ReadWriteLock(region, 64),
      () => new Event(region, 64),
      () => new Semaphore(region, 64, { initial: 1 }),
      () => new Channel(region, { offset: 64, capacity: 1024 }),
    ];
    for (const [at, value] of [[40, 0x12345678], [0, 0x636261], [8, 1], [16, 1], [60, -1]] as const) {
      region.fill(0);
      region.view.setInt32(64 + at, value, true);
      const before = region.read(0, region.length);
      for (const make of makers) fails(make, "EINVAL", /something else/);
      assert.deepEqual(region.read(0, region.length), before); // nothing was stored there
    }
    region.fill(0);
    region.view.setInt32(64 + 4000, 1);
    fails(() => new ReadWriteLock(region, 64), "EINVAL", /no magic number/);
    fails(() => new Channel(region, { offset: 64, capacity: 1024 }), "EINVAL", /no magic number/);
    new Mutex(region, 64).lockSync().unlock();
  });

  test("a closed region is told of, and so is one whose right to write was taken away", async () => {
    const region = sharedRegion();
    const mutex = new Mutex(region);
    region.protect("read");
    fails(() => mutex.lockSync(), "EACCES");
    region.protect("read-write");
    const guard = mutex.lockSync();
    const waiting = mutex.lock();
    region.close();
    assert.throws(() => guard.unlock(), RegionClosedError);
    await assert.rejects(waiting, RegionClosedError);
    assert.throws(() => mutex.lockSync(), RegionClosedError);
    assert.throws(() => mutex.tryLock(), RegionClosedError);
    assert.throws(() => mutex.locked, RegionClosedError);
    await assert.rejects(mutex.lock(), RegionClosedError);
    assert.throws(() => new Mutex(region), RegionClosedError);
    // What is left of it in this thread's list harms no other lock.
    using other = sharedRegion();
    for (let round = 0; round < 3; round++) new Mutex(other).lockSync().unlock();
  });

  test("a region that moves takes its locked mutex along", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 4096);
    const mutex = new Mutex(region);
    const guard = mutex.lockSync();
    region.resize(1 << 24);
    assert.equal(mutex.tryLock(), undefined);
    guard.unlock();
    mutex.lockSync().unlock();
  });

  test("memory that a peer has cut off is an error, not a lock", () => {
    using unique = uniqueName();
    const { status, stdout, stderr } = run(
      `
      import { truncateSync } from "node:fs";
      import { createSharedMemory, Mutex, unlinkSharedMemory } from "../../src/ipc/mod.ts";
      const name = ${JSON.stringify(unique.name)};
      const region = createSharedMemory(name, 8192);
      const outcome = (call) => { try { return call(); } catch (error) { return error.code; } };
      const mutex = new Mutex(region, 4096), other = new Mutex(region, 4160);
      const guard = other.lockSync();
      const waiting = other.lock();
      truncateSync("/dev/shm" + name, 4096);
      unlinkSharedMemory(name);
      console.log(outcome(() => mutex.lockSync()), outcome(() => mutex.tryLock()), outcome(() => other.locked));
      console.log(await waiting.catch((error) => error.code));
      outcome(() => guard.unlock());
      `,
    );
    assert.equal(stderr, "");
    assert.equal(stdout, "EFAULT EFAULT EFAULT\nEFAULT\n");
    assert.equal(status, 0);
  });

  test("waiting keeps the process alive, and nothing else does", () => {
    const idle = run(
      `
      import { MappedRegion } from "../../mod.ts";
      import { Mutex } from "../../src/ipc/mod.ts";
      const region = MappedRegion.anonymous(4096, { shared: true });
      const mutex = new Mutex(region);
      const guard = mutex.lockSync();
      await mutex.lock({ timeout: 30 }).catch((error) => console.log(error.code));
      setTimeout(() => guard.unlock(), 30);
      await mutex.lock();
      console.log("locked");
      `,
    );
    assert.deepEqual(idle, { status: 0, signal: null, stdout: "ETIMEDOUT\nlocked\n", stderr: "" });
  });

  test("what lies in memory that was cut off from its region is an error, and not the end of the process", () => {
    const cut = run(
      `
      import { MappedRegion } from "../../mod.ts";
      import * as ipc from "../../src/ipc/mod.ts";
      for (const capacity of [undefined, 1 << 20]) {
        const region = MappedRegion.anonymous(1 << 17, { shared: true, capacity });
        const at = 1 << 16;
        const mutex = new ipc.Mutex(region, at);
        const semaphore = new ipc.Semaphore(region, at + 64, { initial: 1 });
        const event = new ipc.Event(region, at + 128);
        const once = new ipc.Once(region, at + 192);
        const channel = new ipc.Channel(region, { offset: at + 256, capacity: 4096 });
        const lock = new ipc.ReadWriteLock(region, at + (1 << 15));
        channel.sendSync("x");
        const guards = [mutex.lockSync(), lock.writeSync()];
        region.resize(at);
        const uses = [
          () => mutex.tryLock(),
          () => mutex.locked,
          () => semaphore.tryAcquire(),
          () => event.set(),
          () => event.isSet,
          () => once.done,
          () => channel.tryReceive(),
          () => channel.trySend("y"),
          () => lock.tryRead(),
          () => lock.tryWrite(),
          () => guards[0].unlock(),
          () => guards[1].unlock(),
        ];
        for (const use of uses) {
          try {
            use();
            console.log("no error", String(use));
          } catch (error) {
            if (!(error instanceof RangeError)) throw error;
          }
        }
        region.close();
      }
      console.log("goes on");
      `,
    );
    assert.deepEqual(cut, { status: 0, signal: null, stdout: "goes on\n", stderr: "" });
  });

  test("a process that waits can end", () => {
    const ended = run(
      `
      import { MappedRegion } from "../../mod.ts";
      import { Mutex } from "../../src/ipc/mod.ts";
      const region = MappedRegion.anonymous(4096, { shared: true });
      const mutex = new Mutex(region);
      mutex.lockSync();
      mutex.lock();
      setTimeout(() => process.exit(7), 50);
      `,
    );
    assert.deepEqual(ended, { status: 7, signal: null, stdout: "", stderr: "" });
  });

  test(
    "--allow-ffi is all that Deno needs",
    denoOnly,
    () => {
      const { status, stdout, stderr } = run(
        `
      import { MappedRegion } from "../../mod.ts";
      import { Mutex } from "../../src/ipc/mod.ts";
      const region = MappedRegion.anonymous(4096, { shared: true });
      const mutex = new Mutex(region);
      const guard = mutex.lockSync();
      setTimeout(() => guard.unlock(), 10);
      (await mutex.lock()).unlock();
      console.log("fine");
      `,
        { permissions: ["--allow-ffi"] },
      );
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "fine\n", stderr: "" });
    },
  );
});

describeWhere("Mutex between processes", linuxOnly, () => {
  for (const runtime of RUNTIMES) {
    test(`${runtime} and this runtime exclude each other`, async () => {
      using unique = uniqueName();
      using region = createSharedMemory(unique.name, 4096);
      const mutex = new Mutex(region);
      const numbers = region.array(Int32Array, 64, 4);
      await using other = peer(runtime, "mutex", unique.name, "20000");
      await other.printed("started");
      for (let round = 0; round < 20_000; round++) {
        using guard = round % 512 === 0 ? await mutex.lock() : mutex.lockSync();
        assert(!guard.ownerDied);
        assert.equal(numbers[0], numbers[1]);
        numbers[2] = process.pid;
        numbers[0] = (numbers[0] ?? 0) + 1;
        numbers[1] = (numbers[1] ?? 0) + 1;
        assert.equal(numbers[2], process.pid);
        numbers[2] = 0;
      }
      assert.match(await well(other), /died 0/);
      assert.deepEqual([...numbers], [40_000, 40_000, 0, 0]);
    });

    for (const how of runtime === runtimeName ? ["kill", "exit", "throw", "close", "worker"] : ["kill"]) {
      test(`the next owner is told that ${runtime} ended while it had it: ${how}`, async () => {
        using unique = uniqueName();
        using region = createSharedMemory(unique.name, 4096);
        const mutex = new Mutex(region);
        await using other = peer(runtime, "hold_mutex", unique.name, how);
        await other.ended;
        for (let time = 0; time < 2; time++) {
          using guard = mutex.lockSync({ timeout: 120_000 });
          assert(guard.ownerDied); // until somebody says that all is well
        }
        {
          using guard = await mutex.lock();
          assert(guard.ownerDied);
          guard.markRecovered();
          assert(!guard.ownerDied);
        }
        assert(!mutex.lockSync().ownerDied);
      });
    }

    test(`who waits for it is woken when ${runtime} is killed`, async () => {
      using unique = uniqueName();
      using region = createSharedMemory(unique.name, 4096);
      const mutex = new Mutex(region);
      await using other = peer(runtime, "hold_mutex", unique.name, "wait");
      await other.printed("locked");
      assert.equal(mutex.tryLock(), undefined);
      const waiting = mutex.lock({ timeout: 120_000 });
      await setTimeout(20);
      other.process.kill("SIGKILL");
      using guard = await waiting;
      assert(guard.ownerDied);
      guard.markRecovered();
    });
  }

  test("who is killed after its region was moved or protected has given up all it had", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 1 << 16);
    const mutexes = [0, 64, 128].map((offset) => new Mutex(region, offset));
    const lock = new ReadWriteLock(region, 4096);
    using channel = new Channel(region, { offset: 8192, capacity: 4096 });
    assert.equal(channel.tryReceive(), undefined);
    const child = run(
      `
      import * as ipc from "../../src/ipc/mod.ts";
      using other = ipc.createSharedMemory("${unique.name}-other", 4096);
      ipc.unlinkSharedMemory("${unique.name}-other");
      using region = ipc.openSharedMemory("${unique.name}");
      const [first, second, third] = [0, 64, 128].map((offset) => new ipc.Mutex(region, offset));
      const own = new ipc.Mutex(other);
      const guards = [first.lockSync(), own.lockSync(), new ipc.ReadWriteLock(region, 4096).writeSync()];
      new ipc.Channel(region, { offset: 8192 }).sendSync("x");
      second.lockSync();
      region.resize(1 << 24);
      guards[1].unlock();
      other.close();
      region.protect("read");
      region.protect("read-write");
      third.lockSync();
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => setInterval(() => undefined, 1000));
      `,
    );
    assert.deepEqual([child.signal, child.stderr], ["SIGKILL", ""]);
    for (const mutex of mutexes) assert(mutex.lockSync({ timeout: 60_000 }).ownerDied);
    assert(lock.writeSync({ timeout: 60_000 }).ownerDied);
    assert.equal(channel.receiveSync()?.length, 1);
    fails(() => channel.receiveSync({ timeout: 60_000 }), "ECONNRESET");
  });

  test("killed at random, it stays whole", async () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 4096);
    const mutex = new Mutex(region);
    const numbers = region.array(Int32Array, 64, 4);
    let told = 0;
    for (let kill = 0; kill < 6; kill++) {
      const runtime = RUNTIMES[kill % 3] ?? "node";
      await using victim = peer(runtime, "mutex", unique.name, "1000000000");
      await victim.printed("started");
      // However busy the machine is, it is at work.
      for (const before = numbers[0]; numbers[0] === before;) await setTimeout(1);
      await setTimeout(20 + kill * 7);
      victim.process.kill("SIGKILL");
      await victim.ended;
      using guard = mutex.lockSync({ timeout: 120_000 });
      if (guard.ownerDied) {
        told++;
        numbers[1] = numbers[0] ?? 0;
        numbers[2] = 0;
        guard.markRecovered();
      }
      assert.deepEqual([numbers[0], numbers[2]], [numbers[1], 0]);
    }
    assert(told <= 6);
    assert((numbers[0] ?? 0) > 0);
  });

  test("C's pthread_mutex_lock and ours exclude each other", needsC, async () => {
    using unique = uniqueName();
    using program = compiled("tests/ipc/peer.c", "-pthread", "-lrt");
    using region = createSharedMemory(unique.name, 4096);
    const mutex = new Mutex(region);
    const numbers = region.array(Int32Array, 64, 4);
    await using other = start(program.path, ["mutex", unique.name, "200000"]);
    await other.printed("started");
    for (let round = 0; round < 50_000; round++) {
      using guard = round % 512 === 0 ? await mutex.lock() : mutex.lockSync();
      assert(!guard.ownerDied);
      assert.equal(numbers[0], numbers[1]);
      numbers[0] = (numbers[0] ?? 0) + 1;
      numbers[1] = (numbers[1] ?? 0) + 1;
    }
    await well(other);
    assert.deepEqual([...numbers], [250_000, 250_000, 0, 0]);
  });

  test("C is told that we died, and we that C did", needsC, async () => {
    using unique = uniqueName();
    using program = compiled("tests/ipc/peer.c", "-pthread", "-lrt");
    using region = createSharedMemory(unique.name, 4096);
    const mutex = new Mutex(region);
    await using victim = peer(runtimeName, "hold_mutex", unique.name, "kill");
    await victim.ended;
    const recovered = spawnSync(program.path, ["recover", unique.name], { encoding: "utf8" });
    assert.equal(recovered.stdout, "owner died\n", recovered.stderr);
    {
      using guard = mutex.lockSync();
      assert(!guard.ownerDied);
    }
    assert.equal(spawnSync(program.path, ["die", unique.name]).signal, "SIGKILL");
    using guard = mutex.lockSync();
    assert(guard.ownerDied);
  });
});
