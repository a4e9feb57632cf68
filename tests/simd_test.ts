// What machine code finds is what WebAssembly and plain JavaScript find, which stand in for it, and what is there.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { truncateSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { kernels } from "../ffi/kernels/mod.ts";
import { TASK } from "../ffi/kernels/layout.ts";
import { MappedRegion } from "../mod.ts";
import { Copies, type Scanner, simdKernel } from "../src/simd/copies.ts";
import { plainKernel } from "../src/simd/plain.ts";
import { scanner } from "../src/simd/scan.ts";
import {
  describeWhere,
  fails,
  guardOnly,
  LIBRARY,
  PAGE,
  regionOf,
  run,
  runtimeName,
  testFile,
  together,
  where,
} from "./helpers/mod.ts";

const [NEWLINE, RETURN] = [10, 13];
const LENIENT = 2 ** 40;

using somewhere = MappedRegion.anonymous(1); // there is a table from now on
const native = kernels();
const simd = simdKernel();
const scanners: Readonly<Record<string, Scanner | undefined>> = {
  "machine code": native,
  "WebAssembly": simd === undefined ? undefined : new Copies(simd),
  "plain JavaScript": new Copies(plainKernel()),
};

/** Where a needle stands, by the slow way. */
function hitsOf(text: Buffer, needle: Uint8Array): number[] {
  const hits: number[] = [];
  for (let at = 0; (at = text.indexOf(needle, at)) !== -1; at += needle.length) hits.push(at);
  return hits;
}

const found = (scan: Scanner, count: number): number[] => [...scan.offsets.subarray(0, count)];

/** Asserts that a scanner finds in the text at an address what is there. */
function check(scan: Scanner, address: number, text: Buffer, needle: Uint8Array): void {
  const newlines = hitsOf(text, Uint8Array.of(NEWLINE));
  assert.equal(scan.count(address, text.length, NEWLINE), newlines.length);
  for (const copies of [false, true]) {
    const lines = scan.lines(address, text.length, copies);
    assert.deepEqual(found(scan, lines.newlines), newlines);
    assert.equal(lines.returns, text.includes(RETURN));
    if (scan === native) assert.equal(lines.ascii, text.every((byte) => byte < 128));
    else assert(!lines.ascii || text.every((byte) => byte < 128));
  }
  assert.deepEqual([...scan.copy.subarray(0, text.length)], [...text]);
  const hits = hitsOf(text, needle);
  const last = needle.length - 1;
  for (const pair of [[0, last], [last, 0], [last >> 1, last >> 1], [last >> 1, last]] as const) {
    for (const at of [address, 0]) { // 0 is the copy
      const all = scan.search(at, text.length, needle, pair, text.length + 1, LENIENT);
      assert.deepEqual(found(scan, all.hits), hits);
      assert.equal(all.givenUp, false);
      assert.equal(all.next, Math.max(0, text.length - last, (hits.at(-1) ?? -Infinity) + last + 1));
    }
  }
}

