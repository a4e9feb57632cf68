// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Views that are used after their region has closed, moved, or lost its rights, or that were taken away from it. */
import { Buffer } from "node:buffer";
import { randomFill, webcrypto } from "node:crypto";
import { closeSync, openSync, write } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { deflate, inflateSync } from "node:zlib";
import { MappedRegion } from "../../../mod.ts";
import { collectGarbage, PAGE, runtimeName, together } from "../../helpers/mod.ts";
import { failure, file, outcome, type Programs } from "../support.ts";

/** Every kind of view of a region. */
function everyView(region: MappedRegion) {
  return {
    bytes: region.bytes,
    subarray: region.subarray(1, 9),
    array: region.array(Float64Array),
    view: region.view,
    buffer: region.buffer,
    node: Buffer.from(region.buffer, 0, 8),
  };
}

/** What each view says of itself and of its memory. */
function askViews({ bytes, subarray, array, view, buffer, node }: ReturnType<typeof everyView>): unknown {
  const questions: Readonly<Record<string, () => unknown>> = {
    lengths: () => [bytes.length, subarray.length, array.length, buffer.byteLength, node.length],
    offsets: () => [bytes.byteOffset, subarray.byteOffset, array.byteOffset],
    elements: () => [bytes[0], subarray[0], array[0], node[0]].every((element) => element === undefined),
    store: () => (bytes[0] = 1, bytes[0] === undefined),
    detached: () => buffer.detached,
    text: () => new TextDecoder().decode(bytes),
    nodeText: () => node.toString(),
    viewLength: () => view.byteLength,
    viewGet: () => view.getUint8(0),
    viewSet: () => view.setInt8(0, 1),
    bufferSlice: () => buffer.slice(0, 1),
    bufferOver: () => new Uint8Array(buffer),
    bufferTransfer: () => buffer.transfer(),
    bufferClone: () => structuredClone(buffer),
    at: () => bytes.at(0),
    indexOf: () => bytes.indexOf(65),
    slice: () => bytes.slice(),
    fill: () => bytes.fill(1),
    sort: () => array.sort(),
    spread: () => [...bytes],
    set: () => bytes.set([1]),
    from: () => Uint8Array.from(bytes),
    atomic: () => Atomics.load(bytes, 0),
  };
  const answers = Object.entries(questions).map(([name, question]) => [name, outcome(question)]);
  const known = answers.filter(([, answer]) => answer !== "TypeError");
  const refused = answers.filter(([, answer]) => answer === "TypeError").map(([name]) => name);
  return [Object.fromEntries(known), refused];
}

/**
 * Starts to fill bytes in the thread pool. Deno stumbles over bytes that are gone by then outside of the promise; once in
 * some fifty times it then says nothing at all.
 *
 * @param ends Whether they will be gone.
 */
function fill(bytes: Uint8Array, ends: boolean): Promise<string> {
  return new Promise((resolve) => {
    const end = (how: string) => (): void => {
      clearTimeout(patience);
      resolve(how);
    };
    const patience = setTimeout(end("failed"), ends && runtimeName === "deno" ? 2000 : 120_000);
    process.once("unhandledRejection", end("failed"));
    promisify(randomFill)(bytes).then(end("filled"), end("failed"));
  });
}

