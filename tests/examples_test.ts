import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { text as readAll } from "node:stream/consumers";
import { describe, test } from "node:test";
import { root, run, type RunResult, runtimeName, temporaryDirectory } from "./helpers/mod.ts";

const LOG = join(root, "examples/access.log");

/** Runs an example in Deno with the permissions that its own comment names. */
function example(name: string, ...args: readonly string[]): RunResult {
  const permissions = ["--allow-ffi", "--allow-read", "--allow-write"];
  return run(join(root, `examples/${name}.ts`), {
    args,
    permissions: name === "edit_in_place" ? permissions : permissions.slice(0, 2),
  });
}

describe("examples/grep.ts", () => {
  /** What it must print, found without the library. */
  const expected = (text: string, pattern: string): string =>
    text.split("\n").flatMap((line, index) => line.includes(pattern) ? [`${index + 1}:${line}\n`] : []).join(
      "",
    );

  for (const pattern of ["ERROR", "grüner", "2026-03-14T09:00", "Z"]) {
    test(`prints the lines of a log with "${pattern}"`, () => {
      const { status, stdout, stderr } = example("grep", pattern, LOG);
      assert.equal(stderr, "");
      assert.equal(stdout, expected(readFileSync(LOG, "utf8"), pattern));
      assert.equal(status, 0);
    });
  }

  test("prints a line once, and a last line without its newline", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    writeFileSync(file, "\naa aa\nb\n\naaa");
    assert.equal(example("grep", "aa", file).stdout, "2:aa aa\n5:aaa\n");
    assert.equal(example("grep", "", file).stdout, "1:\n2:aa aa\n3:b\n4:\n5:aaa\n");
  });

  test("numbers lines that are far from each other, and near", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    const far = `${"filler\n".repeat(10_000)}${"x".repeat(40_000)}`;
    const text = `${far}aa\naa\n\naa${far}\naa aa${far}${far}aa`;
    writeFileSync(file, text);
    assert.equal(example("grep", "aa", file).stdout, expected(text, "aa"));
  });

  test("exits with 1 when there is no such line, and when the file is empty", () => {
    using directory = temporaryDirectory();
    const empty = join(directory.path, "empty");
    writeFileSync(empty, "");
    for (const file of [LOG, empty]) {
      const { status, stdout, stderr } = example("grep", "no such text", file);
      assert.deepEqual({ status, stdout, stderr }, { status: 1, stdout: "", stderr: "" });
    }
  });

  test("exits with 2 when something is wrong, and says what", () => {
    const missing = example("grep", "x", join(root, "no-such-file"));
    assert.match(missing.stderr, /^grep\.ts: ENOENT: open '.*no-such-file': there is no such file\n$/);
    assert.deepEqual([missing.status, missing.stdout], [2, ""]);
    const usage = example("grep", "x");
    assert.deepEqual(
      [usage.status, usage.stderr],
      [2, "grep.ts: usage: grep.ts [-c] [-j THREADS] PATTERN FILE\n"],
    );
  });

  test("counts with -c", () => {
    const lines = expected(readFileSync(LOG, "utf8"), "ERROR").split("\n").length - 1;
    assert.equal(example("grep", "-c", "ERROR", LOG).stdout, `${lines}\n`);
    const none = example("grep", "-c", "no such text", LOG);
    assert.deepEqual([none.status, none.stdout], [1, "0\n"]);
  });

  test("prints the same by several threads, whatever the lines' length", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    const long = "x".repeat(2_500_000); // more than two parts
    const sparse = Array.from(
      { length: 60_000 },
      (_, index) => `line ${index}${index % 997 === 0 ? " aa" : ""}`,
    );
    const dense = Array.from({ length: 200_000 }, (_, index) => `aa ${index}`);
    const text = [...sparse, long, ...dense, `${long}aa`, "", `aa${long}`, long, ...sparse, "aa"].join("\n");
    writeFileSync(file, text);
    const wanted = expected(text, "aa");
    const { status, stdout, stderr } = example("grep", "-j", "3", "aa", file);
    assert.deepEqual([status, stderr, stdout.length], [0, "", wanted.length]);
    assert(stdout === wanted); // too long to be shown
    const count = example("grep", "-c", "-j", "3", "aa", file);
    assert.equal(count.stdout, `${wanted.split("\n").length - 1}\n`);
  });
});

describe("examples/residency.ts", () => {
  // Deno without --allow-write does not say whether the file is writable, which is what reliability hangs on.
  const DOUBT = String.raw`( \(not reliable: .*\))?`;
  const DRAWING = String.raw`\[[·▒█]+\] \d+ of \d+ pages of \d+ bytes in memory, [\d.]+ %${DOUBT}`;

  test("draws the pages of a file", () => {
    const { status, stdout, stderr } = example("residency", LOG);
    assert.equal(stderr, "");
    assert.match(stdout, new RegExp(`^before  ${DRAWING}\n$`));
    assert.equal(status, 0);
  });

  test("draws them again when they have been read in", () => {
    const { status, stdout } = example("residency", "--prefault", LOG);
    assert.match(
      stdout,
      new RegExp(`^before  ${DRAWING}\nafter   \\[█+\\] (\\d+) of \\2 pages .* 100\\.0 %${DOUBT}\n$`),
    );
    assert.equal(status, 0);
  });

  test("draws them again when they have been pushed out", () => {
    const { status, stdout, stderr } = example("residency", "--page-out", LOG);
    assert.equal(stderr, "");
    assert.match(stdout, new RegExp(`^before  ${DRAWING}\nafter   ${DRAWING}\n$`));
    assert.equal(status, 0);
  });

  test("exits with 2 when something is wrong, and says what", () => {
    for (
      const [args, message] of [
        [[], /^residency\.ts: usage: /],
        [["--prefault", "--page-out", LOG], /^residency\.ts: usage: /],
        [["--colour", LOG], /^residency\.ts: Unknown option '--colour'/],
        [[root], /^residency\.ts: EISDIR: /],
      ] as const
    ) {
      const { status, stdout, stderr } = example("residency", ...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [2, ""]);
    }
  });
});

