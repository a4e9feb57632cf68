// Searching a region finds what searching its bytes would.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { TASK } from "../ffi/kernels/layout.ts";
import { libc } from "../ffi/libc.ts";
import type { Functions } from "../ffi/signatures.ts";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import { regionOf, temporaryDirectory } from "./helpers/mod.ts";

/** Few different bytes, so that there is something to find. */
const haystacks = fc.array(fc.integer({ min: 96, max: 99 }), { maxLength: 300, size: "max" }).map((list) =>
  Buffer.from(list)
);
const needles = fc.array(fc.integer({ min: 96, max: 99 }), { maxLength: 5, size: "max" }).map((list) =>
  Buffer.from(list)
);
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

describe("where a search begins, and where it ends", () => {
  const byte = fc.integer({ min: 96, max: 99 });
  const from = fc.oneof(
    fc.integer({ min: -320, max: 320 }),
    fc.double({ min: -320, max: 320, noNaN: true }),
    fc.constantFrom(0, -0, Infinity, -Infinity, 2 ** 53, -(2 ** 53)),
  );

  test("is as on Uint8Array, for a byte from any number", () => {
    fc.assert(
      fc.property(haystacks, byte, from, (list, value, at) => {
        const bytes = new Uint8Array(list);
        using region = regionOf(list);
        assert.equal(region.indexOf(value, at), bytes.indexOf(value, at));
        assert.equal(region.lastIndexOf(value, at), bytes.lastIndexOf(value, at));
        assert.equal(region.includes(value, at), bytes.includes(value, at));
        const start = bytes.indexOf(value, at);
        const all = start === -1
          ? []
          : [...bytes.keys()].filter((key) => key >= start && bytes[key] === value);
        assert.deepEqual([...region.matches(value, at)], all);
      }),
      { numRuns: 500 },
    );
  });

  test("is the range that is given: what is found lies in it, all of it", () => {
    fc.assert(
      fc.property(haystacks, needles, fc.nat(300), fc.nat(300), (list, needle, a, b) => {
        using region = regionOf(list);
        const offset = Math.min(a, list.length);
        const length = Math.min(b, list.length - offset);
        const part = list.subarray(offset, offset + length);
        const moved = (at: number): number => at === -1 ? -1 : at + offset;
        const range = { offset, length };
        assert.equal(region.indexOf(needle, range), moved(part.indexOf(needle)));
        assert.equal(region.lastIndexOf(needle, range), moved(part.lastIndexOf(needle)));
        assert.equal(region.includes(needle, range), part.includes(needle));
        assert.equal(region.count(needle, range), hits(part, needle, 0).length);
        assert.deepEqual([...region.matches(needle, range)], hits(part, needle, 0).map(moved));
        assert.equal(region.indexOf(needle, { offset }), moved(list.subarray(offset).indexOf(needle)));
      }),
      { numRuns: 500 },
    );
  });

  test("is refused where it is no place", () => {
    using region = regionOf("abc");
    for (const method of [region.indexOf, region.lastIndexOf, region.includes, region.matches]) {
      for (const wrong of [Number.NaN, "0", null, 1n, () => 0]) {
        assert.throws(
          () => Reflect.apply(method, region, ["a", wrong]),
          TypeError,
          `${method.name} ${String(wrong)}`,
        );
      }
      for (const wrong of [{ offset: 4 }, { length: 4 }, { offset: 1, length: 3 }, { offset: -1 }]) {
        assert.throws(() => Reflect.apply(method, region, ["a", wrong]), RangeError);
      }
      assert.throws(() => Reflect.apply(method, region, ["a", { begin: 1 }]), TypeError);
    }
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
  const size = 700_000;
  const sizes = fc.oneof(fc.integer({ min: 1, max: 48 }), fc.constantFrom(200, 1000));
  const edges = fc.oneof(
    fc.constantFrom(4096, 2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, size).chain((edge) =>
      fc.integer({ min: edge - 80, max: edge + 20 })
    ),
    fc.nat(size),
  );
  fc.assert(
    fc.property(
      sizes,
      fc.array(edges, { maxLength: 30, size: "max" }),
      fc.boolean(),
      fc.boolean(),
      (length, places, uniform, common) => {
        // "aaa…" overlaps with itself; the other differs from what surrounds it in the middle only, by what is there elsewhere.
        const needle = Buffer.alloc(length, "a");
        if (!uniform) needle[length >> 1] = 0x62;
        const bytes = Buffer.alloc(size, uniform ? "b" : "a");
        if (common) { for (let at = 0; at < size; at += 50) bytes[at] = 0x62; }
        for (const place of places) needle.copy(bytes, place);
        using region = regionOf(bytes);
        const expected: number[] = [];
        for (let at = 0; (at = bytes.indexOf(needle, at)) !== -1; at += length) expected.push(at);
        assert.deepEqual([...region.matches(needle)], expected);
        assert.equal(region.count(needle), expected.length);
        assert.equal(region.indexOf(needle), expected[0] ?? -1);
        // Backwards it is the first of the bytes in reverse.
        const last = Buffer.from(bytes).reverse().indexOf(Buffer.from(needle).reverse());
        assert.equal(region.lastIndexOf(needle), last === -1 ? -1 : size - last - length);
      },
    ),
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
  for (const length of [0, 1, 63, 64, 65, 16_320, 16_321, 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 1, 600_001]) {
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

describe("the work of a search", () => {
  /**
   * How many calls of libc it makes, and how many bytes these look at, or machine code that they call: both take time in
   * proportion to them.
   */
  function work(search: () => unknown): { readonly calls: number; readonly bytes: number } {
    let [calls, bytes] = [0, 0];
    const { functions } = libc();
    const count = (name: "memchr" | "memrchr" | "memmem", length: number) => (found: number, at: number) => {
      calls++;
      bytes += found === 0 ? length : name === "memrchr" ? at + length - found : found - at;
      return found;
    };
    const { memchr, memrchr, memmem, memcpy, bsearch } = functions;
    const stand: Pick<Functions, "memchr" | "memrchr" | "memmem" | "memcpy" | "bsearch"> = {
      bsearch: (task, text, count, size, code) => {
        const result = bsearch(task, text, count, size, code);
        const field = (at: number): number => new DataView(task.buffer).getUint32(at, true);
        calls++;
        if (field(TASK.BESIDES) !== 0) bytes += field(TASK.NEXT) + field(TASK.PATIENCE); // it was given up
        else bytes += field(field(TASK.HITS) === field(TASK.LIMIT) ? TASK.NEXT : TASK.TEXT_LENGTH);
        return result;
      },
      memchr: (at, byte, length) => count("memchr", length)(memchr(at, byte, length), at),
      memrchr: (at, byte, length) => count("memrchr", length)(memrchr(at, byte, length), at),
      memmem: (at, length, needle, size) => count("memmem", length)(memmem(at, length, needle, size), at),
      memcpy: (target, from, length) => {
        calls++;
        bytes += length;
        return memcpy(target, from, length);
      },
    };
    const replace = (by: Partial<Functions>): void => {
      for (const [name, value] of Object.entries(by)) {
        Object.defineProperty(functions, name, { value, configurable: true });
      }
    };
    replace(stand);
    try {
      search();
    } finally {
      replace({ memchr, memrchr, memmem, memcpy, bsearch });
    }
    return { calls, bytes };
  }

  const size = 2 ** 23;
  const [a, b] = ["a".charCodeAt(0), "b".charCodeAt(0)];
  const all = Buffer.alloc(size, a);
  /** Nothing rare where samples are taken, and then nothing but what was rare. */
  const lies = Buffer.alloc(size, "xyz");
  for (let at = 3 * 2 ** 19; at < size; at += 2) lies[at] = b;
  /** A rare byte in each other block of 64 KiB, and none in the blocks between. */
  const stripes = Buffer.alloc(size, "x");
  for (let at = 0; at < size; at += 2 ** 17) stripes.fill("b", at, at + 2 ** 16);
  /** Candidates that are good but for their last byte. */
  const nearly = Buffer.alloc(size, "b".padStart(3000, "a"));

  for (
    const [what, text, make] of [
      ["a…ab in a…a", all, (length: number) => Buffer.alloc(length, a).fill(b, length - 1)],
      ["ba…a in a…a", all, (length: number) => Buffer.alloc(length, a).fill(b, 0, 1)],
      [
        "a…aba…a in a…a",
        all,
        (length: number) => Buffer.alloc(length, a).fill(b, length >> 1, (length >> 1) + 1),
      ],
      ["a…a in a…a", all, (length: number) => Buffer.alloc(length, a)],
      [
        "what is rare in samples only",
        lies,
        (length: number) => Buffer.alloc(length, "xyz").fill(b, length - 1),
      ],
      ["what is rare in places", stripes, (length: number) => Buffer.alloc(length, "x").fill(b, length - 1)],
      [
        "what is good but for its end",
        nearly,
        (length: number) => Buffer.alloc(length, "b".padStart(3000, "a")).fill("c", length - 1),
      ],
    ] as const
  ) {
    for (const length of [2, 30, 300, 20_000, 2 ** 22]) {
      test(`is in proportion to the region: ${what}, ${length} bytes`, () => {
        using region = regionOf(text);
        const needle = make(length);
        for (const search of ["indexOf", "lastIndexOf", "count"] as const) {
          // Each hit is a call, where needles are too long for the kernel.
          const hits = search === "count" ? size / length : 0;
          const { calls, bytes } = work(() => region[search](needle));
          assert(bytes < 4 * size, `${search} looked at ${bytes / size} times the region`);
          assert(calls < 100 + size / 4096 + hits, `${search} made ${calls} calls`);
        }
        const { bytes } = work(() => [...region.lines({ containing: needle, encoding: "offsets" })]);
        assert(bytes < 8 * size, `lines looked at ${bytes / size} times the region`);
      });
    }
  }
});

test("what a program has replaced is given no view of the region", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, `${"one\ntwo\r\nthree grün\n".repeat(40_000)}\0`); // whose size is looked at, after a zero
  const region = MappedRegion.open(path, { access: "read-write" });
  const seen = new Set<ArrayBufferLike>();
  const note = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) seen.add(value.buffer);
  };
  const undo: (() => void)[] = [];
  const spyOn = (target: object, key: PropertyKey): void => {
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    const original: unknown = descriptor?.value;
    if (descriptor?.configurable !== true || typeof original !== "function") return;
    const spy = function (this: unknown, ...values: unknown[]): unknown {
      note(this);
      values.forEach(note);
      return Reflect.apply(original, this, values);
    };
    Object.defineProperty(target, key, { ...descriptor, value: spy });
    undo.push(() => Object.defineProperty(target, key, descriptor));
  };
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  for (const target of [typedArray, Buffer.prototype, TextDecoder.prototype]) {
    for (const key of Reflect.ownKeys(target)) if (key !== "constructor") spyOn(target, key);
  }
  try {
    for (const needle of ["\n", "three", "nowhere", "x".repeat(100)]) {
      region.indexOf(needle);
      region.lastIndexOf(needle);
      region.count(needle);
      for (const at of region.matches(needle)) if (at > 1e5) break;
    }
    for (const encoding of ["utf-8", "bytes", "offsets"] as const) {
      for (const reverse of [false, true]) {
        for (const containing of [undefined, "three", "x".repeat(100)]) {
          const options = { encoding, reverse, containing };
          const lines = Reflect.apply(region.lines, region, [options]) as Iterable<unknown>;
          for (const line of lines) if (line === undefined) break;
        }
      }
    }
  } finally {
    for (const restore of undo) restore();
  }
  region.fill(0x7e);
  const isOver = (buffer: ArrayBufferLike): boolean => Buffer.from(buffer).includes("~~~~~~~~");
  assert(![...seen].some(isOver));
  assert(seen.size > 0); // the spies work: copies are seen
  region.close();
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
