// A walk through a region holds little memory of its own, however large the region is.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { closeSync, existsSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { describeWhere, run, type TemporaryDirectory, temporaryDirectory, where } from "./helpers/mod.ts";

const SMAPS = "/proc/self/smaps_rollup";

/** How much more a walk may hold than a loop that makes as many objects and knows of no region, in MiB. */
const MOST = 100;

/**
 * Runs a loop that makes objects, and then a walk; prints how far the process's private memory rose in each, in MiB. What it
 * is after the loop of objects is no part of the walk's.
 */
const program = (walk: string, object: string, count: number): string => `
  import { readFileSync } from "node:fs";
  import process from "node:process";
  import { bytes, MappedRegion, struct } from "../../mod.ts";

  const part = { length: 2 ** 28 }; // what has lines; the rest is a hole
  const privateMemory = () => Number(/^Anonymous:\\s+(\\d+)/m.exec(readFileSync("${SMAPS}", "utf8"))[1]) / 1024;
  using region = MappedRegion.open(process.argv[2]);
  region.read(0, 1);
  let kept, most, steps;
  const start = () => [most, steps] = [privateMemory(), 0];
  const step = (value, every) => {
    kept = value;
    if (++steps % every === 0) most = Math.max(most, privateMemory());
  };
  const before = start()[0];
  for (let index = 0; index < ${count}; index++) step(${object}, ${count / 50});
  const objects = most - before;
  start();
  ${walk}
  step(undefined, 1);
  console.log(JSON.stringify({ objects, walk: most - before }));
`;

const WALKS: Readonly<Record<string, string>> = {
  "lines": "for (const line of region.lines(part)) step(line, 1e5);",
  "lines as bytes": `for (const line of region.lines({ ...part, encoding: "bytes" })) step(line, 1e5);`,
  "lines as bytes, backwards":
    `for (const line of region.lines({ ...part, encoding: "bytes", reverse: true })) step(line, 1e5);`,
  "lines that contain something":
    `for (const line of region.lines({ ...part, containing: "line" })) step(line, 1e5);`,
  "lines as offsets":
    `for (const { start } of region.lines({ ...part, encoding: "offsets" })) step({ start }, 1e5);`,
  "matches": `for (const at of region.matches("line", part)) step({ at }, 1e5);`,
  "count":
    `for (const needle of ["\\n", "line", "nowhere", "x".repeat(100)]) step(region.count(needle, part), 1);`,
  "windows": `for (const window of region.windows({ ...part, size: 2 ** 20 })) step(window[0], 32);`,
  "stream": "for await (const chunk of region.stream(part)) step(chunk, 100);",
  "cursor: lines": `
    const cursor = region.cursor();
    for (let index = 0; index < 2 ** 27 / 80; index++) step(cursor.readLine(), 1e5);`,
  "cursor: numbers": `
    const cursor = region.cursor();
    for (let at = 0; at < part.length; at += 64, cursor.seek(at)) step({ number: cursor.readU32() }, 1e5);`,
  "records": `
    const layout = struct({ number: "u32", rest: bytes(124) });
    for (const record of region.records(layout, { count: 2 ** 28 / 128 })) step(record, 1e5);`,
};

test("an open region makes a collector count less than 8 MiB, so that it doesn't put off its work", () => {
  const source = `
    import process from "node:process";
    import { MappedRegion } from "../../mod.ts";
    const { external } = process.memoryUsage();
    using region = MappedRegion.anonymous(2 ** 30);
    region.read(0, 1);
    console.log(process.memoryUsage().external - external);
  `;
  const { stdout, stderr, status } = run(source);
  assert.equal(status, 0, stderr);
  assert(Number(stdout) < 2 ** 23, stdout);
});

describeWhere("private memory", where(() => existsSync(SMAPS), `there is no ${SMAPS}`), () => {
  let directory: TemporaryDirectory | undefined;
  let path = "";
  before(() => {
    directory = temporaryDirectory();
    path = join(directory.path, "lines");
    const text = Buffer.from(`a line of eighty bytes${".".repeat(57)}\n`.repeat(2 ** 14));
    const fd = openSync(path, "w");
    for (let written = 0; written < 2 ** 28; written += text.length) writeSync(fd, text);
    ftruncateSync(fd, 2 ** 30);
    closeSync(fd);
  });
  after(() => directory?.[Symbol.dispose]());

  for (const [name, walk] of Object.entries(WALKS)) {
    test(`stays small in a walk through 1 GiB: ${name}`, () => {
      // V8 keeps more than 100 MiB of large arrays that nobody refers to, if the memory for them is there.
      const source = name === "stream"
        ? program(walk, "new Uint8Array(2 ** 18)", 1000)
        : program(walk, "{ index }", 5e6);
      // On a busy machine a collector may come late. What is held on to is there each time.
      const tried: string[] = [];
      let isSmall = false;
      while (!isSmall && tried.length < 3) {
        const { stdout, stderr, status } = run(source, { args: [path] });
        assert.equal(status, 0, stderr);
        const rose = JSON.parse(stdout) as { readonly objects: number; readonly walk: number };
        isSmall = rose.walk - rose.objects < MOST;
        tried.push(`it rose by ${rose.walk} MiB, and by ${rose.objects} in a loop`);
      }
      assert(isSmall, tried.join("; "));
    });
  }
});
