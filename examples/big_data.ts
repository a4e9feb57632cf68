// Sums a file that is larger than the memory the process may use.
//
//     node examples/big_data.ts
//     bun examples/big_data.ts --size 256 --limit 48
//     deno run --allow-env --allow-ffi --allow-read --allow-sys --allow-write examples/big_data.ts --way windows --size 1024
//
// In C: mmap of all of the file, and a loop. A mapping takes no memory but for the pages that were touched, and the kernel
// takes those away again when it needs the memory: the disk has them. So a program can walk through any file, with little
// memory. Two ways show it:
//
// cgroup   The process joins a memory cgroup, which lets it use no more than --limit MiB from then on (cgroups(7)). When the
//          limit is reached, the kernel takes the oldest pages away. It takes the right to make a cgroup. Deno needs
//          --allow-all for that.
// windows  The process gives back what it has been through, with madvise and MADV_DONTNEED. It takes no right, and works
//          where there are no cgroups. The file is then larger than the machine's memory, unless --size is given.
//
// It takes the first way that is allowed; --way chooses one. The file is sparse: it takes next to nothing on the disk.
//
// Exit code: 0; 2 if something went wrong; 3 where the system doesn't allow what was chosen.
// deno-lint-ignore-file no-console -- a program's output
import { existsSync, mkdirSync, readFileSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, Missing, progress, wholeNumber } from "./command.ts";
import { drawBars } from "./pictures.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const USAGE = `usage: big_data.ts [--way cgroup|windows] [--size MIB] [--limit MIB] [--folder FOLDER]

  --way WAY        "cgroup": the kernel keeps the process to its limit; "windows": the process does so itself
  --size MIB       the size of the file (larger than the limit, or than the memory)
  --limit MIB      how much memory the cgroup may use (64)
  --folder FOLDER  where the file is made: on a disk, not in memory`;
const MIB = 2 ** 20;
const WINDOW = 16 * MIB;
/** A number other than 0 stands at the beginning of every part of so many bytes. */
const PART = 4 * MIB;
/** The type that statfs(2) gives for a file system in memory: pages of its files can't be taken away. */
const TMPFS = 0x01021994;

const mib = (bytes: number): string => `${Math.round(bytes / MIB).toLocaleString("en")} MiB`;

/** A memory cgroup that this process has joined. It leaves it at the end of the block. */
class MemoryGroup implements Disposable {
  readonly path: string;
  readonly #from: string;
  readonly #peak: string;

  /** Makes a cgroup and joins it. What was used before is not counted. */
  constructor(limit: number) {
    // A line for each hierarchy: its number, its controllers, and the path of our group. Version 2 has one, number 0.
    const groups = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n").map((line) =>
      line.split(":")
    );
    const first = groups.find(([, controllers = ""]) => controllers.split(",").includes("memory"));
    const [, , own = "/"] = first ?? groups.find(([hierarchy]) => hierarchy === "0") ?? [];
    this.#from = join("/sys/fs/cgroup", first === undefined ? "" : "memory", own);
    // In version 2, a group that has processes can't have groups below it with limits: ours goes beside it.
    const above = first === undefined && own !== "/" ? dirname(this.#from) : this.#from;
    this.path = join(above, `big-data-${process.pid}`);
    this.#peak = join(this.path, first === undefined ? "memory.peak" : "memory.max_usage_in_bytes");
    // Version 2 has controllers only where they were asked for. (A system with systemd has this one everywhere.)
    const switches = join(above, "cgroup.subtree_control");
    if (first === undefined && !readFileSync(switches, "utf8").split(/\s/).includes("memory")) {
      throw new Error(`groups in ${above} have no limits of memory: echo +memory > ${switches}`);
    }
    mkdirSync(this.path);
    try {
      const file = first === undefined ? "memory.max" : "memory.limit_in_bytes";
      writeFileSync(join(this.path, file), String(limit), { flag: "r+" });
      writeFileSync(join(this.path, "cgroup.procs"), String(process.pid));
    } catch (error) {
      rmdirSync(this.path);
      throw error;
    }
  }

  /** The most that was used so far, in bytes; undefined before Linux 5.19 with version 2. */
  get peak(): number | undefined {
    return existsSync(this.#peak) ? Number(readFileSync(this.#peak, "utf8")) : undefined;
  }

  [Symbol.dispose](): void {
    writeFileSync(join(this.#from, "cgroup.procs"), String(process.pid));
    rmdirSync(this.path);
  }
}

/** A folder whose files are not in memory. */
function folderOnDisk(): string {
  const folder = [tmpdir(), "/var/tmp"].find((path) => existsSync(path) && statfsSync(path).type !== TMPFS);
  if (folder !== undefined) return folder;
  throw new Missing(`${tmpdir()} is in memory: name a folder on a disk, with --folder`);
}

/** Makes a sparse file. What its numbers add up to. */
function makeFile(path: string, size: number): number {
  using file = MappedRegion.open(path, { access: "read-write", create: true, size, sparse: true });
  const cursor = file.cursor();
  let sum = 0;
  for (let offset = 0; offset < size; offset += PART) {
    const number = offset / PART + 1;
    cursor.seek(offset);
    cursor.writeF64(number);
    sum += number;
  }
  return sum;
}

/** Sums all numbers of a file. What they add up to, and how much memory the process had after each window, in bytes. */
async function sumFile(path: string, dropBehind: boolean): Promise<{ sum: number; resident: number[] }> {
  using file = MappedRegion.open(path);
  let sum = 0;
  const resident: number[] = [];
  let done = 0;
  for await (const window of file.windows({ size: WINDOW, dropBehind })) { // and hear of Ctrl+C
    const numbers = new Float64Array(window.buffer, window.byteOffset, window.length / 8);
    for (let index = 0; index < numbers.length; index++) sum += numbers[index] ?? 0;
    resident.push(process.memoryUsage.rss());
    done += window.length;
    progress(`${mib(done)} of ${mib(file.length)}`);
  }
  return { sum, resident };
}

/** Joins a memory cgroup if that is allowed; if it isn't but must be, throws. */
function joinGroup(limit: number, must: boolean): MemoryGroup | undefined {
  try {
    return new MemoryGroup(limit);
  } catch (error) {
    const why = `no memory cgroup could be made: ${error instanceof Error ? error.message : String(error)}`;
    if (must) {
      throw new Missing(`${why}. It takes root, or a cgroup of your own: systemd-run --user --scope`);
    }
    console.log(why);
    return undefined;
  }
}

type Way = "cgroup" | "windows";

async function main(
  way: Way | undefined,
  asked: number | undefined,
  limit: number,
  folder: string | undefined,
): Promise<void> {
  using place = temporaryFolder("big-data", folder ?? folderOnDisk());
  using group = way === "windows" ? undefined : joinGroup(limit, way === "cgroup");
  console.log(
    group === undefined
      ? `the process gives back what it has been through, ${mib(WINDOW)} at a time`
      : `the process may use ${mib(limit)} more, by ${group.path}`,
  );
  const size = asked ?? (group === undefined ? Math.ceil(1.25 * totalmem() / WINDOW) * WINDOW : 16 * limit);
  const path = join(place.path, "file");
  const expected = makeFile(path, size);

  const before = process.memoryUsage.rss();
  const start = performance.now();
  const { sum, resident } = await sumFile(path, group === undefined);
  const seconds = (performance.now() - start) / 1000;
  progress("");
  if (sum !== expected) throw new Error(`the sum is ${sum}, and should be ${expected}`);
  console.log(`${mib(size)} were summed in ${seconds.toFixed(1)} s: ${sum}, which is right`);
  console.log(`resident memory: ${mib(before)} before, ${mib(Math.max(...resident))} at most`);
  console.log(`over time, from 0 up: ${drawBars([before, ...resident])}`);
  if (group?.peak !== undefined) console.log(`counted by the cgroup: ${mib(group.peak)} at most`);
}

await command("big_data.ts", async () => {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean" },
      way: { type: "string" },
      size: { type: "string" },
      limit: { type: "string", default: "64" },
      folder: { type: "string" },
    },
  });
  const { help, way, size, folder } = values;
  if (way !== undefined && way !== "cgroup" && way !== "windows") throw new TypeError(USAGE);
  if (help === true) console.log(USAGE);
  else {
    const bytes = size === undefined ? undefined : wholeNumber(size, "--size") * MIB;
    await main(way, bytes, wholeNumber(values.limit, "--limit", 32) * MIB, folder);
  }
});
