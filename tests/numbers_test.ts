// Each number is read and stored as by a DataView, at the first attempt and when that fails.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Cursor, MappedRegion, type NumberField, RegionClosedError } from "../mod.ts";
import { guardOnly, PAGE, temporaryDirectory } from "./helpers/mod.ts";

type Value = number | bigint | boolean;

/** A number: its size, what it may be, and what a DataView calls it. */
interface Kind {
  readonly size: number;
  readonly values: fc.Arbitrary<Value>;
  readonly method: string;
}

const whole = (bits: number, signed: boolean): fc.Arbitrary<number> =>
  signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 });

const KINDS: Readonly<Record<NumberField | "bool", Kind>> = {
  u8: { size: 1, method: "Uint8", values: whole(8, false) },
  i8: { size: 1, method: "Int8", values: whole(8, true) },
  u16: { size: 2, method: "Uint16", values: whole(16, false) },
  i16: { size: 2, method: "Int16", values: whole(16, true) },
  u32: { size: 4, method: "Uint32", values: whole(32, false) },
  i32: { size: 4, method: "Int32", values: whole(32, true) },
  u64: { size: 8, method: "BigUint64", values: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  i64: { size: 8, method: "BigInt64", values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  f16: { size: 2, method: "Float16", values: fc.integer({ min: -2048, max: 2048 }).map((n) => n / 16) },
  f32: { size: 4, method: "Float32", values: fc.float({ noNaN: true }) },
  f64: { size: 8, method: "Float64", values: fc.double({ noNaN: true }) },
  bool: { size: 1, method: "Uint8", values: fc.boolean() },
};
const NAMES = Object.keys(KINDS) as (keyof typeof KINDS)[];

function call(object: object, method: string, ...parameters: readonly unknown[]): unknown {
  return Reflect.apply(Reflect.get(object, method) as () => unknown, object, parameters);
}

const methodOf = (name: string): string => name === "bool" ? "Bool" : name.toUpperCase();
const read = (cursor: Cursor, name: string, ...order: readonly boolean[]): unknown =>
  call(cursor, `read${methodOf(name)}`, ...order);
const write = (cursor: Cursor, name: string, value: unknown, ...order: readonly boolean[]): unknown =>
  call(cursor, `write${methodOf(name)}`, value, ...order);

/** What a DataView reads where a cursor reads a number. */
function expected(bytes: Uint8Array, name: keyof typeof KINDS, at: number, little: boolean): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = call(view, `get${KINDS[name].method}`, at, little);
  return name === "bool" ? value !== 0 : value;
}

/** The bytes that a DataView stores a number as. */
function stored(name: keyof typeof KINDS, value: unknown, little: boolean): Uint8Array {
  const bytes = new Uint8Array(KINDS[name].size);
  call(new DataView(bytes.buffer), `set${KINDS[name].method}`, 0, value, little);
  return bytes;
}

/** Bytes of which no number looks like another one, or like itself in the other byte order or without its sign. */
const PATTERN = Uint8Array.of(0xe1, 0xc2, 0x93, 0xe4, 0xb5, 0x86, 0xd7, 0xc8);
/** A value of each number that fills all of its bytes. */
const valueOf = (name: keyof typeof KINDS, little: boolean): unknown => expected(PATTERN, name, 0, little);
const ORDERS = [[], [true], [false]] as const;

test("are laid out as by a DataView, and read back", () => {
  const steps = fc.array(
    fc.constantFrom(...NAMES).chain((name) =>
      fc.record({ name: fc.constant(name), value: KINDS[name].values, little: fc.boolean() })
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 9 }), (list, before) => {
      const size = before + list.reduce((sum, { name }) => sum + KINDS[name].size, 0);
      using region = MappedRegion.anonymous(Math.max(1, size));
      const model = new Uint8Array(region.length);
      const cursor = region.cursor(before);
      let at = before;
      for (const { name, value, little } of list) {
        assert.equal(write(cursor, name, value, little), undefined);
        model.set(stored(name, value, little), at);
        at += KINDS[name].size;
        assert.equal(cursor.tell(), at);
      }
      assert.deepEqual(region.read(0, region.length), model);
      cursor.seek(before);
      for (const { name, value, little } of list) assert.equal(read(cursor, name, little), value);
      assert.equal(cursor.tell(), at);
    }),
    { numRuns: 200 },
  );
});

