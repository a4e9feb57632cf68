import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { MappedRegion, RegionClosedError } from "../../mod.ts";
import { Channel, createSharedMemory, Message, Mutex, Reservation } from "../../src/ipc/mod.ts";
import { compiled, describeWhere, fails, linuxOnly, needsC, runtimeName } from "../helpers/mod.ts";
import { soak } from "./soak.ts";
import { peer, RUNTIMES, sharedRegion, start, uniqueName, well } from "./support.ts";

const SMALL = Channel.byteLength(1024);
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

/** The message that has this number: n % 300 bytes, each (n * 7 + its index) % 256. Peers know it too. */
function message(number: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: number % 300 }, (_, index) => number * 7 + index);
}

describeWhere("Channel", linuxOnly, () => {
  test("gives messages in the order in which they were sent, whatever their lengths", async () => {
    using region = sharedRegion(1 << 16);
    using channel = new Channel(region);
    assert.equal(channel.capacity, 1 << 15);
    assert.equal(channel.longestMessage, (1 << 14) - 8);
    assert.equal(channel.tryReceive(), undefined);
    for (let number = 0; number < 1000; number++) {
      channel.sendSync(message(number));
      if (number % 3 === 0) await channel.send(`text ${number}`);
      assert.deepEqual(channel.receiveSync(), message(number));
      if (number % 3 === 0) assert.equal(text(await channel.receive()), `text ${number}`);
    }
    const longest = new Uint8Array(channel.longestMessage).fill(7);
    for (let time = 0; time < 10; time++) {
      assert(channel.trySend(longest));
      assert(channel.trySend(""));
      assert.deepEqual(channel.tryReceive(), longest);
      assert.deepEqual(channel.tryReceive(), new Uint8Array(0));
    }
    assert.throws(() => channel.trySend(new Uint8Array(channel.longestMessage + 1)), RangeError);
    assert.equal(channel.tryReceive(), undefined);
  });

  test("its layout is the one that is documented", () => {
    using region = sharedRegion(SMALL + 64);
    using channel = new Channel(region, { offset: 64, capacity: 1024 });
    channel.sendSync("abc");
    const words = region.array(Int32Array, 64);
    assert.deepEqual([words[0], words[10], words[16], words[32]], [1024, 0x314e4843, 16, 0]); // "CHN1"
    assert.deepEqual([...words.subarray(2176, 2180)], [3, 0, 0x636261, 0]);
    assert.equal(channel.receiveSync()?.length, 3);
    assert.equal(words[32], 16);
    assert.equal(Channel.byteLength(1024), 8704 + 1024);
  });

  test("is bounded: there is no more in it than its capacity", () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    let sent = 0;
    while (channel.trySend(new Uint8Array(56))) sent++;
    assert.equal(sent, 16);
    fails(() => channel.sendSync(new Uint8Array(56), { timeout: 5 }), "ETIMEDOUT"); // somebody may still come
    assert(!channel.trySend(""));
  });

  test("a full one with someone who receives makes others wait", async () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    assert.equal(channel.tryReceive(), undefined); // from now on this end receives
    while (channel.trySend(new Uint8Array(56)));
    fails(() => channel.sendSync(new Uint8Array(56), { timeout: 5 }), "ETIMEDOUT");
    await assert.rejects(channel.send(new Uint8Array(56), { timeout: 5 }), { code: "ETIMEDOUT" });
    await assert.rejects(channel.send("x", { signal: AbortSignal.timeout(5) }), { name: "TimeoutError" });
    const order: string[] = [];
    const sending = channel.send("the last").then(() => order.push("sent"));
    await setTimeout(20);
    order.push("received");
    for (let count = 0; count < 16; count++) assert.equal(channel.receiveSync()?.length, 56);
    await sending;
    assert.deepEqual(order, ["received", "sent"]);
    assert.equal(text(await channel.receive()), "the last");
  });

  test("who receives from an empty one waits for a message, a time or a signal", async () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    using other = new Channel(region);
    await assert.rejects(channel.receive({ timeout: 5 }), { code: "ETIMEDOUT" });
    fails(() => channel.receiveSync({ timeout: 5 }), "ETIMEDOUT");
    fails(() => channel.peekSync({ timeout: 5 }), "ETIMEDOUT");
    await assert.rejects(channel.receive({ signal: AbortSignal.timeout(5) }), { name: "TimeoutError" });
    await assert.rejects(channel.ready({ signal: AbortSignal.abort(new Error("no")) }), /no/);
    const waiting = [channel.receive(), channel.receive(), other.receive()];
    await setTimeout(20);
    await other.sendAll(["a", "b", "c"]);
    assert.deepEqual((await Promise.all(waiting)).map(text).sort(), ["a", "b", "c"]);
  });

  test("many messages are sent and taken at once", async () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    const all = Array.from({ length: 500 }, (_, index) => `message ${index}`);
    const received: string[] = [];
    const sending = channel.sendAll(all);
    while (received.length < 500) {
      await channel.ready();
      channel.drain((bytes, start, end) => received.push(text(bytes.slice(start, end)) ?? ""), 7);
    }
    assert.equal(await sending, 500);
    assert.deepEqual(received, all);
    assert.equal(channel.sendAllSync([]), 0);
    assert.equal(channel.drain(() => assert.fail("a message")), 0);
    // A function that throws leaves the message at which it did.
    channel.sendAllSync(["one", "two", "three"]);
    let count = 0;
    assert.throws(() =>
      channel.drain(() => {
        if (++count === 2) throw new Error("on purpose");
      }), /on purpose/);
    assert.equal(text(channel.receiveSync()), "two");
    // It can't use the channel, and may close it.
    channel.drain(() => fails(() => channel.receiveSync(), "EDEADLK"));
    channel.sendAllSync(["four", "five"]);
    assert.equal(channel.drain(() => channel.close()), 1);
    fails(() => channel.drain(() => assert.fail("a message")), "EBADF");
    assert.equal(text(new Channel(region).receiveSync()), "five"); // the one before isn't there twice
  });

  test("a message whose bytes change while it waits is sent as it is then, or refused", async () => {
    for (const senders of ["one", "many"] as const) {
      using region = sharedRegion(SMALL);
      using channel = new Channel(region, { senders });
      using inbox = new Channel(region);
      inbox.tryReceive();
      const waits = async (change: (buffer: ArrayBuffer) => void): Promise<string | undefined> => {
        while (channel.trySend(message(100)));
        const bytes = new Uint8Array(new ArrayBuffer(100, { maxByteLength: 1 << 16 }));
        const sending = channel.send(bytes);
        const both = channel.sendAll([bytes, bytes]);
        const ends = Promise.allSettled([sending, both]);
        await setTimeout(5);
        change(bytes.buffer);
        inbox.drain(() => undefined);
        const failed = (await ends).map((end) => end.status === "rejected" ? String(end.reason) : "sent");
        let lengths = "";
        inbox.drain((_, start, end) => lengths += ` ${end - start}`);
        return `${failed.join("; ")};${lengths}`;
      };
      assert.equal(await waits((buffer) => buffer.resize(50)), "sent; sent; 50 50 50");
      assert.match(
        await waits((buffer) => buffer.resize(1 << 16)) ?? "",
        /^RangeError: Channel.send: .*; RangeError: Channel.sendAll: a message of this channel has \d+ bytes at most: received 65536;$/,
      );
      assert.match(
        await waits((buffer) => void buffer.transfer()) ?? "",
        /^TypeError: Channel.send: .*; TypeError: Channel.sendAll: the message's buffer was detached;$/,
      );
    }
  });

  test("code of the program's that runs while it sends can't send, and can't lie about lengths", () => {
    for (const senders of ["one", "many"] as const) {
      using region = sharedRegion(SMALL);
      using channel = new Channel(region, { senders });
      const withLength = (get: () => unknown): Uint8Array<ArrayBuffer> =>
        Object.defineProperty(Uint8Array.of(1, 2, 3), "length", { get });
      const inner: unknown[] = [];
      let asked = 0;
      const nosy = withLength(() => {
        // Asked before, which does no harm, and once when the messages are being written.
        if (++asked === 2) {
          try {
            inner.push(channel.trySend("inner"));
          } catch (error) {
            inner.push((error as { code?: unknown }).code);
          }
        }
        return 3;
      });
      assert.equal(channel.sendAllSync(["before", nosy, "after"]), 3);
      assert.deepEqual(inner, [senders === "one" ? "EDEADLK" : false]);
      const received: string[] = [];
      channel.drain((bytes, start, end) => received.push(text(bytes.slice(start, end)) ?? ""));
      assert.deepEqual(received, ["before", "\x01\x02\x03", "after"]);
      for (const length of [NaN, -1, 1e6, Infinity, undefined]) {
        assert.throws(() => channel.sendSync(withLength(() => length)), RangeError);
      }
      assert.throws(() => channel.sendSync(new Proxy(new Uint8Array(3), {})), TypeError);
      const closing = withLength(() => {
        if (++asked === 5) channel.close();
        return 3;
      });
      asked = 3;
      fails(() => channel.sendAllSync([closing]), "EBADF");
      using other = new Channel(region);
      assert.equal(other.tryReceive(), undefined);
      assert(other.trySend("goes on"));
    }
  });

  test("what was reserved or looked at can't be ended when its memory isn't there any more", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, SMALL);
    using channel = new Channel(region);
    channel.sendAllSync(["one", "two", "three"]);
    let size = SMALL;
    const message = channel.peekSync();
    region.resize(size += 1 << 24); // it moves
    channel.sendSync("four"); // finds it again
    fails(() => message?.consume(), "EBADF", /moved/);
    const received: string[] = [];
    channel.drain((bytes, start, end) => {
      received.push(text(bytes.slice(start, end)) ?? "");
      region.resize(size += 1 << 24);
    });
    assert.deepEqual(received, ["one", "two", "three", "four"]);
    const reservation = channel.reserveSync(10);
    region.resize(size += 1 << 24);
    assert.equal(channel.tryReceive(), undefined);
    fails(() => reservation.commit(), "EBADF", /moved/);
    const replaced = channel.reserveSync(10);
    Object.assign(replaced, { bytes: new Uint8Array(5000) });
    assert.throws(() => replaced.commit(5000), RangeError);
    replaced.commit();
    assert.equal(channel.receiveSync()?.length, 10);
    const late = channel.reserveSync(10);
    channel.close();
    fails(() => late.commit(), "EBADF", /closed/);
    late.cancel();
    using other = new Channel(region);
    other.sendSync("job");
    const job = other.peekSync();
    other.close();
    fails(() => job?.consume(), "EBADF", /closed/);
    job?.release();
    assert.equal(text(new Channel(region).receiveSync()), "job");
  });

  test("a message is written where it will be, and read where it is", async () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    {
      using reservation = channel.reserveSync(100);
      assert(reservation instanceof Reservation);
      reservation.bytes.fill(5);
      assert(!channel.trySend("in between"));
      fails(() => channel.sendSync("in between"), "EDEADLK");
      reservation.commit(3);
      fails(() => reservation.commit(), "EBADF");
    }
    {
      using _cancelled = await channel.reserve(50);
    }
    assert.throws(() => {
      using reservation = channel.reserveSync(4);
      reservation.commit(5);
    }, RangeError);
    {
      using looked = channel.peekSync();
      assert(looked instanceof Message);
      assert.deepEqual([...looked.bytes], [5, 5, 5]);
      assert.equal(channel.tryReceive(), undefined); // one at a time
    }
    const message = await channel.peek(); // it was released, not consumed
    assert(message !== undefined);
    assert.equal(message.bytes.length, 3);
    message.consume();
    fails(() => message.consume(), "EBADF");
    message.release();
    assert.equal(channel.tryReceive(), undefined);
    const waiting = channel.reserveSync(8);
    const sending = channel.send("after it");
    await setTimeout(5);
    waiting.commit();
    await sending;
    assert.deepEqual([(await channel.receive())?.length, text(await channel.receive())], [8, "after it"]);
  });

  test("the only one of its kind needs no lock, and others take its place", async () => {
    using region = sharedRegion(SMALL);
    using first = new Channel(region, { senders: "one", receivers: "one" });
    using second = new Channel(region, { senders: "one" });
    for (let number = 0; number < 200; number++) {
      first.sendSync(message(number));
      assert.deepEqual(first.receiveSync(), message(number));
    }
    assert(!second.trySend("x"));
    const sending = second.send("from the next");
    const reservation = first.reserveSync(10);
    fails(() => first.sendSync("x"), "EDEADLK");
    reservation.commit(0);
    assert.equal(first.receiveSync()?.length, 0);
    await setTimeout(5);
    using third = new Channel(region);
    const receiving = third.receive();
    first.close();
    await sending;
    assert.equal(text(await receiving), "from the next");
  });

  test("ends when every sender has closed it, and not before", async () => {
    using region = sharedRegion(SMALL);
    using receiver = new Channel(region);
    const first = new Channel(region);
    const second = new Channel(region);
    const received: (string | undefined)[] = [];
    const reading = (async (): Promise<void> => {
      for await (const message of receiver) received.push(text(message));
    })();
    await first.send("one");
    await second.send("two");
    first.close();
    first.close();
    assert(first.closed);
    fails(() => first.sendSync("three"), "EBADF");
    fails(() => first.tryReceive(), "EBADF");
    await second.send("three");
    await setTimeout(10);
    second.close();
    await reading;
    assert.deepEqual(received, ["one", "two", "three"]);
    assert.equal(receiver.receiveSync(), undefined);
    assert.equal(await receiver.ready(), false);
    assert.equal(receiver.readySync(), false);
    assert.equal(await receiver.peek(), undefined);
    using third = new Channel(region); // and begins anew
    third.sendSync("four");
    assert.equal(text(receiver.receiveSync()), "four");
  });

  test("who sends is told that nobody receives any more", async () => {
    using region = sharedRegion(SMALL);
    using sender = new Channel(region);
    const receiver = new Channel(region);
    assert.equal(receiver.tryReceive(), undefined);
    while (sender.trySend(new Uint8Array(100)));
    const sending = sender.send(new Uint8Array(100));
    await setTimeout(5);
    receiver.close();
    await assert.rejects(sending, { code: "EPIPE" });
  });

  test("wrong arguments are refused", () => {
    using region = sharedRegion(SMALL);
    assert.throws(() => new Channel(region, { capacity: 1000 }), RangeError);
    assert.throws(() => new Channel(region, { capacity: 512 }), RangeError);
    assert.throws(() => new Channel(region, { capacity: 2048 }), RangeError);
    assert.throws(() => new Channel(region, { offset: 32 }), RangeError);
    assert.throws(() => new Channel(region, { senders: "two" } as unknown as object), TypeError);
    assert.throws(() => new Channel(region, { size: 1 } as unknown as object), /no option 'size'/);
    assert.throws(() => Channel.byteLength(5), RangeError);
    using own = MappedRegion.anonymous(SMALL);
    assert.throws(() => new Channel(own), /not shared/);
    using channel = new Channel(region);
    assert.throws(() => channel.sendSync(7 as unknown as string), TypeError);
    assert.throws(() => channel.sendAllSync("abc" as unknown as string[]), TypeError);
    assert.throws(() => channel.drain(7 as unknown as () => void), TypeError);
    assert.throws(() => channel.reserveSync(-1), RangeError);
    assert.throws(() => channel.sendSync("x", { timeout: -1 }), RangeError);
    // deno-lint-ignore no-explicit-any -- what a program without types can do
    assert.throws(() => new (Message as any)(), /no public constructor/);
    using large = sharedRegion(1 << 20);
    using _first = new Channel(large, { capacity: 4096 });
    fails(() => new Channel(large, { capacity: 8192 }), "EINVAL", /4096/);
    using mutexes = sharedRegion(1 << 16);
    new Mutex(mutexes);
    fails(() => new Channel(mutexes), "EINVAL", /something else/);
  });

  test("a region that is closed, or moves", async () => {
    using unique = uniqueName();
    const region = createSharedMemory(unique.name, SMALL);
    using channel = new Channel(region);
    channel.sendSync("before");
    region.resize(1 << 24);
    assert.equal(text(channel.receiveSync()), "before");
    channel.sendSync("after");
    assert.equal(text(channel.receiveSync()), "after");
    const waiting = channel.receive();
    await setTimeout(5);
    region.close();
    await assert.rejects(waiting, RegionClosedError);
    assert.throws(() => channel.sendSync("x"), RegionClosedError);
    assert.throws(() => channel.tryReceive(), RegionClosedError);
  });

  test("memory that a peer has cut off is an error", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 1 << 16);
    using channel = new Channel(region);
    channel.sendSync("before");
    truncateSync(`/dev/shm${unique.name}`, 0);
    fails(() => channel.receiveSync({ timeout: 100 }), "EFAULT");
    fails(() => channel.sendSync("x", { timeout: 100 }), "EFAULT");
    fails(() => new Channel(region), "EFAULT");
  });

  test("whatever is written over it: an error or a message, never a crash, never a call without an end", () => {
    let random = 12345;
    const next = (below: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return Math.floor(random / 2 ** 32 * below);
    };
    const outcomes = new Set<unknown>();
    const attempt = (call: () => unknown): void => {
      try {
        call();
        outcomes.add("fine");
      } catch (error) {
        const { code, name } = error as Error & { code?: unknown };
        outcomes.add(code ?? name);
      }
    };
    for (let round = 0; round < 300; round++) {
      using region = sharedRegion(SMALL);
      using channel = new Channel(region);
      for (let count = next(20); count > 0; count--) channel.trySend(message(next(300)));
      const words = region.array(Int32Array);
      const interesting = [
        0,
        1,
        -1,
        8,
        7,
        1024,
        1 << 30,
        0x8000_0000 | 0,
        next(2 ** 32) | 0,
        next(1024) & ~7,
      ];
      for (let time = 0; time < 4; time++) {
        const at = [
          0,
          16,
          32,
          80,
          81,
          82,
          83,
          2176 + next(256),
          2176 + next(256),
          96,
          112,
          128 + 16 * next(2),
        ][next(12)] ?? 0;
        words[at] = interesting[next(interesting.length)] ?? 0;
        attempt(() => channel.tryReceive());
        attempt(() => channel.drain(() => undefined, 100));
        attempt(() => channel.trySend(message(next(300))));
        attempt(() => channel.receiveSync({ timeout: 0 }));
        attempt(() => channel.sendSync("x", { timeout: 0 }));
        attempt(() => new Channel(region).close());
      }
    }
    // RangeError: what says to be a channel is larger than the region.
    const expected = ["fine", "EBADMSG", "ETIMEDOUT", "ECONNRESET", "EPIPE", "EINVAL", "RangeError"];
    for (const code of outcomes) assert(expected.includes(String(code)), String(code));
    assert(outcomes.has("EBADMSG"));
  });

  test("messages without end are handed over a ring full at a time", () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    channel.trySend("");
    const words = region.array(Int32Array);
    let count = 0;
    const forge = (): void => {
      if (++count > 1000) throw new Error("no end");
      words.set([0, count * 8], 2176 + count * 2 % 256); // an empty message behind the last one
      Atomics.store(words, 16, count * 8 + 8); // the tail
    };
    fails(() => channel.drain(forge), "EBADMSG");
    assert.equal(count, 128);
  });

  test("a lock that a peer has made up is found out", async () => {
    using region = sharedRegion(SMALL);
    using channel = new Channel(region);
    channel.sendSync("x");
    const words = region.array(Int32Array);
    words[96] = 0x3fff_fffe; // the lock of whoever commits
    words[112] = 0x3fff_fffe; // and of whoever consumes
    fails(() => channel.sendSync("x"), "EBADMSG", /an owner who is not there/);
    await assert.rejects(channel.receive(), { code: "EBADMSG" });
    assert(!channel.trySend("x"));
    assert.equal(channel.tryReceive(), undefined);
  });

  test("works between the workers of a process", async () => {
    using region = sharedRegion(1 << 20);
    using channel = new Channel(region, { offset: 4096 });
    const worker = new Worker(new URL("./programs/worker.ts", import.meta.url), {
      workerData: region.handle(),
    });
    Atomics.store(region.array(Int32Array), 1, 1);
    const received: unknown[] = [];
    for await (const message of channel) received.push(text(message));
    assert.deepEqual(received, Array.from({ length: 1000 }, (_, index) => `message ${index}`));
    await worker.terminate();
  });
});

