// What the kernel has in memory of files and folders, as vmtouch(8) shows it: reads them in, evicts them, keeps them there, or
// watches them.
//
//     node examples/page_cache.ts examples
//     bun examples/page_cache.ts --evict --svg /tmp/log.svg examples/access.log
//     deno run --allow-ffi --allow-read examples/page_cache.ts --watch examples/access.log
//
// In C: mmap, mincore; madvise with MADV_POPULATE_READ to touch, with MADV_PAGEOUT to evict; mlock. (Deno needs --allow-write
// for a report.)
//
// The pages of files that were read or mapped lately stay in memory: that is the page cache, and all processes share it. A
// mapping of a file shows which pages are there, without reading any.
//
// --lock and --watch go on until Ctrl+C, or for as many --rounds of watching. A lock ends with the process.
//
// Exit code: 0; 2 if something went wrong; 3 where the system can't evict or may not lock.
// deno-lint-ignore-file no-console -- a program's output
import { closeSync, fsyncSync, openSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MappedRegion, MmapError, type Residency } from "../mod.ts";
import { command, Missing, progress, wholeNumber } from "./command.ts";
import { Output } from "./output.ts";
import { coloured, drawPages, escaped } from "./pictures.ts";

const USAGE = `usage: page_cache.ts [--touch | --evict | --lock] [--watch] [--every MILLISECONDS]
                     [--rounds COUNT] [--svg FILE] [--html FILE] FILE_OR_FOLDER...

  --touch               reads the files into memory
  --evict               asks the kernel to take them out of memory
  --lock                keeps them in memory, until Ctrl+C
  --watch               shows them again and again, until Ctrl+C
  --every MILLISECONDS  how often it shows them (1000)
  --rounds COUNT        ends after it has shown them so often
  --svg FILE            draws which pages are in memory
  --html FILE           the same, as a page with a table`;
/** Files are read in by so many bytes at a time. */
const PART = 2 ** 26;

/** What was seen of a file. */
interface Look {
  readonly path: string;
  /** Whether it was before or after something was done; empty if nothing was. */
  readonly when: string;
  readonly residency: Residency;
}

/** The files that were named, and those in the folders that were. Links in folders are not followed. */
function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  });
}

function look(path: string, when: string = ""): Look {
  using region = MappedRegion.open(path);
  return { path, when, residency: region.residency() };
}

/** Has all of a file read into memory. */
function touch(path: string): void {
  using region = MappedRegion.open(path);
  for (let offset = 0; offset < region.length; offset += PART) {
    progress(`${path}: ${Math.floor(100 * offset / region.length)} %`);
    region.prefault({ offset, length: Math.min(PART, region.length - offset) });
  }
}

/** Asks the kernel to take a file out of memory. It keeps pages that other processes have mapped. */
function evict(path: string): void {
  // A dirty page can't be evicted: the disk gets them first.
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  using region = MappedRegion.open(path);
  region.advise("random"); // reads nothing ahead
  // What is paged out is what this process has mapped. So it maps the pages that are in memory, and no others.
  const { bitmap, pageSize } = region.residency();
  for (let first = bitmap.indexOf(1); first !== -1;) {
    const next = bitmap.indexOf(0, first);
    const end = next === -1 ? bitmap.length : next;
    const offset = first * pageSize;
    region.prefault({ offset, length: Math.min(end * pageSize, region.length) - offset });
    first = bitmap.indexOf(1, end);
  }
  region.advise("page-out");
}

/** Keeps a file in memory for as long as the region is open. */
function lock(path: string): MappedRegion {
  const region = MappedRegion.open(path);
  region.lock(); // reads all of it in
  return region;
}

/** Runs what a system may lack or refuse. */
function able<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MmapError && ["ENOTSUP", "EPERM", "EAGAIN", "ENOMEM"].includes(error.code)) {
      throw new Missing(error.message, { cause: error });
    }
    throw error;
  }
}

const share = (resident: number, pages: number): string =>
  `${resident} of ${pages} pages, ${(pages === 0 ? 100 : 100 * resident / pages).toFixed(1)} %`;

