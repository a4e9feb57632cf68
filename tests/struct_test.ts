// A struct lies as C lays it out, is typed by its fields, and refuses what a field can't hold.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  array,
  bytes,
  char,
  type Field,
  type Fields,
  type InputOf,
  type Layout,
  MappedRegion,
  type NumberField,
  type RecordOf,
  struct,
} from "../mod.ts";
import { compiled, needsC, root } from "./helpers/mod.ts";

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const same = <A, B>(proof: Same<A, B>): void => assert(proof);

const inner = struct({ tag: "u8", pair: array("u16", 3), id: "u64", on: "bool" });
const small = struct({ a: "u8", b: "u16" });
const FIELDS = {
  first: "u8",
  one: inner,
  flags: array("bool", 3),
  grid: array(array(small, 3), 2),
  names: array(char(5), 2),
  half: "f16",
  many: array(inner, 2),
  weights: array("f32", 3),
  hash: bytes(3),
  last: "i64",
  end: "u8",
} as const;
const layouts = { inner, small, loose: struct(FIELDS), tight: struct(FIELDS, { packed: true }) };

const innerRecord = (n: number): RecordOf<typeof inner> => ({
  tag: n,
  pair: [n * 100, n * 100 + 1, n * 100 + 2],
  id: BigInt(n) << 40n,
  on: n !== 2,
});
const RECORD: RecordOf<typeof layouts.loose> = {
  first: 7,
  one: innerRecord(1),
  flags: [true, false, true],
  grid: [[0, 1, 2], [3, 4, 5]].map((row) => row.map((i) => ({ a: 10 + i, b: 1000 + i }))),
  names: ["abcde", "x"],
  half: 0.5,
  many: [innerRecord(2), innerRecord(3)],
  weights: [0, 0.25, 0.5],
  hash: Uint8Array.of(9, 9, 9),
  last: -5n,
  end: 8,
};

/** Uses a layout as often as it takes until there are functions made for it, which store and read its records from then on. */
function useOften(layout: Layout<Fields>): void {
  for (let use = 0; use < 200; use++) layout.decode(new Uint8Array(layout.size));
}

describe("structs within structs, and arrays", () => {
  /** Compares with what the C program printed. */
  function assertAsInC(text: string): void {
    const lines = text.trim().split("\n");
    const [tight = "", loose = ""] = [lines.pop(), lines.pop()];
    assert(lines.length > 0);
    for (const line of lines) {
      const [name = "", ...numbers] = line.split(" ");
      const [struct = "", field] = name.split(".");
      const layout = layouts[struct as keyof typeof layouts];
      const ours = field === undefined
        ? [layout.size, layout.alignment]
        : [(layout.offsets as Readonly<Record<string, number>>)[field]];
      assert.deepEqual(ours, numbers.map(Number), line);
    }
    for (const [name, hex] of [["loose", loose], ["tight", tight]] as const) {
      const layout = layouts[name];
      assert.equal(Buffer.from(layout.encode(RECORD)).toString("hex"), hex);
      assert.deepEqual(layout.decode(new Uint8Array(Buffer.from(hex, "hex"))), RECORD);
      using region = MappedRegion.anonymous(3 * layout.size + 1);
      region.write(1 + layout.size, Buffer.from(hex, "hex"));
      const records = region.records(layout, { offset: 1 });
      assert.deepEqual(records.get(1), RECORD);
      records.set(2, RECORD);
      assert.equal(Buffer.from(region.read(1 + 2 * layout.size, layout.size)).toString("hex"), hex);
      for (const field of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) {
        assert.deepEqual(records.column(field).get(2), RECORD[field]);
      }
    }
  }

  test("lie as in C", () => {
    const text = readFileSync(join(root, "tests/fixtures/structs.txt"), "utf8");
    assertAsInC(text);
    for (const layout of Object.values<Layout<Fields>>(layouts)) useOften(layout);
    assertAsInC(text);
  });

  test("lie as this machine's compiler lays them out", needsC, () => {
    using program = compiled("tests/fixtures/structs.c");
    assertAsInC(spawnSync(program.path, { encoding: "utf8" }).stdout);
  });
});

