// Text, comparison and storing: what a region's bytes are, said by arrays and decoders.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import { fails, PAGE, pattern, regionOf, testFile, typedArrays } from "./helpers/mod.ts";

describe("subarray", () => {
  const place = fc.oneof(
    fc.integer({ min: -150, max: 150 }),
    fc.double({ min: -150, max: 150 }),
    fc.constantFrom(undefined, Number.NaN, Infinity, -Infinity, -0, 2 ** 53, -(2 ** 53)),
  );

  test("is Uint8Array's, whatever it is given", () => {
    const bytes = pattern(100);
    using region = regionOf(bytes);
    using empty = MappedRegion.anonymous(1);
    empty.resize(0);
    fc.assert(
      fc.property(place, place, (begin, end) => {
        assert.deepEqual(region.subarray(begin, end), bytes.subarray(begin, end));
        assert.deepEqual(empty.subarray(begin, end), new Uint8Array());
      }),
      { numRuns: 1000 },
    );
    assert.deepEqual(region.subarray(), bytes);
    assert.deepEqual(region.subarray(90), bytes.subarray(90));
    assert.equal(region.subarray.length, bytes.subarray.length);
  });

  test("shows the region's own bytes", () => {
    using region = MappedRegion.anonymous(2 * PAGE);
    const part = region.subarray(-3);
    part[0] = 7;
    assert.equal(region.read(2 * PAGE - 3, 1)[0], 7);
    assert.equal(part.buffer, region.subarray(1, 2).buffer);
  });

  test("takes numbers only", () => {
    using region = MappedRegion.anonymous(10);
    for (const wrong of ["1", null, 1n, {}, [1]]) {
      assert.throws(() => Reflect.apply(region.subarray, region, [wrong]), TypeError);
      assert.throws(() => Reflect.apply(region.subarray, region, [0, wrong]), TypeError);
    }
  });
});

describe("text", () => {
  test("decodes a range as TextDecoder would", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(60), fc.nat(60), (bytes, a, b) => {
        using region = regionOf(bytes);
        const offset = Math.min(a, bytes.length);
        const length = Math.min(b, bytes.length - offset);
        const part = bytes.slice(offset, offset + length);
        const decoded = new TextDecoder("utf-8", { ignoreBOM: true }).decode(part);
        assert.equal(region.text({ offset, length }), decoded);
        assert.equal(
          region.text({ fatal: false }),
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
        );
      }),
    );
  });

  test("has U+FFFD for what is not UTF-8, or throws where that is asked for", () => {
    using region = regionOf(Uint8Array.of(0x61, 0xff, 0x62));
    assert.equal(region.text(), "a\ufffdb");
    assert.throws(() => region.text({ fatal: true }), TypeError);
    assert.equal(region.text({ fatal: true, length: 1 }), "a");
    assert.equal(region.text({ fatal: true, offset: 2 }), "b");
  });

  test("keeps a byte order mark, wherever it stands", () => {
    using region = regionOf("\ufeffa\ufeff");
    assert.equal(region.text(), "\ufeffa\ufeff");
    assert.equal(region.text({ offset: 4, fatal: true }), "\ufeff");
  });

  test("refuses what is out of range, unknown, or gone", () => {
    const region = regionOf("abc");
    assert.equal(region.text({ offset: 3 }), "");
    assert.throws(() => region.text({ offset: 4 }), RangeError);
    assert.throws(() => region.text({ length: 4 }), RangeError);
    assert.throws(() => Reflect.apply(region.text, region, [{ encoding: "latin1" }]), TypeError);
    region.protect("none");
    fails(() => region.text(), "EACCES", { operation: "text", syscall: undefined });
    region.close();
    assert.throws(() => region.text(), RegionClosedError);
  });
});

describe("mismatch", () => {
  /** The first offset that differs, by the slow way. */
  function model(a: Uint8Array, b: Uint8Array): number {
    for (let at = 0; at < Math.max(a.length, b.length); at++) if (a[at] !== b[at]) return at;
    return -1;
  }

  test("finds the first offset that differs, to a region and to an array", () => {
    const length = fc.oneof(
      fc.nat(300),
      fc.constantFrom(PAGE, 2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 2 ** 18 + 3),
    );
    fc.assert(
      fc.property(length, length, fc.nat(2 ** 18), fc.nat(16), (size, rest, at, shift) => {
        const bytes = pattern(size + 1);
        const other = pattern(rest + 1);
        if (at < other.length) other[at] = (other[at] ?? 0) ^ 1;
        using region = regionOf(bytes);
        using second = regionOf(other);
        const expected = model(bytes, other);
        assert.equal(region.mismatch(second), expected);
        assert.equal(second.mismatch(region), expected);
        const shifted = new Uint8Array(other.length + shift);
        shifted.set(other, shift);
        assert.equal(region.mismatch(shifted.subarray(shift)), expected);
        assert.equal(region.mismatch(Buffer.from(bytes)), -1);
      }),
      { numRuns: 60 },
    );
  });

  test("of a region and itself, a part of itself, and nothing", () => {
    using region = regionOf(pattern(1000));
    assert.equal(region.mismatch(region), -1);
    assert.equal(region.mismatch(region.bytes), -1);
    assert.equal(region.mismatch(region.subarray(0, 10)), 10);
    assert.equal(region.mismatch(new Uint8Array()), 0);
    region.resize(0);
    assert.equal(region.mismatch(new Uint8Array()), -1);
  });

  test("refuses what is neither, or is closed", () => {
    using region = regionOf("a");
    for (const wrong of ["a", [97], new ArrayBuffer(1), new Uint16Array(1), undefined]) {
      assert.throws(() => Reflect.apply(region.mismatch, region, [wrong]), TypeError);
    }
    const closed = regionOf("a");
    closed.close();
    assert.throws(() => region.mismatch(closed), RegionClosedError);
    assert.throws(() => closed.mismatch(region), RegionClosedError);
  });
});

