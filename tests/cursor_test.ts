// A cursor does what a DataView and a Buffer would, and moves on; move, fill and copyTo do what arrays do.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Cursor, type LengthPrefix, MappedRegion, RegionClosedError } from "../mod.ts";
import {
  failing,
  fails,
  guardOnly,
  PAGE,
  pattern,
  regionOf,
  temporaryDirectory,
  testFile,
} from "./helpers/mod.ts";

describe("strings", () => {
  test("are read back as they were written", () => {
    const prefixes = fc.constantFrom<LengthPrefix>("u8", "u16", "u32", "varint");
    const texts = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll("\0", ""));
    fc.assert(
      fc.property(fc.array(fc.tuple(texts, prefixes, fc.boolean()), { maxLength: 10 }), (list) => {
        using region = MappedRegion.anonymous(16384);
        const cursor = region.cursor();
        for (const [text, prefix, little] of list) {
          cursor.writePrefixedString(text, prefix, little);
          cursor.writeCString(text);
          cursor.write(text);
        }
        const end = cursor.tell();
        cursor.seek(0);
        for (const [text, prefix, little] of list) {
          assert.equal(cursor.readPrefixedString(prefix, little), text);
          assert.equal(cursor.readCString(), text);
          assert.equal(cursor.readString(Buffer.byteLength(text)), text);
        }
        assert.equal(cursor.tell(), end);
      }),
      { numRuns: 100 },
    );
  });

  test("that don't fit, don't end, or can't be said are refused, and nothing moves", () => {
    using region = regionOf("\x09abc");
    const cursor = region.cursor();
    assert.throws(() => cursor.readPrefixedString("u8"), RangeError);
    assert.throws(() => cursor.readCString(), /no NUL follows offset 0/);
    assert.throws(() => cursor.readString(5), RangeError);
    assert.throws(() => cursor.writeCString("a\0b"), /has a NUL in it/);
    assert.throws(() => cursor.writePrefixedString("x".repeat(256), "u8"), /too long for prefix "u8"/);
    assert.throws(() => cursor.writePrefixedString("abcd", "u8"), RangeError);
    assert.throws(() => cursor.readPrefixedString("u24" as "u8"), TypeError);
    assert.throws(() => cursor.writeCString(5 as unknown as string), TypeError);
    assert.equal(cursor.tell(), 0);
  });
});