function total(looks: readonly Look[]): string {
  const sum = (count: (residency: Residency) => number): number =>
    looks.reduce((sum, { residency }) => sum + count(residency), 0);
  return share(sum(({ resident }) => resident), sum(({ pages }) => pages));
}

/** What was seen, in words and drawn. */
function report(looks: readonly Look[]): string {
  const lines: string[] = [];
  for (const [index, { path, when, residency }] of looks.entries()) {
    if (path !== looks[index - 1]?.path) lines.push(path);
    lines.push(`  ${when.padEnd(when === "" ? 0 : 8)}${coloured(String(residency))}`);
  }
  const whens = looks.length === 0 ? [""] : looks.map(({ when }) => when);
  for (const when of new Set(whens)) {
    const some = looks.filter((each) => each.when === when);
    lines.push(`${when === "" ? "" : `${when}: `}${total(some)} in memory; files: ${some.length}`);
  }
  return lines.join("\n");
}

function svgOf(looks: readonly Look[]): string {
  return drawPages(looks.map(({ path, when, residency }) => ({
    caption: `${path}${when === "" ? "" : `, ${when}`}: ${share(residency.resident, residency.pages)}`,
    bitmap: residency.bitmap,
  })));
}

function htmlOf(looks: readonly Look[]): string {
  const rows = looks.map(({ path, when, residency: { resident, pages } }) =>
    `<tr><td>${escaped(path)}</td><td>${when}</td><td>${share(resident, pages)}</td></tr>`
  );
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8"><title>What is in memory</title>',
    "<style>body { font-family: monospace } td, th { text-align: left; padding-right: 2em }</style></head>",
    "<body><h1>What is in memory</h1>",
    ...["<table>", "<tr><th>file</th><th></th><th>in memory</th></tr>", ...rows, "</table>"],
    svgOf(looks) + "</body></html>",
    "",
  ].join("\n");
}

/** Shows files again and again; on a terminal, from the top of the screen. */
async function watch(
  files: readonly string[],
  every: number,
  rounds: number | undefined,
): Promise<readonly Look[]> {
  using output = new Output();
  for (let round = 1;; round++) {
    const looks = files.map((path) => look(path));
    const top = process.stdout.isTTY ? "\x1b[H\x1b[J" : "";
    output.addLine(top + report(looks));
    output.flush(); // it ends the program if nobody reads it any more
    if (round === rounds) return looks;
    await setTimeout(every);
  }
}

await command("page_cache.ts", async () => {
  const { values, positionals } = parseArgs({
    options: {
      help: { type: "boolean" },
      touch: { type: "boolean" },
      evict: { type: "boolean" },
      lock: { type: "boolean" },
      watch: { type: "boolean" },
      every: { type: "string", default: "1000" },
      rounds: { type: "string" },
      svg: { type: "string" },
      html: { type: "string" },
    },
    allowPositionals: true,
  });
  if (values.help === true) {
    console.log(USAGE);
    return;
  }
  const actions = [values.touch, values.evict, values.lock].filter((asked) => asked === true);
  if (positionals.length === 0 || actions.length > 1) throw new TypeError(USAGE);
  const every = wholeNumber(values.every, "--every");
  const rounds = values.rounds === undefined ? undefined : wholeNumber(values.rounds, "--rounds");

  const files = filesOf(positionals);
  using locked = new DisposableStack();
  const act = values.touch === true
    ? touch
    : values.evict === true
    ? evict
    : values.lock === true
    ? (path: string): void => void locked.use(lock(path))
    : undefined;
  let looks = files.flatMap((path) => {
    if (act === undefined) return [look(path)];
    const before = look(path, "before");
    if (act === evict && !before.residency.reliable) {
      throw new Missing(`${path} can be evicted only by those who own it or may write it`);
    }
    able(() => act(path));
    return [before, look(path, "after")];
  });
  progress("");
  if (values.watch === true) {
    looks = [...await watch(files, every, rounds)];
  } else {
    console.log(report(looks));
    while (values.lock === true) await setTimeout(2 ** 30);
  }
  if (values.svg !== undefined) writeFileSync(values.svg, svgOf(looks));
  if (values.html !== undefined) writeFileSync(values.html, htmlOf(looks));
});
