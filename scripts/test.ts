/**
 * Runs the test suite in Bun, Deno and Node, one after the other: `npm test`.
 *
 * `npm test -- region libc` runs the files whose path contains one of the words, `npm test -- --runtime=bun` one
 * runtime (the option may be repeated). The last line printed is `N passed, N failed`, with `, N skipped` where
 * there are any; the exit code is 0 only if nothing failed and every runtime ran something.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** A runtime that hangs is ended after this long, so that CI reports it instead of hanging too. */
const MINUTES = 20;

interface Runner {
  readonly name: string;
  readonly program: string;
  /** How a module is loaded before the tests. */
  readonly preload: string;
  arguments(files: readonly string[], junit: string, preload: readonly string[]): string[];
}

const RUNNERS: readonly Runner[] = [
  {
    name: "bun",
    program: join(ROOT, "node_modules/.bin/bun"),
    preload: "--preload",
    // node:test sets no limit, and Bun would end a test after 5 seconds. Files need a ./ to be files to Bun.
    arguments: (files, junit, preload) => [
      "test",
      ...preload,
      "--timeout=120000",
      "--reporter=junit",
      `--reporter-outfile=${junit}`,
      ...files.map((file) => `./${file}`),
    ],
  },
  {
    name: "deno",
    program: join(ROOT, "node_modules/.bin/deno"),
    preload: "--preload",
    arguments: (files, junit, preload) => [
      "test",
      ...preload,
      "--allow-all",
      "--no-check",
      "--v8-flags=--expose-gc",
      `--junit-path=${junit}`,
      ...files,
    ],
  },
  {
    name: "node",
    program: process.execPath,
    preload: "--import",
    arguments: (files, junit, preload) => [
      ...preload,
      "--expose-gc",
      "--disable-warning=ExperimentalWarning",
      "--test",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      "--test-reporter=junit",
      `--test-reporter-destination=${junit}`,
      ...files,
    ],
  },
];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts the test cases of a junit report. Of a `describe`, or a test with subtests, only the innermost tests count.
 */
function count(report: string, files: readonly string[]): Counts {
  // All three runtimes escape < and > in names and messages, so whatever looks like a tag is one.
  const cases = report.split(/(?=<testcase\b)/).slice(1).map((text) => ({
    name: /\bname="([^"]*)"/.exec(text)?.[1]?.replaceAll("&gt;", ">") ?? "",
    failed: /<(failure|error)\b/.test(text),
    skipped: /<skipped\b/.test(text),
  }));
  // Deno lists a test with steps as well as its steps, which are named "test > step".
  const parents = new Set(cases.flatMap(({ name }) => {
    const parts = name.split(" > ");
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(" > "));
  }));
  // Node lists a file with no test in it as a test that passed.
  const leaves = cases.filter((test) =>
    !parents.has(test.name) && (test.failed || !files.includes(test.name))
  );
  const failed = leaves.filter((leaf) => leaf.failed).length;
  const skipped = leaves.filter((leaf) => !leaf.failed && leaf.skipped).length;
  return { passed: leaves.length - failed - skipped, failed, skipped };
}

/** Runs the files in one runtime. What goes wrong outside any test counts as one failure. */
function runIn(
  runner: Runner,
  files: readonly string[],
  folder: string,
  module: string | undefined,
): Counts & { remark: string } {
  const junit = join(folder, `${runner.name}.xml`);
  const preload = module === undefined ? [] : [runner.preload, module];
  const start = performance.now();
  const { status, signal, error } = spawnSync(runner.program, runner.arguments(files, junit, preload), {
    cwd: ROOT,
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: MINUTES * 60_000,
  });
  const remarks = [`${((performance.now() - start) / 1000).toFixed(1)} s`];
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = count(readFileSync(junit, "utf8"), files);
  } catch {
    remarks.push("left no report");
  }
  if (error !== undefined) remarks.push(error.message);
  if (signal !== null) remarks.push(`ended by ${signal}`);
  if (counts.passed + counts.failed === 0) remarks.push("ran no tests");
  if (status !== 0 && counts.failed === 0) remarks.push(`failed outside the tests, exit code ${status}`);
  if (counts.failed === 0 && remarks.length > 1) counts.failed = 1;
  return { ...counts, remark: remarks.join("; ") };
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const summary = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;

function main(): number {
  if (Number.parseInt(process.versions.node, 10) < 26 || process.versions["bun"] !== undefined) {
    print(`The tests need Node 26, which 'npm ci' installs into node_modules. Run them with 'npm test';`);
    print(`this is ${process.execPath}, ${process.version}.`);
    return 1;
  }
  const { values, positionals } = parseArgs({
    options: { runtime: { type: "string", multiple: true }, preload: { type: "string" } },
    allowPositionals: true,
  });
  const unknown = values.runtime?.filter((name) => !RUNNERS.some((runner) => runner.name === name)) ?? [];
  if (unknown.length > 0) {
    print(
      `--runtime takes ${RUNNERS.map((runner) => runner.name).join(", ")}: received ${unknown.join(", ")}`,
    );
    return 1;
  }
  const files = globSync("tests/**/*_test.ts", { cwd: ROOT, exclude: ["tests/install/**"] }).sort()
    .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)));
  if (files.length === 0) {
    print("No test file matches.");
    print(summary({ passed: 0, failed: 1, skipped: 0 }));
    return 1;
  }

  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const lines: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-test-"));
  try {
    for (const runner of RUNNERS) {
      if (values.runtime?.includes(runner.name) === false) continue;
      print(`\n=== ${runner.name} ===\n`);
      const result = runIn(runner, files, folder, values.preload);
      total.passed += result.passed;
      total.failed += result.failed;
      total.skipped += result.skipped;
      lines.push(`${runner.name.padEnd(5)} ${summary(result)} (${result.remark})`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  print(`\n${files.length} files`);
  for (const line of lines) print(line);
  print(summary(total));
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = main();
