/**
 * Tests the code for macOS, as far as that can be done on Linux: `npm run test:darwin`. The tests run in processes
 * that seem to run on macOS, with a stand-in for its C library, which has Darwin's functions, numbers and refusals,
 * and no others.
 *
 * Needs a C compiler, on Linux for x86-64. Signals, code signing and pages of 16 KiB can be tested on macOS only.
 * Arguments and last line are those of `npm test`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

const TESTS = [
  "region_open",
  "region_memory",
  "region_pages",
  "region_resize",
  "region_views",
  "search_test",
];

/** As the comment in the source has it; the last two keep its loops from being made calls of themselves. */
const COMPILE = [
  ...["-shared", "-nostdlib", "-ffreestanding", "-fPIC", "-O1"],
  ...["-fno-tree-loop-distribute-patterns", "-fno-stack-protector"],
];

function main(options: readonly string[]): number | null {
  if (process.platform !== "linux" || process.arch !== "x64") {
    process.stdout.write("The stand-in for macOS's C library makes Linux's system calls, on x86-64.\n");
    process.stdout.write("0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-darwin-"));
  try {
    const source = join(ROOT, "tests/darwin/libSystem.c");
    const library = join(folder, "libSystem.B.dylib");
    const compiled = spawnSync("cc", [...COMPILE, "-o", library, source], { stdio: "inherit" });
    if (compiled.status !== 0) {
      process.stdout.write(`cc failed: ${compiled.error?.message ?? "as above"}: apt-get install gcc\n`);
      process.stdout.write("0 passed, 1 failed\n");
      return 1;
    }
    const words = options.some((option) => !option.startsWith("-")) ? [] : TESTS;
    const script = join(ROOT, "scripts/test.ts");
    const preload = "--preload=./tests/darwin/preload.js";
    const { status } = spawnSync(process.execPath, [script, preload, ...options, ...words], {
      cwd: ROOT,
      env: { ...process.env, LD_LIBRARY_PATH: folder },
      stdio: "inherit",
    });
    return status;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = main(process.argv.slice(2)) ?? 1;
