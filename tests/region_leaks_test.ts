/** Nothing is left behind: descriptors and mappings after many rounds, and what becomes of regions nobody closed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MappedRegion } from "../mod.ts";
import {
  collectGarbage,
  collectUntil,
  descriptors,
  linuxOnly,
  mappingsOf,
  mapsCount,
  PAGE,
  run,
  testFile,
} from "./helpers/mod.ts";
import { uniqueName } from "./ipc/support.ts";

function rounds(path: string, count: number): void {
  for (let round = 0; round < count; round++) {
    const region = MappedRegion.open(path, { access: round % 2 === 0 ? "read" : "read-write" });
    if (round % 3 === 0) assert.equal(region.bytes[1], 7);
    if (round % 5 === 0) region.subarray(1, 2);
    if (round % 7 === 0) region.windows({ size: 10 })[Symbol.iterator]().next();
    region.close();
    if (round % 4 === 0) assert.throws(() => MappedRegion.open(path, { length: 1 << 30 }), RangeError);
    if (round % 4 === 1) assert.throws(() => MappedRegion.anonymous(2 ** 52));
    if (round % 4 === 2) MappedRegion.anonymous(100).close();
  }
}

test("10,000 open/close rounds leave descriptors and mappings where they were", linuxOnly, async () => {
  using file = testFile(PAGE + 100);
  rounds(file.path, 2000);
  await collectGarbage();
  const before = mapsCount();
  rounds(file.path, 10_000);
  const mappings = (): number => mappingsOf(file.path);
  // A conservative collector may keep what a stale stack slot points to.
  assert(await collectUntil(() => mappings() <= 5), `${mappings()} mappings of the file are left`);
  assert.equal(descriptors(file.path), 0);
  // The runtime's own heap comes and goes by some dozen mappings; a leak would be thousands.
  assert(await collectUntil(() => mapsCount() - before < 500), `${mapsCount() - before} mappings more`);
});

test("a region dropped without close is released, with one warning that names the place", linuxOnly, () => {
  const child = run(
    `
    import { MappedRegion } from "../../mod.ts";
    import { collectGarbage, collectUntil, descriptors, mappingsOf } from "../helpers/mod.ts";
    import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
    import process from "node:process";
    const directory = mkdtempSync("/tmp/mapped-region-drop-");
    const path = directory + "/dropped";
    writeFileSync(path, "x".repeat(100));
    const warnings: Error[] = [];
    process.on("warning", (warning) => warnings.push(warning));
    function drop(): void {
      for (let round = 0; round < 100; round++) {
        const region = MappedRegion.open(path);
        if (round % 2 === 0) region.bytes;
      }
    }
    drop();
    await collectUntil(() => descriptors(path) <= 5 && mappingsOf(path) <= 5 && warnings.length > 0);
    await collectGarbage();
    const open = descriptors(path);
    const left = mappingsOf(path);
    const ours = warnings.filter(({ name }) => name === "MappedRegionWarning");
    rmSync(directory, { recursive: true });
    console.log(JSON.stringify({ ours: ours.length, left, open, message: ours[0]?.message }));
    process.exit(0);
    `,
  );
  assert.equal(child.status, 0, child.stderr);
  const { ours, left, open, message } = JSON.parse(child.stdout);
  assert.equal(ours, 1);
  assert.match(message, /dropped' was collected without.*using.*main\.ts:\d+/);
  // A conservative collector may keep what a stale stack slot points to.
  assert(left <= 5, `${left} mappings of 100 are left`);
  assert(open <= 5, `${open} descriptors of 100 are left`);
});

test("a view keeps its region alive", linuxOnly, async () => {
  using file = testFile(100);
  const views = ((): Uint8Array[] => {
    const region = MappedRegion.open(file.path);
    return [region.bytes, region.subarray(1, 5)];
  })();
  for (let round = 0; round < 5; round++) await collectGarbage();
  assert.deepEqual([views[0]?.[1], views[1]?.[0]], [7, 7]);
});

test("a region dropped without close is warned of, whatever the program makes of stacks", () => {
  const child = run(
    `
    import { MappedRegion } from "../../mod.ts";
    import { collectUntil } from "../helpers/mod.ts";
    import process from "node:process";
    const messages: string[] = [];
    process.on("warning", ({ name, message }) => name === "MappedRegionWarning" && messages.push(message));
    const own = [(_: Error, frames: unknown) => frames, () => { throw new Error("no stack"); }];
    function drop(): void {
      MappedRegion.anonymous(4096);
    }
    for (const prepare of own) {
      Error.prepareStackTrace = prepare;
      for (let round = 0; round < 20; round++) drop();
      await collectUntil(() => messages.length > 0);
    }
    Error.prepareStackTrace = undefined;
    console.log(messages.length > 0 && messages[0]?.includes("was mapped at"));
    process.exit(0);
    `,
  );
  assert.deepEqual([child.status, child.stdout.trim()], [0, "true"], child.stderr);
});

test("each place warns once, and what was closed not at all", linuxOnly, () => {
  const child = run(
    `
    import { MappedRegion } from "../../mod.ts";
    import { collectGarbage, collectUntil } from "../helpers/mod.ts";
    import process from "node:process";
    const warnings: (Error & { code?: string })[] = [];
    process.on("warning", (warning) => warnings.push(warning));
    function one(): void {
      MappedRegion.anonymous(4096);
    }
    function another(): void {
      MappedRegion.anonymous(8192);
    }
    function closed(): void {
      MappedRegion.anonymous(16_384).close();
      using region = MappedRegion.anonymous(16_384);
      region.bytes;
    }
    for (let round = 0; round < 100; round++) {
      one();
      another();
      closed();
    }
    const of = () => warnings.filter(({ name }) => name === "MappedRegionWarning");
    await collectUntil(() => of().length >= 2);
    for (let round = 0; round < 5; round++) await collectGarbage();
    const ours = of();
    console.log(JSON.stringify(ours.map(({ code, message }) => [code, message])));
    process.exit(0);
    `,
  );
  assert.equal(child.status, 0, child.stderr);
  const warnings: [code: string, message: string][] = JSON.parse(child.stdout);
  assert.deepEqual(warnings.map(([code]) => code), Array(2).fill("MAPPED_REGION_NOT_CLOSED"));
  const sizes = warnings.map(([, message]) => /A region of (\d+) bytes/.exec(message)?.[1]);
  assert.deepEqual(sizes.sort(), ["4096", "8192"]);
});

test(
  "shared memory nobody closed: the warning names the program's line, and no descriptor is left",
  linuxOnly,
  () => {
    using unique = uniqueName();
    const child = run(
      `
    import {
      anonymousSharedMemory, createSharedMemory, openSharedMemory, unlinkSharedMemory,
    } from "../../src/ipc/mod.ts";
    import { collectUntil, descriptors } from "../helpers/mod.ts";
    import process from "node:process";
    const warnings: Error[] = [];
    process.on("warning", (warning) => warnings.push(warning));
    const name = ${JSON.stringify(unique.name)};
    function forget(): void {
      createSharedMemory(name, 4096);
      openSharedMemory(name);
      anonymousSharedMemory(4096);
    }
    const open = () => descriptors("/dev/shm" + name) + descriptors("/memfd:");
    const before = open();
    for (let round = 0; round < 100; round++) forget();
    const ours = () => warnings.filter(({ name }) => name === "MappedRegionWarning");
    await collectUntil(() => ours().length >= 3 && open() - before <= 5);
    const messages = ours().map(({ message }) => message);
    console.log(JSON.stringify({ messages, open: open() - before }));
    unlinkSharedMemory(name);
    process.exit(0);
    `,
    );
    assert.equal(child.status, 0, child.stderr);
    const { messages, open } = JSON.parse(child.stdout);
    const lines = messages.map((message: string) => /It was mapped at .*main\.ts:(\d+)/.exec(message)?.[1]);
    assert.equal(lines.length, 3, child.stdout);
    assert(!lines.includes(undefined), child.stdout);
    assert.equal(new Set(lines).size, 3, child.stdout);
    assert(open <= 5, `${open} descriptors are left`);
  },
);