test("fields are aligned as C aligns them, or packed", () => {
  const fields = { a: "u8", b: "u32", c: "u8", d: "u64", e: char(3) } as const;
  const loose = struct(fields);
  assert.deepEqual({ ...loose.offsets }, { a: 0, b: 4, c: 8, d: 16, e: 24 });
  assert.deepEqual([loose.size, loose.alignment], [32, 8]);
  const tight = struct(fields, { packed: true });
  assert.deepEqual({ ...tight.offsets }, { a: 0, b: 1, c: 5, d: 6, e: 14 });
  assert.deepEqual([tight.size, tight.alignment], [17, 1]);
});

test("a record within a record keeps its own byte order", () => {
  const big = struct({ port: "u16" }, { littleEndian: false });
  const both = struct({ first: "u16", big, bigs: array(big, 1) });
  const bytes = both.encode({ first: 1, big: { port: 1 }, bigs: [{ port: 2 }] });
  assert.deepEqual(bytes, Uint8Array.of(1, 0, 0, 1, 0, 2));
  assert.deepEqual(both.decode(bytes), { first: 1, big: { port: 1 }, bigs: [{ port: 2 }] });
});

test("types follow from the fields", () => {
  const layout = struct({
    id: "u64",
    kind: "u8",
    half: "f16",
    ok: "bool",
    name: char(4),
    hash: bytes(2),
    inner: small,
    numbers: array("f64", 2),
    grid: array(array("i64", 2), 2),
    inners: array(small, 2),
  });
  same<RecordOf<typeof layout>, {
    id: bigint;
    kind: number;
    half: number;
    ok: boolean;
    name: string;
    hash: Uint8Array<ArrayBuffer>;
    inner: { a: number; b: number };
    numbers: number[];
    grid: bigint[][];
    inners: { a: number; b: number }[];
  }>(true);
  using region = MappedRegion.anonymous(layout.size);
  const records = region.records(layout);
  same<ReturnType<typeof records.get>, RecordOf<typeof layout>>(true);
  const column = records.column("grid");
  same<ReturnType<typeof column.get>, bigint[][]>(true);
  // What is stored may be read-only, or a typed array.
  const input: InputOf<typeof layout> = {
    ...records.get(0),
    numbers: Float64Array.of(1, 2),
    grid: [BigInt64Array.of(1n, 2n), [3n, 4n]] as const,
  } as const;
  records.set(0, input);
  records.column("numbers").set(0, Float32Array.of(0.5, 0.25));
  assert.deepEqual(records.get(0).grid, [[1n, 2n], [3n, 4n]]);
  assert.deepEqual(records.get(0).numbers, [0.5, 0.25]);
  // @ts-expect-error -- a bigint is no number
  assert.throws(() => records.set(0, { ...input, kind: 1n }), TypeError);
  // @ts-expect-error -- there is no such field
  assert.throws(() => records.column("nothing"), TypeError);
  // @ts-expect-error -- nor such a number
  assert.throws(() => struct({ a: "u24" }), TypeError);
});

/** What each number can't hold, and what it only just can. */
const RANGES: Readonly<Record<NumberField, readonly [refused: unknown[], held: unknown[]]>> = {
  u8: [[-1, 256, 0.5], [0, 255]],
  i8: [[-129, 128, 0.5], [-128, 127]],
  u16: [[-1, 2 ** 16, 0.5], [0, 2 ** 16 - 1]],
  i16: [[-(2 ** 15) - 1, 2 ** 15, 0.5], [-(2 ** 15), 2 ** 15 - 1]],
  u32: [[-1, 2 ** 32, 2 ** 40, 0.5], [0, 2 ** 32 - 1]],
  i32: [[-(2 ** 31) - 1, 2 ** 31, 0.5], [-(2 ** 31), 2 ** 31 - 1]],
  u64: [[-1n, 2n ** 64n], [0n, 2n ** 64n - 1n]],
  i64: [[-(2n ** 63n) - 1n, 2n ** 63n], [-(2n ** 63n), 2n ** 63n - 1n]],
  f16: [[], [-65504, 65504, Infinity, NaN, -0]],
  f32: [[], [0.5, -Infinity, NaN, -0]],
  f64: [[], [Number.MAX_VALUE, Number.MIN_VALUE, NaN, -0]],
};

