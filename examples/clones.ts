// A hundred clones of one file, each changed a little: copy-on-write mappings share every page that nobody changed.
//
//     node examples/clones.ts
//     bun examples/clones.ts --clones 10 --size 16
//     deno run --allow-env --allow-ffi --allow-read --allow-write examples/clones.ts
//
// In C: mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), a hundred times. It reads its own use of memory in
// /proc, for which Deno needs --allow-all.
//
// Exit code: 0; 3 where there is no /proc to read.
// deno-lint-ignore-file no-console -- a program's output
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { MappedRegion } from "../mod.ts";

const MIB = 2 ** 20;
const CHANGED = 4;

/** The private memory of this process that holds something of its own, in bytes. */
function privateMemory(): number {
  const rollup = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Private_Dirty:\s+(\d+) kB/m.exec(rollup)?.[1]) * 1024;
}

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1).padStart(9)} MiB`;
const bar = (bytes: number, most: number): string => "█".repeat(Math.max(1, Math.round(40 * bytes / most)));

function main(count: number, size: number): void {
  const directory = mkdtempSync(join(tmpdir(), "clones-"));
  try {
    const path = join(directory, "base");
    using base = MappedRegion.open(path, { access: "read-write", create: true, size });
    base.fill(7);
    base.flushSync();

    const before = privateMemory();
    const clones = Array.from({ length: count }, () => MappedRegion.open(path, { access: "copy-on-write" }));
    for (const [index, clone] of clones.entries()) {
      for (let page = 0; page < CHANGED; page++) {
        clone.write(page * 64 * MappedRegion.pageSize, `clone ${index}`);
      }
    }
    const used = privateMemory() - before;
    const copies = count * size;
    console.log(`${count} clones of ${size / MIB} MiB, ${CHANGED} pages changed in each`);
    console.log(`copies would take ${mib(copies)} ${bar(copies, copies)}`);
    console.log(`the clones take   ${mib(used)} ${bar(used, copies)}`);
    console.log(
      `clone 0 begins with "${clones[0]?.text({ length: 7 })}", the base with ${base.read(0, 1)[0]}`,
    );
    for (const clone of clones) clone.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const { values: { help, clones, size } } = parseArgs({
  options: {
    help: { type: "boolean" },
    clones: { type: "string", default: "100" },
    size: { type: "string", default: "256" },
  },
});
if (help === true) {
  console.log("usage: clones.ts [--clones COUNT] [--size MIB]");
} else if (process.platform !== "linux") {
  console.error("clones.ts: it reads /proc/self/smaps_rollup, which only Linux has");
  process.exitCode = 3;
} else {
  main(Number(clones), Number(size) * MIB);
}
