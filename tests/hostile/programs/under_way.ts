// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/**
 * Regions that are closed, resized, protected, emptied and cut off at random, while native code works on their bytes.
 *
 * The model: every byte is the letter A, and each page knows what else may be found in it: zeros, since the file was
 * cut off within it or memory was thrown away; zeros that the region has to have counted as faults; or what native
 * code stored. That only grows. So work may find what there was when it began, or when it ended, or some of both.
 *
 * A longer run, by hand, in any runtime:
 * `TMPDIR=/dev/shm HOSTILE_OPERATIONS=1000000 HOSTILE_SEED=1 node tests/hostile/run_program.ts under_way all`.
 */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { mapFile, MappedRegion, MmapError, RegionClosedError } from "../../../mod.ts";
import { collectGarbage, needsAddon, PAGE, runtimeName } from "../../helpers/mod.ts";
import { addon } from "../addon.ts";
import { dice } from "../dice.ts";
import type { Programs } from "../support.ts";

const OPERATIONS = Number(process.env["HOSTILE_OPERATIONS"] ?? 100_000);
/** So many are done in any case; the rest only while there is time, unless their number was given. */
const FEWEST = process.env["HOSTILE_OPERATIONS"] === undefined ? 20_000 : OPERATIONS;
const MILLISECONDS = 45_000;
/**
 * Work that has not ended after this long counts as an error: a runtime's stream whose view was emptied while it was queued
 * may never tell.
 */
const PATIENCE = 15_000;
const SEED = Number(process.env["HOSTILE_SEED"] ?? 1);

/** How many regions there are at a time, and how many pieces of work at most. */
const WORLDS = 6;
const MOST_WORK = 24;
/** A region has so many pages at most when it is opened. */
const MOST_PAGES = 64;

const LETTER = 65;
const STORED = 66;
const LETTERS = Buffer.alloc(MOST_PAGES * PAGE, LETTER);

// What there may be in a page but the letter.
const ZEROS = 1;
const COUNTED_ZEROS = 2;
const STORES = 4;
const ANYTHING = 8;

const random = dice(SEED);

const directory = tmpdir();
let names = 0;
const newPath = (): string => join(directory, `f${names++}`);

/** What has come of work: the bytes that arrived, or whether what was derived of them is what comes of letters. */
type Result = Uint8Array | boolean;

type Work = (bytes: Uint8Array<ArrayBuffer>) => Promise<Result>;

/** What was written to a new file. */
async function written(write: (path: string) => Promise<unknown>): Promise<Uint8Array> {
  const path = newPath();
  try {
    await write(path);
    return fs.readFileSync(path);
  } finally {
    fs.rmSync(path, { force: true });
  }
}

