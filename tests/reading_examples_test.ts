// The examples that read print what a slower program would.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
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

test("tail prints any number of lines as they stand, with and without a last newline", () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "file");
  const lines = Array.from({ length: 150_000 }, (_, index) => `${index} ${"x".repeat(index % 20)}\r\n`);
  for (const [all, last] of [[lines, ""], [lines, "end"]] as const) {
    writeFileSync(file, all.join("") + last);
    const each = last === "" ? all : [...all, last];
    for (const count of [1, 100_000]) {
      assert(printed("tail", "-n", `${count}`, file) === each.slice(-count).join("")); // too long to be shown
    }
  }
});

test("top_words prints the most frequent words", () => {
  const hits = Map.groupBy(text.match(/\p{L}+/gu) ?? [], (word) => word);
  const most = Math.max(...[...hits.values()].map((list) => list.length));
  const [first = ""] = printed("top_words", "-n", "1", LOG).trim().split("\n");
  const [count, word = ""] = first.trim().split(" ");
  assert.equal(Number(count), most);
  assert.equal(hits.get(word)?.length, most);
});

test("top_words counts words of any alphabet, wherever the parts end that are read at a time", () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "file");
  // More than the first table holds, one that is longer than a part, and quotes beside letters that aren't ASCII.
  const words = Array.from(
    { length: 60_000 },
    (_, index) =>
      `${"aü€ß".charAt(index % 4)}${
        String(index).replace(/\d/g, (digit) => "abcdefghij".charAt(Number(digit)))
      }`,
  );
  const all = `„${words.join("“ – 7")} ${"é".repeat(400_000)} ${words.slice(0, 1000).join(" ")}\n${words[7]}`;
  writeFileSync(file, all);
  const expected = new Map<string, number>();
  for (const [word] of all.matchAll(/\p{L}+/gu)) expected.set(word, (expected.get(word) ?? 0) + 1);
  const rows = printed("top_words", "-n", "100000", file).trimEnd().split("\n").map((row) =>
    row.trim().split(" ")
  );
  assert(isDeepStrictEqual(new Map(rows.map(([hits, word = ""]) => [word, Number(hits)])), expected));
});

test("hexdump prints the offset at which it ends, and a last row that is shorter", () => {
  const rows = printed("hexdump", LOG).split("\n");
  const rest = data.length % 16;
  assert.equal(rows.length, Math.ceil(data.length / 16) + 2);
  assert.equal(rows.at(-2), data.length.toString(16).padStart(8, "0"));
  const last = rows.at(-3) ?? "";
  const shown = data.subarray(data.length - rest).toString("latin1").replace(/[^ -~]/g, ".");
  assert.equal(last.slice(60), `|${shown}|`);
  assert.equal(last.slice(10, 59).replaceAll(" ", ""), data.subarray(data.length - rest).toString("hex"));
});

test("the tools exit with 2 when something is wrong, and say what", () => {
  for (const [name, ...args] of [["wc"], ["tail"], ["hexdump"], ["top_words"], ["parallel_count", "ERROR"]]) {
    const { status, stdout, stderr } = example(`${name}`, ...args, "no-such-file");
    assert.deepEqual([status, stdout], [2, ""]);
    assert.equal(stderr, `${name}.ts: ENOENT: open 'no-such-file': there is no such file\n`);
  }
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
  assert.equal(example("parallel_count", "two\nlines", LOG).status, 2);
});