describe("what looks through memory", () => {
  const bytes = fc.constantFrom(NEWLINE, RETURN, 97, 98, 0xc3, 0);
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 300, size: "max", min: 97, max: 98 }),
    fc.array(bytes, { maxLength: 300, size: "max" }).map((list) => Uint8Array.from(list)),
  );
  const needles = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 32, size: "max", min: 97, max: 98 }),
    fc.array(bytes, { minLength: 1, maxLength: 4 }).map((list) => Uint8Array.from(list)),
  );

  test("is WebAssembly at least, in each runtime that we test", () => {
    assert(simd !== undefined);
  });

  test("is machine code where there is a guard", () => {
    assert.equal(native !== undefined, somewhere.guarded);
    if (native !== undefined) assert.equal(scanner(), native);
  });

  for (const [name, scan] of Object.entries(scanners)) {
    if (scan === undefined) continue;

    test(`finds what is there: ${name}`, () => {
      using region = MappedRegion.anonymous(PAGE);
      fc.assert(
        fc.property(texts, needles, fc.nat(70), (text, needle, at) => {
          region.write(at, text);
          check(scan, Number(region.address) + at, Buffer.from(text), needle);
        }),
        { numRuns: 400 },
      );
    });

    test(`looks at no byte beside the text, whatever its length: ${name}`, () => {
      using region = MappedRegion.anonymous(3 * PAGE);
      const start = Number(region.address) + PAGE;
      const needles = [1, 2, 3, 4, 7, 8, 9, 16, 17, 25, 32].map((size) => Buffer.alloc(size, "ab\n"));
      const text = Buffer.alloc(301, "aab\nab\nab\nabab\nab\n\nab\nab\nab\nab\nab\nab\nx");
      region.fill(NEWLINE);
      for (let length = 0; length <= 300; length++) {
        const part = text.subarray(length % 7, length % 7 + Math.min(length, 294));
        const needle = needles[length % needles.length] ?? part;
        for (const at of [0, PAGE - part.length]) {
          region.write(PAGE + at, part);
          region.protect("none", { offset: 0, length: PAGE });
          region.protect("none", { offset: 2 * PAGE, length: PAGE });
          check(scan, start + at, part, needle);
          region.protect("read-write");
        }
      }
      assert.equal(region.faults, 0);
    });

    test(`finds what is there wherever a text begins: ${name}`, () => {
      using region = MappedRegion.anonymous(PAGE);
      const text = Buffer.alloc(200, "one\ntwo three\r\nfour three\n");
      for (let at = 0; at < 64; at++) {
        region.fill(NEWLINE);
        region.write(at, text);
        check(scan, Number(region.address) + at, text, Buffer.from("three"));
      }
    });

    test(`counts more than sums of 8 bits hold: ${name}`, () => {
      for (const length of [64 * 255, 64 * 255 + 1, 64 * 256, 2 ** 18 + 65, 600_001]) {
        using region = MappedRegion.anonymous(length);
        assert.equal(scan.count(Number(region.address), length, 0), length);
        assert.equal(scan.count(Number(region.address), length, 1), 0);
      }
    });
  }
});