function writtenTo(write: (fd: number) => Promise<unknown>): Promise<Uint8Array> {
  return written(async (path) => {
    const fd = fs.openSync(path, "w");
    try {
      await write(fd);
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** Throws if a program is told that not all has been written: the kernel stops where it may not read. */
function told({ bytesWritten }: { readonly bytesWritten: number }, length: number): void {
  if (bytesWritten !== length) throw new Error(`${bytesWritten} of ${length} bytes were written`);
}

/** Whether what is derived of bytes is what comes of as many letters. */
async function derived(
  bytes: Uint8Array<ArrayBuffer>,
  derive: (bytes: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer | Buffer>,
): Promise<boolean> {
  const letters = new Uint8Array(LETTERS.subarray(0, bytes.length));
  const [actual, expected] = await Promise.all([derive(bytes), derive(letters)]);
  return Buffer.from(actual as ArrayBuffer).equals(Buffer.from(expected as ArrayBuffer));
}

const hkdf = promisify(crypto.hkdf);
const gzip = promisify(zlib.gzip);
const compressed: Work = async (bytes) => zlib.gunzipSync(await gzip(bytes, { level: 1 }));
const writeFilePromise: Work = (bytes) => written((path) => fs.promises.writeFile(path, bytes));

/** A server that gives each client's bytes to who waits for them, and one that answers with bytes. */
class Servers {
  readonly #path = newPath();
  readonly #waiting = new Map<string, (bytes: Uint8Array) => void>();
  readonly #bodies = new Map<string, () => Uint8Array>();
  readonly #sink = net.createServer((socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => {}).on("close", () => {
      const all = Buffer.concat(chunks);
      this.#waiting.get(all.toString("latin1", 0, 8))?.(all.subarray(8));
    });
  });
  readonly #http = http.createServer((request, response) => {
    const body = this.#bodies.get(request.url ?? "");
    response.on("error", () => {});
    try {
      response.end(body?.());
    } catch {
      response.destroy();
    }
  });
  #sent = 0;

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#sink.listen(this.#path, resolve));
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
  }

  /** Sends what `bytes` gives when the connection stands; gives what has arrived. */
  send(bytes: () => Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const name = String(++this.#sent).padStart(8, "0");
      this.#waiting.set(name, resolve);
      const socket = net.connect(this.#path);
      socket.on("error", reject);
      socket.write(name, () => {
        try {
          socket.end(bytes());
        } catch (error) {
          socket.destroy(error as Error);
        }
      });
    });
  }

  /** Answers with what `body` gives when the request has arrived. */
  respond(body: () => Uint8Array): Promise<Uint8Array> {
    const path = `/${++this.#sent}`;
    this.#bodies.set(path, body);
    const { port } = this.#http.address() as net.AddressInfo;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      http.get({ port, path, host: "127.0.0.1", agent: false }, (response) => {
        if (response.statusCode !== 200) reject(new Error("no answer"));
        response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject)
          .on("end", () => resolve(Buffer.concat(chunks)));
      }).on("error", reject);
    });
  }

  close(): void {
    this.#sink.close();
    this.#http.close();
  }
}

const servers = new Servers();

/** Native work: what it may store, and how it is begun. */
type Native = readonly [name: string, stores: number, work: Work];

/** Some of it leaves the bytes as they are … */
const READERS: Native[] = ([
  ["write", (bytes) => {
    const { length } = bytes;
    return writtenTo(async (fd) => told(await promisify(fs.write)(fd, bytes, 0, length, 0), length));
  }],
  ["writev", (bytes) => {
    const parts = [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)];
    const { length } = bytes;
    return writtenTo(async (fd) => told(await promisify(fs.writev)(fd, parts), length));
  }],
  ["writeFile", (bytes) => written((path) => promisify(fs.writeFile)(path, bytes))],
  ["writeFilePromise", writeFilePromise],
  ["hkdf", (bytes) => derived(bytes, (key) => hkdf("sha256", key, "salt", "info", 32))],
  ["digest", (bytes) => derived(bytes, (data) => crypto.subtle.digest("SHA-256", data))],
  ["blob", async (bytes) => new Uint8Array(await new Blob([bytes]).arrayBuffer())],
  ["body", async (bytes) => new Uint8Array(await new Response(bytes).arrayBuffer())],
] satisfies [string, Work][]).map(([name, work]) => [name, 0, work]);
// In V8's runtimes it is an error that can't be caught, or no end at all, if its view is emptied meanwhile.
if (runtimeName === "bun") READERS.push(["gzip", 0, compressed]);

/** … and some stores to them. */
const WRITERS: Native[] = [
  ["readInto", STORES, async (bytes) => {
    const path = newPath();
    fs.writeFileSync(path, Buffer.alloc(bytes.length, STORED));
    const fd = fs.openSync(path, "r");
    try {
      await promisify(fs.read)(fd, bytes, 0, bytes.length, 0);
    } finally {
      fs.closeSync(fd);
      fs.rmSync(path);
    }
    return true;
  }],
];

// In Deno it never calls back if the region ends meanwhile.
if (runtimeName !== "deno") {
  WRITERS.push(["randomFill", ANYTHING, async (bytes) => {
    await promisify(crypto.randomFill)(bytes);
    return true;
  }]);
}
if (needsAddon.skip === false) {
  const { work } = addon();
  READERS.push(["addon", 0, async (bytes) => {
    const { length } = bytes;
    return await work(bytes, LETTER, random(50) === 0 ? 1 : 0, false) === length;
  }]);
  WRITERS.push(["addonStores", STORES, async (bytes) => {
    const { length } = bytes;
    return await work(bytes, STORED, 0, true) === length;
  }]);
}

/** Takes commands while this program does something else. */
let shell: ChildProcess;

