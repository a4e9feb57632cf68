// Records lie as C lays them out, and read back as they were stored.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import * as z from "zod/mini";
import {
  array,
  bytes,
  char,
  type Column,
  MappedRegion,
  type RecordOf,
  type Records,
  RegionClosedError,
  struct,
} from "../mod.ts";
import {
  compiled,
  guardOnly,
  needsC,
  PAGE,
  root,
  run,
  runtimeName,
  temporaryDirectory,
  where,
} from "./helpers/mod.ts";

const FIELDS = {
  kind: "u8",
  id: "u64",
  delta: "i16",
  ratio: "f32",
  name: char(5),
  price: "f64",
  when: "i64",
  hash: bytes(3),
} as const;

const loose = struct(FIELDS);
const tight = struct(FIELDS, { packed: true });

describe("a file that a C program wrote", () => {
  function assertRecords(path: string): void {
    using file = MappedRegion.open(path);
    assert.equal(file.length, 100 * (loose.size + tight.size));
    const lists = [
      file.records(loose, { count: 100 }),
      file.records(tight, { offset: 100 * loose.size }),
    ];
    for (const list of lists) {
      assert.equal(list.length, 100);
      let i = 0;
      for (const record of list) {
        assert.deepEqual(record, {
          kind: i * 3 & 0xff,
          id: 2n ** 64n - 1n - BigInt(i),
          delta: -i * 300 << 16 >> 16,
          ratio: i / 4,
          name: i % 2 === 1 ? "abcde" : "x",
          price: i * 1.25e10,
          when: BigInt(-i) * 1000000000000n,
          hash: new Uint8Array(3).fill(i),
        });
        i++;
      }
      assert.equal(i, 100);
      assert.deepEqual([...list.column("ratio")], Array.from({ length: 100 }, (_, index) => index / 4));
    }
  }

  test("reads back field by field", () => {
    assertRecords(join(root, "tests/fixtures/records.bin"));
  });

  test("reads back when this machine's compiler lays it out", needsC, () => {
    using program = compiled("tests/fixtures/records.c");
    using directory = temporaryDirectory();
    const path = join(directory.path, "records.bin");
    writeFileSync(path, spawnSync(program.path).stdout);
    assertRecords(path);
  });
});

const record: fc.Arbitrary<RecordOf<typeof loose>> = fc.record({
  kind: fc.integer({ min: 0, max: 255 }),
  id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  delta: fc.integer({ min: -32768, max: 32767 }),
  ratio: fc.float(),
  name: fc.constantFrom("", "a", "ü€", "abcde"),
  price: fc.double(),
  when: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  hash: fc.uint8Array({ minLength: 3, maxLength: 3 }),
}, { noNullPrototype: true });

test("what is stored is read back, whole and by columns", () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 8 }),
      fc.record({ packed: fc.boolean(), littleEndian: fc.boolean() }),
      fc.integer({ min: 0, max: 5 }),
      (list, options, offset) => {
        const layout = struct(FIELDS, options);
        using region = MappedRegion.anonymous(offset + list.length * layout.size + layout.size - 1);
        const records = region.records(layout, { offset });
        assert.equal(records.length, list.length);
        list.forEach((each, index) => records.set(index, each));
        assert.deepEqual([...records], list);
        for (const name of ["kind", "id", "delta", "ratio", "name", "price", "when", "hash"] as const) {
          assert.deepEqual([...records.column(name)], list.map((each) => each[name]));
        }
        // A column's store changes its own bytes only.
        const before = region.read(0, region.length);
        records.column("delta").set(0, 0x1234);
        const after = region.read(0, region.length);
        const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
        const first = offset + layout.offsets.delta;
        assert(changed.every((at) => at >= first && at < first + 2));
        assert.equal(records.get(0).delta, 0x1234);
      },
    ),
  );
});

test("a schema checks every record that is read", () => {
  const layout = struct({ age: "u8", name: char(7) });
  const schema = z.object({ age: z.int().check(z.lte(150)), name: z.string().check(z.minLength(1)) });
  using region = MappedRegion.anonymous(2 * layout.size);
  const records = region.records(layout, { schema });
  records.set(0, { age: 36, name: "Ada" });
  assert.deepEqual(records.get(0), { age: 36, name: "Ada" });
  assert.throws(() => records.get(1), { name: /^\$?Zod/ });
  assert.throws(() => [...records], { name: /^\$?Zod/ });
});