describe("examples/edit_in_place.ts", () => {
  test("replaces a text everywhere, and nothing else", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "log");
    const text = readFileSync(LOG, "utf8");
    writeFileSync(file, text);
    const { status, stdout, stderr } = example("edit_in_place", file, "ERROR", "FEHLR");
    assert.equal(stderr, "");
    assert.equal(stdout, `${text.split("ERROR").length - 1} replaced\n`);
    assert.equal(readFileSync(file, "utf8"), text.replaceAll("ERROR", "FEHLR"));
    assert.equal(status, 0);
  });

  test("counts lengths in bytes", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    writeFileSync(file, "grün grün");
    const { status, stdout } = example("edit_in_place", file, "grün", "green");
    assert.deepEqual([status, stdout], [0, "2 replaced\n"]);
    assert.equal(readFileSync(file, "utf8"), "green green");
  });

  test("exits with 1 when the text does not stand there", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    writeFileSync(file, "text");
    const { status, stdout } = example("edit_in_place", file, "none", "some");
    assert.deepEqual([status, stdout], [1, "0 replaced\n"]);
    assert.equal(readFileSync(file, "utf8"), "text");
  });

  test("exits with 2 when something is wrong, says what, and leaves the file as it was", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    writeFileSync(file, "text");
    for (
      const [args, message] of [
        [[file, "text"], /^edit_in_place\.ts: usage: edit_in_place\.ts FILE FROM TO\n$/],
        [[file, "text", "longer"], /same number of bytes: they have 4 and 6\n$/],
        [[file, "", ""], /FROM is empty\n$/],
        [[join(directory.path, "none"), "a", "b"], /^edit_in_place\.ts: ENOENT: /],
      ] as const
    ) {
      const { status, stdout, stderr } = example("edit_in_place", ...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout], [2, ""]);
    }
    assert.equal(readFileSync(file, "utf8"), "text");
  });
});

/** script(1) of util-linux runs a command on a terminal. That of macOS has other options. */
const noTerminal =
  (spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "").includes("util-linux")
    ? false
    : "there is no script(1) of util-linux, which has a terminal for programs";

describe("examples that take long", { skip: noTerminal }, () => {
  const ERASE = "\r\x1b[K";

  /** Runs an example on a terminal, when it has run for a second; returns what came there. `rest` is the shell's. */
  async function onTerminal(name: string, rest: string): Promise<string> {
    const flags = {
      bun: ["run"],
      deno: ["run", "--allow-all"],
      node: ["--disable-warning=ExperimentalWarning"],
    }[runtimeName];
    const command = [
      process.execPath,
      ...flags,
      join(root, "tests/helpers/late.ts"),
      join(root, `examples/${name}.ts`),
    ].map((word) => `'${word}'`);
    const child = spawn("script", ["-qefc", `${command.join(" ")} ${rest}`, "/dev/null"], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 180_000,
    });
    const [terminal, [status]] = await Promise.all([readAll(child.stdout), once(child, "exit")]);
    assert.equal(status, 0, terminal);
    return terminal.replaceAll("\r\n", "\n");
  }

  /** What a person sees in the end. */
  const left = (terminal: string): string =>
    terminal.split("\n").map((line) => line.split(ERASE).at(-1)).join("\n");

  test("tell on a terminal how far they are, and leave nothing of that", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    const all = "some words in a line\n".repeat(60_000);
    writeFileSync(file, all);
    const printed = {
      grep: [
        `words '${file}'`,
        all.split("\n").slice(0, -1).map((line, at) => `${at + 1}:${line}\n`).join(""),
      ],
      tail: [`-n 60000 '${file}'`, all],
      wc: [`'${file}'`, `60000 300000 ${all.length} ${file}\n`],
      top_words: [`-n 1 '${file}'`, "  60000 a\n"],
    } as const;
    await Promise.all(
      Object.entries(printed).map(async ([name, [args, expected]]) => {
        const output = join(directory.path, name);
        const terminal = await onTerminal(name, `${args} > '${output}'`);
        assert.match(terminal, /\d %/, name);
        assert.equal(left(terminal), "", name);
        assert(readFileSync(output, "utf8") === expected, name);
      }),
    );
  });

  test("print no line beside that", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "text");
    const filler = "x\n".repeat(700_000);
    writeFileSync(file, `a line\n${filler}a line\n${filler}a line\n`);
    const [found, counted] = await Promise.all([
      onTerminal("grep", `-j 2 line '${file}'`),
      onTerminal("wc", `'${file}'`),
    ]);
    assert.match(found, /\d %/);
    assert.equal(left(found), "1:a line\n700002:a line\n1400003:a line\n");
    assert.equal(left(counted), `1400003 1400006 2800021 ${file}\n`);
  });
});
