// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Programs that meddle with numbers and records: their own getters, replaced methods, work in flight. */
import { Buffer } from "node:buffer";
import { closeSync, openSync, write } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { array, bytes, char, MappedRegion, struct } from "../../../mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { file, outcome, type Programs } from "../support.ts";

const point = struct({ x: "f32", y: "f32" });
const FIELDS = {
  id: "u32",
  name: char(40),
  short: char(4),
  hash: bytes(4),
  at: point,
  list: array("u16", 3),
  wide: "u64",
} as const;
const layout = struct(FIELDS);
const RECORD = {
  id: 1,
  name: "größer",
  short: "abcd",
  hash: Uint8Array.of(1, 2, 3, 4),
  at: { x: 1, y: 2 },
  list: [1, 2, 3],
  wide: 5n,
};

/** Uses a layout so often that functions are made for it. */
function useOften(own: typeof layout): void {
  for (let use = 0; use < 200; use++) own.decode(new Uint8Array(own.size));
}

/** Uses all that a cursor, records and columns have. */
function useAll(region: MappedRegion): void {
  const records = region.records(layout);
  for (let round = 0; round < 2; round++) {
    records.set(round, RECORD);
    records.get(round);
    for (const name of ["id", "name", "short", "hash", "at", "list", "wide"] as const) {
      const column = records.column(name);
      column.set(round, RECORD[name] as never);
      column.get(round);
    }
    const cursor = region.cursor(1000);
    for (
      const number of ["U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"] as const
    ) {
      cursor[`write${number}`]((number.endsWith("64") && number !== "F64" ? 1n : 1) as never);
      cursor.seek(1000);
      cursor[`read${number}`]();
    }
    cursor.writeBool(true);
    cursor.writeVarint(300);
    cursor.writeLine("größer");
    cursor.writeCString("größer");
    cursor.writePrefixedString("größer");
    cursor.write(Uint8Array.of(1, 2, 3));
    cursor.seek(1000);
    cursor.readBool();
    cursor.readVarint();
    cursor.readLine();
    cursor.readCString();
    cursor.readPrefixedString();
    cursor.readString(5);
    cursor.read(5);
  }
}

/** Replaces the methods of built-in classes by ones that collect the buffers they see; puts the old ones back. */
function collecting(work: () => void): Set<ArrayBuffer> {
  const seen = new Set<ArrayBuffer>();
  const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
  const { isView } = ArrayBuffer;
  const add = (value: unknown): void => {
    if (isView(value) && value.buffer instanceof ArrayBuffer) seen.add(value.buffer);
    else if (value instanceof ArrayBuffer) seen.add(value);
  };
  const undo: (() => void)[] = [];
  const classes = [
    DataView.prototype,
    Object.getPrototypeOf(Uint8Array.prototype) as object,
    Uint8Array.prototype,
    ArrayBuffer.prototype,
    Buffer.prototype as object,
    TextDecoder.prototype,
  ];
  for (const prototype of classes) {
    for (const key of ownKeys(prototype)) {
      const descriptor = getOwnPropertyDescriptor(prototype, key);
      const method: unknown = descriptor?.value;
      if (key === "constructor" || typeof method !== "function" || descriptor?.configurable !== true) {
        continue;
      }
      const replaced = function (this: unknown, ...values: unknown[]): unknown {
        add(this);
        values.forEach(add);
        return apply(method, this, values);
      };
      defineProperty(prototype, key, { ...descriptor, value: replaced });
      undo.push(() => defineProperty(prototype, key, descriptor));
    }
  }
  try {
    work();
  } finally {
    for (const each of undo) each();
  }
  return seen;
}