describeWhere("machine code", guardOnly, () => {
  const scan = native as NonNullable<typeof native>;

  test("looks at each byte of the text", () => { // so the test above would have seen it look further
    using region = MappedRegion.anonymous(PAGE);
    region.protect("none");
    scan.count(Number(region.address) + PAGE - 1, 1, 0);
    assert.equal(region.faults, 1);
  });

  test("stops when it has found enough, and goes on behind that", () => {
    using region = regionOf("xxxxx xx x".repeat(1000));
    const needle = Buffer.from("xx");
    const expected = hitsOf(Buffer.from("xxxxx xx x".repeat(1000)), needle);
    for (const limit of [1, 2, 3, 100, 2999, 3000, 3001]) {
      const offsets: number[] = [];
      for (let at = 0; at + needle.length <= region.length;) {
        const { hits, next } = scan.search(
          Number(region.address) + at,
          region.length - at,
          needle,
          [0, 1],
          limit,
          LENIENT,
        );
        assert(hits <= limit && next > 0);
        offsets.push(...found(scan, hits).map((offset) => at + offset));
        at += next;
      }
      assert.deepEqual(offsets, expected);
    }
  });

  /** What `containing` shall find: each line, where to go on, newlines before that, and whether the last line is unended. */
  function linesOf(text: Buffer, needle: Buffer, limit: number): [number[][], number, number, boolean] {
    const lines: number[][] = [];
    let [start, newlines] = [0, 0];
    for (;;) {
      const newline = text.indexOf(NEWLINE, start);
      const stop = newline === -1 ? text.length : newline;
      const end = newline > start && text[newline - 1] === RETURN ? newline - 1 : stop;
      const has = start < stop && text.subarray(start, stop).includes(needle);
      if (has) lines.push([start, end, newlines]);
      if (newline === -1) return [lines, start, newlines, has];
      start = newline + 1;
      newlines++;
      if (has && lines.length === limit) return [lines, start, newlines, false];
    }
  }

  function checkLines(address: number, text: Buffer, needle: Buffer, limit: number): void {
    const last = needle.length - 1;
    const [lines, next, newlines, unended] = linesOf(text, needle, limit);
    for (const pair of [[0, last], [last, last >> 1]] as const) {
      const all = scan.containing(address, text.length, needle, pair, limit, LENIENT);
      const numbers = found(scan, 3 * all.hits);
      assert.deepEqual(Array.from({ length: all.hits }, (_, at) => numbers.slice(3 * at, 3 * at + 3)), lines);
      assert.deepEqual([all.next, all.newlines, all.unended, all.givenUp], [next, newlines, unended, false]);
    }
  }

  const character = fc.constantFrom(NEWLINE, NEWLINE, RETURN, 97, 97, 98, 98, 99, 100, 101, 102);
  const needleIn = fc.array(fc.constantFrom(97, 98, 97, 98, 99, 0), {
    minLength: 1,
    maxLength: 20,
    size: "max",
  });

  test("finds the lines that contain a needle, and what number they have", () => {
    using region = MappedRegion.anonymous(PAGE);
    const limits = fc.constantFrom(1, 2, 3, 1000);
    const texts = fc.array(character, { maxLength: 600, size: "max" }).map((list) => Buffer.from(list));
    const found = fc.tuple(
      texts,
      needleIn,
      limits,
      fc.nat(70),
      fc.array(fc.nat(600), { maxLength: 8, size: "max" }),
    );
    fc.assert(
      fc.property(found, ([text, list, limit, at, places]) => {
        const needle = Buffer.from(list);
        for (const place of places) if (place + needle.length <= text.length) needle.copy(text, place);
        region.write(at, text);
        checkLines(Number(region.address) + at, text, needle, limit);
      }),
      { numRuns: 1500 },
    );
  });

  test("looks for lines at no byte beside the text, whatever its length, and however long they are", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    region.fill(NEWLINE);
    const texts = [
      "",
      "\n",
      "x".repeat(70),
      `${"x".repeat(70)}ab\n`,
      "x\n",
      "xab\r\n",
      "ab\n",
      "abab",
      "\n\nab",
    ]
      .map((part) => Buffer.alloc(300, part || "x"));
    for (let length = 1; length <= 300; length++) {
      for (const whole of texts) {
        const text = whole.subarray(0, length);
        for (const at of [0, PAGE - length]) {
          region.write(PAGE + at, text);
          region.protect("none", { offset: 0, length: PAGE });
          region.protect("none", { offset: 2 * PAGE, length: PAGE });
          checkLines(Number(region.address) + PAGE + at, text, Buffer.from("ab"), 1000);
          region.protect("read-write");
          region.fill(NEWLINE, { offset: PAGE + at, length });
        }
      }
    }
    assert.equal(region.faults, 0);
  });

  test("misses nothing when it goes on where it gave up, or had found enough", () => {
    using region = MappedRegion.anonymous(PAGE);
    const start = Number(region.address);
    const texts = fc.array(fc.constantFrom(97, 97, 97, 98, 98, NEWLINE), { maxLength: 1500, size: "max" });
    const found = fc.tuple(texts, needleIn, fc.constantFrom(0, 20, 100, 500), fc.constantFrom(1, 2, 50));
    fc.assert(
      fc.property(found, ([list, letters, patience, limit]) => {
        const text = Buffer.from(list);
        const needle = Buffer.from(letters);
        region.write(0, text);
        const hits: number[] = [];
        for (let at = 0; at + needle.length <= text.length;) {
          const part = scan.search(start + at, text.length - at, needle, [0, 0], limit, patience);
          for (const offset of scan.offsets.subarray(0, part.hits)) hits.push(at + offset);
          assert(part.next > 0);
          at += part.next;
        }
        assert.deepEqual(hits, hitsOf(text, needle));
        const lines: number[][] = [];
        let newlines = 0;
        let allowed: number = patience;
        for (let at = 0, done = false; !done && at < text.length;) {
          const part = scan.containing(start + at, text.length - at, needle, [0, 0], limit, allowed);
          for (let index = 0; index < part.hits; index++) {
            const [begin = 0, end = 0, number = 0] = scan.offsets.subarray(3 * index);
            lines.push([at + begin, at + end, newlines + number]);
          }
          done = !part.givenUp && (part.unended || part.hits < limit);
          allowed = part.next === 0 ? allowed + 100 : patience;
          at += part.next;
          newlines += part.newlines;
        }
        assert.deepEqual(lines, linesOf(text, needle, Infinity)[0]);
      }),
      { numRuns: 500 },
    );
  });

  test("gives up on lines, too, and tells where the line begins in which it did", () => {
    const text = Buffer.from(`one b\n${`${"a".repeat(2999)}\n`.repeat(200)}`);
    using region = regionOf(text);
    const needle = Buffer.from("ab");
    const { hits, next, newlines, givenUp, unended } = scan.containing(
      Number(region.address),
      text.length,
      needle,
      [0, 0],
      10,
      2 ** 16,
    );
    assert.deepEqual([hits, givenUp, unended], [0, true, false]);
    assert.equal(next, 6 + (newlines - 1) * 3000);
    assert(newlines > 1 && newlines < 5, `${newlines}`);
  });

  test("gives up where much is nearly the needle, and tells up to where it came", () => {
    const text = Buffer.alloc(2 ** 20, "a");
    using region = regionOf(text);
    for (const size of [2, 8, 20, 1000]) {
      const needle = Buffer.alloc(size, "a").fill("b", size >> 1, (size >> 1) + 1);
      const pair = size === 2 ? [0, 0] as const : [0, size - 1] as const;
      const { hits, next, givenUp } = scan.search(
        Number(region.address),
        text.length,
        needle,
        pair,
        10,
        2 ** 16,
      );
      assert.deepEqual([hits, givenUp], [0, true]);
      assert(next > 0 && next < 2 ** 14, `${next}`); // each place costs at least 16
    }
  });

  test("refuses what would let it look elsewhere", () => {
    const address = Number(somewhere.address);
    const needle = Buffer.from("ab");
    for (
      const [length, what, pair, limit] of [
        [1, new Uint8Array(0), [0, 0], 1],
        [1, Buffer.alloc(TASK.NEEDLE_ROOM + 1), [0, 0], 1],
        [1, needle, [2, 0], 1],
        [1, needle, [0, 2], 1],
        [1, needle, [0, 1], 0],
        [2 ** 32, needle, [0, 1], 1],
      ] as const
    ) assert.throws(() => scan.search(address, length, what, pair, limit, 0), RangeError);
    assert.throws(() => scan.search(0, TASK.MOST_LINES + 1, needle, [0, 1], 1, 0), RangeError);
    assert.throws(() => scan.lines(address, TASK.MOST_LINES + 1, false), RangeError);
  });

  test("goes on with memory of its own when a program has taken its memory away", () => {
    using region = regionOf("one\ntwo\n");
    structuredClone(scan.copy, { transfer: [scan.copy.buffer] });
    assert.equal(region.count("\n"), 2);
    structuredClone(scan.copy, { transfer: [scan.copy.buffer] });
    assert.deepEqual([...region.matches("two")], [4]);
    structuredClone(scan.copy, { transfer: [scan.copy.buffer] });
    assert.deepEqual([...region.lines()], ["one", "two"]);
  });

  test("tells of pages that are lost", () => {
    const searches: Readonly<Record<string, (region: MappedRegion) => unknown>> = {
      count: (region) => region.count("\n"),
      "count of a literal": (region) => region.count("ab"),
      indexOf: (region) => region.indexOf("nowhere"),
      lastIndexOf: (region) => region.lastIndexOf("nowhere"),
      matches: (region) => [...region.matches("nowhere")],
      offsets: (region) => [...region.lines({ encoding: "offsets" })],
      lines: (region) => [...region.lines()],
      "lines containing": (region) => [...region.lines({ containing: "nowhere" })],
    };
    for (const [name, search] of Object.entries(searches)) {
      using file = testFile(Buffer.alloc(64 * PAGE, "ab\n"));
      using region = MappedRegion.open(file.path);
      truncateSync(file.path, 10 * PAGE);
      fails(() => search(region), "EFAULT");
      assert(region.faults > 0, name);
    }
  });

  test("finds nothing that can't be there while others store", async () => {
    const size = 2 ** 16;
    const flag = new Int32Array(new SharedArrayBuffer(4));
    using region = MappedRegion.anonymous(size, { shared: true });
    const address = Number(region.address);
    await using worker = together(
      `
        import { parentPort, workerData } from "node:worker_threads";
        const { MappedRegion } = await import(workerData.library);
        using region = MappedRegion.attach(workerData.handle);
        const { bytes } = region;
        parentPort.postMessage("ready");
        while (Atomics.load(workerData.flag, 0) === 0) {
          bytes.fill(97);
          for (let at = 0; at < bytes.length; at += 3) bytes[at] = 10;
          for (let at = 0; at < bytes.length; at += 2) bytes[at] = 98;
        }
        parentPort.postMessage("done");
      `,
      { library: LIBRARY, handle: region.handle(), flag },
    );
    await worker.next();
    const needle = Buffer.from("aab");
    const areGood = (offsets: readonly number[], width: number): boolean =>
      offsets.every((offset, index) =>
        offset >= (index === 0 ? 0 : (offsets[index - 1] ?? 0) + width) && offset + width <= size
      );
    for (let round = 0; round < 200; round++) {
      assert(scan.count(address, size, 97) <= size);
      const { hits } = scan.containing(address, size, needle, [0, 2], size, LENIENT);
      const numbers = found(scan, 3 * hits);
      for (let at = 0; at < numbers.length; at += 3) {
        const [before = 0, start = -1, end = -1] = [numbers[at - 2], numbers[at], numbers[at + 1]];
        assert(before <= start && start + 3 <= end && end <= size);
      }
      assert(areGood(found(scan, scan.search(address, size, needle, [0, 2], size, LENIENT).hits), 3));
      const { newlines } = scan.lines(address, size, true);
      // They go with the copy, whatever has become of the text.
      const copy = Buffer.from(scan.copy.subarray(0, size));
      assert.deepEqual(found(scan, newlines), hitsOf(copy, Uint8Array.of(NEWLINE)));
    }
    const end = worker.next();
    Atomics.store(flag, 0, 1);
    assert.equal(await end, "done");
  });

  test("serves all workers at once", async () => {
    using region = regionOf("one two three four\n".repeat(100_000));
    const program = `
      import { parentPort, workerData } from "node:worker_threads";
      const { MappedRegion } = await import(workerData.library);
      using region = MappedRegion.attach(workerData.handle);
      let right = 0;
      for (let round = 0; round < 20; round++) {
        if (region.count("\\n") === 100_000 && region.count("three") === 100_000 && region.indexOf("five") === -1) right++;
      }
      parentPort.postMessage(right);
    `;
    const data = { library: LIBRARY, handle: region.handle() };
    await using first = together(program, data);
    await using second = together(program, data);
    await using third = together(program, data);
    assert.deepEqual(await Promise.all([first.next(), second.next(), third.next()]), [20, 20, 20]);
  });
});

