/** The examples in which processes work together print what they should. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { linuxOnly, needsC, needsPython, root, run, runtimeName } from "../helpers/mod.ts";
import { start, uniqueName, well } from "./support.ts";

const BIN = join(root, "node_modules/.bin");

function printed(name: string, ...args: readonly string[]): string {
  const env = { PATH: `${BIN}:${process.env["PATH"]}` };
  const { status, stdout, stderr } = run(join(root, `examples/${name}.ts`), { args, env });
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout;
}

test("counter counts in all runtimes", linuxOnly, () => {
  assert.match(printed("counter", "2000"), /^bun, deno, node: 2000 times each: 6000 atomically, 6000 under/);
});

test("work_queue does all jobs", linuxOnly, () => {
  assert.match(printed("work_queue", "20"), /\n20 jobs, \d+ primes\n$/);
});

test("shared_cache makes each value once", linuxOnly, () => {
  assert.equal(
    printed("shared_cache", "200"),
    "3 processes asked 200 keys 10 times each: 200 values were made\n",
  );
});

test("with_python finds what Python has done", needsPython, () => {
  assert.equal(printed("with_python"), "Python has added to 512 numbers: 1.5, 2.5, …, 511.5\n");
});

test("with_c talks with C", needsC, () => {
  assert.equal(
    printed("with_c"),
    "hello: 5 bytes\nC: 1 bytes\nfrom JavaScript: 15 bytes\nC has counted 3 messages\n",
  );
});

test("chat brings what one types to the other, and tells of its end", linuxOnly, async () => {
  const flags =
    { bun: [], deno: ["run", "-A"], node: ["--disable-warning=ExperimentalWarning"] }[runtimeName];
  using memory = uniqueName();
  const args = [...flags, join(root, "examples/chat.ts"), memory.name];
  await using one = start(join(BIN, runtimeName), args);
  await using other = start(join(BIN, runtimeName), args);
  one.process.stdin.write("hello\n");
  other.process.stdin.write("hi\n");
  await other.printed("> hello");
  await one.printed("> hi");
  other.process.stdin.end();
  await one.printed("gone");
  await well(other);
});
