// Searching a region finds what searching its bytes would.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MappedRegion, RegionClosedError } from "../mod.ts";

/** A region that begins and ends at odd places, with the bytes. */
function regionOf(bytes: Uint8Array): MappedRegion {
  const region = MappedRegion.anonymous(bytes.length);
  region.write(0, bytes);
  return region;
}

/** Few different bytes, so that there is something to find. */
const haystacks = fc.array(fc.integer({ min: 96, max: 99 }), { maxLength: 300 }).map((list) =>
  Buffer.from(list)
);
const needles = fc.array(fc.integer({ min: 96, max: 99 }), { maxLength: 5 }).map((list) => Buffer.from(list));
const offsets = fc.integer({ min: -320, max: 320 });

/** The offsets of hits that don't overlap, by the slow way. */
function hits(bytes: Buffer, needle: Buffer, from: number): number[] {
  const found: number[] = [];
  const start = from < 0 ? Math.max(0, bytes.length + from) : from;
  for (let at = start; at <= bytes.length - needle.length;) {
    if (bytes.subarray(at, at + needle.length).equals(needle)) {
      found.push(at);
      at += Math.max(1, needle.length);
    } else at++;
  }
  return found;
}

describe("as on Buffer", () => {
  test("indexOf finds the first hit from an offset on", () => {
    fc.assert(
      fc.property(haystacks, needles, offsets, (bytes, needle, from) => {
        using region = regionOf(bytes);
        assert.equal(region.indexOf(needle, from), bytes.indexOf(needle, from));
        assert.equal(region.includes(needle, from), bytes.includes(needle, from));
      }),
      { numRuns: 500 },
    );
  });

  test("lastIndexOf finds the last hit up to an offset", () => {
    fc.assert(
      fc.property(haystacks, needles, offsets, (bytes, needle, from) => {
        using region = regionOf(bytes);
        assert.equal(region.lastIndexOf(needle), bytes.lastIndexOf(needle));
        // Buffer has an opinion of its own on offsets before the start, where nothing can be.
        if (from >= -bytes.length) {
          assert.equal(region.lastIndexOf(needle, from), bytes.lastIndexOf(needle, from));
        } else assert.equal(region.lastIndexOf(needle, from), -1);
      }),
      { numRuns: 500 },
    );
  });
});

test("matches and count find every hit once, and hits don't overlap", () => {
  fc.assert(
    fc.property(haystacks, needles, offsets, (bytes, needle, from) => {
      using region = regionOf(bytes);
      assert.deepEqual([...region.matches(needle, from)], hits(bytes, needle, from));
      assert.equal(region.count(needle), hits(bytes, needle, 0).length);
    }),
    { numRuns: 500 },
  );
});

test("needles of any length are found wherever what is looked through at a time ends", () => {
  const size = 200_000;
  const sizes = fc.oneof(fc.integer({ min: 1, max: 48 }), fc.constantFrom(200, 1000));
  const edges = fc.oneof(
    fc.constantFrom(4096, 2 ** 16, 2 ** 17, 3 * 2 ** 16, size).chain((edge) =>
      fc.integer({ min: edge - 80, max: edge + 20 })
    ),
    fc.nat(size),
  );
  fc.assert(
    fc.property(sizes, fc.array(edges, { maxLength: 30 }), fc.boolean(), (length, places, uniform) => {
      // "aaa…" overlaps with itself; the other differs from what surrounds it in the middle only.
      const needle = Buffer.alloc(length, "a");
      if (!uniform) needle[length >> 1] = 0x62;
      const bytes = Buffer.alloc(size, uniform ? "b" : "a");
      for (const place of places) needle.copy(bytes, place);
      using region = regionOf(bytes);
      const expected: number[] = [];
      for (let at = 0; (at = bytes.indexOf(needle, at)) !== -1; at += length) expected.push(at);
      assert.deepEqual([...region.matches(needle)], expected);
      assert.equal(region.count(needle), expected.length);
      assert.equal(region.indexOf(needle), expected[0] ?? -1);
    }),
    { numRuns: 200 },
  );
});