test("a schema that closes the region ends the iteration", () => {
  const layout = struct({ age: "u8" });
  const region = MappedRegion.anonymous(4);
  const schema = {
    parse(value: unknown): unknown {
      region.close();
      return value;
    },
  };
  assert.throws(() => [...region.records(layout, { schema })], RegionClosedError);
});

test("bad options, indexes and values are refused", () => {
  const layout = struct({ count: "u32", id: "u64", name: char(4) });
  using region = MappedRegion.anonymous(3 * layout.size);
  assert.throws(() => region.records({} as typeof layout), TypeError);
  assert.throws(() => region.records(layout, { count: 4 }), RangeError);
  assert.throws(() => region.records(layout, { count: -1 }), RangeError);
  assert.throws(
    () => region.records(layout, { schema: {} as z.core.$ZodType & { parse(): void } }),
    TypeError,
  );
  const records = region.records(layout);
  for (const index of [3, -1, 0.5]) assert.throws(() => records.get(index), RangeError);
  const good = { count: 1, id: 1n, name: "abcd" };
  assert.throws(
    () => records.set(0, { ...good, count: 1n as unknown as number }),
    /field 'count' must be a whole number/,
  );
  assert.throws(() => records.set(0, { ...good, id: 1 as unknown as bigint }), /field 'id' must be a bigint/);
  assert.throws(() => records.set(0, { ...good, name: "abcde" }), RangeError);
  assert.throws(() => records.set(3, good), RangeError);
  assert.throws(() => records.column("x" as "id"), /no field 'x'/);
  assert(region.bytes.every((byte) => byte === 0));
});

test("closing, resizing and protecting are noticed", () => {
  const layout = struct({ id: "u64" });
  const region = MappedRegion.anonymous(2 * MappedRegion.pageSize);
  const records = region.records(layout);
  const column = records.column("id");
  column.set(1, 5n);
  region.resize(16);
  assert.deepEqual([records.length, column.length, column.get(1)], [2, 2, 5n]);
  region.protect("read");
  assert.throws(() => records.set(0, { id: 1n }), { code: "EACCES" });
  region.close();
  for (const use of [() => records.get(0), () => column.get(0), () => records.length, () => [...column]]) {
    assert.throws(use, RegionClosedError);
  }
});

test("a lost page is noticed", guardOnly, () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, Buffer.alloc(2 * MappedRegion.pageSize));
  using file = MappedRegion.open(path);
  truncateSync(path, 0);
  assert.throws(() => file.records(struct({ id: "u64" })).get(0), { code: "EFAULT" });
});

test("a page stays lost to fields of every kind, and the pages around it can be used", guardOnly, () => {
  using directory = temporaryDirectory();
  for (
    const field of [char(8), char(64), bytes(16), bytes(128), array(bytes(64), 2), struct({ all: bytes(64) })]
  ) {
    const layout = struct({ field });
    const path = join(directory.path, "file");
    writeFileSync(path, Buffer.alloc(3 * PAGE, "A"));
    using file = MappedRegion.open(path, { access: "read-write" });
    truncateSync(path, PAGE);
    assert.throws(() => file.read(PAGE, 1), { code: "EFAULT" });
    truncateSync(path, 0);
    writeFileSync(path, Buffer.alloc(3 * PAGE, "B"));
    const records = file.records(layout);
    const column = records.column("field");
    const each = PAGE / layout.size;
    for (const good of [2 * each, 0, 3 * each - 1, each - 1]) {
      const record = records.get(good);
      assert.deepEqual(column.get(good), record.field);
      assert.deepEqual([...new Set(layout.encode(record))], [66]);
      records.set(good, record);
      column.set(good, record.field);
      for (const lost of [each, 2 * each - 1]) {
        const uses = [
          () => records.get(lost),
          () => column.get(lost),
          () => records.set(lost, record),
          () => column.set(lost, record.field),
        ];
        for (const use of uses) assert.throws(use, { code: "EFAULT" });
        records.get(good); // the window is there again
      }
    }
  }
});

