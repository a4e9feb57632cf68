// A hundred clones of one file, each changed a little: copy-on-write mappings share every page that nobody changed.
//
//     node examples/clones.ts
//     bun examples/clones.ts --size 16 --copies 100 --svg /tmp/clones.svg
//     deno run --allow-all examples/clones.ts
//
// In C: mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), a hundred times. A store to such a mapping gives it a
// page of its own; all other pages are those of the file, which are in memory once.
//
// Real copies are made as well, to compare with: as many as 1 GiB has room for, or as --copies asks for, as long as they take
// no more than half of the memory that is left. What more of them would take is computed. --svg draws both, over their number.
//
// The program reads its own use of memory in /proc, for which Deno needs --allow-all.
//
// Exit code: 0; 2 if something went wrong; 3 where there is no /proc to read.
// deno-lint-ignore-file no-console -- a program's output
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";
import { command, Missing, progress, wholeNumber } from "./command.ts";
import { drawLines, type Line, type Point } from "./pictures.ts";
import { temporaryFolder } from "./temporary_folder.ts";

const USAGE = `usage: clones.ts [--clones COUNT] [--size MIB] [--copies COUNT] [--svg FILE]

  --clones COUNT  how many clones are made (100)
  --size MIB      the size of the file (256)
  --copies COUNT  how many of the copies are real ones (as many as 1 GiB has room for)
  --svg FILE      draws the memory that clones and copies take, over their number`;
const MIB = 2 ** 20;
const ROLLUP = "/proc/self/smaps_rollup";
/** How many pages are changed in each clone. */
const CHANGED = 4;

/** A number of kilobytes in a file of /proc, in bytes. */
function kilobytes(path: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(path, "utf8"))?.[1]) * 1024;
}

/**
 * The memory of this process that is no file's, in bytes. (Its resident set would count a page of the file once for each
 * mapping that it was seen through.)
 */
function ownMemory(): number {
  return kilobytes(ROLLUP, "Anonymous");
}

/** Makes regions, closes them again, and returns how much memory so many of them took, measured twenty times. */
async function measure(
  what: string,
  count: number,
  make: (index: number) => MappedRegion,
): Promise<Point[]> {
  using regions = new DisposableStack();
  const before = ownMemory();
  const points: Point[] = [[0, 0]];
  const step = Math.ceil(count / 20);
  for (let index = 0; index < count; index++) {
    regions.use(make(index));
    const made = index + 1;
    if (made % step === 0 || made === count) {
      progress(`${what}: ${made} of ${count}`);
      await setImmediate(); // hear of Ctrl+C
      points.push([made, Math.max(0, ownMemory() - before)]); // a collection of garbage may have given some back
    }
  }
  return points;
}

const last = (points: readonly Point[]): Point => points.at(-1) ?? [0, 0];
const shown = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const row = (what: string, bytes: number, most: number): string =>
  `${what.padEnd(18)}${shown(bytes).padStart(14)} ${"█".repeat(Math.max(1, Math.round(40 * bytes / most)))}`;

async function main(count: number, size: number, copies: number, svg: string | undefined): Promise<void> {
  using folder = temporaryFolder("clones");
  const path = join(folder.path, "base");
  using base = MappedRegion.open(path, { access: "read-write", create: true, size });
  base.fill(7);

  const cloned = await measure("clones", count, (index) => {
    const clone = MappedRegion.open(path, { access: "copy-on-write" });
    for (let page = 0; page < CHANGED; page++) clone.write(page * size / CHANGED, `clone ${index}`);
    return clone;
  });
  const affordable = Math.floor(kilobytes("/proc/meminfo", "MemAvailable") / 2 / size);
  const copied = await measure("copies", Math.min(count, copies, affordable), () => {
    const copy = MappedRegion.anonymous(size);
    base.copyTo(copy);
    return copy;
  });
  progress("");

  const [, used] = last(cloned);
  const [made, taken] = last(copied);
  const all = made === count ? taken : count * size;
  console.log(`${count} clones of ${size / MIB} MiB, ${CHANGED} pages changed in each`);
  if (made > 0 && made < count) console.log(row(`${made} copies take`, taken, all));
  console.log(row(made === count ? "the copies take" : "copies would take", all, all));
  console.log(row("the clones take", used, all));
  console.log(row("the file, once", size, all));
  console.log(`the base begins with ${base.read(0, 1)[0]}, as before`);

  if (svg === undefined) return;
  const lines: Line[] = [
    { caption: `clones: ${shown(used)}`, points: cloned },
    { caption: made === count ? `copies: ${shown(all)}` : "", points: copied },
  ];
  if (made < count) {
    lines.push({
      caption: `copies: ${shown(all)}, computed`,
      points: [[made, taken], [count, all]],
      dashed: true,
    });
  }
  const title = `Memory of clones and copies of a file of ${shown(size)}`;
  writeFileSync(svg, drawLines(title, lines, "clones or copies"));
}

await command("clones.ts", async () => {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean" },
      clones: { type: "string", default: "100" },
      size: { type: "string", default: "256" },
      copies: { type: "string" },
      svg: { type: "string" },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const count = wholeNumber(values.clones, "--clones");
  const size = wholeNumber(values.size, "--size") * MIB;
  const copies = values.copies === undefined
    ? Math.floor(2 ** 30 / size)
    : wholeNumber(values.copies, "--copies", 0);
  if (!existsSync(ROLLUP)) throw new Missing(`there is no ${ROLLUP}: it takes Linux 4.14 or later`);
  await main(count, size, copies, values.svg);
});
