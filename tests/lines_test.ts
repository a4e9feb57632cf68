// Lines are what splitting the text would give.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { type LineOffsets, type LinesOptions, MappedRegion, RegionClosedError } from "../mod.ts";
import { regionOf, temporaryDirectory } from "./helpers/mod.ts";

/** The lines of a text, by the slow way. */
function split(text: string): string[] {
  const lines = text.split("\n");
  const last = lines.pop() ?? "";
  const ended = lines.map((line) => line.endsWith("\r") ? line.slice(0, -1) : line);
  return last === "" ? ended : [...ended, last];
}

/** The offsets of lines, each in an object of its own. */
function offsets(region: MappedRegion, options: Omit<LinesOptions, "encoding">): LineOffsets[] {
  return Array.from(region.lines({ ...options, encoding: "offsets" }), (line) => ({ ...line }));
}

const texts = fc.array(fc.constantFrom("\n", "\r\n", "\r", "a", "bc", "ü", "€", "𝄞", "\u{feff}", " "), {
  maxLength: 80,
}).map((parts) => parts.join(""));

/** The lines in any encoding: the overloads want to know which. */
function walk(region: MappedRegion, options: LinesOptions): Iterator<unknown> {
  return Reflect.apply(region.lines, region, [options]) as Iterator<unknown>;
}

