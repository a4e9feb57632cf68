// A write-ahead log in a mapped file: records are appended to memory, and a record that was flushed is never lost, whenever
// the process is killed.
//
//     node examples/append_log.ts --kills 20
//     bun examples/append_log.ts --kills 1000
//     deno run --allow-env --allow-ffi --allow-read --allow-write --allow-run examples/append_log.ts
//
// In C: mmap of more address space than the file has bytes (here, `capacity`), ftruncate to grow the file under it, memcpy to
// append, msync to be sure.
//
// Each record is its length, a checksum, and its bytes. What is behind the last record is zeros, and no record has the length
// 0: recovery follows the records up to the first that is empty or whose checksum is wrong, and cuts off what is behind it.
//
// The program appends in a second process, kills that one by SIGKILL at random points, recovers, and goes on. The second
// process tells on its standard output which record was flushed last: that one, and all before it, must be there.
// A killed process loses none of its stores: the pages are the kernel's. msync is what protects them from a power failure.
//
// Exit code: 0; 2 if a record was lost or something else went wrong.
// deno-lint-ignore-file no-console -- a program's output
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { MappedRegion } from "../mod.ts";
import { command, progress, wholeNumber } from "./command.ts";
import { again } from "./start_in.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const STEP = 2 ** 16; // the file grows by so many bytes
const CAPACITY = 2 ** 30; // address space alone: it takes no memory
const HEADER = 8; // the length and the checksum, 32 bits each

/** A log of records in a file. */
class AppendLog implements Disposable {
  /** The number of records. */
  count = 0;
  readonly #region: MappedRegion;
  #end = 0;
  #flushed = 0;

  /** Opens a log, or makes it, and recovers what is in it. */
  constructor(path: string) {
    this.#region = MappedRegion.open(path, {
      access: "read-write",
      create: true,
      size: STEP,
      capacity: CAPACITY,
    });
    for (let record; (record = this.#recordAt(this.#end)) !== undefined; this.count++) {
      this.#end += HEADER + record.length;
    }
    // Half a record would be in the way of those to come: a shorter one might end in the middle of it.
    this.#region.fill(0, { offset: this.#end });
    this.#flushed = this.#end;
  }

  /** A copy of the record at an offset; undefined if no whole one is there. */
  #recordAt(offset: number): Uint8Array | undefined {
    const region = this.#region;
    if (offset + HEADER > region.length) return undefined;
    const header = region.cursor(offset);
    const length = header.readU32();
    const checksum = header.readU32();
    if (length === 0 || length > region.length - offset - HEADER) return undefined;
    const record = region.read(offset + HEADER, length);
    return crc32(record) === checksum ? record : undefined;
  }

  /** All records, as copies. */
  *records(): Generator<Uint8Array> {
    for (let offset = 0, record; (record = this.#recordAt(offset)) !== undefined;) {
      yield record;
      offset += HEADER + record.length;
    }
  }

  /** Appends a record, which must not be empty. */
  append(record: Uint8Array): void {
    const region = this.#region;
    const end = this.#end + HEADER + record.length;
    // Nothing moves: views of the region stay as they are. The new part of the file is zeros.
    if (end > region.length) region.resize(Math.ceil(end / STEP) * STEP);
    const header = region.cursor(this.#end);
    header.writeU32(record.length);
    header.writeU32(crc32(record));
    region.write(this.#end + HEADER, record);
    this.#end = end;
    this.count++;
  }

  /** Returns when the disk has all records. */
  flush(): void {
    this.#region.flushSync({ offset: this.#flushed, length: this.#end - this.#flushed });
    this.#flushed = this.#end;
  }

  [Symbol.dispose](): void {
    this.#region.close();
  }
}

/** The record of a number: it can be told whether it is the right one. */
function record(index: number): Uint8Array {
  return Buffer.from(`record ${index} ${"x".repeat(index * 7919 % 500)}`);
}

/** What the second process does, until it is killed. */
async function appendForEver(path: string): Promise<never> {
  using log = new AppendLog(path);
  for (;;) {
    for (let count = 0; count < 8; count++) log.append(record(log.count));
    log.flush();
    await new Promise<void>((resolve) => {
      process.stdout.write(`${log.count}\n`, (error) => error instanceof Error ? process.exit(2) : resolve()); // nobody is there any more
    });
  }
}

/** Lets a process append, and kills it. How many records it said to have flushed. */
async function appendAndKill(path: string): Promise<number> {
  const child = spawn(...again("--append", path), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => told += text);
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  await setTimeout(Math.random() * 5);
  child.kill("SIGKILL");
  await closed;
  if (child.signalCode !== "SIGKILL") throw new Error(`the second process ended with ${child.exitCode}`);
  // Its last line may have been cut off.
  return Number(told.slice(0, told.lastIndexOf("\n")).split("\n").at(-1));
}

/** Opens the log after a kill and looks at every record. How many there are. */
function recover(path: string, flushed: number): number {
  using log = new AppendLog(path);
  let index = 0;
  for (const found of log.records()) {
    if (Buffer.compare(found, record(index)) !== 0) throw new Error(`record ${index} is wrong`);
    index++;
  }
  if (index < flushed) throw new Error(`${flushed} records were flushed, and ${index} are there`);
  return index;
}

async function main(kills: number): Promise<void> {
  using folder = temporaryFolder("append-log");
  const path = join(folder.path, "log");
  let records = 0;
  for (let kill = 1; kill <= kills; kill++) {
    // A log that is looked through at every kill must not get too long.
    if (kill % 50 === 0) rmSync(path);
    records = recover(path, await appendAndKill(path));
    progress(`${kill} of ${kills}`);
  }
  progress("");
  console.log(`killed ${kills} times; no flushed record was lost; the log has ${records} records`);
}

const USAGE = `usage: append_log.ts [--kills COUNT]

  --kills COUNT  how often the process that appends is killed (5)`;

await command("append_log.ts", async () => {
  const { values: { help, kills, append } } = parseArgs({
    options: {
      help: { type: "boolean" },
      kills: { type: "string", default: "5" },
      append: { type: "string" },
    },
  });
  if (help === true) console.log(USAGE);
  else if (append !== undefined) await appendForEver(append);
  else await main(wholeNumber(kills, "--kills"));
});