const LAST = 39 * PAGE;

/**
 * How the first attempt to read a number is made to fail, and the second to succeed: what each does to a region of forty
 * pages. The last is the one to read.
 */
const OBSTACLES: Readonly<Record<string, (region: MappedRegion, path: string) => void>> = {
  "after the region has become longer": (region) => region.resize(50 * PAGE),
  "after a right was taken away and given back": (region) => {
    region.protect("none");
    region.protect("read-write");
  },
  "beside a page with no rights": (region) => region.protect("none", { offset: LAST - PAGE, length: PAGE }),
  "after another page was lost": (region, path) => {
    truncateSync(path, 0);
    assert.throws(() => region.read(0, 1), { code: "EFAULT" });
    truncateSync(path, LAST + PAGE); // long again; what was lost stays lost
    region.write(LAST, new Uint8Array(PAGE));
  },
};

describe("every number that can't be read or stored at the first attempt is, at the second", () => {
  for (const name of NAMES) {
    for (const [title, hinder] of Object.entries(OBSTACLES)) {
      test(`${name} ${title}`, title.includes("lost") ? guardOnly : {}, () => {
        using directory = temporaryDirectory();
        const path = join(directory.path, "file");
        const { size } = KINDS[name];
        for (const order of ORDERS) {
          writeFileSync(path, new Uint8Array(LAST + PAGE));
          using region = MappedRegion.open(path, { access: "read-write" });
          const reader = region.cursor();
          const writer = region.cursor();
          read(reader, name);
          read(writer, name);
          hinder(region, path);
          for (const at of [LAST, LAST + 21, LAST + PAGE - size]) {
            region.write(at, PATTERN.subarray(0, size));
            reader.seek(at);
            assert.equal(read(reader, name, ...order), valueOf(name, order[0] ?? true));
            assert.equal(reader.tell(), at + size);
            region.write(at, new Uint8Array(size));
            writer.seek(at);
            assert.equal(write(writer, name, valueOf(name, order[0] ?? true), ...order), undefined);
            assert.equal(writer.tell(), at + size);
            const expected = stored(name, valueOf(name, order[0] ?? true), order[0] ?? true);
            assert.deepEqual(region.read(at, size), expected);
          }
        }
      });
    }
  }
});