export const programs: Programs = {
  /** Replaces every method that could be given the library's own memory: closing detaches that, and no copy. */
  methodsReplaced() {
    const region = MappedRegion.anonymous(2 * PAGE);
    const seen = collecting(() => {
      useAll(region);
      useOften(layout);
      useAll(region);
    });
    region.close();
    const detached = [...seen].filter((buffer) => buffer.detached).length;
    return [seen.size > 0, detached];
  },

  /** Puts other methods into a layout, and into all of them. */
  decodeAssigned() {
    using region = MappedRegion.anonymous(PAGE);
    const mine = struct({ id: "u32", name: char(40) });
    let calls = 0;
    const own = (): never => {
      calls++;
      throw new EvalError("called");
    };
    const prototype = Object.getPrototypeOf(mine) as object;
    Object.assign(mine, { decode: own, encode: own });
    Object.assign(prototype, { decode: own, encode: own, read: own, write: own });
    const records = region.records(mine);
    records.set(1, { id: 7, name: "x" });
    return [records.get(1), records.column("id").get(1), calls];
  },

  /** Puts getters that close the region into the bytes of a record: they aren't asked. */
  gettersOfBytes() {
    using region = MappedRegion.anonymous(PAGE);
    const records = region.records(layout);
    const hash = RECORD.hash.slice();
    for (const name of ["length", "byteLength", "byteOffset", "buffer"]) {
      Object.defineProperty(hash, name, { get: () => region.close() });
    }
    records.set(0, { ...RECORD, hash });
    records.column("hash").set(1, hash);
    return [[...records.get(0).hash], [...records.get(1).hash], region.closed];
  },

  /** Closes the region in the getters of a record, and of what is in it: nothing is stored, then or later. */
  getters() {
    const closing = (place: object, name: string, close: () => void): void => {
      const value = Reflect.get(place, name) as unknown;
      Object.defineProperty(place, name, { enumerable: true, get: () => (close(), value) });
    };
    const cases: Readonly<Record<string, (record: typeof RECORD, close: () => void) => void>> = {
      number: (record, close) => closing(record, "id", close),
      last: (record, close) => closing(record, "wide", close),
      within: (record, close) => closing(record.at, "y", close),
      element: (record, close) => closing(record.list, "2", close),
    };
    return ["at first", "often"].flatMap((times) =>
      Object.entries(cases).map(([name, meddle]) => {
        const path = file(1);
        const region = MappedRegion.open(path, { access: "read-write" });
        const record = { ...RECORD, at: { ...RECORD.at }, list: [...RECORD.list], hash: RECORD.hash.slice() };
        meddle(record, () => region.close());
        const own = struct(FIELDS);
        if (times === "often") useOften(own);
        const records = region.records(own);
        records.get(0); // with a window now
        const thrown = outcome(() => records.set(0, record));
        using after = MappedRegion.open(path);
        return [name, thrown, after.count("A") / PAGE];
      })
    );
  },

  /** Reads each property once, and stores another record from a getter of the first. */
  nested() {
    using region = MappedRegion.anonymous(PAGE);
    const small = struct({ a: "u8", b: "u8", c: "u8" });
    const records = region.records(small);
    return [0, 200].map((uses) => {
      for (let use = 0; use < uses; use++) small.decode(new Uint8Array(3));
      region.fill(0);
      let reads = 0;
      const inner = (): number => (records.set(1, { a: 7, b: 8, c: 9 }), ++reads);
      records.set(0, {
        a: 1,
        get b() {
          return inner();
        },
        c: 3,
      });
      // In another order than the layout's, and with more than it has.
      const other = { c: 6, z: 0, a: 4, b: 5 };
      records.set(2, other);
      return [[...region.read(0, 9)], reads];
    });
  },

  /** Throws in the middle of a record: the next one is whole. */
  throwing() {
    using region = MappedRegion.anonymous(PAGE);
    const own = struct(FIELDS);
    const records = region.records(own);
    return ["at first", "often"].map((times) => {
      if (times === "often") useOften(own);
      region.fill(0);
      const thrown = outcome(() =>
        records.set(0, {
          ...RECORD,
          get list(): number[] {
            throw new EvalError("mine");
          },
        })
      );
      const untouched = region.read(0, own.size).every((byte) => byte === 0);
      records.set(0, RECORD);
      return [thrown, untouched, records.get(0).list];
    });
  },

  /** Has names in a layout that would be code where they were put into code as they are. */
  names() {
    const name = "x\"]; globalThis.found = 1; //\n\u2028${globalThis.found = 2}`'";
    const own = struct({ [name]: "u8", "constructor": "u8", "1": "u8", "a b": array("u8", 2) });
    using region = MappedRegion.anonymous(PAGE);
    const records = region.records(own);
    const record = { [name]: 1, "constructor": 2, "1": 3, "a b": [4, 5] };
    for (let use = 0; use < 300; use++) records.set(use % 9, record);
    return [
      Object.entries(records.get(8)).map(([key, value]) => [key === name ? "name" : key, value]),
      Reflect.get(globalThis, "found") === undefined,
    ];
  },

  /** Sets on the prototype of all objects what would be options. */
  polluted() {
    struct({ a: "u8" }, {}); // later zod can't make its schemas any more: it lists what is there among its own
    {
      using region = MappedRegion.anonymous(1);
      region.records(struct({ a: "u8" }), {});
    }
    const options = {
      packed: true,
      littleEndian: false,
      offset: 1,
      count: 1,
      schema: { parse: () => "mine" },
    };
    Object.assign(Object.prototype, options);
    try {
      const mine = struct({ a: "u8", b: "u32" }, {});
      using region = MappedRegion.anonymous(64);
      const records = region.records(mine, {});
      records.set(0, { a: 1, b: 2 });
      return [mine.size, records.length, records.get(0).b, region.read(0, 5)[4]];
    } finally {
      for (const name of Object.keys(options)) Reflect.deleteProperty(Object.prototype, name);
    }
  },

  /** Closes a region while native work on its bytes is under way, which keeps Bun from detaching them. */
  async inFlight() {
    const path = file(1);
    const region = MappedRegion.open(path, { access: "read-write", size: 2 ** 26 });
    region.fill(65);
    const cursor = region.cursor();
    const records = region.records(struct({ id: "u32" }));
    const column = records.column("id");
    const uses: (() => unknown)[] = [
      () => cursor.readU32(),
      () => cursor.writeU32(1),
      () => column.get(0),
      () => column.set(0, 1),
      () => records.get(0).id,
      () => records.set(0, { id: 1 }),
    ];
    for (let round = 0; round < 1e4; round++) {
      cursor.seek(0);
      if (cursor.readU32() !== 0x41414141 || column.get(9) !== 0x41414141) return "wrong";
    }
    const fd = openSync(join(dirname(path), "copy"), "w");
    const written = promisify(write)(fd, region.bytes);
    region.close();
    const found = uses.map((use) => outcome(use));
    const { bytesWritten } = await written;
    closeSync(fd);
    return [...new Set(found), bytesWritten === 2 ** 26];
  },
};