test("a column of numbers or bools holds what was stored, in both byte orders", () => {
  const fields = {
    u8: [0, 255],
    i8: [-128, 127],
    u16: [0x1234, 2 ** 16 - 1],
    i16: [-(2 ** 15), 0x1234],
    u32: [0x12345678, 2 ** 32 - 1],
    i32: [-(2 ** 31), 0x12345678],
    u64: [0x123456789abcdef0n, 2n ** 64n - 1n],
    i64: [-(2n ** 63n), 0x123456789abcdef0n],
    f16: [0.5, -2],
    f32: [0.5, 2 ** 100],
    f64: [Math.PI, -0],
    bool: [true, false],
  } as const;
  for (const littleEndian of [true, false]) {
    for (const [name, values] of Object.entries(fields)) {
      const layout = struct({ before: "u8", it: name as "u8" }, { littleEndian, packed: true });
      using region = MappedRegion.anonymous(1 + 1000 * layout.size);
      const column = region.records(layout, { offset: 1 }).column("it");
      const value = (index: number): number => values[index & 1] as number;
      for (let index = 0; index < 1000; index++) column.set(index, value(index));
      const odd = layout.encode({ before: 0, it: value(1) });
      const even = layout.encode({ before: 0, it: value(0) });
      const all = Buffer.concat([Buffer.alloc(1), ...Array.from({ length: 500 }, () => [even, odd]).flat()]);
      assert.deepEqual(region.read(0, region.length), new Uint8Array(all), name);
      for (let index = 0; index < 1000; index++) assert(Object.is(column.get(index), value(index)), name);
      for (const index of [1000, -1, 0.5, NaN, 2 ** 32, 2 ** 60]) {
        assert.throws(() => column.get(index), RangeError);
        assert.throws(() => column.set(index, value(0)), RangeError);
      }
      for (const index of ["0", 0n, { valueOf: () => 0 }, null] as never[]) {
        assert.throws(() => column.get(index), TypeError);
        assert.throws(() => column.set(index, value(0)), TypeError);
      }
      assert.deepEqual(region.read(0, region.length), new Uint8Array(all), name);
    }
  }
});

test("compiled code notices a lost page at the very record that is stored to it", guardOnly, () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  const size = 2 ** 20;
  const layout = struct({ id: "f64", amount: "u32" });
  type List = Records<{ id: "f64"; amount: "u32" }>;
  const loops: readonly ((records: List, from: number) => number)[] = [
    (records, from) => {
      const column = records.column("amount");
      return until((index) => column.set(index, 1), from);
    },
    (records, from) => until((index) => records.set(index, { id: 1, amount: 1 }), from),
  ];
  const until = (set: (index: number) => void, from: number): number => {
    let index = from;
    try {
      for (; index < size / layout.size; index++) set(index);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "EFAULT");
    }
    return index;
  };
  for (const loop of loops) {
    const open = (): MappedRegion => MappedRegion.open(path, { access: "read-write", create: true, size });
    {
      using region = open();
      for (let round = 0; round < 20; round++) loop(region.records(layout), 0);
    }
    using region = open();
    truncateSync(path, size / 2);
    const lost = size / 2 / layout.size;
    assert.equal(loop(region.records(layout), 0), lost);
    assert.equal(loop(region.records(layout), lost + 1), lost + 1);
    assert.equal(region.records(layout).get(lost - 1).amount, 1);
  }
});

test("compiled code notices a lost page at the very record that lies in it", guardOnly, () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  const size = 2 ** 22;
  const layout = struct({ id: "f64", amount: "u32" });
  const sum = (column: Column<number>, from: number): [sum: number, index: number] => {
    let [sum, index] = [0, from];
    try {
      for (; index < column.length; index++) sum += column.get(index);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "EFAULT");
    }
    return [sum, index];
  };
  const open = (): MappedRegion => MappedRegion.open(path, { access: "read-write", create: true, size });
  {
    using region = open();
    const column = region.records(layout).column("amount");
    for (let round = 0; round < 20; round++) assert.deepEqual(sum(column, 0), [0, size / layout.size]);
  }
  using region = open();
  const column = region.records(layout).column("amount");
  truncateSync(path, size / 2);
  const lost = size / 2 / layout.size;
  assert.deepEqual(sum(column, 0), [0, lost]);
  assert.deepEqual(sum(column, lost + 1), [0, lost + 1]);
  assert.equal(column.get(lost - 1), 0);
});