describe("write", () => {
  const source = pattern(64);

  for (const type of typedArrays) {
    test(`takes a ${type.name}, and the bytes that it shows`, () => {
      using region = MappedRegion.anonymous(100);
      const length = 24 / type.BYTES_PER_ELEMENT;
      assert.equal(region.write(3, new type(source.slice().buffer, 16, length)), 24);
      assert.deepEqual(region.read(3, 24), source.slice(16, 40));
      assert.equal(region.count(0), 100 - 24 + source.slice(16, 40).filter((byte) => byte === 0).length);
    });
  }

  test("takes an ArrayBuffer, a DataView, a Buffer, and shared memory", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    shared.set(source);
    const all = {
      buffer: source.buffer,
      view: new DataView(source.buffer),
      node: Buffer.from(source),
      shared,
      resizable: new Uint8Array(new ArrayBuffer(64, { maxByteLength: 128 })).fill(1),
    };
    for (const [name, data] of Object.entries(all)) {
      using region = MappedRegion.anonymous(100);
      assert.equal(region.write(36, data), 64, name);
      assert.deepEqual(region.read(36, 64), name === "resizable" ? new Uint8Array(64).fill(1) : source, name);
    }
  });

  test("takes bytes of the region itself, however many", () => {
    const size = 2 ** 27; // more than is copied at a time
    using region = MappedRegion.anonymous(size + 2);
    const marks = [0, 1, 2 ** 26 - 1, 2 ** 26, 2 ** 26 + 1, size - 1];
    const at = (shift: number): (number | undefined)[] =>
      marks.map((mark) => region.read(mark + shift, 1)[0]);
    for (const [index, mark] of marks.entries()) region.write(mark, Uint8Array.of(index + 1));
    region.write(2, region.subarray(0, size));
    assert.deepEqual(at(2), [1, 2, 3, 4, 5, 6]);
    region.write(0, region.subarray(2));
    assert.deepEqual(at(0), [1, 2, 3, 4, 5, 6]);
  });

  test("takes a string as UTF-8, and nothing at all", () => {
    using region = MappedRegion.anonymous(20);
    assert.equal(region.write(0, "grüß dich"), 11);
    assert.equal(region.text({ length: 11 }), "grüß dich");
    assert.equal(region.write(20, ""), 0);
    assert.equal(region.write(20, new Uint8Array()), 0);
    assert.equal(region.write(1, "\ud800"), 3); // what is no character is U+FFFD, as everywhere
  });

  test("refuses other data, and an offset in the wrong place, and writes nothing", () => {
    using region = MappedRegion.anonymous(20);
    for (const wrong of [1, null, undefined, [1, 2], {}, new Date(0), 3n]) {
      assert.throws(() => Reflect.apply(region.write, region, [0, wrong]), TypeError);
    }
    assert.throws(() => Reflect.apply(region.write, region, ["abc", 0]), /TypeError: .*offset comes first/);
    assert.throws(() => region.write(18, "abc"), /RangeError: .*resize\(\)/);
    assert.throws(() => region.write(-1, "abc"), RangeError);
    assert.throws(() => region.write(0.5, "abc"), RangeError);
    assert.equal(region.count(0), 20);
  });
});

describe("copyTo", () => {
  test("a closed region is RegionClosedError, from one too, and nothing is copied", () => {
    using region = regionOf("abc");
    const closed = regionOf("def");
    closed.close();
    assert.throws(() => region.copyTo(closed), RegionClosedError);
    assert.throws(() => closed.copyTo(region), RegionClosedError);
    assert.equal(region.text(), "abc");
  });
});

describe("fileOffset", () => {
  test("is where in the file the region begins, to the byte", () => {
    using file = testFile(3 * PAGE);
    for (const offset of [0, 1, PAGE - 1, PAGE, 2 * PAGE + 3, 3 * PAGE]) {
      using region = MappedRegion.open(file.path, { offset });
      assert.equal(region.fileOffset, offset);
      assert.equal(region.length, 3 * PAGE - offset);
      assert.equal(region.mismatch(pattern(3 * PAGE).subarray(offset)), -1);
      using same = MappedRegion.attach(structuredClone(region.handle()));
      assert.equal(same.fileOffset, offset);
    }
    using memory = MappedRegion.anonymous(1);
    assert.equal(memory.fileOffset, 0);
  });
});
