/**
 * Installs and runs the package as its users do: `npm run test:install`.
 *
 * Builds npm/, then runs the tests of tests/install, which have a lock file of their own for what they need: registries
 * on loopback, bundlers, compilers. Nothing is installed into the checkout but that. `npm run test:install -- bundlers`
 * runs the files of checks/ whose name contains one of the words. What is skipped is listed with its reason; the last line is
 * `N passed, N failed, N skipped`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const HERE = join(ROOT, "tests/install");

const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** Prints what it does, and whether it succeeded. */
function step(what: string, program: string, options: readonly string[], cwd: string): boolean {
  const { status, error } = spawnSync(program, options, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) {
    print(`${what} failed: ${error?.message ?? `exit code ${status}`}`);
  }
  return status === 0;
}

/** Installs the tools, unless they have been installed from the same lock file. */
function install(): boolean {
  const lock = readFileSync(join(HERE, "package-lock.json"), "utf8");
  const stamp = join(HERE, "node_modules/.installed-from");
  try {
    if (statSync(stamp).isFile() && readFileSync(stamp, "utf8") === lock) {
      return true;
    }
  } catch {
    /* never installed */
  }
  if (!step("npm ci in tests/install", "npm", ["ci", "--no-audit", "--no-fund"], HERE)) return false;
  writeFileSync(stamp, lock);
  return true;
}

interface Counts {
  passed: number;
  failed: number;
  readonly skipped: string[];
  readonly failures: string[];
}

/** Runs the files, and counts their tests; groups of tests don't count. */
async function test(files: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: [], failures: [] };
  const tests = run({ files: [...files], concurrency: 1, timeout: 3_600_000 });
  const isLeaf = (details: { readonly type?: string }): boolean => details.type !== "suite";
  tests.on("test:pass", ({ name, details, skip }) => {
    if (!isLeaf(details) || files.includes(name)) return;
    if (skip === undefined) counts.passed++;
    else {
      counts.skipped.push(`skipped: ${name}: ${skip === true ? "no reason given" : skip}`);
    }
  });
  tests.on("test:fail", ({ name, details }) => {
    if (!isLeaf(details)) return;
    counts.failed++;
    counts.failures.push(
      `FAIL install: ${name}\n  ${String(details.error.cause).replaceAll("\n", "\n  ")}\n`,
    );
  });
  const report = tests.compose(spec);
  report.pipe(process.stdout, { end: false });
  await new Promise((resolve) => report.once("end", resolve));
  return counts;
}

async function main(words: readonly string[]): Promise<Counts> {
  const failed: Counts = { passed: 0, failed: 1, skipped: [], failures: [] };
  if (!install()) return failed;
  if (!step("building npm/", process.execPath, [join(ROOT, "scripts/build_npm.ts")], ROOT)) return failed;
  const files = globSync("checks/*.ts", { cwd: HERE })
    .sort()
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .map((file) => join(HERE, file));
  return await test(files);
}

const { passed, failed, skipped, failures } = await main(process.argv.slice(2));
for (const line of [...skipped, ...failures]) print(line);
print(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