type Kind = "file" | "private" | "memory";

/** A region, its file, and what may be found in its pages. */
class World {
  readonly pages = 1 + random(random(8) === 0 ? MOST_PAGES : 8);
  readonly kind: Kind = (["file", "file", "private", "memory"] as const)[random(4)] ?? "file";
  readonly path = newPath();
  readonly fd: number;
  readonly may = new Uint8Array(this.pages);
  region: MappedRegion | undefined;
  /** How often it has been opened again. */
  rounds = 0;
  /** How often its file has been cut off. */
  cuts = 0;
  /** What has been done to it. */
  readonly history: string[] = [];

  constructor() {
    fs.writeFileSync(this.path, LETTERS.subarray(0, this.pages * PAGE));
    this.fd = fs.openSync(this.path, "r+");
    this.open();
  }

  open(): void {
    const capacity = random(3) === 0 ? { capacity: 2 * MOST_PAGES * PAGE } : {};
    if (this.kind === "memory") {
      this.region = MappedRegion.anonymous(this.pages * PAGE, capacity);
      this.region.fill(LETTER);
      return;
    }
    const access = this.kind === "file" ? "read-write" : random(2) === 0 ? "read" : "copy-on-write";
    this.region = MappedRegion.open(this.path, { access, ...capacity });
  }

  /** Adds what may be found in the pages that a part of the region touches. */
  add(what: number, from: number, to: number): void {
    for (let page = Math.floor(from / PAGE); page < Math.min(this.pages, Math.ceil(to / PAGE)); page++) {
      this.may[page] = (this.may[page] ?? 0) | what;
    }
  }

  /** The file has been cut off there, or will be. */
  cut(at: number): void {
    const page = Math.ceil(at / PAGE) * PAGE;
    this.add(ZEROS, at, page); // the rest of the page that it ends in: nothing tells
    this.add(COUNTED_ZEROS, page, this.pages * PAGE);
  }

  /** What bytes from an offset on are and mustn't be; nothing if they are well. */
  wrong(bytes: Uint8Array, from: number, faults: number): string {
    if (LETTERS.subarray(0, bytes.length).equals(bytes)) return "";
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === LETTER) continue;
      const may = this.may[Math.floor((from + at) / PAGE)] ?? ANYTHING;
      const allowed = (may & ANYTHING) !== 0 || byte === STORED && (may & STORES) !== 0 ||
        byte === 0 && ((may & ZEROS) !== 0 || (may & COUNTED_ZEROS) !== 0 && faults > 0);
      if (!allowed) {
        return `${byte} at ${from + at}, where ${may} may be, ${faults} faults`;
      }
    }
    return "";
  }

  /** Whether all bytes of a part have to be letters. */
  isCertain(from: number, to: number): boolean {
    return this.may.subarray(Math.floor(from / PAGE), Math.ceil(to / PAGE)).every((may) => may === 0);
  }

  end(): void {
    fs.closeSync(this.fd);
    fs.rmSync(this.path, { force: true });
  }
}

/** All that happens. */
class Storm {
  readonly done: Record<string, { right: number; other: number; errors: number; never: number }> = {};
  readonly underWay = new Map<Promise<void>, string>();
  wrong = "";
  operations = 0;

  tell(what: string, world?: World): void {
    const history = world === undefined
      ? ""
      : `, a ${world.kind} of ${world.pages} pages: ${world.history.join(", ")}`;
    if (this.wrong === "") this.wrong = `seed ${SEED}, operation ${this.operations}: ${what}${history}`;
  }

