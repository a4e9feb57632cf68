// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Files that are cut off, filled up, replaced or deleted while they are mapped. */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { createHash, webcrypto } from "node:crypto";
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  write,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { deflate, deflateSync, inflateSync } from "node:zlib";
import { MappedRegion } from "../../../mod.ts";
import { PAGE, smallFileSystem } from "../../helpers/mod.ts";
import { failure, file, outcome, type Programs } from "../support.ts";

const PAGES = 256;

/** A region whose file has lost all pages but the first. */
function cut(access: "read" | "read-write" = "read", pages = PAGES): MappedRegion {
  const path = file(pages);
  const region = MappedRegion.open(path, { access });
  truncateSync(path, PAGE);
  return region;
}

/** Whether bytes are a page of the letter A, and zeros. */
function isCut(bytes: Uint8Array, pages = PAGES): boolean {
  const expected = new Uint8Array(pages * PAGE);
  expected.fill(65, 0, PAGE);
  return Buffer.compare(bytes, expected) === 0;
}

function sum(bytes: Uint8Array, step: number): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += step) total += bytes[at] ?? 0;
  return total;
}

export const programs: Programs = {
  /** Reads a byte of each page after the file was cut. */
  readsAfter() {
    using region = cut();
    return [sum(region.bytes, PAGE), region.faults];
  },

  /** Cuts the file between two reads of the same view. */
  readsBetween() {
    const path = file(4);
    using region = MappedRegion.open(path);
    const { bytes } = region;
    const before = sum(bytes, 1);
    truncateSync(path, PAGE);
    return [before / PAGE, sum(bytes, 1) / PAGE, region.faults];
  },

  /** Cuts the file half way through an optimized loop that reads. */
  optimizedReads() {
    const path = file(PAGES);
    using region = MappedRegion.open(path);
    const { bytes } = region;
    const loop = (count: number, at: number): number => {
      let hits = 0;
      for (let i = 0; i < count; i++) {
        if (i === at) truncateSync(path, PAGE);
        if (bytes[(i * 64) % bytes.length] === 65) hits++;
      }
      return hits;
    };
    const warm = loop(2e6, -1);
    const steps = bytes.length / 64;
    return [warm, loop(16_384 * steps / 16, 8192 * steps / 16) / steps, region.faults];
  },

  /** Cuts the file half way through an optimized loop that stores. */
  optimizedStores() {
    const path = file(PAGES);
    using region = MappedRegion.open(path, { access: "read-write" });
    const { bytes } = region;
    const loop = (count: number, at: number): void => {
      for (let i = 0; i < count; i++) {
        if (i === at) truncateSync(path, PAGE);
        bytes[(i * 64) % bytes.length] = 66;
      }
    };
    loop(1e7, 5e6);
    return [sum(bytes, PAGE) / 66, region.faults, readFileSync(path).length === PAGE, readFileSync(path)[0]];
  },

  /** Decodes lost pages as text, in both of the usual ways. */
  decoded() {
    using region = cut();
    using other = cut();
    const text = new TextDecoder().decode(region.bytes);
    const latin = new TextDecoder("latin1").decode(other.bytes);
    return [
      text.length / PAGE,
      text === latin,
      text.lastIndexOf("A") === PAGE - 1,
      region.faults,
      other.faults,
    ];
  },

  /** Copies lost pages by Buffer, searches them, and turns them into text. */
  buffers() {
    const copied = cut();
    const searched = cut();
    const printed = cut();
    const over = ({ bytes }: MappedRegion): Buffer =>
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const copy = Buffer.alloc(copied.length);
    over(copied).copy(copy);
    const found = [
      isCut(copy),
      over(searched).indexOf("B"),
      over(printed).toString("hex") === copy.toString("hex"),
      copied.faults,
      searched.faults,
      printed.faults,
    ];
    for (const region of [copied, searched, printed]) region.close();
    return found;
  },

  /** Hashes lost pages on this thread. */
  hashed() {
    using region = cut();
    const digest = createHash("sha256").update(region.bytes).digest("hex");
    return [digest === createHash("sha256").update(region.bytes.slice()).digest("hex"), isCut(region.bytes)];
  },

  /** Hashes lost pages on another thread. */
  async hashedElsewhere() {
    using region = cut();
    const digest = await webcrypto.subtle.digest("SHA-256", region.bytes);
    const expected = createHash("sha256").update(region.bytes.slice()).digest("hex");
    return [Buffer.from(digest).toString("hex") === expected, isCut(region.bytes), region.faults];
  },

  /** Compresses lost pages on this thread. */
  deflated() {
    using region = cut();
    return [isCut(inflateSync(deflateSync(region.bytes))), region.faults];
  },

  /** Compresses lost pages in the thread pool. */
  async deflatedElsewhere() {
    using region = cut();
    return [isCut(inflateSync(await promisify(deflate)(region.bytes))), region.faults];
  },

  /** Cuts the file while the thread pool compresses it. */
  async cutWhileDeflated() {
    const path = file(4 * PAGES);
    using region = MappedRegion.open(path);
    const work = promisify(deflate)(region.bytes);
    truncateSync(path, PAGE);
    const result = inflateSync(await work);
    return [
      result.length / PAGE,
      result.every((byte) => byte === 65 || byte === 0),
      isCut(region.bytes, 4 * PAGES),
    ];
  },

  /** Clones lost pages. */
  cloned() {
    using region = cut();
    return [isCut(structuredClone(region.bytes)), isCut(region.bytes.slice()), region.faults];
  },

  /** Reads, adds to and exchanges lost words atomically. */
  atomics() {
    using region = cut("read-write");
    const words = region.array(Int32Array);
    const word = PAGE / 4;
    const found = [
      Atomics.load(words, word),
      Atomics.add(words, 2 * word, 5),
      Atomics.exchange(words, 3 * word, 7),
      Atomics.compareExchange(words, 4 * word, 0, 9),
    ];
    return [...found, ...[1, 2, 3, 4].map((page) => words[page * word]), region.faults];
  },

  /** Makes a system call write lost pages to a file: it writes what there is, or tells EFAULT. */
  written() {
    using region = cut("read", 16);
    const fd = openSync(join(dirname(region.path ?? ""), "copy"), "w+");
    const first = outcome(() => writeSync(fd, region.bytes) / PAGE);
    const second = outcome(() => writeSync(fd, region.bytes, PAGE, PAGE));
    closeSync(fd);
    return [first, second];
  },

  /** Has the thread pool write lost pages to a file. */
  async writtenElsewhere() {
    using region = cut("read", 16);
    const fd = openSync(join(dirname(region.path ?? ""), "copy"), "w+");
    const to = promisify(write) as (fd: number, bytes: Uint8Array, at: number, n: number) => Promise<unknown>;
    const second = await to(fd, region.bytes, PAGE, PAGE).then(() => "written", failure);
    closeSync(fd);
    return [second, isCut(region.bytes, 16)];
  },

  /** Makes lost pages the body of a Response, and a part of a Blob. */
  async bodies() {
    using region = cut();
    using other = cut();
    const body = new Uint8Array(await new Response(region.bytes).arrayBuffer());
    const blob = new Uint8Array(await new Blob([other.bytes]).arrayBuffer());
    return [isCut(body), isCut(blob)];
  },

  /** Has another process cut the file while a loop reads it. */
  cutByAnother() {
    const path = file(PAGES);
    using region = MappedRegion.open(path);
    const { bytes } = region;
    const before = sum(bytes, PAGE) / 65;
    const script = `while [ ! -e '${path}.go' ]; do sleep 0.01; done; truncate -s ${PAGE} '${path}'`;
    const child = spawn("/bin/sh", ["-c", script], { stdio: "ignore" });
    const end = Date.now() + 120_000;
    for (let rounds = 0; sum(bytes, PAGE) !== 65 && Date.now() < end; rounds++) {
      if (rounds === 10) writeFileSync(`${path}.go`, "");
    }
    child.unref();
    return [before, region.faults > 0, sum(bytes, PAGE) / 65, isCut(bytes)];
  },

  /** Stores to more pages than a full disk has room for. */
  fullDisk() {
    using disk = smallFileSystem(16 * PAGE);
    using region = MappedRegion.open(join(disk.path, "file"), {
      access: "read-write",
      create: true,
      size: 64 * PAGE,
      sparse: true,
    });
    const { bytes } = region;
    for (let page = 0; page < 64; page++) bytes[page * PAGE] = page + 1;
    let held = 0;
    for (let page = 0; page < 64; page++) if (bytes[page * PAGE] === page + 1) held++;
    return [held, region.faults, outcome(() => region.flushSync())];
  },

  /** Replaces the file by another of the same name: the region shows the old one. */
  replaced() {
    const path = file(4);
    using region = MappedRegion.open(path);
    writeFileSync(`${path}.new`, "new");
    renameSync(`${path}.new`, path);
    return [sum(region.bytes, 1) / PAGE, region.faults, readFileSync(path, "utf8")];
  },

  /** Deletes the file: the region keeps it. */
  deleted() {
    const path = file(4);
    using region = MappedRegion.open(path, { access: "read-write" });
    unlinkSync(path);
    region.bytes[3 * PAGE] = 66;
    region.flushSync();
    return [sum(region.bytes, PAGE), region.faults];
  },

  /** Cuts the file within a page: the rest of that page is zeros, which is no fault. */
  cutWithinPage() {
    const path = file(2);
    using region = MappedRegion.open(path);
    truncateSync(path, PAGE + 10);
    return [region.bytes[PAGE + 9], region.bytes[PAGE + 10], region.faults, [...region.read(PAGE + 9, 2)]];
  },

  /** Cuts the file and makes it long again before anything is read. */
  regrown() {
    const path = file(4);
    using region = MappedRegion.open(path);
    truncateSync(path, 0);
    truncateSync(path, 4 * PAGE);
    writeFileSync(path, "back", { flag: "r+" });
    return [Buffer.from(region.read(0, 5)).toString(), region.faults, sum(region.bytes, PAGE) === 98];
  },

  /** Cuts the file between the steps of every iterator of a region. */
  iterated() {
    const found: unknown[] = [];
    const steps: Readonly<Record<string, (region: MappedRegion) => Iterator<unknown>>> = {
      windows: (region) => region.windows({ size: PAGE })[Symbol.iterator](),
      matches: (region) => region.matches("A"),
      lines: (region) => region.lines(),
      byteLines: (region) => region.lines({ encoding: "bytes" }),
      linesContaining: (region) => region.lines({ containing: "A" }),
    };
    for (const [name, iterate] of Object.entries(steps)) {
      const path = file(4);
      const bytes = new Uint8Array(4 * PAGE).fill(65);
      for (let at = 100; at < bytes.length; at += 100) bytes[at] = 10;
      writeFileSync(path, bytes);
      using region = MappedRegion.open(path);
      const iterator = iterate(region);
      iterator.next();
      truncateSync(path, 0);
      const end = outcome(() => {
        let steps = 1;
        while (iterator.next().done !== true) steps++;
        return steps;
      });
      found.push([name, end]);
    }
    return found;
  },

  /** Copies and moves lost pages: what stands where they would go stays, and no zeros come there. */
  copied() {
    using target = MappedRegion.open(file(PAGES), { access: "read-write" });
    const array = new Uint8Array(PAGES * PAGE).fill(65);
    const whole = cut();
    const part = cut();
    const moved = cut("read-write");
    const to = file(PAGES);
    using other = MappedRegion.open(to, { access: "read-write" });
    const found = [
      outcome(() => whole.copyTo(other)),
      outcome(() => part.copyTo(array)),
      outcome(() => moved.move(0, 100 * PAGE, 100 * PAGE)),
      outcome(() => moved.move(0, PAGE - 10, 20)),
      outcome(() => target.copyTo(moved)),
      readFileSync(to).every((byte) => byte === 65),
      array.every((byte) => byte === 65),
      moved.count("A", { length: PAGE }) / PAGE,
    ];
    for (const region of [whole, part, moved]) region.close();
    return found;
  },

  /** Has another process cut files again and again while they are copied into others. */
  async cutWhileCopied() {
    const to = file(PAGES);
    using target = MappedRegion.open(to, { access: "read-write" });
    const from = file(PAGES);
    const letters = readFileSync(from);
    const shell = spawn("/bin/sh", [], { stdio: ["pipe", "pipe", "ignore"] });
    const isSaid = (): Promise<void> => new Promise((resolve) => shell.stdout.once("data", () => resolve()));
    let failures = 0;
    for (let round = 0; round < 50; round++) {
      writeFileSync(from, letters);
      using region = MappedRegion.open(from);
      const said = isSaid();
      shell.stdin.write(`truncate -s ${PAGE} '${from}'; echo\n`);
      for (let times = 0; times < 100; times++) {
        try {
          region.copyTo(target);
        } catch (error) {
          if (failure(error) !== "EFAULT") throw error;
          failures++;
          break;
        }
      }
      await said;
    }
    shell.stdin.end();
    return [failures <= 50, readFileSync(to).every((byte) => byte === 65)];
  },

  /** Searches lost pages by the region's own methods, which tell of them. */
  searched() {
    using region = cut();
    return [
      outcome(() => region.indexOf("B")),
      outcome(() => region.count("A")),
      outcome(() => region.lastIndexOf("B")),
      outcome(() => region.read(0, PAGE).length / PAGE),
      outcome(() => region.prefault()),
      region.faults > 0,
    ];
  },
};
