/**
 * How tests are run in Bun, Deno and Node, and counted: what `npm test` and its kin for other platforms share.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const ROOT: string = fileURLToPath(new URL("../", import.meta.url));

/** A runtime that hangs is ended after this long, so that CI reports it instead of hanging too. */
const MINUTES = 20;

/** How a runtime runs tests. */
export interface Runner {
  readonly name: string;
  readonly program: string;
  /** How a module is loaded before the tests. */
  readonly preload: string;
  arguments(files: readonly string[], junit: string, preload: readonly string[]): string[];
}

/** The three of them. */
export const RUNNERS: readonly Runner[] = [
  {
    name: "bun",
    program: join(ROOT, "node_modules/.bin/bun"),
    preload: "--preload",
    // node:test sets no limit, and Bun would end a test after 5 seconds. Files need a ./ to be files to Bun.
    arguments: (files, junit, preload) => [
      "test",
      ...preload,
      `--timeout=${MINUTES * 60_000}`,
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

/** How many tests there were. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What came of one process's tests. */
export interface Result extends Counts {
  readonly files: readonly string[];
  /** What went wrong, one text a failure: the test's name, then what it said. */
  readonly failures: readonly string[];
  readonly seconds: number;
  /** What else is to be said, or "". */
  readonly remark: string;
}

/** How a runtime is started for tests. */
export interface RunOptions {
  /** A module that is loaded before the tests. */
  readonly preload?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Keeps what it prints until its end, so that it doesn't mix with what others print. */
  readonly keep?: boolean;
}

/** More lines than this of a failure stand in the runtime's own output only. */
const FAILURE_LINES = 30;

/** The files of the suite whose path contains one of the words; without any, all of them. */
export function testFiles(words: readonly string[]): string[] {
  return globSync("tests/**/*_test.ts", { cwd: ROOT, exclude: ["tests/install/**"] }).sort()
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
}

/** Text out of a junit report, with its entities taken back. */
function unescape(text: string): string {
  const names: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(
    /&(?:#(\d+)|([a-z]+));/g,
    (entity, code: string | undefined, name: string) =>
      code === undefined ? names[name] ?? entity : String.fromCodePoint(Number(code)),
  );
}

/**
 * Counts the test cases of a junit report. Of a `describe`, or a test with subtests, only the innermost tests count.
 */
function count(report: string, files: readonly string[]): Counts & { failures: string[] } {
  // All three runtimes escape < and > in names and messages, so whatever looks like a tag is one.
  const cases = report.split(/(?=<testcase\b)/).slice(1).map((text) => ({
    name: unescape(/\bname="([^"]*)"/.exec(text)?.[1] ?? ""),
    message: unescape(/<(?:failure|error)\b[^>]*>([^]*?)<\/(?:failure|error)>/.exec(text)?.[1] ?? "").trim(),
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
  const failures = leaves.filter((leaf) => leaf.failed).map(({ name, message }) =>
    [name, ...message.split("\n").slice(0, FAILURE_LINES)].join("\n  ")
  );
  const failed = failures.length;
  const skipped = leaves.filter((leaf) => !leaf.failed && leaf.skipped).length;
  return { passed: leaves.length - failed - skipped, failed, skipped, failures };
}

/** How a process ended, and what it printed, if that was kept. */
interface Ending {
  readonly status: number | null;
  readonly remarks: readonly string[];
  readonly output: string;
}

/** Runs a program to its end, or until it has taken too long. */
async function end(
  program: string,
  options: readonly string[],
  env: Readonly<Record<string, string>>,
  keep: boolean,
): Promise<Ending> {
  const output = keep ? "pipe" : "inherit";
  const child = spawn(program, options, {
    cwd: ROOT,
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", ...env },
    stdio: ["ignore", output, output],
    timeout: MINUTES * 60_000,
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => printed.push(data));
  const remarks: string[] = [];
  child.on("error", (error) => remarks.push(error.message));
  const [status, signal] = await once(child, "close").catch(() => [null, null]) as [
    number | null,
    string | null,
  ];
  if (signal !== null) remarks.push(`ended by ${signal}`);
  return { status, remarks, output: Buffer.concat(printed).toString() };
}

/** Runs the files in one process of a runtime. What goes wrong outside any test counts as one failure. */
export async function runIn(
  runner: Runner,
  files: readonly string[],
  { preload, env = {}, keep = false }: RunOptions = {},
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-test-"));
  try {
    const junit = join(folder, `${runner.name}.xml`);
    const before = preload === undefined ? [] : [runner.preload, preload];
    const start = performance.now();
    const options = runner.arguments(files, junit, before);
    const { status, remarks: ending, output } = await end(runner.program, options, env, keep);
    const seconds = (performance.now() - start) / 1000;
    if (keep) process.stdout.write(`\n=== ${runner.name}: ${files.join(" ")} ===\n\n${output}`);
    const remarks = [...ending];
    let counts: ReturnType<typeof count> = { passed: 0, failed: 0, skipped: 0, failures: [] };
    try {
      counts = count(readFileSync(junit, "utf8"), files);
    } catch {
      remarks.push("left no report");
    }
    if (counts.passed + counts.failed + counts.skipped === 0) remarks.push("ran no tests");
    if (status !== 0 && counts.failed === 0) remarks.push(`failed outside the tests, exit code ${status}`);
    const remark = remarks.join("; ");
    if (counts.failed === 0 && remarks.length > 0) {
      return { ...counts, failed: 1, failures: [`${files.join(" ")}: ${remark}`], files, seconds, remark };
    }
    return { ...counts, files, seconds, remark };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Files with tests that take long come first, lest one of them is left alone at the end. */
const isLong = (file: string): boolean => /\/(hostile|ipc)\/|gallery|private_memory/.test(file);

/**
 * Runs each file in each of the runtimes, in a process of its own, two at a time: most wait for their children half of the
 * time. Returns what came of each runtime.
 */
export async function runEach(
  runners: readonly Runner[],
  files: readonly string[],
  { preload }: { readonly preload?: string | undefined } = {},
): Promise<{ readonly name: string; readonly results: readonly Result[] }[]> {
  // Node takes most of a child's time for making JavaScript of TypeScript, unless it finds what it made before.
  const cache = mkdtempSync(join(tmpdir(), "mapped-region-cache-"));
  const options = { preload, keep: true, env: { NODE_COMPILE_CACHE: cache } };
  const jobs = [true, false].flatMap((long) =>
    runners.flatMap((runner) =>
      files.filter((file) => isLong(file) === long).map((file) => ({ runner, file }))
    )
  );
  const done = runners.map(({ name }) => ({ name, results: [] as Result[] }));
  const work = async (): Promise<void> => {
    for (let job; (job = jobs.shift()) !== undefined;) {
      const { runner, file } = job;
      const result = await runIn(runner, [file], options);
      done.find(({ name }) => name === runner.name)?.results.push(result);
    }
  };
  try {
    await Promise.all([work(), work()]);
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
  return done;
}

/** Adds what was counted. */
export function sum(counts: readonly Counts[]): Counts {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of counts) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}

/** The last line of a run: `N passed, N failed`, with `, N skipped` where there are any. */
export function summary({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}
