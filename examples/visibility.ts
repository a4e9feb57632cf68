// Who sees a store: shared and private mappings of a file, of /dev/zero and of memory, looked at by two processes before and
// after one of them stores a byte.
//
//     node examples/visibility.ts
//     bun examples/visibility.ts
//     deno run --allow-all examples/visibility.ts
//
// In C: mmap with MAP_SHARED or MAP_PRIVATE; a second process that maps the same. (A C program would fork for that, and share
// its anonymous memory with its child. A runtime for JavaScript can't fork: memory gets to another process by a descriptor.)
//
// Exit code: 0; 2 if something went wrong; 3 where there is no /proc to reach another process's descriptors by.
// deno-lint-ignore-file no-console -- a program's output
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs, styleText } from "node:util";
import { MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../ffi/mod.ts";
import { MappedRegion } from "../mod.ts";
import { anonymousSharedMemory } from "../src/ipc/mod.ts";
import { command, Missing } from "./command.ts";

const { pageSize } = MappedRegion;

/** Maps a page of something by mmap(2) itself, so that /dev/zero will do. */
function map(path: string, flags: number): MappedRegion {
  const fd = openSync(path, "r+");
  try {
    return MappedRegion.map({ length: pageSize, protection: PROT_READ | PROT_WRITE, flags, fd });
  } finally {
    closeSync(fd);
  }
}

/** A way to map, and the same thing mapped by the other process. */
interface Way {
  readonly name: string;
  readonly path: string;
  readonly flags: number;
}

/** The other process: tells what it sees, whenever it gets a line. */
async function look(ways: readonly Way[]): Promise<void> {
  const regions = ways.map(({ path, flags }) => map(path, flags));
  const tell = (): void => console.log(regions.map((region) => region.text({ length: 1 })).join(","));
  tell();
  for await (const _ of createInterface({ input: process.stdin })) tell();
  for (const region of regions) region.close();
}

const shown = (byte: string | undefined): string =>
  (byte === undefined || byte === "\0" ? "0" : byte).padEnd(9);

async function main(directory: string): Promise<void> {
  using memory = anonymousSharedMemory(pageSize);
  const descriptor = `/proc/${process.pid}/fd/${memory.descriptor}`;
  const files = ["shared", "private"].map((name) => join(directory, name));
  const [shared = "", own = ""] = files;
  for (const path of files) writeFileSync(path, "a".repeat(pageSize));
  const ways: readonly Way[] = [
    { name: "file, MAP_SHARED", path: shared, flags: MAP_SHARED },
    { name: "file, MAP_PRIVATE", path: own, flags: MAP_PRIVATE },
    { name: "/dev/zero, MAP_SHARED", path: "/dev/zero", flags: MAP_SHARED },
    { name: "/dev/zero, MAP_PRIVATE", path: "/dev/zero", flags: MAP_PRIVATE },
    { name: "memfd, MAP_SHARED", path: descriptor, flags: MAP_SHARED },
    { name: "memfd, MAP_PRIVATE", path: descriptor, flags: MAP_PRIVATE },
  ];

  const flags = process.versions["deno"] === undefined ? process.execArgv : ["run", "--allow-all"];
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [...flags, script, "--look", JSON.stringify(ways)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const seen = async (): Promise<readonly string[]> => String((await answers.next()).value).split(",");

  const before = await seen(); // the other process has mapped them all
  const results: string[] = [];
  for (const [index, { name, path, flags }] of ways.entries()) {
    // The writer's mapping, and another of the same in the same process. Private mappings may see a store to the thing itself
    // until they have pages of their own: so each is looked at first.
    using writer = map(path, flags);
    using second = map(path, flags);
    const old = writer.text({ length: 1 }) + second.text({ length: 1 });
    writer.write(0, "B");
    child.stdin.write("\n");
    const after = await seen();
    const thing = path === "/dev/zero" ? "–" : readFileSync(path, "latin1")[0];
    results.push(
      name.padEnd(24) + shown(old[0]) + shown(writer.text({ length: 1 })) +
        shown(second.text({ length: 1 })).padEnd(16) + shown(before[index]) + shown(after[index]) +
        shown(thing).trim(),
    );
    if (path === descriptor) memory.write(0, "\0"); // for the next way
  }
  console.log("                        the writer        another mapping the other process the file");
  console.log("                        before   after    of its own      before   after    itself");
  for (const line of results) console.log(line.replaceAll(/\bB\b/g, (seen) => styleText("green", seen)));
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
  const directory = mkdtempSync(join(tmpdir(), "visibility-"));
  try {
    await main(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