  /** Follows work on a part of a region to its end. */
  follow(
    name: string,
    world: World,
    region: MappedRegion,
    from: number,
    length: number,
    work: Promise<Result>,
  ): void {
    const counts = this.done[name] ??= { right: 0, other: 0, errors: 0, never: 0 };
    const { promise: never, reject: giveUp } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      counts.never++;
      giveUp(new Error("it has not ended"));
    }, PATIENCE);
    const followed = Promise.race([work, never]).then((result) => {
      if (typeof result === "boolean") {
        if (!result && world.isCertain(from, from + length)) {
          this.tell(`${name} was given other bytes`, world);
        }
        if (result) counts.right++;
        else counts.other++;
        return;
      }
      const wrong = world.wrong(result, from, region.faults);
      if (wrong !== "") this.tell(`${name} found ${wrong}`, world);
      if (result.length !== length && world.isCertain(from, from + length)) {
        this.tell(`${name} ended well with ${result.length} of ${length} bytes`, world);
      }
      if (result.length === length && LETTERS.subarray(0, length).equals(result)) counts.right++;
      else counts.other++;
    }, (error: unknown) => {
      counts.errors++;
      if (error instanceof ReferenceError || error instanceof SyntaxError) this.tell(String(error));
    }).finally(() => {
      clearTimeout(timer);
      this.underWay.delete(followed);
    });
    this.underWay.set(followed, name);
  }

  /** Begins work on a part of a region. */
  begin(world: World, region: MappedRegion): void {
    const end = Math.min(region.length, world.pages * PAGE);
    const from = random(2) === 0 ? 0 : random(end);
    const length = random(2) === 0 ? end - from : Math.min(end - from, 1 + random(2 * PAGE));
    if (length === 0) return;
    const take = (): Uint8Array<ArrayBuffer> =>
      from === 0 && length === region.length ? region.bytes : region.subarray(from, from + length);
    const way = random(20);
    if (way < 2) {
      // They are taken when there is somebody to send them to. Who is sent none: the region had ended by then.
      const late = (): Uint8Array => region.length < from + length ? new Uint8Array(0) : take();
      const sent = way === 0 ? servers.send(late) : servers.respond(late);
      const work = sent.then((bytes) => bytes.length === 0 ? Promise.reject(new Error("closed")) : bytes);
      return this.follow(way === 0 ? "socket" : "response", world, region, from, length, work);
    }
    if (way === 2) {
      // gzip has to do without its view when `close({ now: true })` takes it.
      const work = runtimeName === "bun" && random(2) === 0 ? compressed : writeFilePromise;
      const used = region.use((bytes) => work(bytes.subarray(from, from + length)));
      return this.follow("used", world, region, from, length, used);
    }
    if (way === 3 && world.kind !== "memory") {
      const bytes = mapFile(world.path);
      // What is lost of it, nobody counts for a program.
      if (bytes.length > 0 && world.isCertain(0, bytes.length)) {
        this.follow("mapped", world, region, 0, bytes.length, writeFilePromise(bytes));
      }
      return;
    }
    const ways = random(5) === 0 ? WRITERS : READERS;
    const [name, stores, work] = ways[random(ways.length)] ?? READERS[0] as Native;
    const bytes = take();
    world.add(stores, from, from + length);
    this.follow(name, world, region, from, length, work(bytes));
  }

  /** Does one thing to a region; throws what it throws. */
  step(world: World, region: MappedRegion): void {
    const size = world.pages * PAGE;
    const end = Math.min(region.length, size);
    const way = random(100);
    world.history.push(String(way));
    if (way < 10) this.begin(world, region);
    else if (way < 34) this.look(world, region, end);
    else if (way < 42) region.fill(LETTER, { offset: random(end), length: 0 });
    else if (way < 50) {
      region.protect((["read", "read-write", "read-write", "none"] as const)[random(4)] ?? "read");
    } else if (way < 56) this.resize(world, region, random(size + 1));
    else if (way < 62) this.resize(world, region, size);
    else if (way < 65) this.resize(world, region, size + random(MOST_PAGES * PAGE));
    else if (way < 69) this.discard(world, region, end);
    else if (way < 72) {
      region.advise((["normal", "random", "sequential", "cold"] as const)[random(4)] ?? "normal");
    } else if (way < 75) region.flushSync({ wait: false });
    else if (way < 76) this.steal(world, region);
    else if (way < 79 && world.kind !== "memory") this.cut(world, random(size));
    else if (way < 85) this.close(world, region);
    else if (end > 0) void region.subarray(random(end), random(end))[0];
  }

  look(world: World, region: MappedRegion, end: number): void {
    const from = random(end);
    const length = Math.min(end - from, 1 + random(PAGE));
    const way = random(4);
    const bytes = way === 0
      ? region.read(from, length)
      : way === 1
      ? new Uint8Array(region.subarray(from, from + length))
      : way === 2
      ? Uint8Array.of(region.cursor(from).readU8())
      : new Uint8Array(0);
    const wrong = world.wrong(bytes, from, region.faults);
    if (wrong !== "") this.tell(`look ${way} found ${wrong}`, world);
    if (
      way === 3 && region.count("A", { offset: from, length }) !== length &&
      world.isCertain(from, from + length)
    ) {
      this.tell("count found too few", world);
    }
  }

  resize(world: World, region: MappedRegion, length: number): void {
    const before = region.length;
    region.resize(length);
    // What was cut off of memory is zeros when it grows back; and so is a file that was cut off before it grows.
    if (world.cuts > 0) world.add(ZEROS, 0, world.pages * PAGE);
    if (world.kind === "memory") world.add(ZEROS, Math.min(before, length), world.pages * PAGE);
  }

  discard(world: World, region: MappedRegion, end: number): void {
    const from = random(end);
    if (world.kind === "memory") world.add(ZEROS, from, end);
    region.discard({ offset: from, length: end - from });
  }

  steal(world: World, region: MappedRegion): void {
    const bytes = region.bytes;
    world.add(ZEROS, 0, world.pages * PAGE); // what was taken away reads as zeros after the end
    if (random(2) === 0) bytes.buffer.transfer();
    else structuredClone(bytes, { transfer: [bytes.buffer] });
  }

  cut(world: World, at: number): void {
    world.cut(at);
    // The second one may make it longer again: then there are zeros in the file.
    if (world.cuts++ > 0) world.add(ZEROS, 0, world.pages * PAGE);
    if (random(2) === 0) fs.ftruncateSync(world.fd, at);
    else shell.stdin?.write(`truncate -s ${at} ${world.path} 2>/dev/null\n`);
  }

  close(world: World, region: MappedRegion): void {
    const way = random(8);
    world.region = undefined;
    if (way === 0) return; // forgotten
    const now = way < 3;
    if (now) world.add(ZEROS, 0, world.pages * PAGE);
    if (way < 2) region.close();
    if (now) region.close({ now: true });
    else region[Symbol.dispose]();
  }

  async run(): Promise<void> {
    const worlds = Array.from({ length: WORLDS }, () => new World());
    const isOver = (): boolean => this.operations >= FEWEST && performance.now() > MILLISECONDS;
    while (this.operations < OPERATIONS && this.wrong === "" && !isOver()) {
      const index = random(WORLDS);
      const world = worlds[index];
      if (world === undefined) break;
      this.operations++;
      if (world.region === undefined) {
        if (world.rounds++ < 2 && world.isCertain(0, world.pages * PAGE)) {
          world.open();
        } else {
          world.end();
          worlds[index] = new World();
        }
        continue;
      }
      try {
        this.step(world, world.region);
      } catch (error) {
        if (!isRefusal(error)) {
          this.tell(error instanceof Error ? error.stack ?? error.message : String(error));
        }
      }
      if (this.underWay.size >= MOST_WORK) await Promise.race(this.underWay.keys());
      if (this.operations % 50 === 0) await setImmediate();
      if (this.operations % 10_000 === 0) await collectGarbage();
    }
    for (const { region } of worlds) region?.close();
    await Promise.all(this.underWay.keys());
  }
}

/** Whether an error is one that the library promises: of what was lost, closed, in use, or out of range. */
function isRefusal(error: unknown): boolean {
  return error instanceof RegionClosedError || error instanceof RangeError ||
    error instanceof MmapError &&
      ["EACCES", "EBUSY", "EFAULT", "ENOTSUP", "ENOMEM", "EINVAL"].includes(error.code);
}

export const programs: Programs = {
  /** Returns how many operations there were, what came of the work that was begun, and what was wrong. */
  async all() {
    const storm = new Storm();
    process.on("uncaughtException", (error) => storm.tell(`uncaught: ${String(error)}`));
    process.on("unhandledRejection", (error) => storm.tell(`unhandled: ${String(error)}`));
    shell = spawn("sh", { stdio: ["pipe", "ignore", "ignore"] });
    await servers.listen();
    await storm.run();
    servers.close();
    shell.stdin?.end();
    return [storm.operations, storm.done, storm.wrong];
  },
};