describe("lines", () => {
  test("as strings are what splitting the text gives, forwards and backwards", () => {
    fc.assert(
      fc.property(texts, (text) => {
        using region = regionOf(text);
        assert.deepEqual([...region.lines()], split(text));
        assert.deepEqual([...region.lines({ reverse: true })], split(text).reverse());
      }),
      { numRuns: 500 },
    );
  });

  test("as bytes are the same lines", () => {
    fc.assert(
      fc.property(texts, (text) => {
        using region = regionOf(text);
        const lines = [...region.lines({ encoding: "bytes" })];
        assert.deepEqual(lines.map((line) => Buffer.from(line).toString()), split(text));
        const backwards = [...region.lines({ encoding: "bytes", reverse: true })];
        assert.deepEqual(backwards.map((line) => Buffer.from(line).toString()), split(text).reverse());
      }),
      { numRuns: 500 },
    );
  });

  test("as bytes are a copy: they stay as they are, and are the program's", () => {
    const region = regionOf("one\ntwo\n");
    const [one = new Uint8Array(0), two] = [...region.lines({ encoding: "bytes" })];
    one[0] = 79;
    region.write(4, "xxx");
    assert.equal(region.text(), "one\nxxx\n");
    region.close();
    assert.deepEqual([Buffer.from(one).toString(), Buffer.from(two ?? []).toString()], ["One", "two"]);
  });

  test("as offsets are where the same lines begin and end", () => {
    fc.assert(
      fc.property(texts, fc.boolean(), (text, reverse) => {
        using region = regionOf(text);
        const places = offsets(region, { reverse });
        const lines = places.map(({ start, end }) =>
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(region.read(start, end - start))
        );
        assert.deepEqual(lines, reverse ? split(text).reverse() : split(text));
        if (reverse) places.reverse();
        const ends = places.slice(1).map(({ start }) => start);
        assert.deepEqual(
          ends,
          [...region.matches("\n")].map((at) => at + 1).filter((at) => at < region.length),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("as offsets are told by one object", () => {
    using region = regionOf("one\r\ntwo\n");
    const [first, second] = [...region.lines({ encoding: "offsets" })];
    assert.equal(first, second);
    assert.deepEqual(second, { start: 5, end: 8 });
  });

  test("of a part are what splitting its text gives, whatever stands around it", () => {
    using region = regionOf("one\ntwo\r\nthree");
    const lines = (offset?: number, length?: number): string[] => [...region.lines({ offset, length })];
    assert.deepEqual(lines(4), ["two", "three"]);
    assert.deepEqual(lines(5), ["wo", "three"]);
    assert.deepEqual(lines(5, 3), ["wo\r"]);
    assert.deepEqual(lines(5, 4), ["wo"]);
    assert.deepEqual(lines(1, 5), ["ne", "tw"]);
    assert.deepEqual(lines(3, 1), [""]);
    assert.deepEqual(lines(3, 0), []);
    assert.deepEqual(lines(14), []);
    assert.throws(() => lines(15), RangeError);
    assert.throws(() => lines(4, 11), RangeError);
    fc.assert(
      fc.property(texts, fc.nat(300), fc.nat(300), (text, a, b) => {
        const bytes = Buffer.from(text);
        const [offset, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
        const range = { offset, length: end - offset };
        using region = regionOf(text);
        const expected = split(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(offset, end)),
        );
        assert.deepEqual([...region.lines(range)], expected);
        assert.deepEqual([...region.lines({ ...range, reverse: true })], expected.toReversed());
        const copies = [...region.lines({ ...range, encoding: "bytes" })].map((line) => Buffer.from(line));
        const read = ({ start, end }: LineOffsets): Buffer => Buffer.from(region.read(start, end - start));
        assert.deepEqual(offsets(region, range).map(read), copies);
      }),
      { numRuns: 300 },
    );
  });

  test("may be longer than what is read at a time, or there may be many", () => {
    const long = "x".repeat(300_000);
    const many = Array.from({ length: 20_000 }, (_, index) => `line ${index}`);
    const text = [...many, long, "", ...many].join("\r\n");
    using region = regionOf(text);
    const expected = split(text);
    assert.deepEqual([...region.lines()], expected);
    assert.deepEqual([...region.lines({ reverse: true })], expected.reverse());
    let bytes = 0;
    for (const line of region.lines({ encoding: "bytes" })) bytes += line.length;
    assert.equal(bytes, expected.reduce((sum, line) => sum + line.length, 0));
  });

  test("of large texts are whole, wherever what is read at a time ends", () => {
    const part = fc.constantFrom(1, 7, 80, 4095, 65_535, 65_536, 65_537, 131_071).chain((size) =>
      fc.constantFrom("x", "ü", "€", "𝄞", "\r").map((letter) => letter.repeat(size))
    );
    const ends = fc.constantFrom("\n", "\r\n", "\n\n");
    fc.assert(
      fc.property(fc.array(fc.tuple(part, ends), { maxLength: 6 }), part, (parts, last) => {
        const text = parts.flat().join("") + last;
        using region = regionOf(text);
        const expected = split(text);
        const bytes = { encoding: "bytes" } as const;
        const decode = (line: Uint8Array): string => Buffer.from(line).toString();
        const same = (lines: readonly string[]): boolean => isDeepStrictEqual(lines, expected); // too long to be shown
        assert(same([...region.lines()]), "strings");
        assert(same([...region.lines(bytes)].map(decode)), "bytes");
        expected.reverse();
        assert(same([...region.lines({ reverse: true })]), "strings, backwards");
        assert(same([...region.lines({ ...bytes, reverse: true })].map(decode)), "bytes, backwards");
        const read = ({ start, end }: LineOffsets): string => decode(region.read(start, end - start));
        assert(same(offsets(region, { reverse: true }).map(read)), "offsets, backwards");
        expected.reverse();
        assert(same(offsets(region, {}).map(read)), "offsets");
      }),
      { numRuns: 40 },
    );
  });

  test("can be walked twice at the same time, with searches in between", () => {
    const text = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${index % 3 === 0 ? "ü" : "u"}`);
    using region = regionOf(text.join("\n"));
    const backwards = region.lines({ reverse: true });
    const bytes = region.lines({ encoding: "bytes" });
    for (const [index, line] of [...text].reverse().entries()) {
      assert.equal(backwards.next().value, line);
      assert.equal(Buffer.from(bytes.next().value ?? []).toString(), text[index]);
      if (index % 1000 === 0) assert.equal(region.count("ü") + region.count("u"), 20_000);
    }
  });

  test("have U+FFFD for what is not UTF-8", () => {
    using region = regionOf(Uint8Array.of(97, 0xff, 98, 10, 0xc3, 10, 99));
    assert.deepEqual([...region.lines()], ["a\u{fffd}b", "\u{fffd}", "c"]);
  });

  test("with fatal end at the first that is not UTF-8, after the good ones", () => {
    using region = regionOf(Uint8Array.of(97, 10, 98, 10, 0xff, 10, 99));
    const lines = region.lines({ fatal: true });
    assert.equal(lines.next().value, "a");
    assert.equal(lines.next().value, "b");
    assert.throws(() => lines.next(), TypeError);
    const backwards = region.lines({ fatal: true, reverse: true });
    assert.equal(backwards.next().value, "c");
    assert.throws(() => backwards.next(), TypeError);
    assert.throws(() => backwards.next(), TypeError);
    assert.throws(() => region.lines({ fatal: true, offset: 4 }).next(), TypeError);
  });

  for (const encoding of ["utf-8", "bytes", "offsets"] as const) {
    for (const reverse of [false, true]) {
      test(`end with an error when the region is closed in the middle: ${encoding}, reverse ${reverse}`, () => {
        const region = regionOf("one\ntwo\nthree\n");
        const lines = walk(region, { encoding, reverse });
        lines.next();
        region.close();
        assert.throws(() => lines.next(), RegionClosedError);
        assert.throws(() => region.lines(), RegionClosedError);
      });
    }
  }

  for (const encoding of ["utf-8", "bytes", "offsets"] as const) {
    test(`go on after a resize, and end where the region does by then: ${encoding}`, () => {
      const long = `${"x".repeat(50_000)}\n`; // one at least of these isn't looked at yet
      const count = (length: number, options: LinesOptions): number => {
        using region = regionOf(long.repeat(4));
        const lines = walk(region, { ...options, encoding });
        lines.next();
        region.resize(length);
        region.write(0, long.repeat(length / long.length));
        let rest = 0;
        while (lines.next().done !== true) rest++;
        return rest;
      };
      assert.equal(count(6 * long.length, {}), 5);
      assert(count(2 * long.length, {}) < 3);
      assert(count(2 * long.length, { reverse: true }) <= 3);
    });
  }

  test("that have ended stay so, even when the region grows", () => {
    for (const encoding of ["utf-8", "bytes", "offsets"] as const) {
      for (const options of [{}, { offset: 8 }, { reverse: true }]) {
        using region = regionOf("one\ntwo\n");
        const lines = walk(region, { ...options, encoding });
        while (lines.next().done !== true);
        region.resize(100);
        assert.equal(lines.next().done, true);
        assert.equal(lines.next().done, true);
      }
    }
  });

  test("leave the pages of a file that is only read as they are, when they have been compiled, too", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "some line or other\n".repeat(100_000));
    using region = MappedRegion.open(path);
    for (const options of [{}, { reverse: true }]) {
      let [lines, bytes] = [0, 0];
      for (const line of region.lines({ ...options, encoding: "bytes" })) {
        lines++;
        bytes += line.length;
      }
      for (const line of region.lines(options)) bytes += line.length;
      assert.deepEqual([lines, bytes, region.faults], [100_000, 3_600_000, 0]);
    }
  });

  test("refuse options that they don't have", () => {
    using region = regionOf("x");
    for (
      const options of [{ encoding: "latin1" }, { offset: -1 }, { reverse: 1 }, { fatal: "no" }, { to: 3 }, 7]
    ) {
      assert.throws(
        () => Reflect.apply(region.lines, region, [options]),
        (error) => error instanceof TypeError || error instanceof RangeError,
      );
    }
  });
});