describe("without machine code", () => {
  const program = (preparation: string): string => `
    ${preparation}
    const { MappedRegion } = await import("../../mod.ts");
    const text = "first\\nsecond\\r\\ndritte grün\\n".repeat(20_000);
    using region = MappedRegion.anonymous(new TextEncoder().encode(text).length);
    region.write(0, text);
    let offsets = 0;
    for (const { start, end } of region.lines({ encoding: "offsets" })) offsets += end - start;
    let lines = "";
    for (const line of region.lines()) lines += line + "\\n";
    let containing = 0;
    for (const line of region.lines({ containing: "ritte gr" })) containing += line.length;
    let matches = 0;
    for (const match of region.matches("second")) matches += match;
    const long = "dritte grün\\nfirst\\nsecond\\r\\ndritte grün";
    console.log(JSON.stringify([
      region.count("\\n"), region.count("dritte"), region.count("nowhere"), region.indexOf("dritte", 300_000), region.lastIndexOf("first"),
      matches, offsets, lines === text.replaceAll("\\r\\n", "\\n"), containing, region.count(long),
    ]));
  `;
  const size = 27;
  const expected = [
    60_000,
    20_000,
    0,
    Math.ceil((300_000 - 14) / size) * size + 14,
    19_999 * size,
    20_000 * 6 + size * (20_000 * 19_999 / 2),
    20_000 * (size - 4),
    true,
    20_000 * 11,
    10_000,
  ];
  const without = "delete globalThis.WebAssembly;";
  const off = { MAPPED_REGION_GUARD: "off" };
  const check = (options: Parameters<typeof run>[1], preparation = ""): void => {
    const { stdout, stderr, status } = run(program(preparation), options);
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), expected);
  };

  test("the same is found as with it", () => check({}));

  test("WebAssembly finds all", () => check({ env: off }));

  test("plain JavaScript finds all, more slowly", () => check({ env: off }, without));

  const notNode = where(() => runtimeName !== "node", "node --jitless runs no TypeScript");

  test("a runtime without WebAssembly finds all", notNode, () => {
    check(
      runtimeName === "bun"
        ? { env: { ...off, BUN_JSC_useWasm: "0" } }
        : { env: off, permissions: ["-A", "--v8-flags=--jitless"] },
    );
  });
});
