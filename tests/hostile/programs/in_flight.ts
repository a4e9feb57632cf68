// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Work that others do on a region's bytes while the region is closed, resized or protected, and its file cut off. */
import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { createServer } from "node:http";
import * as net from "node:net";
import { dirname } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { memchr } from "../../../ffi/mod.ts";
import { mapFile, MappedRegion, struct } from "../../../mod.ts";
import {
  collectGarbage,
  collectUntil,
  eventually,
  isMapped,
  LIBRARY,
  mappingsOf,
  PAGE,
  runtimeName,
  together,
} from "../../helpers/mod.ts";
import { addon, UNTIL_GO } from "../addon.ts";
import { failure, file, outcome, type Programs } from "../support.ts";

const PAGES = 1024;
const SIZE = PAGES * PAGE;

/** What has come of the bytes: all as they were, or not; or what went wrong instead. */
function judge(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length === SIZE && buffer.equals(Buffer.alloc(SIZE, 65))) return "right";
  const other = buffer.findIndex((byte) => byte !== 65);
  return other === -1 ? `${buffer.length} bytes` : `${buffer.length} bytes, ${buffer[other]} at ${other}`;
}

/** A file for what is written. */
const target = (): string => `${file(0)}.copy`;

/** What a server on this machine sends, to a client that takes its time. */
async function received(server: net.Server, request: string): Promise<Uint8Array> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const socket = net.connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  try {
    socket.write(request);
    socket.pause();
    await delay(100);
    socket.resume();
    await new Promise<void>((resolve) => {
      socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("close", () => resolve())
        .on("error", () => resolve());
    });
  } finally {
    socket.destroy();
    server.close();
  }
  return Buffer.concat(chunks);
}

/**
 * Work that is begun on bytes: returns what came of them. `begun` is called when it has been begun: then the region may be
 * closed.
 */
type Work = (bytes: Uint8Array<ArrayBuffer>, begun: () => void) => Promise<Uint8Array>;

const WORKS: Readonly<Record<string, Work>> = {
  async writeFile(bytes, begun) {
    const path = target();
    const done = new Promise<void>((resolve, reject) => {
      fs.writeFile(path, bytes, (error) => error === null ? resolve() : reject(error));
    });
    begun();
    await done;
    return fs.readFileSync(path);
  },
  async writeFilePromise(bytes, begun) {
    const path = target();
    const done = fs.promises.writeFile(path, bytes);
    begun();
    await done;
    return fs.readFileSync(path);
  },
  async write(bytes, begun) {
    const path = target();
    const fd = fs.openSync(path, "w");
    try {
      const done = promisify(fs.write)(fd, bytes, 0, bytes.length, 0);
      begun();
      await done;
    } finally {
      fs.closeSync(fd);
    }
    return fs.readFileSync(path);
  },
  async response(bytes, begun) {
    const server = createServer((_, response) => {
      response.on("error", () => {}).end(bytes);
      begun();
    });
    const answer = Buffer.from(
      await received(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    );
    const body = answer.subarray(answer.indexOf("\r\n\r\n") + 4);
    // In chunks or not, as the runtime likes it.
    return /transfer-encoding: chunked/i.test(answer.toString("latin1", 0, 1000)) ? unchunked(body) : body;
  },
  socket(bytes, begun) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {}).end(bytes);
      begun();
    });
    return received(server, "");
  },
  async gzip(bytes, begun) {
    const done = promisify(zlib.gzip)(bytes);
    begun();
    return zlib.gunzipSync(await done);
  },
};

