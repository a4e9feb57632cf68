// The programs that show what mmap(2) can do: what they print, in each runtime.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import {
  guardOnly,
  linuxOnly,
  PAGE,
  printed,
  root,
  run,
  runtimeName,
  temporaryDirectory,
} from "./helpers/mod.ts";

/** What programs import: no programs themselves. */
const HELPERS: ReadonlySet<string> = new Set([
  "command.ts",
  "output.ts",
  "pages.ts",
  "pictures.ts",
  "start_in.ts",
  "temporary_folder.ts",
  "formats/beside_read.ts",
  "formats/maxmind_writer.ts",
  "network/c_functions.ts",
  "network/file_server.ts",
  "network/packet_ring.ts",
]);

/** Starts a program, which goes on beside the test. Its temporary files are in `folder`, if one is given. */
function start(
  name: string,
  args: readonly string[],
  folder?: string,
): ChildProcessByStdio<null, Readable, Readable> {
  const flags =
    { bun: ["run"], deno: ["run", "-A"], node: ["--disable-warning=ExperimentalWarning"] }[runtimeName];
  const command = [...flags, join(root, `examples/${name}.ts`), ...args];
  const env = folder === undefined ? process.env : { ...process.env, TMPDIR: folder };
  return spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"], env });
}

/** Waits for the end of a process whose output nobody reads: how it ended, and what it printed as errors. */
async function endUnread(child: ReturnType<typeof start>): Promise<{ status: unknown; stderr: string }> {
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  child.stdout.destroy();
  const [status] = await once(child, "close");
  return { status, stderr };
}

