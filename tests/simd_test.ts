// What WebAssembly finds is what plain JavaScript finds, which stands in for it; and a program without WebAssembly finds it too.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { BESIDES, FOUND, type Kernel, NEEDLE } from "../src/simd/layout.ts";
import { plainKernel } from "../src/simd/plain.ts";
import { simdKernel } from "../src/simd/scan.ts";
import { run, runtimeName, where } from "./helpers/mod.ts";

const [NEWLINE, RETURN] = [10, 13];

/** What a kernel finds in a text. */
function found(kernel: Kernel, text: Uint8Array, needle: Uint8Array): unknown {
  const { buffer } = kernel.memory;
  const memory = new Uint8Array(buffer);
  const list = (count: number): number[] => [...new Uint32Array(buffer, FOUND, count)];
  const besides = new Uint32Array(buffer, BESIDES, 2);
  memory.fill(99, 0, NEEDLE); // whatever was there before
  memory.set(text);
  memory.fill(0, text.length, text.length + 64);
  const lines = list(kernel.find(NEWLINE, RETURN, text.length));
  const returns = besides[1] !== 0;
  memory.set(needle, NEEDLE);
  const hits = list(kernel.search(text.length, needle.length, 0, needle.length - 1));
  const end = besides[0];
  for (let two = 0; two < needle.length; two++) { // whatever the two bytes are
    assert.deepEqual(list(kernel.search(text.length, needle.length, needle.length >> 1, two)), hits);
  }
  memory.fill(NEWLINE ^ 1, text.length, text.length + 64);
  return { lines, returns, hits, end, count: kernel.count(NEWLINE, text.length) };
}

describe("the kernels", () => {
  const simd = simdKernel();
  const bytes = fc.constantFrom(NEWLINE, RETURN, 97, 98, 0xc3, 0);
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 300, min: 97, max: 98 }),
    fc.array(bytes, { maxLength: 300 }).map((list) => Uint8Array.from(list)),
  );
  const needles = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 32, min: 97, max: 98 }),
    fc.array(bytes, { minLength: 1, maxLength: 4 }).map((list) => Uint8Array.from(list)),
  );

  test("of WebAssembly is there, in each runtime that we test", () => {
    assert(simd !== undefined);
  });

  test("find the same", () => {
    if (simd === undefined) return;
    const plain = plainKernel();
    fc.assert(
      fc.property(texts, needles, (text, needle) => {
        if (needle.length > text.length) return;
        assert.deepEqual(found(simd, text, needle), found(plain, text, needle));
      }),
      { numRuns: 1000 },
    );
  });

  test("tell whether all is ASCII: plain JavaScript never says that it is", () => {
    for (const kernel of [simd, plainKernel()]) {
      if (kernel === undefined) continue;
      const memory = new Uint8Array(kernel.memory.buffer);
      const ascii = (...text: number[]): boolean => {
        memory.fill(0, 0, 128);
        memory.set(text);
        kernel.find(NEWLINE, RETURN, text.length);
        return new Uint32Array(kernel.memory.buffer, BESIDES)[0] === 0;
      };
      assert.equal(ascii(1, 2, 127), kernel === simd);
      for (let at = 0; at < 64; at++) assert.equal(ascii(...Array<number>(at).fill(65), 0xc3, 65), false);
    }
  });
});

describe("without WebAssembly", () => {
  const program = `
    delete globalThis.WebAssembly;
    const { MappedRegion } = await import("../../mod.ts");
    const text = "first\\nsecond\\r\\ndritte grün\\n".repeat(20_000);
    using region = MappedRegion.anonymous(new TextEncoder().encode(text).length);
    region.write(0, text);
    let offsets = 0;
    for (const { start, end } of region.lines({ encoding: "offsets" })) offsets += end - start;
    let lines = "";
    for (const line of region.lines()) lines += line + "\\n";
    let matches = 0;
    for (const match of region.matches("second")) matches += match;
    console.log(JSON.stringify([
      region.count("\\n"), region.count("dritte"), region.count("nowhere"), region.indexOf("dritte", 300_000), region.lastIndexOf("first"),
      matches, offsets, lines === text.replaceAll("\\r\\n", "\\n"),
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
  ];
  const check = (options: Parameters<typeof run>[1]): void => {
    const { stdout, stderr, status } = run(program, options);
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), expected);
  };

  test("all is found, more slowly", () => check({}));

  const notNode = where(() => runtimeName !== "node", "node --jitless runs no TypeScript");

  test("in a runtime that has none", notNode, () => {
    check(
      runtimeName === "bun"
        ? { env: { BUN_JSC_useWasm: "0" } }
        : { permissions: ["-A", "--v8-flags=--jitless"] },
    );
  });
});