describe("every number is stored whole or refused", () => {
  for (const [name, [refused, held]] of Object.entries(RANGES)) {
    const check = (often: boolean): void => {
      const layout = struct({ before: "u8", it: name as NumberField, list: array(name as NumberField, 2) });
      // A record of numbers alone is stored another way, and so is a column of numbers whose bytes are turned around.
      const plain = struct({ before: "u8", it: name as NumberField }, { littleEndian: false });
      if (often) useOften(layout);
      using region = MappedRegion.anonymous(layout.size);
      using plainRegion = MappedRegion.anonymous(plain.size);
      const records = region.records(layout);
      const column = records.column("it");
      const plainRecords = plainRegion.records(plain);
      const plainColumn = plainRecords.column("it");
      for (let use = 0; use < (often ? 1000 : 1); use++) {
        plainRecords.set(0, { before: 1, it: held[0] as never });
        column.set(0, held[0] as never);
      }
      const zero = typeof held[0] === "bigint" ? 0n : 0;
      for (const value of held as never[]) {
        records.set(0, { before: 1, it: value, list: [zero as never, value] });
        assert.deepEqual(records.get(0), { before: 1, it: value, list: [zero, value] });
        records.set(0, { before: 1, it: zero as never, list: [zero as never, value] });
        column.set(0, value);
        assert.deepEqual(column.get(0), value);
        plainRecords.set(0, { before: 1, it: value });
        assert.deepEqual(plainRecords.get(0), { before: 1, it: value });
        plainColumn.set(0, value);
        assert.deepEqual([plainColumn.get(0), plainRecords.get(0).it], [value, value]);
      }
      const kept = region.read(0, region.length);
      const plainKept = plainRegion.read(0, plainRegion.length);
      const wide = typeof zero === "bigint";
      const whole = wide || !name.startsWith("f");
      if (whole && !wide) refused.push(NaN, Infinity, -Infinity);
      for (const value of refused as never[]) {
        const error = { name: "RangeError", message: /^field 'it' must be a (whole number|bigint) from / };
        assert.throws(() => records.set(0, { before: 2, it: value, list: [value, value] }), error);
        assert.throws(() => column.set(0, value), error);
        assert.throws(() => plainRecords.set(0, { before: 2, it: value }), error);
        assert.throws(() => plainColumn.set(0, value), error);
        assert.throws(() => records.set(0, { before: 2, it: zero as never, list: [zero as never, value] }), {
          name: "RangeError",
          message: /^field 'list\[1\]' must be /,
        });
      }
      for (const value of [wide ? 0 : 0n, "0", null, undefined, { valueOf: () => zero }, true] as never[]) {
        const error = { name: "TypeError", message: /^field 'it' must be a/ };
        assert.throws(() => records.set(0, { before: 2, it: value, list: [value, value] }), error);
        assert.throws(() => column.set(0, value), error);
        assert.throws(() => plainRecords.set(0, { before: 2, it: value }), error);
      }
      assert.deepEqual(region.read(0, region.length), kept);
      assert.deepEqual(plainRegion.read(0, plainRegion.length), plainKept);
    };
    test(name, () => check(false));
    test(`${name}, often`, () => check(true));
  }
});

test("fractions are rounded as a float rounds them", () => {
  const layout = struct({ half: "f16", float: "f32" });
  const { half, float } = layout.decode(layout.encode({ half: 1 / 3, float: 1 / 3 }));
  assert.deepEqual([half, float], [0.333251953125, Math.fround(1 / 3)]);
});

test("an error names the field, however deep it lies", () => {
  const point = struct({ x: "i8", y: "i8" });
  const layout = struct({ name: char(4), path: array(struct({ ends: array(point, 2) }), 2), hash: bytes(2) });
  const good = layout.decode(new Uint8Array(layout.size));
  const bad = (path: unknown): unknown => ({ ...good, path });
  const ends = (y: unknown): unknown => ({ ends: [{ x: 1, y: 1 }, { x: 1, y }] });
  for (
    const [record, name, message] of [
      [5, "TypeError", /^the record must be an object: received 5$/],
      [null, "TypeError", /^the record must be an object/],
      [{}, "TypeError", /^field 'name' must be a string: received undefined$/],
      [{ ...good, name: "abcde" }, "RangeError", /^field 'name' has room for 4 bytes, not for 5: /],
      [{ ...good, hash: new Uint8Array(3) }, "RangeError", /^field 'hash' has room for 2 bytes, not for 3: /],
      [{ ...good, hash: [1, 2] }, "TypeError", /^field 'hash' must be a Uint8Array/],
      [bad("ab"), "TypeError", /^field 'path' must be an array/],
      [bad([ends(1)]), "RangeError", /^field 'path' must be an array of 2/],
      [bad([ends(1), 7]), "TypeError", /^field 'path\[1\]' must be an object: received 7$/],
      [
        bad([ends(1), ends(128)]),
        "RangeError",
        /^field 'path\[1\]\.ends\[1\]\.y' must be a whole number from -128 to 127: received 128$/,
      ],
      [bad([ends(1), ends("1")]), "TypeError", /^field 'path\[1\]\.ends\[1\]\.y' must be a whole number /],
    ] as const
  ) {
    assert.throws(() => layout.encode(record as typeof good), { name, message });
  }
});