describe("examples", () => {
  test("every one is listed in their README", () => {
    const text = readFileSync(join(root, "examples/README.md"), "utf8");
    for (const file of globSync("**/*.ts", { cwd: join(root, "examples") })) {
      if (!HELPERS.has(file)) assert(text.includes(`(${file})`), file);
    }
  });

  test("every one turns errors into the exit codes that their README names", () => {
    for (const file of globSync("*.ts", { cwd: join(root, "examples") })) {
      if (HELPERS.has(file)) continue;
      assert.match(readFileSync(join(root, "examples", file), "utf8"), /^ *await (simpleC|c)ommand\(/m, file);
    }
  });

  for (
    const name of [
      "hello_anonymous",
      "mmap_basic",
      "second_page",
      "clones",
      "fault_isolation",
      "fixed_address",
      "ring_twice",
      "follow",
      "errors",
      "flags",
      "sync",
      "protections",
      "visibility",
      "append_log",
      "heap",
      "buffer_pool",
      "page_cache",
      "big_data",
    ]
  ) {
    test(`${name} says how it is used`, () =>
      assert.match(printed(name, "--help"), new RegExp(`^usage: ${name}\\.ts`)));
  }

  for (
    const [name, ...args] of [
      ["buffer_pool", "--keys", "many"],
      ["page_cache", "--watch", "no such file"],
      ["big_data", "--limit", "1"],
      ["clones", "--size", "0"],
      ["heap", "--steps", "x"],
      ["errors", "ENOMEM"],
    ] as const
  ) {
    test(`${name} ${args.join(" ")}: exit code 2`, () => {
      const { status, stdout, stderr } = run(join(root, `examples/${name}.ts`), { args });
      assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
      assert.match(stderr, new RegExp(`^${name}\\.ts: (usage: |.*(${args.join("|")}))`));
    });
  }

  test("hello_anonymous", () => {
    const text = printed("hello_anonymous");
    assert.match(
      text,
      new RegExp(
        `^System page size: ${PAGE} bytes\nAddress: 0x[0-9a-f]+; the hint was 0x${
          (PAGE * 2 ** 20).toString(16)
        }\n` +
          "Protection: read-write-execute\nContents of region: Hello, world!\n$",
      ),
    );
  });

  test("mmap_basic", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "hello, file\n");
    assert.match(
      printed("mmap_basic", path),
      /File size: 12\n.*\nContent: hello, file\n\nIn the file now: HELLO, file\n/,
    );
    assert.equal(readFileSync(path, "utf8"), "HELLO, file\n");
    assert.match(printed("mmap_basic"), /\nContent: hello, file\nIn the file now: HELLO, file\n$/);

    truncateSync(path, 4);
    const { status, stderr } = run(join(root, "examples/mmap_basic.ts"), { args: [path] });
    assert.deepEqual([status, stderr], [2, `mmap_basic.ts: ${path} is shorter than HELLO\n`]);
    assert.equal(readFileSync(path, "utf8"), "HELL");
  });

  test("second_page", () => {
    const lines = printed("second_page").split("\n");
    assert.match(lines[0] ?? "", /EINVAL/);
    assert.equal(lines[1], `second page: 100 of "2", ${PAGE - 100} zeros behind the end of the file`);
    assert.equal(lines[2], `MappedRegion at offset ${PAGE + 90}: 10 bytes, 2222222222`);
  });

  test("clones take the pages that were changed, and copies take all", linuxOnly, () => {
    using directory = temporaryDirectory();
    const svg = join(directory.path, "svg");
    for (const copies of [3, 10]) {
      let text = "";
      const taken = (what: string): number =>
        Number(new RegExp(`^${what} +([\\d.]+) MiB `, "m").exec(text)?.[1]);
      // The runtime's own memory grows, too: by how much, its collector decides, which may come late on a busy machine.
      const isNear = (): boolean =>
        taken("the clones take") < 40 &&
        (copies === 3
          ? Math.abs(taken("3 copies take") - 48) < 40
          : Math.abs(taken("the copies take") - 160) < 40);
      for (let attempt = 0; attempt < 3 && !isNear(); attempt++) {
        text = printed(
          "clones",
          ...["--clones", "10", "--size", "16", "--copies", String(copies), "--svg", svg],
        );
      }
      assert(isNear(), text);
      const clones = taken("the clones take");
      assert.equal(taken("the file, once"), 16);
      assert.match(text, /^the base begins with 7, as before$/m);

      const all = taken(copies === 10 ? "the copies take" : "copies would take");
      if (copies === 3) assert.equal(all, 160);
      const picture = readFileSync(svg, "utf8");
      assert(picture.includes(`>clones: ${clones.toFixed(1)} MiB</text>`), picture);
      const computed = copies === 10 ? "" : ", computed";
      assert(picture.includes(`>copies: ${all.toFixed(1)} MiB${computed}</text>`), picture);
      assert.equal([...picture.matchAll(/<polyline /g)].length, copies === 10 ? 2 : 3, picture);
    }
  });

  test("fault_isolation", guardOnly, () => {
    assert.equal(
      printed("fault_isolation"),
      "good: stayed in its place\ngood: ours is whole: true\n" +
        "stray: 1 page stored to without the right to, at offset 5000; undone\nstray: ours is whole: true\n",
    );
  });

  test("fixed_address", linuxOnly, () => {
    const list = "at 0x100000000000: 0 → 1 → 2 → 3 → 4 → 5 → 6 → 7";
    const lines = printed("fixed_address").trim().split("\n").sort();
    assert.deepEqual(lines, [`process 1, ${list}`, `process 2, ${list}`]);
  });

  test("ring_twice", linuxOnly, () => {
    const [, whole, end, memory] = printed("ring_twice").split("\n");
    assert.equal(whole, 'read from there in one piece: "one message, in one piece"');
    assert.equal(end, 'its last bytes are at the beginning of the ring: "e, in one piece"');
    assert.equal(memory, "in the memory itself, too: true");
  });

  test("errors: each is provoked, or why not is said", () => {
    const lines = printed("errors").trim().split("\n");
    const codes = new Set<string>();
    for (let at = 0; at < lines.length; at += 2) {
      const [code = ""] = (lines[at] ?? "").split(" ");
      const message = (lines[at + 1] ?? "").trim();
      assert(message.startsWith(`${code}: `) || /^not here: .* \(.*\)$/.test(message), `${code}, ${message}`);
      if (message.startsWith(code)) codes.add(code);
    }
    for (const code of ["EACCES", "EBADF", "EINVAL", "ENODEV", "ENOMEM"]) assert(codes.has(code), code);
  });

  test("flags", linuxOnly, () => {
    const text = printed("flags");
    assert.match(text, /^MAP_FIXED +replaced the second of three pages; writable: true, false, true$/m);
    assert.match(text, /^MAP_FIXED_NOREPLACE +EEXIST: /m);
    assert.match(text, /^MAP_NORESERVE +1 TiB .* the kernel says "nr": true$/m);
    assert.match(text, /^MAP_GROWSDOWN .* made it grow by 3 pages, .* the kernel says "gd": true$/m);
    const [, without, populated] = /(\d+) page faults without it, (\d+) with it/.exec(text) ?? [];
    assert(Number(without) > Number(populated) + 2000, text);
  });

  test("sync: read(2) sees a store before it was flushed", () => {
    const lines = printed("sync").split("\n");
    assert.match(lines[0] ?? "", /^stored +read\(2\) sees "first "/);
    assert.match(lines[3] ?? "", /^stored again +read\(2\) sees "second"/);
    assert.match(lines[5] ?? "", /^MS_SYNC \| MS_INVALIDATE +read\(2\) sees "third "/);
  });

  test("protections", () => {
    const text = printed("protections");
    assert.match(text, /a byte too many at the end is EACCES\n.*beginning is EACCES\n.*by halves: true\n/);
    assert.match(
      text,
      /read-only: a write is EACCES\n.*detached: true\n.*"settings"\nread-write again.*"changed!"\n/,
    );
    assert.match(
      text,
      /W\^X: once it may be executed, a write is EACCES\nW\^X: (the code returned 42|this runtime's FFI calls .*)\n$/,
    );
  });

  test("visibility", linuxOnly, () => {
    const seen = printed("visibility").trim().split("\n").slice(2).map((line) => line.split(/  +/));
    assert.deepEqual(seen, [
      // The writer before and after, another mapping, the other process before and after, the file.
      ["file, MAP_SHARED", "a", "B", "B", "a", "B", "B"],
      ["file, MAP_PRIVATE", "a", "B", "a", "a", "a", "a"],
      ["/dev/zero, MAP_SHARED", "0", "B", "0", "0", "0", "–"],
      ["/dev/zero, MAP_PRIVATE", "0", "B", "0", "0", "0", "–"],
      ["anonymous, MAP_SHARED", "0", "B", "0", "0", "0", "–"],
      ["anonymous, MAP_PRIVATE", "0", "B", "0", "0", "0", "–"],
      ["memfd, MAP_SHARED", "0", "B", "B", "0", "B", "B"],
      ["memfd, MAP_PRIVATE", "0", "B", "0", "0", "0", "0"],
    ]);
  });

  test("heap: blocks keep what was stored in them", () => {
    const text = printed("heap", "--steps", "500");
    assert.match(text, /^an anonymous mapping: 0 of 16 pages are in memory$/m);
    assert.match(text, /^after memcpy of them to page 8: \d+ of 16 pages are in memory; found at 8$/m);
    assert.match(
      text,
      /: Hello, world!\nfree: \d+ is not a block in use: .*\nover the end of a large block: EACCES\n/,
    );
    const [, used = "", freed = ""] = text.split(/^after .* in use:\n|^after all were freed:\n/m);
    assert.match(used, /^ +64 bytes {2}[█·]{30} {2}\d+ blocks in use, \d+ free$/m);
    const [, inUse, asked] = /^(\d+) bytes are in use, of which (\d+) were asked for$/m.exec(used) ?? [];
    assert(Number(inUse) > Number(asked) && Number(asked) > 0, used);
    assert.doesNotMatch(freed, /█/);
    assert.match(freed, /^0 bytes are in use, of which 0 were asked for$/m);
  });

  test("buffer_pool: finds what SQLite finds, with some of the pages and with all", () => {
    const [built, , , some, all, changed] = printed(
      "buffer_pool",
      ...["--keys", "20000", "--frames", "30", "--lookups", "20000"],
    ).split("\n");
    const [, pages] = /^A B\+tree of 20,000 keys: (\d+) dirty pages, flushed by 1 msync$/.exec(built ?? "") ??
      [];
    assert.match(some ?? "", new RegExp(`^30 of ${pages} pages +[678]\\d\\.\\d % +[\\d,]+ +[\\d,]+$`));
    assert.match(all ?? "", new RegExp(`^${pages} of ${pages} pages +99\\.\\d % +[\\d,]+ +[\\d,]+$`));
    assert.match(changed ?? "", /^10 values changed: (\d|10) dirty pages, flushed by \d+ msync$/);
  });

  test("page_cache: touches, evicts and locks, and makes reports", () => {
    using directory = temporaryDirectory();
    const folder = join(directory.path, "a & b");
    mkdirSync(join(folder, "deeper"), { recursive: true });
    const small = join(folder, "small");
    const large = join(folder, "deeper", "large");
    writeFileSync(small, "x");
    writeFileSync(large, new Uint8Array(40 * PAGE).fill(1));
    writeFileSync(join(folder, "empty"), "");
    const [svg, html] = [join(directory.path, "svg"), join(directory.path, "html")];

    // Which pages are still there after an eviction, the file system decides: one in memory has nowhere else to put them.
    const evicted = printed("page_cache", "--evict", large);
    const all = `[${"█".repeat(40)}] 40 of 40 pages of ${PAGE} bytes in memory, 100.0 %`;
    const line = `\\[[█·]{40}\\] \\d+ of 40 pages of ${PAGE} bytes in memory, [\\d.]+ %`;
    assert.match(
      evicted,
      new RegExp(`^${large}\n  before  ${line}\n  after   ${line}\nbefore: \\d+ of 40 pages, `),
    );

    const touched = printed("page_cache", "--touch", "--svg", svg, "--html", html, folder);
    assert(touched.includes(`\n  after   ${all}\n`), touched);
    assert(touched.endsWith("\nafter: 41 of 41 pages, 100.0 % in memory; files: 3\n"), touched);
    const picture = readFileSync(svg, "utf8");
    assert.match(picture, /^<svg xmlns=[^]*a &amp; b\/small, after: 1 of 1 pages, 100\.0 %<[^]*<\/svg>\n$/);
    const page = readFileSync(html, "utf8");
    assert(page.startsWith("<!doctype html>\n") && page.includes(picture), page);
    assert.match(page, /<td>[^<]*large<\/td><td>after<\/td><td>40 of 40 pages, 100\.0 %<\/td>/);

    const watched = printed("page_cache", "--lock", "--watch", "--every", "1", "--rounds", "3", small);
    const round = `${small}\n  [█] 1 of 1 pages of ${PAGE} bytes in memory, 100.0 %\n` +
      "1 of 1 pages, 100.0 % in memory; files: 1\n";
    assert.equal(watched, round.repeat(3));
  });

  for (const way of ["windows", "cgroup"]) {
    test(`big_data: ${way}: a file of 256 MiB takes a fraction of that`, linuxOnly, () => {
      const args = ["--size", "256", "--limit", "64", "--way", way];
      const { status, stdout, stderr } = run(join(root, "examples/big_data.ts"), { args });
      if (status === 3) {
        assert.match(stderr, /^big_data\.ts: no memory cgroup could be made: .* It takes root, /);
        return;
      }
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      assert.match(stdout, /^256 MiB were summed in [\d.]+ s: 2080, which is right$/m);
      const [, before, most] = /^resident memory: (\d+) MiB before, (\d+) MiB at most$/m.exec(stdout) ?? [];
      assert(Number(most) - Number(before) < 128, stdout);
      assert.match(stdout, /^over time, from 0 up: [▁▂▃▄▅▆▇█]{17}$/m);
      const [, counted] = /^counted by the cgroup: (\d+) MiB at most$/m.exec(stdout) ?? [];
      if (counted !== undefined) assert(Number(counted) <= 64, stdout);
    });
  }

  for (
    const [name, signal] of [["big_data", "SIGINT"], ["buffer_pool", "SIGTERM"]] as const
  ) {
    test(`${name}: leaves no file behind when ${signal} ends it`, async () => {
      using directory = temporaryDirectory();
      const { path } = directory;
      const child = start(name, name === "big_data" ? ["--way", "windows", "--folder", path] : [], path);
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
      child.stdout.resume();
      const closed = once(child, "close");
      while (
        child.exitCode === null && globSync(`${name.replace("_", "-")}-*/*`, { cwd: path }).length === 0
      ) {
        await setTimeout(10);
      }
      child.kill(signal);
      const [code, killed] = await closed;
      if (runtimeName === "deno") assert.equal(killed, signal); // what Deno makes of an exit code above 128
      else assert.equal(code, 128 + constants.signals[signal]);
      assert.equal(stderr, "");
      assert.deepEqual(globSync(`${name.replace("_", "-")}-*`, { cwd: path }), []);
    });
  }

  test("append_log: no flushed record is lost", () => {
    assert.match(
      printed("append_log", "--kills", "3"),
      /^killed 3 times; no flushed record was lost; the log has \d+ records\n$/,
    );
  });

  test("follow: a file that grows, is cut off, and is replaced", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "log");
    writeFileSync(path, "zero\none\ntwo\nunfin");
    const child = start("follow", ["--lines", "2", "--every", "20", "--until", "end", path]);
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => text += part);
    const ended = new Promise((resolve) => child.once("close", resolve));
    const seen = async (line: string): Promise<void> => {
      while (!text.includes(`${line}\n`)) {
        assert.equal(child.exitCode, null, text);
        await setTimeout(10);
      }
    };
    await seen("two");
    appendFileSync(path, "ished\n");
    await seen("unfinished");
    truncateSync(path, 0);
    appendFileSync(path, "after\n");
    await seen("after");
    renameSync(path, `${path}.1`);
    writeFileSync(path, "rotated\n");
    await seen("rotated");
    appendFileSync(path, "end\n");
    assert.equal(await ended, 0);
    assert.equal(text, "one\ntwo\nunfinished\nafter\nrotated\nend\n");
  });

  test("follow ends when nobody reads it any more", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "log");
    writeFileSync(path, "one\n");
    assert.deepEqual(await endUnread(start("follow", [path])), { status: 2, stderr: "" });
  });

  test("what nobody reads is no error: the program goes on to its end, and cleans up", async () => {
    assert.deepEqual(await endUnread(start("sync", [])), { status: 0, stderr: "" });
  });
});
