/**
 * What it costs to start with the library: from the start of a process to the first byte of a file, over an empty script.
 * `node scripts/bench/start.ts [ROUNDS]` prints a table; the package is that of npm/, which scripts/build_npm.ts makes.
 *
 * Every round runs every program once, so that whatever else the machine does meets them all.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BIN = join(ROOT, "node_modules/.bin");
const ROUNDS = Number(process.argv[2] ?? 21);

const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  Bun: [join(BIN, "bun")],
  Deno: [join(BIN, "deno"), "run", "--no-check", "--allow-ffi", "--allow-read"],
  Node: [process.execPath, "--disable-warning=ExperimentalWarning"],
};

const NPM = join(ROOT, "npm/mod.js");
if (!existsSync(NPM)) throw new Error("npm/ is missing: node scripts/build_npm.ts");

const program = (module: string): string =>
  `import { MappedRegion } from ${JSON.stringify(pathToFileURL(module).href)};
  using region = MappedRegion.open(${JSON.stringify(join(ROOT, "examples/access.log"))});
  if (region.bytes[0] === undefined) throw new Error("no byte");
  `;

const PROGRAMS: readonly (readonly [row: string, file: string, text: string])[] = [
  ["an empty script", "empty.js", ""],
  ["npm's package", "package.js", program(NPM)],
  ["the TypeScript, as from JSR", "source.ts", program(join(ROOT, "mod.ts"))],
];

const median = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;

// In the repository, where node_modules is: Deno finds zod from there.
const folder = mkdtempSync(join(ROOT, "bench-start-"));
try {
  const times = new Map<string, number[]>();
  for (const [, file, text] of PROGRAMS) writeFileSync(join(folder, file), text);
  for (let round = -1; round < ROUNDS; round++) {
    for (const [runtime, [command = "", ...options]] of Object.entries(RUNTIMES)) {
      for (const [row, file] of PROGRAMS) {
        const start = performance.now();
        const { status, stderr } = spawnSync(command, [...options, join(folder, file)], { encoding: "utf8" });
        const spent = performance.now() - start;
        if (status !== 0) throw new Error(`${runtime}, ${row}: ${stderr}`);
        const key = `${row} in ${runtime}`;
        // The first round fills the caches.
        if (round >= 0) times.set(key, [...(times.get(key) ?? []), spent]);
      }
    }
  }
  const [empty = ["", "", ""] as const] = PROGRAMS;
  process.stdout.write(`| milliseconds, medians of ${ROUNDS} | ${Object.keys(RUNTIMES).join(" | ")} |\n`);
  for (const [row] of PROGRAMS) {
    const cells = Object.keys(RUNTIMES).map((runtime) => {
      const base = median(times.get(`${empty[0]} in ${runtime}`) ?? []);
      const own = median(times.get(`${row} in ${runtime}`) ?? []);
      return row === empty[0] ? base.toFixed(0) : `+${(own - base).toFixed(0)}`;
    });
    process.stdout.write(`| ${row} | ${cells.join(" | ")} |\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