describe("records of numbers that are stored often", () => {
  const NAMES = ["u8", "i16", "u32", "i64", "u64", "f32", "f64", "bool"] as const;
  const values = {
    u8: 200,
    i16: -5,
    u32: 2 ** 32 - 1,
    i64: -(2n ** 63n),
    u64: 2n ** 64n - 1n,
    f32: 0.5,
    f64: Math.PI,
    bool: true,
  };

  test("are stored as they are encoded, with zeros between their fields", () => {
    const options = fc.record({ packed: fc.boolean(), littleEndian: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 8 }),
        options,
        (names, options) => {
          const layout = struct(
            Object.fromEntries(names.map((name, index) => [`${name} ${index}`, name])),
            options,
          );
          const record = Object.fromEntries(
            names.map((name, index) => [`${name} ${index}`, values[name]]),
          ) as never;
          using region = MappedRegion.anonymous(300 * layout.size);
          const records = region.records(layout);
          region.fill(0xff);
          for (let index = 0; index < 300; index++) records.set(index, record);
          assert.deepEqual(
            region.read(0, region.length),
            new Uint8Array(Buffer.alloc(region.length, layout.encode(record))),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  const layout = struct({ first: "u32", second: "f64" });
  const often = (records: Records<{ first: "u32"; second: "f64" }>): void => {
    for (let use = 0; use < 1000; use++) records.set(use % records.length, { first: use, second: use });
  };

  test("are read once each, whatever comes of it", () => {
    using region = MappedRegion.anonymous(10 * layout.size);
    const records = region.records(layout);
    often(records);
    for (
      const [index, value, error] of [[0, 1, undefined], [0, -1, RangeError], [10, 1, RangeError], [
        0,
        "1",
        TypeError,
      ]] as const
    ) {
      let reads = 0;
      const record = {
        get first(): never {
          reads++;
          return value as never;
        },
        second: 1,
      };
      if (error === undefined) records.set(index, record);
      else assert.throws(() => records.set(index, record), error);
      assert.equal(reads, 1);
    }
  });

  test("are not stored if a property closes the region, or protects it", () => {
    const region = MappedRegion.anonymous(10 * layout.size);
    const records = region.records(layout);
    often(records);
    const kept = region.read(0, region.length);
    const acting = (act: () => void): { first: number; second: number } => ({
      get first(): number {
        act();
        return 1;
      },
      second: 1,
    });
    assert.throws(() => records.set(0, acting(() => region.protect("read"))), { code: "EACCES" });
    assert.deepEqual(region.read(0, region.length), kept);
    region.protect("read-write");
    records.set(0, { first: 1, second: 1 });
    assert.throws(() => records.set(0, acting(() => region.close())), RegionClosedError);
  });

  test("are stored where they belong though a property moves the window over them", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    const records = region.records(layout, { offset: PAGE });
    often(records);
    const kept = Buffer.from(region.read(0, region.length));
    records.set(5, {
      get first(): number {
        region.protect("none", { offset: 0, length: PAGE });
        assert.equal(records.get(0).second, records.column("second").get(0));
        return 1;
      },
      second: 2,
    });
    region.protect("read-write");
    kept.set(layout.encode({ first: 1, second: 2 }), PAGE + 5 * layout.size);
    assert.deepEqual(region.read(0, region.length), new Uint8Array(kept));
  });

  test("tell of a page that was lost", guardOnly, () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const size = 2 ** 20;
    using region = MappedRegion.open(path, { access: "read-write", create: true, size });
    const records = region.records(layout);
    for (let round = 0; round < 5; round++) often(records);
    truncateSync(path, size / 2);
    const lost = size / 2 / layout.size;
    for (let index = 0; index < lost; index++) records.set(index, { first: 1, second: 1 });
    for (let index = lost; index < lost + 1000; index++) {
      assert.throws(() => records.set(index, { first: 1, second: 1 }), { code: "EFAULT" });
    }
    records.set(0, { first: 7, second: 7 });
    assert.equal(records.get(0).first, 7);
  });
});

const notBun = where(() => runtimeName !== "bun", "Bun has no such flag");

test("where no code may be made from strings, records are read and stored all the same", notBun, () => {
  const flag = "--disallow-code-generation-from-strings";
  const { status, stdout, stderr } = run(
    `
    import { array, char, MappedRegion, struct } from "../../mod.ts";
    const layout = struct({ id: "u64", name: char(6), inner: struct({ list: array("i16", 2) }) });
    using region = MappedRegion.anonymous(1000 * layout.size);
    const records = region.records(layout);
    let right = 0;
    for (let index = 0; index < 1000; index++) {
      const record = { id: BigInt(index), name: "größe", inner: { list: [index, -index] } };
      records.set(index, { ...record, name: "größ" });
      if (records.get(index).inner.list[1] === -index && records.get(index).name === "größ") right++;
    }
    let made = "no code";
    try { made = new Function("return 'code'")(); } catch {}
    console.log(right, made);
    `,
    { nodeFlags: ["--disable-warning=ExperimentalWarning", flag], permissions: ["-A", `--v8-flags=${flag}`] },
  );
  assert.deepEqual({ status, stderr, stdout }, { status: 0, stderr: "", stdout: "1000 no code\n" });
});