test("searches that take turns don't disturb each other", () => {
  using region = regionOf(Buffer.from("one two three four ".repeat(10_000)));
  const twos = region.matches("two");
  const fours = region.matches("four");
  for (let index = 0; index < 10_000; index++) {
    assert.deepEqual([twos.next().value, fours.next().value], [index * 19 + 4, index * 19 + 14]);
    if (index % 1000 === 0) assert.equal(region.count("three"), 10_000);
  }
  assert.deepEqual([twos.next().done, fours.next().done], [true, true]);
});

test("a byte is counted whatever the length of the region", () => {
  for (const length of [0, 1, 15, 16, 17, 4080, 4081, 2 ** 17 - 1, 2 ** 17, 2 ** 17 + 1, 300_001]) {
    using region = MappedRegion.anonymous(length);
    assert.equal(region.count(0), length);
    assert.equal(region.count(1), 0);
    if (length === 0) continue;
    region.write(length - 1, Uint8Array.of(255));
    assert.equal(region.count(255), 1);
    assert.equal(region.count(0), length - 1);
  }
});

test("count takes a part of the region", () => {
  fc.assert(
    fc.property(haystacks, needles, fc.nat(300), fc.nat(300), (bytes, needle, a, b) => {
      const [start, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
      using region = regionOf(bytes);
      const part = bytes.subarray(start, end);
      assert.equal(
        region.count(needle, { offset: start, length: end - start }),
        hits(part, needle, 0).length,
      );
    }),
    { numRuns: 300 },
  );
  using region = MappedRegion.anonymous(10);
  assert.throws(() => region.count("x", { offset: 11 }), RangeError);
});

describe("a needle", () => {
  test("may be a byte, a string in UTF-8, or bytes", () => {
    using region = regionOf(Buffer.from("grüß dich"));
    assert.equal(region.indexOf(0x20), 6);
    assert.equal(region.indexOf("ß"), 4);
    assert.equal(region.indexOf(Buffer.from("dich")), 7);
    assert.equal(region.lastIndexOf("d"), 7);
    assert.equal(region.count("i"), 1);
  });

  test("that is longer than the region is not found", () => {
    using region = regionOf(Buffer.from("ab"));
    assert.equal(region.indexOf("abc"), -1);
    assert.equal(region.lastIndexOf("abc"), -1);
    assert.equal(region.count("abc"), 0);
    assert.deepEqual([...region.matches("abc")], []);
  });

  test("is found across page and window borders", () => {
    const length = 3 * 2 ** 20;
    using region = MappedRegion.anonymous(length);
    for (const at of [4094, 2 ** 20 - 2, 2 ** 20 + 2, 2 ** 21 - 4, length - 5]) {
      region.write(at, "hello");
      assert.equal(region.indexOf("hello"), at);
      assert.equal(region.lastIndexOf("hello"), at);
      assert.deepEqual([...region.matches("hello")], [at]);
      region.write(at, new Uint8Array(5));
    }
  });

  for (
    const [what, value, error] of [
      ["nothing", undefined, TypeError],
      ["an object", {}, TypeError],
      ["a bigint", 1n, TypeError],
      ["256", 256, RangeError],
      ["-1", -1, RangeError],
      ["a fraction", 1.5, RangeError],
      ["NaN", NaN, RangeError],
    ] as const
  ) {
    test(`that is ${what} is a ${error.name}`, () => {
      using region = MappedRegion.anonymous(10);
      for (
        const method of [region.indexOf, region.lastIndexOf, region.includes, region.count, region.matches]
      ) {
        assert.throws(() => Reflect.apply(method, region, [value]), error);
      }
    });
  }
});

test("an iteration over matches ends with an error when the region is closed in the middle", () => {
  const region = regionOf(Buffer.from("aXaXa"));
  const matches = region.matches("X");
  assert.equal(matches.next().value, 1);
  region.close();
  assert.throws(() => matches.next(), RegionClosedError);
});

test("an iteration over matches follows a region that is made shorter", () => {
  using region = regionOf(Buffer.from("aXaXaX"));
  const matches = region.matches("X");
  assert.equal(matches.next().value, 1);
  region.resize(4);
  assert.equal(matches.next().value, 3);
  assert.equal(matches.next().done, true);
  region.resize(100);
  region.write(50, "X");
  assert.equal(matches.next().done, true);
});
