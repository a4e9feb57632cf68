/**
 * Runs the test suite in Bun, Deno and Node: `npm test`.
 *
 * `npm test -- region libc` runs the files whose path contains one of the words, `npm test -- --runtime=bun` one
 * runtime (the option may be repeated). The last line printed is `N passed, N failed`, with `, N skipped` where
 * there are any; above it stands again what failed. The exit code is 0 only if nothing failed and every runtime ran
 * something.
 *
 * @module
 */
import { basename } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runEach, RUNNERS, sum, summary, testFiles } from "./suite.ts";

const print = (text: string): void => void process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
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
  const files = testFiles(positionals);
  if (files.length === 0) {
    print("No test file matches.");
    print(summary({ passed: 0, failed: 1, skipped: 0 }));
    return 1;
  }

  const start = performance.now();
  const runners = RUNNERS.filter(({ name }) => values.runtime?.includes(name) !== false);
  const done = await runEach(runners, files, { preload: values.preload });
  print(`\n${files.length} files, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  for (const { name, results } of done) {
    for (const failure of results.flatMap(({ failures }) => failures)) print(`FAIL ${name}: ${failure}\n`);
  }
  for (const { name, results } of done) {
    const longest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, 3);
    const times = longest.map(({ files, seconds }) =>
      `${basename(files[0] ?? "", ".ts")} ${seconds.toFixed(1)} s`
    );
    print(`${name.padEnd(5)} ${summary(sum(results))} (longest: ${times.join(", ")})`);
  }
  const total = sum(done.flatMap(({ results }) => results));
  print(summary(total));
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
