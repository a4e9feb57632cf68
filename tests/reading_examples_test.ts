// The examples that read print what a slower program would.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, run, type RunResult, temporaryDirectory } from "./helpers/mod.ts";

const LOG = join(root, "examples/access.log");
const data = readFileSync(LOG);
const text = data.toString();

function example(name: string, ...args: readonly string[]): RunResult {
  const permissions = ["--allow-ffi", "--allow-read", "--allow-write"];
  return run(join(root, `examples/${name}.ts`), {
    args,
    permissions: name === "records" ? permissions : permissions.slice(0, 2),
  });
}

function printed(name: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = example(name, ...args);
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout;
}

test("wc counts", () => {
  const lines = text.split("\n").length - 1;
  const words = text.split(/[ \t\n\v\f\r]+/).filter((word) => word !== "").length;
  assert.equal(printed("wc", LOG), `${lines} ${words} ${data.length} ${LOG}\n`);
  assert.equal(printed("wc", "-l", LOG), `${lines} ${LOG}\n`);
  assert.equal(example("wc", "no-such-file").status, 1);
});

test("wc counts words of any bytes, whatever the length", () => {
  using directory = temporaryDirectory();
  for (const length of [0, 1, 2, 3, 4, 5, 4099]) {
    const file = join(directory.path, `${length}`);
    // Every byte beside many others; a word is between white space, as isspace(3) of the C locale has it.
    const bytes = Buffer.from(
      Array.from({ length }, (_, at) => (at * 89 + (at >> 4)) & (at % 3 === 0 ? 0x2f : 0xff)),
    );
    writeFileSync(file, bytes);
    const words = bytes.toString("latin1").split(/[ \t\n\v\f\r]+/).filter((word) => word !== "").length;
    const lines = bytes.filter((byte) => byte === 10).length;
    assert.equal(printed("wc", file), `${lines} ${words} ${length} ${file}\n`);
  }
});

test("tail prints the last lines", () => {
  const lines = text.split("\n").slice(0, -1);
  assert.equal(printed("tail", LOG), lines.slice(-10).join("\n") + "\n");
  assert.equal(printed("tail", "-n", "3", LOG), lines.slice(-3).join("\n") + "\n");
  assert.equal(example("tail").status, 2);
});

test("top_words prints the most frequent words", () => {
  const hits = Map.groupBy(text.match(/\p{L}+/gu) ?? [], (word) => word);
  const most = Math.max(...[...hits.values()].map((list) => list.length));
  const [first = ""] = printed("top_words", "-n", "1", LOG).trim().split("\n");
  const [count, word = ""] = first.trim().split(" ");
  assert.equal(Number(count), most);
  assert.equal(hits.get(word)?.length, most);
});

test("hexdump prints bytes", () => {
  const lines = printed("hexdump", LOG, "3", "40").split("\n");
  assert.equal(lines.length, 5);
  const bytes = lines.slice(0, 3).map((line) => line.slice(10, 59).replaceAll(" ", "")).join("");
  assert.equal(bytes, Buffer.from(data.subarray(3, 43)).toString("hex"));
  assert.match(lines[0] ?? "", /^00000003 {2}([0-9a-f]{2} ){8} ([0-9a-f]{2} ){8} \|.{16}\|$/);
});

test("records keeps trades in a file", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "trades");
  assert.equal(printed("records", path, "1000"), "1000 trades; the dearest is 99: 1 of OAK at 25.75\n");
});

test("parallel_count counts as many as one worker would, by any number of them", () => {
  const expected = text.split("ERROR").length - 1;
  for (const workers of ["1", "2", "5"]) {
    const { status, stdout } = example("parallel_count", "ERROR", LOG, workers); // Node's workers remark on node:ffi
    assert.deepEqual([status, stdout], [0, `${expected}\n`]);
  }
  assert.equal(example("parallel_count", "ERROR", "no-such-file").status, 2);
  assert.equal(example("parallel_count", "two\nlines", LOG).status, 2);
});