describeWhere("Channel between processes", linuxOnly, () => {
  for (const runtime of RUNTIMES) {
    test(`${runtime} answers each message`, async () => {
      using unique = uniqueName();
      using region = createSharedMemory(unique.name, 1 << 17);
      using there = new Channel(region, { capacity: 1 << 13 });
      using back = new Channel(region, { offset: 1 << 16, capacity: 1 << 13 });
      await using other = peer(runtime, "echo", unique.name);
      for (let number = 0; number < 600; number++) {
        if (number % 2 === 0) await there.send(message(number));
        else there.sendSync(message(number));
        const answer = number % 2 === 0 ? back.receiveSync({ timeout: 120_000 }) : await back.receive();
        assert.deepEqual(answer, message(number));
      }
      const all = Array.from({ length: 3000 }, (_, number) => message(number));
      const sending = there.sendAll(all);
      for (const each of all) assert.deepEqual(await back.receive(), each);
      await sending;
      there.close();
      assert.equal(await back.receive(), undefined);
      await well(other);
    });
  }

  test("it is found out that a peer was killed, and another takes its place", async () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 1 << 17);
    using there = new Channel(region, { capacity: 1 << 13 });
    using back = new Channel(region, { offset: 1 << 16, capacity: 1 << 13 });
    await using other = peer(runtimeName, "echo", unique.name);
    await there.send("hello");
    assert.equal(text(await back.receive()), "hello");
    const waiting = back.receive();
    other.process.kill("SIGKILL");
    await assert.rejects(waiting, { code: "ECONNRESET" });
    fails(() => back.receiveSync(), "ECONNRESET", /died/);
    while (there.trySend(new Uint8Array(1000)));
    fails(() => there.sendSync(new Uint8Array(1000)), "EPIPE", /died/);
    await using _next = peer(runtimeName, "echo", unique.name);
    for (;;) {
      const received = await back.receive().catch((error) => {
        assert.equal(error.code, "ECONNRESET"); // nobody sends, still
      });
      if (received === undefined) await setTimeout(10);
      else {
        assert.equal(received.length, 1000);
        break;
      }
    }
  });

  test("C receives what we send", needsC, async () => {
    using unique = uniqueName();
    using program = compiled("tests/ipc/peer.c", "-pthread", "-lrt");
    using region = createSharedMemory(unique.name, Channel.byteLength(4096));
    using channel = new Channel(region);
    channel.sendSync(message(0));
    await using other = start(program.path, ["receive", unique.name, "0"]);
    for (let number = 1; number < 2000; number++) {
      if (number % 2 === 0) await channel.send(message(number));
      else channel.sendSync(message(number));
    }
    channel.close();
    assert.equal(await well(other), "2000 messages\n");
  });

  test("we receive what C sends", needsC, async () => {
    using unique = uniqueName();
    using program = compiled("tests/ipc/peer.c", "-pthread", "-lrt");
    using region = createSharedMemory(unique.name, Channel.byteLength(4096));
    using channel = new Channel(region);
    await using other = start(program.path, ["send", unique.name, "2000"]);
    let number = 0;
    for await (const received of channel) assert.deepEqual(received, message(number++));
    assert.equal(number, 2000);
    await well(other);
  });

  test("killed at random: no message is lost, none comes twice, none is torn", async () => {
    await soak(6, [runtimeName], "read");
  });

  test("killed at random: none is taken twice", async () => {
    await soak(2, [runtimeName], "take");
  });

  test("killed at random: Bun writes, Deno reads, C reads", needsC, async () => {
    await soak(2, ["bun", "deno", "c"], "read");
  });
});