export const programs: Programs = {
  /** Asks every view everything after its region was closed. */
  afterClose() {
    const region = MappedRegion.open(file(2));
    const views = everyView(region);
    region.close();
    return askViews(views);
  },

  /** Asks every view everything after its region was resized. */
  afterResize() {
    using region = MappedRegion.anonymous(PAGE);
    const views = everyView(region);
    region.resize(2 * PAGE);
    return askViews(views);
  },

  /** Asks every view everything after its buffer was transferred. */
  afterTransfer() {
    using region = MappedRegion.open(file(2));
    const views = everyView(region);
    region.buffer.transfer();
    return askViews(views);
  },

  /** Calls every method and getter of a region that was closed. */
  closedRegion() {
    const region = MappedRegion.open(file(2));
    region.close();
    region.close();
    const calls: Readonly<Record<string, () => unknown>> = {
      bytes: () => region.bytes,
      buffer: () => region.buffer,
      view: () => region.view,
      subarray: () => region.subarray(),
      array: () => region.array(Int8Array),
      windows: () => region.windows(),
      read: () => region.read(0, 0),
      write: () => region.write(0, ""),
      indexOf: () => region.indexOf("A"),
      lastIndexOf: () => region.lastIndexOf("A"),
      includes: () => region.includes("A"),
      count: () => region.count("A"),
      matches: () => region.matches("A"),
      lines: () => region.lines(),
      flushSync: () => region.flushSync(),
      protect: () => region.protect("read"),
      advise: () => region.advise("normal"),
      discard: () => region.discard(),
      prefault: () => region.prefault(),
      lock: () => region.lock(),
      unlock: () => region.unlock(),
      residency: () => region.residency(),
      resize: () => region.resize(0),
      handle: () => region.handle(),
    };
    const names = Object.entries(calls).filter(([, call]) => {
      try {
        call();
        return true;
      } catch (error) {
        return !(error instanceof Error) || error.name !== "RegionClosedError";
      }
    });
    return [
      names.map(([name]) => name),
      region.length,
      String(region.address),
      region.protection,
      region.closed,
    ];
  },

  /** Closes a region within an optimized loop over its bytes. */
  closedInLoop() {
    const region = MappedRegion.open(file(16));
    const { bytes } = region;
    let hits = 0;
    for (let i = 0; i < 1e7; i++) {
      if (i === 5e6) region.close();
      if (bytes[i & 16_383] === 65) hits++;
    }
    return hits;
  },

  /** Closes a region within an optimized loop that stores to it. */
  closedInStoringLoop() {
    const region = MappedRegion.anonymous(16 * PAGE);
    const { bytes } = region;
    let last = 0;
    for (let i = 0; i < 1e7; i++) {
      if (i === 5e6) region.close();
      bytes[i & 16_383] = i;
      if (bytes[i & 16_383] === (i & 255)) last = i;
    }
    return last;
  },

  /** Resizes a region within an optimized loop: old views end, new ones have the bytes. */
  resizedInLoop() {
    using region = MappedRegion.anonymous(16 * PAGE);
    region.bytes.fill(65);
    let { bytes } = region;
    const old = bytes;
    let [hits, stale] = [0, 0];
    for (let i = 0; i < 1e7; i++) {
      if (i === 5e6) {
        region.resize(1024 * PAGE);
        ({ bytes } = region);
      }
      if (bytes[i & 16_383] === 65) hits++;
      if (old[i & 16_383] === 65) stale++;
    }
    return [hits, stale];
  },

  /** Takes a region's rights within an optimized loop that stores: old views end, new ones store privately. */
  protectedInLoop() {
    const path = file(16);
    using region = MappedRegion.open(path, { access: "read-write" });
    using other = MappedRegion.open(path);
    let { bytes } = region;
    const old = bytes;
    for (let i = 0; i < 1e7; i++) {
      if (i === 5e6) {
        region.protect("read");
        ({ bytes } = region);
      }
      bytes[i & 16_383] = i < 5e6 ? 66 : 67;
    }
    return [old.length, bytes[0], bytes[16_383], other.bytes[0], other.bytes[16_383], other.faults];
  },

  /** Steals the memory by structuredClone, and goes on using it after close. */
  stolenByClone() {
    const region = MappedRegion.open(file(4), { access: "read-write" });
    const { buffer } = region;
    const stolen = new Uint8Array(structuredClone(buffer, { transfer: [buffer] }));
    const before = [stolen[0], stolen.length / PAGE, region.bytes[PAGE]];
    region.close();
    stolen[3 * PAGE] = 9;
    return [before, stolen[0], stolen[3 * PAGE], stolen.length / PAGE];
  },

  /** Steals the memory by transfer(), and has the new buffer resized by the runtime. */
  stolenByTransfer() {
    const region = MappedRegion.open(file(4), { access: "read-write" });
    const stolen = region.buffer.transfer();
    const shorter = outcome(() => stolen.transfer(PAGE).byteLength / PAGE);
    region.close();
    return [shorter, stolen.detached, region.closed];
  },

  /** Steals the memory a hundred times, resizing in between: each thief has its own. */
  stolenAgain() {
    const region = MappedRegion.anonymous(PAGE);
    const stolen: Uint8Array[] = [];
    for (let i = 1; i <= 100; i++) {
      region.bytes[0] = i;
      stolen.push(new Uint8Array(region.buffer.transfer()));
      region.resize((i % 7 + 1) * PAGE);
    }
    region.close();
    for (const [i, bytes] of stolen.entries()) bytes[1] = i;
    return [stolen.length, stolen.every((bytes) => bytes.length >= PAGE && bytes[1] !== undefined)];
  },

  /** Posts the memory to a worker that goes on reading and writing after the region was closed. */
  async stolenByWorker() {
    const region = MappedRegion.open(file(16), { access: "read-write" });
    const { buffer } = region;
    const thief = together(`
      const { parentPort } = await import("node:worker_threads");
      let bytes;
      parentPort.on("message", (message) => {
        if (message !== "go on") bytes = new Uint8Array(message);
        let sum = 0;
        for (let i = 0; i < 1e6; i++) sum += bytes[i % bytes.length];
        for (let i = 0; i < bytes.length; i++) bytes[i] = 1;
        parentPort.postMessage([sum > 0, bytes.length, bytes[bytes.length - 1]]);
      });
    `);
    const first = await thief.ask(buffer, [buffer]);
    region.close();
    const second = await thief.ask("go on");
    await thief.end();
    return [first, second];
  },

  /** Closes the region while the thread pool writes it to a file. */
  async closedWhileWritten() {
    const region = MappedRegion.open(file(2048));
    const fd = openSync(join(dirname(region.path ?? ""), "copy"), "w+");
    const to = promisify(write) as (fd: number, bytes: Uint8Array, at: number, n: number) => Promise<unknown>;
    const work = to(fd, region.bytes, 0, region.length).then(() => "written", failure);
    region.close();
    const end = await work;
    closeSync(fd);
    return [end, region.closed];
  },

  /** Closes regions whose bytes a server is sending, and a client, to each other. */
  async closedWhileSent() {
    const size = 4096 * PAGE;
    const ours = (bytes: Uint8Array) => bytes.every((byte) => byte === 65 || byte === 0);
    let uploaded = true;
    const server = createServer((request, response) => {
      request.on("data", (chunk: Uint8Array) => uploaded &&= ours(chunk)).on("error", () => {});
      const region = MappedRegion.anonymous(size);
      region.bytes.fill(65);
      response.on("error", () => {});
      response.end(region.bytes);
      region.close();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
    const region = MappedRegion.anonymous(size);
    region.bytes.fill(65);
    // A runtime may send all, or break off when the bytes are gone: what arrives is ours.
    const work = fetch(url, { method: "POST", body: region.bytes }).then((response) => response.bytes());
    region.close();
    const downloaded = await work.then(ours, () => true);
    server.closeAllConnections();
    server.close();
    return [uploaded, downloaded];
  },

  /** Closes, resizes or protects a region while the thread pool compresses it. */
  async endedWhileDeflated() {
    const ends: readonly ((region: MappedRegion) => void)[] = [
      (region) => region.close(),
      (region) => region.resize(4096 * PAGE),
      (region) => region.resize(PAGE),
      (region) => region.protect("read"),
    ];
    const found: unknown[] = [];
    for (const end of ends) {
      const region = MappedRegion.anonymous(1024 * PAGE);
      region.bytes.fill(65);
      const { bytes } = region;
      const work = promisify(deflate)(bytes);
      end(region);
      const result = await work.then((data) => inflateSync(data), failure);
      const right = typeof result !== "string" && result.every((byte) => byte === 65 || byte === 0);
      found.push([typeof result === "string" ? result : result.length / PAGE, right]);
      region.close();
    }
    return found;
  },

  /** Closes, resizes or protects a region while the thread pool hashes it. */
  async endedWhileHashed() {
    const ends: readonly ((region: MappedRegion) => void)[] = [
      (region) => region.close(),
      (region) => region.resize(4096 * PAGE),
      (region) => region.resize(PAGE),
      (region) => region.protect("read"),
    ];
    const found: unknown[] = [];
    for (const end of ends) {
      const region = MappedRegion.anonymous(1024 * PAGE);
      region.bytes.fill(65);
      const work = webcrypto.subtle.digest("SHA-256", region.bytes);
      end(region);
      found.push(await work.then((digest) => digest.byteLength, failure));
      region.close();
    }
    return found;
  },

  /** Closes, resizes or protects a region while the thread pool fills it. */
  async endedWhileFilled() {
    const nothing = (): void => {};
    const ends: readonly ((region: MappedRegion) => void)[] = [
      (region) => region.close(),
      (region) => region.resize(4096 * PAGE),
      (region) => region.resize(PAGE),
      (region) => region.protect("read"),
      nothing,
    ];
    const found: unknown[] = [];
    for (const end of ends) {
      const region = MappedRegion.anonymous(1024 * PAGE);
      const work = fill(region.bytes, end !== nothing);
      end(region);
      found.push([await work, region.closed ? 0 : region.length / PAGE]);
      region.close();
    }
    return found;
  },

  /** Drops views and regions whose work is not done, and collects them. */
  async collectedInFlight() {
    const works: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) {
      const region = MappedRegion.anonymous(256 * PAGE);
      region.bytes.fill(65);
      works.push(promisify(deflate)(region.bytes).then((data) => data.length > 0));
      region.close();
    }
    await collectGarbage();
    const ends = await Promise.all(works);
    await collectGarbage();
    using after = MappedRegion.anonymous(PAGE);
    return [ends.every((end) => end === true), after.bytes[0]];
  },
};