describe("every number", () => {
  test("that a cursor knows is here", () => {
    for (const verb of ["read", "write"]) {
      const methods = Object.getOwnPropertyNames(Cursor.prototype)
        .filter((name) => new RegExp(`^${verb}([A-Z]\\d+|Bool)$`).test(name));
      assert.deepEqual(methods.sort(), NAMES.map((name) => `${verb}${methodOf(name)}`).sort());
    }
  });

  for (const name of NAMES) {
    const { size } = KINDS[name];
    const value = valueOf(name, true);

    test(`${name} reads all of its bytes, in both byte orders`, () => {
      using region = MappedRegion.anonymous(64);
      region.write(3, PATTERN);
      const cursor = region.cursor();
      for (const order of ORDERS) {
        for (let at = 0; at < 16; at++) {
          cursor.seek(at);
          const bytes = region.read(at, size);
          assert.equal(read(cursor, name, ...order), expected(bytes, name, 0, order[0] ?? true));
          assert.equal(cursor.tell(), at + size);
        }
      }
    });

    test(`${name} that reaches past the end is refused, and moves nothing`, () => {
      using region = MappedRegion.anonymous(16);
      const cursor = region.cursor(16 - size + 1);
      for (let round = 0; round < 2; round++) {
        assert.throws(() => read(cursor, name), RangeError);
        assert.throws(() => write(cursor, name, value), RangeError);
        assert.equal(cursor.tell(), 16 - size + 1);
        cursor.seek(0);
        read(cursor, name); // with a window now
        cursor.seek(16 - size + 1);
      }
      assert(region.bytes.every((byte) => byte === 0));
    });

    test(`${name} of the wrong type is refused, and moves nothing`, () => {
      using region = MappedRegion.anonymous(16);
      const cursor = region.cursor();
      const wrong = [undefined, null, "1", {}, typeof value === "bigint" ? 1 : 1n, { valueOf: () => value }];
      for (const each of wrong) {
        assert.throws(() => write(cursor, name, each), {
          name: "TypeError",
          message: new RegExp(`^write${methodOf(name)}: the value must be a ${typeof value}: `),
        });
      }
      assert.equal(cursor.tell(), 0);
      assert(region.bytes.every((byte) => byte === 0));
    });

    test(`${name} is refused by a closed region, and not stored to pages without the right`, () => {
      const region = MappedRegion.anonymous(2 * PAGE);
      const cursor = region.cursor();
      write(cursor, name, value);
      region.protect("read");
      read(cursor, name); // with a window now
      cursor.seek(size);
      assert.throws(() => write(cursor, name, value), {
        code: "EACCES",
        operation: `write${methodOf(name)}`,
      });
      assert.deepEqual(region.read(size, size), new Uint8Array(size));
      region.protect("none");
      assert.throws(() => read(cursor, name), { code: "EACCES", operation: `read${methodOf(name)}` });
      region.close();
      for (const use of [() => read(cursor, name), () => write(cursor, name, value)]) {
        assert.throws(use, RegionClosedError);
      }
      assert.equal(cursor.tell(), size);
    });

    test(`${name} of a lost page is an error, each time`, guardOnly, () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      for (const use of [() => read, () => write] as const) {
        const touch = (cursor: Cursor): unknown =>
          use() === read ? read(cursor, name) : write(cursor, name, value);
        writeFileSync(path, Buffer.alloc(3 * PAGE, 1));
        using region = MappedRegion.open(path, { access: "read-write" });
        const cursor = region.cursor();
        touch(cursor);
        touch(cursor);
        truncateSync(path, PAGE);
        cursor.seek(2 * PAGE);
        for (let round = 0; round < 3; round++) {
          assert.throws(() => touch(cursor), { code: "EFAULT", path });
          assert.equal(cursor.tell(), 2 * PAGE);
        }
        cursor.seek(PAGE - size);
        touch(cursor); // is still there
        assert.deepEqual(
          new Uint8Array(readFileSync(path)).subarray(PAGE - size),
          use() === read ? new Uint8Array(size).fill(1) : stored(name, value, true),
        );
      }
    });
  }
});

test("a byte is refused that is none", () => {
  using region = MappedRegion.anonymous(2);
  const cursor = region.cursor();
  for (const byte of [-1, 256, 1.5, NaN, "1", 1n]) {
    assert.throws(() => cursor.writeByte(byte as number), RangeError);
  }
  cursor.writeByte(255);
  cursor.seek(0);
  assert.deepEqual([cursor.readByte(), cursor.tell()], [255, 1]);
  cursor.writeByte(1);
  assert.throws(() => cursor.readByte(), RangeError);
  assert.throws(() => cursor.writeByte(1), RangeError);
});

test("of variable size are LEB128", () => {
  using region = MappedRegion.anonymous(16);
  for (const [value, bytes] of [[0, "00"], [127, "7f"], [128, "8001"], [624485, "e58e26"]] as const) {
    region.fill(0xee);
    const cursor = region.cursor();
    cursor.writeVarint(value);
    assert.equal(Buffer.from(region.read(0, cursor.tell())).toString("hex"), bytes);
  }
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    const cursor = region.cursor(3);
    cursor.writeVarint(value);
    const end = cursor.tell();
    cursor.seek(3);
    assert.equal(cursor.readVarint(), value);
    assert.equal(cursor.tell(), end);
  }));
  region.fill(0xff);
  const cursor = region.cursor(1);
  assert.throws(() => cursor.readVarint(), RangeError); // larger than a number can hold
  cursor.seek(15);
  assert.throws(() => cursor.readVarint(), /^RangeError: readVarint: /); // past the end
  assert.equal(cursor.tell(), 15);
  assert.throws(() => cursor.writeVarint(2 ** 40), RangeError);
  assert.throws(() => cursor.writeVarint(-1), RangeError);
  assert.equal(region.bytes[15], 0xff);
});