describe("as a file", () => {
  test("lines are what lines() gives, with a position behind each", () => {
    const texts = fc.array(fc.constantFrom("\n", "\r\n", "\r", "a", "ü€", "x".repeat(5000)), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(texts, (parts) => {
        using region = regionOf(parts.join(""));
        const cursor = region.cursor();
        const lines: string[] = [];
        for (let line; (line = cursor.readLine()) !== undefined;) {
          lines.push(line);
          assert.deepEqual(
            [...region.lines({ offset: cursor.tell() })].length,
            [...region.lines()].length - lines.length,
          );
        }
        assert.deepEqual(lines, [...region.lines()]);
        assert.equal(cursor.tell(), region.length);
      }),
      { numRuns: 60 },
    );
  });

  test("seek counts from the start, the position or the end", () => {
    using region = regionOf("0123456789");
    const cursor = region.cursor(2);
    assert.equal(cursor.seek(3, "current"), 5);
    assert.equal(cursor.seek(-1, "current"), 4);
    assert.equal(cursor.seek(-2, "end"), 8);
    assert.equal(new TextDecoder().decode(cursor.read()), "89");
    assert.deepEqual(cursor.read(5), new Uint8Array());
    assert.equal(cursor.seek(0, "end"), cursor.size);
    for (
      const [offset, whence] of [[11, "start"], [-1, "start"], [1, "end"], [-11, "end"], [
        0.5,
        "start",
      ]] as const
    ) {
      assert.throws(() => cursor.seek(offset, whence), RangeError);
    }
    assert.throws(() => cursor.seek(NaN), RangeError);
    assert.throws(() => cursor.seek("1" as unknown as number), TypeError);
    assert.throws(() => cursor.seek(0, "set" as "start"), TypeError);
    assert.equal(cursor.tell(), 10);
    assert.throws(() => region.cursor(11), RangeError);
    assert.equal(region.cursor(10).readLine(), undefined);
  });

  test("a copy that is read stays when the region is written", () => {
    using region = regionOf("abcd");
    const copy = region.cursor().read(2);
    region.fill(0);
    assert.deepEqual(copy, Uint8Array.of(97, 98));
  });

  test("closing, resizing and protecting in between are noticed", () => {
    const region = MappedRegion.anonymous(MappedRegion.pageSize);
    const cursor = region.cursor();
    cursor.writeU32(7);
    region.resize(3 * MappedRegion.pageSize);
    cursor.seek(0);
    assert.equal(cursor.readU32(), 7);
    cursor.seek(2 * MappedRegion.pageSize);
    cursor.writeU32(8);
    region.resize(8);
    assert.throws(() => cursor.readU32(), RangeError);
    cursor.seek(0);
    region.protect("read");
    assert.equal(cursor.readU32(), 7);
    cursor.seek(0);
    assert.throws(() => cursor.writeU32(9), { code: "EACCES" });
    region.close();
    for (
      const use of [
        () => cursor.readU32(),
        () => cursor.writeU32(1),
        () => cursor.readLine(),
        () => cursor.read(),
        () => cursor.write("x"),
        () => cursor.seek(0),
        () => cursor.size,
        () => cursor.readCString(),
        () => region.cursor(),
        () => region.fill(0),
        () => region.move(0, 0, 1),
        () => region.copyTo(new Uint8Array(1)),
      ]
    ) assert.throws(use, RegionClosedError);
  });

  test("pages without rights close only themselves", () => {
    const { pageSize } = MappedRegion;
    using region = MappedRegion.anonymous(3 * pageSize);
    region.protect("none", { offset: pageSize, length: pageSize });
    const cursor = region.cursor(2 * pageSize);
    cursor.writeU32(5);
    cursor.seek(-4, "current");
    assert.equal(cursor.readU32(), 5);
    cursor.seek(pageSize - 2);
    assert.throws(() => cursor.readU32(), { code: "EACCES" });
    assert.equal(cursor.tell(), pageSize - 2);
  });

  test("a lost page is an error, each time", guardOnly, () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, Buffer.alloc(3 * MappedRegion.pageSize, 1));
    using region = MappedRegion.open(path);
    const cursor = region.cursor();
    assert.equal(cursor.readU32(), 0x01010101);
    truncateSync(path, MappedRegion.pageSize);
    cursor.seek(2 * MappedRegion.pageSize);
    for (let round = 0; round < 2; round++) {
      fails(() => cursor.readU32(), "EFAULT");
      assert.throws(
        () => cursor.readLine(),
        failing("EFAULT"),
      );
    }
    assert.equal(cursor.tell(), 2 * MappedRegion.pageSize);
    cursor.seek(4);
    assert.equal(cursor.readU32(), 0x01010101);
  });

  test("a large region is read and written all along, forwards and backwards", () => {
    using region = MappedRegion.anonymous(2 ** 27, { reserve: false });
    const cursor = region.cursor(3);
    const step = 2 ** 18 - 1; // numbers lie across the ends of windows, wherever these are
    const positions = Array.from({ length: 500 }, (_, index) => 3 + index * step);
    for (const position of [...positions, ...[-2, -1, 0, 1, 2].map((by) => 2 ** 24 + by * 4 + 1)]) {
      cursor.seek(position);
      cursor.writeU32(position);
      cursor.writeF64(position / 4);
      assert.equal(cursor.tell(), position + 12);
    }
    for (const position of [...positions, ...positions.toReversed()]) {
      cursor.seek(position);
      assert.deepEqual([cursor.readU32(), cursor.readF64(), cursor.tell()], [
        position,
        position / 4,
        position + 12,
      ]);
    }
    cursor.seek(-2, "end");
    assert.throws(() => cursor.readU32(), RangeError);
    assert.throws(() => cursor.writeU32(1), RangeError);
    assert.equal(cursor.tell(), 2 ** 27 - 2);
    assert.equal(cursor.readU16(), 0);
    region.protect("read");
    cursor.seek(3);
    assert.equal(cursor.readU32(), 3);
    fails(() => cursor.writeU32(1), "EACCES");
    region.close();
    assert.throws(() => cursor.readU32(), RegionClosedError);
  });

  test("positions beyond 4 GiB work as others do", () => {
    using region = MappedRegion.anonymous(6 * 2 ** 30, { reserve: false });
    const offset = 5 * 2 ** 30 + 3;
    const cursor = region.cursor(offset);
    cursor.writePrefixedString("far");
    cursor.seek(2 ** 32 - 4);
    cursor.writeF64(1.5);
    cursor.seek(-8, "current");
    assert.equal(cursor.readF64(), 1.5);
    cursor.seek(offset);
    assert.equal(cursor.readPrefixedString(), "far");
    region.move(7, offset, 4);
    region.fill(0x21, { offset: offset + 4, length: 1 });
    const bytes = new Uint8Array(6);
    assert.equal(region.copyTo(bytes, { offset, length: 5, at: 1 }), 5);
    assert.equal(Buffer.from(bytes).toString(), "\0\x03far!");
    assert.equal(region.cursor(7).readPrefixedString(), "far");
  });
});

