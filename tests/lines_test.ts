// Lines are what splitting the text would give.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import {
  type LineIterator,
  type LineOffsets,
  type LinesOptions,
  MappedRegion,
  RegionClosedError,
} from "../mod.ts";
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
  size: "max",
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
    const part = fc.constantFrom(1, 7, 80, 4095, 61_439, 61_440, 61_441, 65_536, 122_881).chain((size) =>
      fc.constantFrom("x", "ü", "€", "𝄞", "\r").map((letter) => letter.repeat(size))
    );
    const ends = fc.constantFrom("\n", "\r\n", "\n\n");
    fc.assert(
      fc.property(fc.array(fc.tuple(part, ends), { maxLength: 6, size: "max" }), part, (parts, last) => {
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

describe("lines that contain something", () => {
  const needles = fc.array(fc.constantFrom("\n", "\r", "a", "b", "bc", "ü", "€", " "), { maxLength: 3 }).map((
    parts,
  ) => parts.join(""));

  test("are those of all lines that do, in any encoding and direction, with their numbers", () => {
    fc.assert(
      fc.property(texts, needles, fc.boolean(), fc.nat(100), (text, containing, reverse, start) => {
        using region = regionOf(text);
        const bytes = Buffer.from(text);
        const range = { offset: Math.min(start, bytes.length), reverse };
        const all = offsets(region, { offset: range.offset }).map((place, index) => ({
          ...place,
          number: index + 1,
        }));
        const expected = all.filter(({ start, end }) => bytes.subarray(start, end).includes(containing));
        if (reverse) expected.reverse();
        const options = { ...range, containing };
        const places = region.lines({ ...options, encoding: "offsets" });
        assert.deepEqual(Array.from(places, (place) => ({ ...place, number: places.number })), expected);
        const parts = expected.map(({ start, end }) => bytes.subarray(start, end));
        const copies = region.lines({ ...options, encoding: "bytes" });
        assert.deepEqual(Array.from(copies, (line) => Buffer.from(line)), parts);
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        const strings = region.lines(options);
        const last = Array.from(strings, (line) => line);
        assert.deepEqual(last, parts.map((part) => decoder.decode(part)));
        assert.equal(strings.number, expected.at(-1)?.number ?? 0);
      }),
      { numRuns: 1000 },
    );
  });

  test("are found in large texts, wherever what is read at a time ends", () => {
    const line = fc.tuple(
      fc.constantFrom(0, 1, 79, 4095, 4096, 30_000, 61_440, 140_000),
      fc.constantFrom("", "", "x", "ü", "long".repeat(20)),
      fc.constantFrom("\n", "\r\n"),
      fc.constantFrom(1, 1, 50, 5000),
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6, size: "max" }),
        fc.constantFrom("x", "ü", "long".repeat(20)),
        (parts, containing) => {
          const text =
            parts.map(([size, word, end, times]) =>
              `${".".repeat(size)}${word}.${end}`.repeat(size > 100 ? 1 : times)
            ).join("") + "last x";
          using region = regionOf(text);
          const expected = split(text).flatMap((line, index) =>
            line.includes(containing) ? [{ line, number: index + 1 }] : []
          );
          const decode = (line: Uint8Array): string => Buffer.from(line).toString();
          const read = ({ start, end }: LineOffsets): string => decode(region.read(start, end - start));
          for (const reverse of [false, true]) {
            const strings = region.lines({ containing, reverse });
            const bytes = region.lines({ containing, reverse, encoding: "bytes" });
            const places = region.lines({ containing, reverse, encoding: "offsets" });
            const found = [
              Array.from(strings, (line) => ({ line, number: strings.number })),
              Array.from(bytes, (line) => ({ line: decode(line), number: bytes.number })),
              Array.from(places, (place) => ({ line: read(place), number: places.number })),
            ];
            for (const each of found) assert(isDeepStrictEqual(each, expected)); // too long to be shown
            expected.reverse();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("may be looked for by a byte, or bytes; each line contains nothing", () => {
    using region = regionOf("one\ntwo\nthree");
    assert.deepEqual([...region.lines({ containing: 0x77 })], ["two"]);
    assert.deepEqual([...region.lines({ containing: Buffer.from("e") })], ["one", "three"]);
    assert.deepEqual([...region.lines({ containing: "" })], ["one", "two", "three"]);
    assert.deepEqual([...region.lines({ containing: "e", finished: true })], ["one"]);
    assert.throws(() => Reflect.apply(region.lines, region, [{ containing: {} }]), TypeError);
    assert.throws(() => region.lines({ containing: 256 }), RangeError);
  });

  test("alone have to be UTF-8, with fatal", () => {
    using region = regionOf(
      Buffer.concat([Buffer.from("a 1\n"), Uint8Array.of(0xff, 10), Buffer.from("a ü\n")]),
    );
    assert.deepEqual([...region.lines({ fatal: true, containing: "a" })], ["a 1", "a ü"]);
    const lines = region.lines({ fatal: true, containing: 0xff });
    assert.throws(() => lines.next(), TypeError);
  });

  test("have no number before the first, and none when the region is closed", () => {
    const walks: readonly ((region: MappedRegion) => LineIterator<unknown>)[] = [
      (region) => region.lines({ containing: "two" }),
      (region) => region.lines({ containing: "two", encoding: "bytes" }),
      (region) => region.lines({ containing: "two", encoding: "offsets" }),
    ];
    for (const walk of walks) {
      const region = regionOf(`one\ntwo\n${"three\n".repeat(9999)}`);
      const lines = walk(region);
      assert.equal(lines.number, 0);
      assert.deepEqual([lines.next().done, lines.number, lines.number], [false, 2, 2]);
      assert.deepEqual([lines.next().done, lines.number], [true, 2]);
      region.close();
      assert.throws(() => lines.number, RegionClosedError);
    }
  });
});

for (const letter of ["u", "ü"]) {
  test(`a walk over lines knows the number of each, asked for or not: ${letter}`, () => {
    const text = Array.from(
      { length: 30_000 },
      (_, index) => `line ${index + 1}${index % 7 === 0 ? letter : ""} `,
    );
    using region = regionOf(text.join("\n"));
    for (const reverse of [false, true]) {
      for (const every of [1, 13, 9999]) {
        const lines = region.lines({ reverse });
        for (const line of lines) {
          const number = Number.parseInt(line.slice(5), 10);
          if (number % every === 0) assert.equal(lines.number, number);
        }
      }
    }
  });
}