function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0;;) {
    const end = body.indexOf("\r\n", at);
    const length = end === -1 ? 0 : Number.parseInt(body.toString("latin1", at, end), 16);
    if (length === 0) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** Work whose beginning some runtimes put off, until there are no bytes any more: that ends in an error. */
const PUT_OFF: Readonly<Record<typeof runtimeName, readonly string[]>> = {
  bun: [],
  deno: ["writeFile", "writeFilePromise", "gzip"],
  node: ["writeFilePromise", "gzip"],
};

/** What becomes of the region meanwhile. */
const ENDS: Readonly<Record<string, (region: MappedRegion) => void>> = {
  close: (region) => region.close(),
  grow: (region) => region.resize(4 * SIZE),
  shrink: (region) => region.resize(PAGE),
};

/** Regions of SIZE bytes, all of them the letter A; and the file, where there is one. */
const KINDS: Readonly<Record<string, () => [region: MappedRegion, path?: string]>> = {
  file() {
    const path = file(PAGES);
    return [MappedRegion.open(path, { access: "read-write" }), path];
  },
  memory() {
    const region = MappedRegion.anonymous(SIZE);
    region.fill(65);
    return [region];
  },
};

/** Runs each work with each end on each kind of region, with what comes behind; returns those that didn't end well. */
async function each(
  then: (region: MappedRegion, path: string | undefined) => void,
  isWell: (outcome: string, region: MappedRegion, work: string) => boolean,
): Promise<Record<string, string>> {
  // A runtime's own JavaScript may stumble over a buffer that has been detached, outside of any promise.
  let stumbled: (error: unknown) => void = () => {};
  process.on("uncaughtException", (error) => stumbled(error));
  process.on("unhandledRejection", (error) => stumbled(error));
  const told: Record<string, string> = {};
  for (const [kind, make] of Object.entries(KINDS)) {
    for (const [end, finish] of Object.entries(ENDS)) {
      for (const [name, work] of Object.entries(WORKS)) {
        const [region, path] = make();
        using wall = MappedRegion.anonymous(PAGE); // so that it can't grow where it is
        const outcome = await new Promise<string>((resolve) => {
          stumbled = () => resolve("error");
          const patience = setTimeout(() => resolve("nothing came"), 120_000);
          work(region.bytes, () => {
            finish(region);
            then(region, path);
          }).then(judge, () => "error").then((value) => {
            clearTimeout(patience);
            resolve(value);
          });
        });
        if (!isWell(outcome, region, name)) told[`${name} of ${kind}, ${end}`] = outcome;
        region.close();
        wall.close();
      }
    }
  }
  return told;
}

export const programs: Programs = {
  /** Ends regions while their bytes are being written, sent and compressed: they arrive, or an error is told. */
  arrives() {
    return each(
      () => {},
      (outcome, _, work) => outcome === "right" || outcome === "error" && PUT_OFF[runtimeName].includes(work),
    );
  },

  /** The same, and the file is cut off: whoever is given zeros can ask the region, which has counted them. */
  cut() {
    return each(
      (_, path) => path === undefined ? undefined : fs.truncateSync(path, PAGE),
      (outcome, region) =>
        outcome === "right" || outcome === "error" || !outcome.includes(", 0 at") || region.faults > 0,
    );
  },

  /** Lets an addon read and store in a thread of its own, and ends the regions before it begins. */
  async addon() {
    const { work, go } = addon();
    const found: Record<string, number> = {};
    for (const [kind, make] of Object.entries(KINDS)) {
      for (const [end, finish] of Object.entries(ENDS)) {
        for (const store of [false, true]) {
          const [region] = make();
          const done = work(region.bytes, store ? 66 : 65, UNTIL_GO, store);
          finish(region);
          await collectGarbage();
          go();
          found[`${store ? "stores to" : "reads"} ${kind}, ${end}`] = await done / SIZE;
          region.close();
        }
      }
    }
    return found;
  },

  /** The same, and the file is cut off, or the memory is let go of at once: the process goes on. */
  async addonLeftAlone() {
    const { work, go } = addon();
    const path = file(PAGES);
    const cut = MappedRegion.open(path, { access: "read-write" });
    const first = work(cut.bytes, 65, UNTIL_GO, false);
    cut.close();
    fs.truncateSync(path, PAGE);
    go();
    const found: unknown[] = [await first === PAGE, cut.faults > 0];
    for (const store of [false, true]) {
      const region = MappedRegion.open(file(PAGES), { access: "read-write" });
      const done = work(region.bytes, store ? 66 : 65, UNTIL_GO, store);
      region.close({ now: true });
      go();
      found.push(await done / SIZE);
    }
    return found;
  },

  /** Ends regions, and cuts them shorter, while an addon's threads meet their lost pages, a page after the other. */
  async addonAtTheEnd() {
    const { work } = addon();
    const path = file(1);
    const pages = 64;
    const letters = new Uint8Array(pages * PAGE).fill(65);
    let spent = 0;
    for (let round = 0; round < 600; round++) {
      fs.writeFileSync(path, letters);
      const region = MappedRegion.open(path, { access: "read-write" });
      fs.truncateSync(path, 0);
      const { bytes } = region;
      const done = [1, 2, 3].map(() => work(bytes, 65, 0, false));
      for (let index = 0; index < round % 50 * 40; index++) spent += index; // to meet them at each stage
      if (round % 2 === 0) region.resize(PAGE);
      region.close({ now: round % 4 > 0 });
      if ((await Promise.all(done)).some((count) => count !== 0)) return [round, "letters"];
    }
    return [spent > 0];
  },

  /** The same with memory that nobody may access, which grows again where it was. */
  async addonAtTheGrowth() {
    const { work } = addon();
    const size = 64 * PAGE;
    let spent = 0;
    for (let round = 0; round < 600; round++) {
      const region = MappedRegion.anonymous(size, { capacity: 2 * size });
      const { bytes } = region;
      const done = [1, 2, 3].map(() => work(bytes, 65, 0, false));
      region.protect("none");
      for (let index = 0; index < round % 50 * 40; index++) spent += index;
      region.resize(PAGE);
      for (let pages = 2; pages <= 64; pages *= 2) region.resize(pages * PAGE);
      await Promise.all(done);
      region.close();
    }
    return [spent > 0];
  },

  /**
   * Lets an addon read all of a region that grows where it is, which is made shorter and a little longer again meanwhile,
   * and closed or not; then the file is cut off.
   */
  async addonInReserve() {
    const { work, go } = addon();
    const found: unknown[] = [];
    for (const closes of [true, false]) {
      const path = file(PAGES);
      const region = MappedRegion.open(path, { access: "read-write", capacity: 2 * SIZE });
      const done = work(region.bytes, 65, UNTIL_GO, false);
      region.resize(PAGE);
      region.resize(4 * PAGE);
      if (closes) region.close();
      fs.truncateSync(path, 8 * PAGE);
      await collectGarbage();
      go();
      found.push(await done === 8 * PAGE, region.faults > 0);
      region.close();
    }
    return found;
  },

  /** Grows a region in another owner over what an addon is still reading, and when it is done. */
  async addonElsewhere() {
    const { work, go } = addon();
    const region = MappedRegion.anonymous(SIZE, { shared: true, capacity: 2 * SIZE });
    region.fill(65);
    const done = work(region.bytes, 65, UNTIL_GO, false);
    region.resize(PAGE);
    const other = MappedRegion.attach(region.handle());
    const found: unknown[] = [outcome(() => other.resize(2 * PAGE))];
    go();
    found.push(await done === SIZE);
    await collectUntil(() => outcome(() => other.resize(2 * PAGE)) !== "EBUSY");
    other.fill(66, { offset: PAGE });
    for (let rounds = 0; rounds < 3; rounds++) await collectGarbage();
    found.push(other.length === 2 * PAGE, region.count("A") === PAGE, region.count("B") === PAGE);
    other.close();
    region.close();
    return found;
  },

  /** Ends regions at random, with the addon at work on many of them, and files cut off under it. */
  async addonAtRandom() {
    const { work } = addon();
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    const wrong: string[] = [];
    const one = async (round: number): Promise<void> => {
      const pages = 1 + random(64);
      const isFile = random(2) === 0;
      const path = file(isFile ? pages : 1);
      const region = isFile
        ? MappedRegion.open(path, { access: "read-write" })
        : MappedRegion.anonymous(pages * PAGE);
      if (!isFile) region.fill(65);
      const works = [1, 2].map(() => work(region.bytes, 65, random(4), false));
      const ends = [1, 2, 3].map(() => random(7));
      for (const end of ends) {
        if (region.closed) continue;
        if (end === 0) region.resize((1 + random(128)) * PAGE);
        if (end === 1) region.resize(random(pages * PAGE));
        if (end === 2) region.protect("read");
        if (end === 3) region.close();
        if (end === 4) works.push(Promise.resolve(region.indexOf("B") === -1 ? pages * PAGE : 0));
        if (end === 5) region.subarray(0, random(9));
        if (end === 6 && random(2) === 0) await delay(1);
      }
      region.close();
      const isCut = isFile && random(3) === 0;
      if (isCut) fs.truncateSync(path, random(pages) * PAGE);
      const counts = await Promise.all(works);
      if (counts.some((count) => count !== pages * PAGE && !(isCut && region.faults > 0))) {
        wrong.push(`${round}: ${counts} of ${pages * PAGE}, ${ends}, ${isFile} ${isCut} ${region.faults}`);
      }
      fs.rmSync(dirname(path), { recursive: true });
    };
    for (let round = 0; round < 100; round++) {
      await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((each) => one(8 * round + each)));
      if (round % 10 === 0) await collectGarbage();
    }
    return wrong;
  },

  /** Reads and stores through what is left of a region whose bytes are being written: each says that it is closed. */
  async readers() {
    const region = MappedRegion.open(file(PAGES), { access: "read-write" });
    const cursor = region.cursor();
    const column = region.records(struct({ number: "u32" })).column("number");
    const lines = region.lines();
    cursor.readU32();
    column.get(5);
    lines.next();
    const fd = fs.openSync(target(), "w");
    const done = promisify(fs.write)(fd, region.bytes, 0, SIZE, 0);
    region.close();
    const uses: readonly (() => unknown)[] = [
      () => cursor.readU32(),
      () => cursor.readU8(),
      () => cursor.writeU32(1),
      () => cursor.readLine(),
      () => column.get(5),
      () => column.set(5, 1),
      () => [...column],
      () => lines.next(),
    ];
    const found = new Set(uses.map((use) => outcome(use)));
    await done;
    fs.closeSync(fd);
    return [...found];
  },

  /** Forgets to wait for what is under way in a block, and uses use() for it. */
  async used() {
    const path = file(PAGES);
    const to = target();
    let done: Promise<void>;
    {
      using region = MappedRegion.open(path);
      done = region.use((bytes) => fs.promises.writeFile(to, bytes));
    }
    await done;
    const compressed = (() => {
      using region = MappedRegion.open(path);
      return region.use((bytes) => promisify(zlib.gzip)(bytes));
    })();
    const unpacked = zlib.gunzipSync(await compressed);
    using region = MappedRegion.open(path, { access: "read-write" });
    const refused = await region.use((bytes) => {
      const ends = [
        () => region.protect("none"),
        () => region.protect("read", { offset: PAGE, length: 1 }),
        () => region.resize(PAGE),
        () => region.protect("read-write"), // takes nothing away
      ];
      return [...ends.map(outcome), bytes.length / PAGE];
    });
    region.protect("read");
    return [judge(fs.readFileSync(to)), judge(unpacked), ...refused];
  },

  /** Opens a file, looks at its bytes and closes it, 70,000 times in one turn of the event loop. */
  oneTurn() {
    const path = file(1);
    let sum = 0;
    let most = 0;
    for (let round = 0; round < 70_000; round++) {
      const region = MappedRegion.open(path);
      sum += region.bytes[5] ?? 0;
      region.close();
      if (round % 10_000 === 9999) most = Math.max(most, mappingsOf(path));
    }
    return [sum / 65, most <= 2 ** 14];
  },

  /** Closes more regions than are kept, and holds on to their buffers: the newest 16,384 have their pages. */
  bound() {
    const path = file(1);
    const held: ArrayBuffer[] = [];
    const addresses: bigint[] = [];
    for (let count = 0; count < 17_000; count++) {
      const region = MappedRegion.open(path);
      held.push(region.buffer);
      addresses.push(region.address);
      region.close();
    }
    // Where the oldest were, there is memory: zeros.
    const kept = addresses.map((address) => memchr(address, 65, 1) !== 0n);
    return [mappingsOf(path), held.length, kept.indexOf(true), kept.lastIndexOf(false)];
  },

  /** The same with regions that the guard has made many mappings of: the kernel grants a process 65,530. */
  boundOfMappings() {
    const path = file(64);
    const held: ArrayBuffer[] = [];
    for (let count = 0; count < 1100; count++) {
      using region = MappedRegion.open(path);
      const { bytes } = region;
      for (let page = 0; page < 64; page += 2) bytes[page * PAGE] = 66;
      held.push(bytes.buffer);
    }
    return [mappingsOf(path), held.length];
  },

  /** The same with memory: the newest GiB of it. */
  boundOfMemory() {
    const held: ArrayBuffer[] = [];
    const addresses: bigint[] = [];
    const size = 2 ** 26;
    for (let count = 0; count < 24; count++) {
      const region = MappedRegion.anonymous(size, { reserve: false });
      held.push(region.buffer);
      region.write(0, "A");
      addresses.push(region.address);
      region.close();
    }
    return [held.length, addresses.map((address) => memchr(address, 65, 1) !== 0n).indexOf(true)];
  },

  /** The same in workers: the process keeps as many in all, but a few of each isolate, until workers have ended. */
  async boundOfWorkers() {
    const path = file(1);
    const held: ArrayBuffer[] = [];
    const hold = (): number => {
      for (let count = 0; count < 9000; count++) {
        const region = MappedRegion.open(path);
        held.push(region.buffer);
        region.close();
      }
      return mappingsOf(path);
    };
    const program = `
      import { parentPort, workerData } from "node:worker_threads";
      import { MappedRegion } from "${LIBRARY}";
      const held = [];
      parentPort.on("message", () => {
        for (let count = 0; count < 9000; count++) {
          const region = MappedRegion.open(workerData);
          held.push(region.buffer);
          region.close();
        }
        parentPort.postMessage(held.length);
      });`;
    const workers = [together(program, path), together(program, path), together(program, path)];
    const found: unknown[] = [];
    for (const worker of workers) {
      await worker.ask("hold");
      found.push(mappingsOf(path));
    }
    found.push(hold());
    const isNear = (count: unknown): boolean => Math.abs(Number(count) - 2 ** 14) <= 256;
    const near = found.map((count) => isNear(count) || count);
    for (const worker of workers) await worker.end();
    // What they kept is given back with the next regions, and ours may be as many as that leaves.
    return [...near, await eventually(() => hold() === 2 ** 14)];
  },

  /** Lets go of mapFile's arrays: their files stay mapped as long as one of them can be reached, and no longer. */
  async mapped() {
    const warnings: string[] = [];
    process.on("warning", (warning) => warnings.push(`${warning.name} ${warning.message}`));
    const path = file(PAGES);
    const views = (() => {
      const bytes = mapFile(path);
      const views: Uint8Array[] = [bytes.subarray(10, 20)];
      bytes[10] = 66; // stays private
      return views;
    })();
    await collectGarbage();
    const alive = [views[0]?.[0], views[0]?.[1], isMapped(path), fs.readFileSync(path)[10]];
    views.length = 0;
    // Bun's collector may take what lies on the stack for a reference: many, of which nearly all must be gone.
    const other = file(1);
    (() => {
      for (let count = 0; count < 1000; count++) mapFile(other).at(0);
    })();
    const gone = [
      await collectUntil(() => mappingsOf(path) <= 1),
      await collectUntil(() => mappingsOf(other) <= 10),
    ];
    const ours = warnings.filter((text) => text.startsWith("MappedRegion"));
    return [alive, ...gone, ours];
  },

  /** Maps files without an end in one turn of the event loop, and holds on to as many: all of them have their bytes. */
  mappedInOneTurn() {
    const path = file(1);
    let sum = 0;
    for (let count = 0; count < 30_000; count++) sum += mapFile(path)[5] ?? 0;
    const held = Array.from({ length: 30_000 }, () => mapFile(path));
    const large = file(2 ** 20 / PAGE + 1);
    const before = mappingsOf(large);
    const last = mapFile(large);
    return [
      sum / 65,
      held.every((bytes) => bytes.length === PAGE && bytes[PAGE - 1] === 65),
      mappingsOf(path) <= 2 ** 14 + 1,
      mappingsOf(large) - before,
      last.at(-1),
    ];
  },

  /** Tries to transfer the buffers of mapFile's arrays in every way: they stay where they are. */
  async mappedTransferred() {
    const bytes = mapFile(file(1));
    const { buffer } = bytes;
    const { port1, port2 } = new MessageChannel();
    const attempts = [
      () => port1.postMessage(bytes, [buffer]),
      () => structuredClone(bytes, { transfer: [buffer] }),
      () => buffer.transfer(),
      () => buffer.transfer(PAGE),
      () => buffer.transferToFixedLength(),
    ];
    const failed = attempts.map((attempt) => outcome(() => void attempt()) !== undefined);
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    port2.onmessage = (message) => resolve(message.data as Uint8Array);
    port1.postMessage(bytes);
    const posted = await promise;
    port1.close();
    port2.close();
    return [failed, buffer.detached, bytes.length, bytes.at(-1), posted.every((byte) => byte === 65)];
  },

  /** Closes regions whose buffers are held on to, and lets go of their files only afterwards, or while they are flushed. */
  async closedTwice() {
    const path = file(PAGES);
    const held: ArrayBuffer[] = [];
    const found: unknown[] = [];
    for (const options of [{}, { capacity: 2 * SIZE }]) {
      const region = MappedRegion.open(path, { access: "read-write", ...options });
      held.push(region.buffer);
      region.resize(PAGE);
      held.push(region.buffer);
      region.close();
      found.push(isMapped(path));
      region.close();
      found.push(isMapped(path));
      region.close({ now: true });
      found.push(isMapped(path));
    }
    const region = MappedRegion.open(path, { access: "read-write" });
    held.push(region.buffer);
    const flushed = region.flush();
    region.close();
    region.close({ now: true });
    await flushed.catch(failure);
    found.push(isMapped(path), held.length);
    return found;
  },

  /** Closes regions that are referred to for longer, and whose views are not: their pages go with the views. */
  async heldRegion() {
    const path = file(PAGES);
    // Many: Bun's collector may take what lies on the stack for a reference to one of their views.
    const regions = Array.from({ length: 100 }, (_, index) => {
      const options = index % 2 === 0 ? {} : { capacity: 2 * SIZE };
      const region = MappedRegion.open(path, { access: "read-write", ...options });
      (() => region.bytes[0] = region.view.getUint8(1))();
      region.close();
      return region;
    });
    return [await collectUntil(() => mappingsOf(path) <= 5), regions.every(({ closed }) => closed)];
  },

  /** Waits for work that fails: the region is closed all the same. */
  async failed() {
    const path = file(4);
    const region = MappedRegion.open(path);
    const work = region.use(() => Promise.reject(new RangeError("mine"))).catch(failure);
    region.close();
    return [await work, region.closed];
  },
};