describe("move, fill and copyTo", () => {
  const size = 64;
  const offset = fc.integer({ min: 0, max: size });

  test("move is copyWithin", () => {
    fc.assert(
      fc.property(offset, offset, offset, (to, from, length) => {
        const bytes = Buffer.from(Array.from({ length: size }, (_, index) => index));
        using region = regionOf(bytes);
        if (to + length > size || from + length > size) {
          assert.throws(() => region.move(to, from, length), RangeError);
        } else {
          region.move(to, from, length);
          bytes.copyWithin(to, from, from + length);
        }
        assert.deepEqual(Buffer.from(region.bytes), bytes);
      }),
    );
  });

  test("a file's bytes are moved by chunks, in the order that keeps them", () => {
    const length = 5 * 2 ** 16 + 3;
    const bytes = pattern(length);
    using file = testFile(bytes);
    using region = MappedRegion.open(file.path, { access: "read-write" });
    const { buffer } = region;
    for (const [to, from] of [[1000, 0], [0, 1000], [2 ** 17, 7], [7, 2 ** 17], [0, 0]] as const) {
      const count = length - Math.max(to, from);
      bytes.copyWithin(to, from, from + count);
      region.move(to, from, count);
      assert.equal(region.mismatch(bytes), -1);
      bytes.copyWithin(to, from, from + count);
      assert.equal(region.copyTo(new Uint8Array(buffer, to), { offset: from, length: count }), count);
      assert.equal(region.mismatch(bytes), -1);
    }
    const resizable = new ArrayBuffer(length, { maxByteLength: 2 * length });
    for (const buffer of [new SharedArrayBuffer(length), resizable]) {
      const copy = new Uint8Array(buffer);
      assert.equal(region.copyTo(copy), length);
      assert.equal(Buffer.compare(copy, bytes), 0);
    }
  });

  test("fill and copyTo reach exactly their part", () => {
    fc.assert(
      fc.property(offset, offset, offset, (at, start, length) => {
        using region = regionOf(Buffer.from(Array.from({ length: size }, (_, index) => index)));
        using other = MappedRegion.anonymous(size);
        const array = new Uint8Array(size);
        const copies = [
          () => region.copyTo(array, { offset: start, length, at }),
          () => region.copyTo(other, { offset: start, length, at }),
        ];
        if (start + length > size || at + length > size) {
          for (const copy of copies) assert.throws(copy, RangeError);
        } else for (const copy of copies) assert.equal(copy(), length);
        const expected = new Uint8Array(size);
        if (start + length <= size && at + length <= size) {
          expected.set(region.bytes.subarray(start, start + length), at);
        }
        assert.deepEqual(array, expected);
        assert.deepEqual(new Uint8Array(other.bytes), expected);
        if (start + length > size) return;
        const filled = new Uint8Array(region.bytes).fill(0xaa, start, start + length);
        region.fill(0xaa, { offset: start, length });
        assert.deepEqual(new Uint8Array(region.bytes), filled);
      }),
    );
  });

  test("bad arguments are refused", () => {
    using region = MappedRegion.anonymous(8);
    for (const value of [-1, 256, 0.5, NaN]) assert.throws(() => region.fill(value), RangeError);
    assert.throws(() => region.fill("1" as unknown as number), TypeError);
    assert.throws(() => region.move(0, 0, undefined as unknown as number), TypeError);
    assert.throws(() => region.copyTo([] as unknown as Uint8Array), TypeError);
    const closed = MappedRegion.anonymous(8);
    closed.close();
    assert.throws(() => region.copyTo(closed, { length: 0 }), RegionClosedError);
    region.protect("read");
    for (const store of [() => region.fill(1), () => region.move(0, 1, 1)]) {
      assert.throws(store, { code: "EACCES" });
    }
  });
});

