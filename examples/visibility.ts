// Who sees a store: shared and private mappings of a file, of /dev/zero and of anonymous memory, looked at by two processes
// before and after one of them stores a byte.
//
//     node examples/visibility.ts
//     bun examples/visibility.ts
//     deno run --allow-all examples/visibility.ts
//
// In C: mmap with MAP_SHARED or MAP_PRIVATE; a second process that maps the same. A C program would fork for that, and its
// child would inherit its shared anonymous memory. A runtime for JavaScript can't fork: its processes share memory that has
// a descriptor (a memfd, from memfd_create).
//
// Exit code: 0; 2 if something went wrong; 3 where there is no /proc to reach another process's descriptors by.
// deno-lint-ignore-file no-console -- a program's output
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../ffi/mod.ts";
import { MappedRegion } from "../mod.ts";
import { anonymousSharedMemory } from "../src/ipc/mod.ts";
import { command, Missing } from "./command.ts";
import { pages } from "./pages.ts";
import { inColour } from "./pictures.ts";
import { again } from "./start_in.ts";
import { temporaryFolder } from "./temporary_folder.ts";

/** A way to map a page. */
interface Way {
  readonly name: string;
  /** What is mapped; nothing for anonymous memory. */
  readonly path?: string;
  readonly flags: number;
}

/** Maps a page by mmap(2) itself, so that /dev/zero will do. */
function map({ path, flags }: Way): MappedRegion {
  const request = { length: pages(1), protection: PROT_READ | PROT_WRITE, flags };
  if (path === undefined) return MappedRegion.map({ ...request, flags: flags | MAP_ANONYMOUS });
  const fd = openSync(path, "r+");
  try {
    return MappedRegion.map({ ...request, fd });
  } finally {
    closeSync(fd);
  }
}

/** The other process: tells what it sees, whenever it gets a line. */
async function look(ways: readonly Way[]): Promise<void> {
  const regions = ways.map(map);
  const tell = (): void => console.log(regions.map((region) => region.text({ length: 1 })).join(","));
  tell();
  for await (const _ of createInterface({ input: process.stdin })) tell();
  for (const region of regions) region.close();
}

const shown = (byte: string | undefined): string =>
  (byte === undefined || byte === "\0" ? "0" : byte).padEnd(9);

async function main(): Promise<void> {
  using folder = temporaryFolder("visibility");
  const [shared, own] = [join(folder.path, "shared"), join(folder.path, "private")];
  for (const path of [shared, own]) writeFileSync(path, "a".repeat(pages(1)));
  using memory = anonymousSharedMemory(pages(1));
  const memfd = `/proc/${process.pid}/fd/${memory.descriptor}`;
  const ways: readonly Way[] = [
    { name: "file, MAP_SHARED", path: shared, flags: MAP_SHARED },
    { name: "file, MAP_PRIVATE", path: own, flags: MAP_PRIVATE },
    { name: "/dev/zero, MAP_SHARED", path: "/dev/zero", flags: MAP_SHARED },
    { name: "/dev/zero, MAP_PRIVATE", path: "/dev/zero", flags: MAP_PRIVATE },
    { name: "anonymous, MAP_SHARED", flags: MAP_SHARED },
    { name: "anonymous, MAP_PRIVATE", flags: MAP_PRIVATE },
    { name: "memfd, MAP_SHARED", path: memfd, flags: MAP_SHARED },
    { name: "memfd, MAP_PRIVATE", path: memfd, flags: MAP_PRIVATE },
  ];

  const child = spawn(...again("--look", JSON.stringify(ways)), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const seen = async (): Promise<readonly string[]> => String((await answers.next()).value).split(",");

  const before = await seen(); // the other process has mapped them all
  const results: string[] = [];
  for (const [index, way] of ways.entries()) {
    // The writer's mapping, and another of the same in the same process. Private mappings may see a store to the thing itself
    // until they have pages of their own: so each is looked at first.
    using writer = map(way);
    using second = map(way);
    const old = writer.text({ length: 1 }) + second.text({ length: 1 });
    writer.write(0, "B");
    child.stdin.write("\n");
    const after = await seen();
    const isFile = way.path !== undefined && way.path !== "/dev/zero";
    const thing = isFile ? readFileSync(way.path, "latin1")[0] : "–";
    results.push(
      way.name.padEnd(24) + shown(old[0]) + shown(writer.text({ length: 1 })) +
        shown(second.text({ length: 1 })).padEnd(16) + shown(before[index]) + shown(after[index]) +
        shown(thing).trim(),
    );
    if (way.path === memfd) memory.write(0, "\0"); // for the next way
  }
  console.log("                        the writer        another mapping the other process the file");
  console.log("                        before   after    of its own      before   after    itself");
  for (const line of results) console.log(line.replaceAll(/\bB\b/g, (seen) => inColour("green", seen)));
  child.stdin.end();
  await once(child, "close");
}

await command("visibility.ts", async () => {
  const { values: { help, look: given } } = parseArgs({
    options: { help: { type: "boolean" }, look: { type: "string" } },
  });
  if (help === true) {
    console.log("usage: visibility.ts");
    return;
  }
  if (given !== undefined) {
    await look(JSON.parse(given));
    return;
  }
  if (!existsSync("/proc/self/fd")) throw new Missing("there is no /proc: it takes Linux");
  await main();
});