test("bad layouts are refused", () => {
  assert.throws(() => struct({}), /^TypeError: struct: a record must have a field/);
  for (const field of ["u24", "__proto__", "toString", 5, null, undefined, {}, { type: "array" }, []]) {
    assert.throws(() => struct({ a: field as "u8" }), { name: "TypeError", message: /^struct: / });
  }
  assert.throws(() => struct({ a: { type: "char", size: 1.5 } }), RangeError);
  assert.throws(() => struct({ a: { type: "array", field: "u8", length: 0 } }), RangeError);
  assert.throws(
    () => struct({ a: { type: "array", field: "u9" as "u8", length: 1 } }),
    /field 'a\[\]' must be/,
  );
  assert.throws(() => struct(JSON.parse('{"__proto__": "u8"}')), /can't be named/);
  assert.throws(() => struct(5 as unknown as { a: "u8" }), TypeError);
  assert.throws(() => struct({ a: "u8" }, { pack: true } as object), /no option "pack"/);
  for (const make of [char, bytes, (size: number): Field => array("u8", size)]) {
    for (const size of [0, -1, 1.5, NaN]) assert.throws(() => make(size), RangeError);
    assert.throws(() => make("1" as unknown as number), TypeError);
  }
});

test("bytes that a record is decoded from must be there", () => {
  const layout = struct({ id: "u32" });
  assert.deepEqual(layout.decode(Uint8Array.of(0, 1, 0, 0, 0), 1), { id: 1 });
  assert.throws(() => layout.decode(new Uint8Array(4), 1), RangeError);
  assert.throws(() => layout.decode(new Uint8Array(4), -1), RangeError);
  const part = new Uint8Array(100).subarray(30, 60); // behind it there are more bytes
  for (const field of [char(40), bytes(40), array(bytes(20), 2)]) {
    for (const offset of [0, 29, 30, 2 ** 53 - 1]) {
      assert.throws(() => struct({ field }).decode(part, offset), /40 bytes .* past the end of the 30 bytes/);
    }
  }
  assert.throws(() => layout.decode(new Uint8Array(4), "0" as unknown as number), TypeError);
  assert.throws(
    () => layout.decode(new DataView(new ArrayBuffer(4)) as unknown as Uint8Array<ArrayBuffer>),
    TypeError,
  );
});

test("text of any size is UTF-8 up to the first NUL", () => {
  const sizes = fc.constantFrom(1, 2, 31, 32, 33, 100);
  const letters = fc.constantFrom("a", "z", " ", "\x7f", "ü", "€", "𝄞", "\0");
  fc.assert(
    fc.property(sizes, fc.array(letters, { maxLength: 100 }), (size, letters) => {
      const layout = struct({ before: "u8", text: char(size), after: "u8" });
      const bytes = Buffer.from(letters.join("")).subarray(0, size); // perhaps in the middle of a letter
      using region = MappedRegion.anonymous(layout.size);
      region.fill(0xff);
      region.write(1, Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]));
      const end = bytes.indexOf(0);
      const expected = bytes.toString("utf8", 0, end === -1 ? bytes.length : end);
      const records = region.records(layout);
      assert.equal(records.get(0).text, expected);
      assert.equal(records.column("text").get(0), expected);
      // Stored again, it takes its own bytes, and all of them.
      const text = letters.join("");
      if (Buffer.byteLength(text) > size) return assert.throws(() => records.column("text").set(0, text));
      records.column("text").set(0, text);
      const after = Buffer.concat([Buffer.of(0xff), Buffer.alloc(size), Buffer.of(0xff)]);
      after.write(text, 1);
      assert.deepEqual(Buffer.from(region.read(0, region.length)), after);
    }),
    { numRuns: 500 },
  );
});