describe("compiled code notices lost pages at once", () => {
  // What a compiler may move: the look at the faults stands behind the read, with nothing that connects them.
  const size = 2 ** 22;
  const loops: Readonly<Record<string, { readonly width: number; run(cursor: Cursor): unknown }>> = {
    readU8: {
      width: 1,
      run(cursor): unknown {
        let sum = 0;
        for (let left = size; left > 0; left--) sum += cursor.readU8();
        return sum;
      },
    },
    readU32: {
      width: 4,
      run(cursor): unknown {
        let sum = 0;
        for (let left = size; left > 0; left -= 4) sum = (sum + cursor.readU32()) | 0;
        return sum;
      },
    },
    readF64: {
      width: 8,
      run(cursor): unknown {
        let sum = 0;
        for (let left = size; left > 0; left -= 8) sum += cursor.readF64();
        return sum;
      },
    },
    writeU32: {
      width: 4,
      run(cursor): unknown {
        for (let left = size; left > 0; left -= 4) cursor.writeU32(left);
        return undefined;
      },
    },
  };
  for (const [name, { width, run }] of Object.entries(loops)) {
    test(name, guardOnly, () => noticed(width, run));
  }
  // In Bun, loops that have gone from one window to the next are other machine code.
  for (const name of ["readU8", "readU32", "readF64", "writeU32"]) {
    const loop = loops[name];
    test(`${name}, through windows`, guardOnly, () => noticed(loop?.width ?? 0, loop?.run, true));
  }

  test("readF64, many windows on", guardOnly, () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const [large, left] = [96 * 2 ** 20, 80 * 2 ** 20 + PAGE];
    using region = MappedRegion.open(path, { access: "read-write", create: true, size: large, sparse: true });
    const cursor = region.cursor();
    const walk = (): number => {
      let sum = 0;
      for (let at = 0; at < large; at += 8) sum += cursor.readF64();
      return sum;
    };
    region.view.setFloat64(large - 8, 1, true);
    assert.equal(walk(), 1);
    truncateSync(path, left);
    cursor.seek(0);
    assert.throws(walk, { code: "EFAULT" });
    assert.equal(cursor.tell(), left);
  });

  function noticed(width: number, run: ((cursor: Cursor) => unknown) | undefined, windows = false): void {
    assert(run !== undefined);
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const open = (): MappedRegion => MappedRegion.open(path, { access: "read-write", create: true, size });
    {
      using region = windows ? MappedRegion.anonymous(2 ** 27, { reserve: false }) : open();
      const cursor = region.cursor();
      for (let round = 0; round < 4 * width + 4; round++) {
        cursor.seek(windows ? 2 ** 24 - size / 2 : 0);
        run(cursor);
      }
    }
    using region = open();
    const cursor = region.cursor();
    truncateSync(path, size / 2);
    assert.throws(() => run(cursor), { code: "EFAULT" });
    assert.equal(cursor.tell(), size / 2);
    assert.equal(region.faults, 1);
  }
});
