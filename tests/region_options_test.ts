// Bad input is refused before a system call, by an error that names it, and loses nothing.
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  type AnonymousOptions,
  type CloseOptions,
  type CopyOptions,
  type DescriptorOptions,
  type DiscardOptions,
  type FlushSyncOptions,
  type LinesOptions,
  mapFile,
  type MapOptions,
  MappedRegion,
  type MapRequest,
  type OpenOptions,
  type PrefaultOptions,
  type Range,
  RegionClosedError,
  type ResizeOptions,
  type StreamOptions,
  type TextOptions,
  type WindowsOptions,
} from "../mod.ts";
import * as libc from "../ffi/mod.ts";
import { descriptors, PAGE, temporaryDirectory } from "./helpers/mod.ts";

/** An object that would be a number if it were asked. */
const coerced = { valueOf: () => 1, toString: () => "1" };

/** What each kind of option refuses: values of the wrong type, and numbers out of range. */
const WRONG = {
  bytes: {
    types: ["1", 1n, true, {}, [], coerced, null],
    ranges: [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53],
  },
  flag: { types: ["true", 1, 0, {}, [], null], ranges: [] },
  word: { types: ["", "reads", 1, {}, [], null, true], ranges: [] },
  address: { types: [4096, "4096", {}, null], ranges: [-1n, 2n ** 63n, 2n ** 64n + 4096n] },
  int: { types: ["1", 1n, {}, null], ranges: [2 ** 31, -(2 ** 31) - 1, 0.5, NaN, Infinity] },
  mode: { types: ["0644", null, {}], ranges: [-1, 0o10000, 0.5, NaN] },
  needle: { types: [1n, true, {}, [], coerced, null], ranges: [-1, 256, 0.5, NaN, Infinity] },
} as const;

type Kind = keyof typeof WRONG;

/** A kind for every option there is: a new one that has none doesn't compile. */
type All<Options> = Readonly<Record<keyof Options, Kind>>;

const MAP = {
  populate: "flag",
  lock: "flag",
  reserve: "flag",
  address: "address",
  placement: "word",
  capacity: "bytes",
} as const satisfies All<MapOptions>;
const RANGE = { offset: "bytes", length: "bytes" } as const satisfies All<Range>;
const DESCRIPTOR = {
  ...MAP,
  ...RANGE,
  access: "word",
  size: "bytes",
  sparse: "flag",
  guard: "flag",
} as const satisfies All<DescriptorOptions>;

interface Door {
  /** Calls it with options that are right but for one. */
  call(options: unknown, path: string): unknown;
  readonly options: Readonly<Record<string, Kind>>;
  /** Options that must be there. */
  readonly rest?: Readonly<Record<string, unknown>>;
}

/** A door that is a method: calls it on a region of two pages, with the options behind other arguments. */
function onRegion(
  method: (region: MappedRegion) => (...values: never[]) => unknown,
  ...before: unknown[]
): Door["call"] {
  return (options) => {
    using region = MappedRegion.anonymous(2 * PAGE);
    return Reflect.apply(method(region), region, [...before, options]);
  };
}

const DOORS: Readonly<Record<string, Door>> = {
  "MappedRegion.open": {
    call: (options, path) => Reflect.apply(MappedRegion.open, MappedRegion, [path, options]),
    options: { ...DESCRIPTOR, create: "flag", exclusive: "flag", mode: "mode" } satisfies All<OpenOptions>,
  },
  "MappedRegion.fromDescriptor": {
    call: (options, path) => {
      const fd = openSync(path, "r");
      try {
        return Reflect.apply(MappedRegion.fromDescriptor, MappedRegion, [fd, options]);
      } finally {
        closeSync(fd);
      }
    },
    options: DESCRIPTOR,
  },
  "MappedRegion.anonymous": {
    call: (options) => Reflect.apply(MappedRegion.anonymous, MappedRegion, [PAGE, options]),
    options: {
      ...MAP,
      shared: "flag",
      protection: "word",
      hugePages: "word",
      stack: "flag",
      growsDown: "flag",
    } satisfies All<AnonymousOptions>,
  },
  "MappedRegion.map": {
    call: (request) => Reflect.apply(MappedRegion.map, MappedRegion, [request]),
    options: {
      address: "address",
      length: "bytes",
      protection: "int",
      flags: "int",
      fd: "int",
      offset: "bytes",
    } satisfies All<MapRequest>,
    rest: { length: PAGE, protection: 1, flags: 0x22 },
  },
  "flushSync": {
    call: onRegion((region) => region.flushSync),
    options: { ...RANGE, invalidate: "flag", wait: "flag" } satisfies All<FlushSyncOptions>,
  },
  "text": {
    call: onRegion((region) => region.text),
    options: { ...RANGE, fatal: "flag" } satisfies All<TextOptions>,
  },
  "resize": {
    call: onRegion((region) => region.resize, 1),
    options: { file: "flag" } satisfies All<ResizeOptions>,
  },
  "close": { call: onRegion((region) => region.close), options: { now: "flag" } satisfies All<CloseOptions> },
  "windows": {
    call: onRegion((region) => region.windows),
    options: { ...RANGE, size: "bytes", dropBehind: "flag" } satisfies All<WindowsOptions>,
  },
  "stream": {
    call: onRegion((region) => region.stream),
    options: { ...RANGE, chunkSize: "bytes", dropBehind: "flag" } satisfies All<StreamOptions>,
  },
  "protect": { call: onRegion((region) => region.protect, "read"), options: RANGE },
  "advise": { call: onRegion((region) => region.advise, "normal"), options: RANGE },
  "discard": {
    call: onRegion((region) => region.discard),
    options: { ...RANGE, how: "word" } satisfies All<DiscardOptions>,
  },
  "prefault": {
    call: onRegion((region) => region.prefault),
    options: { ...RANGE, write: "flag" } satisfies All<PrefaultOptions>,
  },
  "lock": { call: onRegion((region) => region.lock), options: RANGE },
  "unlock": { call: onRegion((region) => region.unlock), options: RANGE },
  "fill": { call: onRegion((region) => region.fill, 1), options: RANGE },
  "count": { call: onRegion((region) => region.count, 1), options: RANGE },
  "copyTo": {
    call: onRegion((region) => region.copyTo, new Uint8Array(4 * PAGE)),
    options: { ...RANGE, at: "bytes" } satisfies All<CopyOptions>,
  },
  "mapFile": {
    call: (options, path) => Reflect.apply(mapFile, undefined, [path, options]),
    options: { ...DESCRIPTOR, create: "flag", exclusive: "flag", mode: "mode" } satisfies All<OpenOptions>,
  },
  "residency": { call: onRegion((region) => region.residency), options: RANGE },
  "lines": {
    call: onRegion((region) => region.lines),
    options: {
      ...RANGE,
      encoding: "word",
      reverse: "flag",
      fatal: "flag",
      finished: "flag",
      containing: "needle",
    } satisfies All<LinesOptions>,
  },
};

/** What this process has open and mapped of the files in a directory. */
function possessions(directory: string): string {
  const mapped = readFileSync("/proc/self/maps", "utf8").split("\n").filter((line) =>
    line.includes(directory)
  );
  return `${descriptors(directory)} descriptors, ${mapped.length} mappings of files`;
}

for (const [door, { call, options, rest = {} }] of Object.entries(DOORS)) {
  describe(door, () => {
    for (const [name, kind] of Object.entries(options)) {
      test(`refuses a wrong ${name}, and names it`, () => {
        using directory = temporaryDirectory();
        const path = join(directory.path, "file");
        writeFileSync(path, new Uint8Array(2 * PAGE));
        const before = possessions(directory.path);
        // hugePages is a word or a flag.
        const types = WRONG[kind].types.filter((value) => name !== "hugePages" || value !== true);
        for (const value of types) {
          assert.throws(() => call({ ...rest, [name]: value }, path), (error) => {
            assert(error instanceof TypeError, `${String(error)} for ${typeof value}`);
            assert(error.message.includes(`${door}: option '${name}' must be`), error.message);
            return true;
          });
        }
        for (const value of WRONG[kind].ranges) {
          assert.throws(() => call({ ...rest, [name]: value }, path), (error) => {
            assert(error instanceof RangeError, `${String(error)} for ${value}`);
            assert(error.message.includes(`option '${name}' must be`), error.message);
            assert(error.message.includes(String(value)), error.message);
            return true;
          });
        }
        assert.equal(possessions(directory.path), before);
      });
    }

    test("refuses options that it doesn't have, and what is no object", () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      writeFileSync(path, new Uint8Array(2 * PAGE));
      assert.throws(() => call({ ...rest, lenght: 1 }, path), /there is no option "lenght"/);
      for (const value of [null, 7, "read", true, 1n]) assert.throws(() => call(value, path), TypeError);
    });

    test("reads each option once", () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      writeFileSync(path, new Uint8Array(2 * PAGE));
      const reads: PropertyKey[] = [];
      const proxy = new Proxy({ ...rest, lenght: 1 }, {
        get(target, key): unknown {
          reads.push(key);
          return Reflect.get(target, key);
        },
      });
      assert.throws(() => call(proxy, path), TypeError);
      assert.deepEqual(reads, [...new Set(reads)]);
    });
  });
}

describe("an option that closes the region while it is read", () => {
  const methods: Readonly<Record<string, (region: MappedRegion, options: object) => unknown>> = {
    flushSync: (region, options) => region.flushSync(options),
    protect: (region, options) => region.protect("read", options),
    advise: (region, options) => region.advise("normal", options),
    discard: (region, options) => region.discard(options),
    prefault: (region, options) => region.prefault(options),
    lock: (region, options) => region.lock(options),
    unlock: (region, options) => region.unlock(options),
    residency: (region, options) => region.residency(options),
    lines: (region, options) => region.lines(options),
  };
  for (const [name, call] of Object.entries(methods)) {
    test(`gives RegionClosedError: ${name}`, () => {
      const region = MappedRegion.anonymous(PAGE);
      assert.throws(
        () =>
          call(region, {
            get offset() {
              region.close();
              return 0;
            },
          }),
        RegionClosedError,
      );
    });
  }
});

describe("options that need others", () => {
  for (
    const [what, options, needed] of [
      ["create", { create: true }, /'create' needs access "read-write"/],
      ["size", { size: 10 }, /'size' needs access "read-write"/],
      ["size", { size: 10, access: "copy-on-write" }, /'size' needs access "read-write"/],
      ["sparse", { sparse: true }, /'sparse' needs access "read-write"/],
      ["exclusive", { access: "read-write", exclusive: true }, /'exclusive' needs option 'create'/],
      ["mode", { access: "read-write", mode: 0o600 }, /'mode' needs option 'create'/],
      ["placement", { placement: "fixed" }, /'placement' needs option 'address'/],
    ] as const
  ) {
    test(`${what} is refused without: ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => MappedRegion.open("/nowhere", options),
        (error) => error instanceof TypeError && needed.test(error.message),
      );
    });
  }

  test("an address must be a multiple of the page size, and not 0n where it is meant", () => {
    assert.throws(() => MappedRegion.anonymous(PAGE, { address: 1n }), /multiple of the page size/);
    assert.throws(() => MappedRegion.anonymous(PAGE, { address: 0n, placement: "fixed" }), RangeError);
  });
});

describe("arguments by position", () => {
  const calls: Readonly<Record<string, (region: MappedRegion, value: never) => unknown>> = {
    "array: 'offset'": (region, value) => region.array(Uint8Array, value),
    "array: 'length'": (region, value) => region.array(Uint8Array, 0, value),
    "read: 'offset'": (region, value) => region.read(value, 1),
    "read: 'length'": (region, value) => region.read(0, value),
    "write: 'offset'": (region, value) => region.write(value, "x"),
    "resize: the length": (region, value) => region.resize(value),
    "MappedRegion.anonymous: the length": (_, value) => MappedRegion.anonymous(value),
    "MappedRegion.fromDescriptor: the descriptor": (_, value) => MappedRegion.fromDescriptor(value),
  };
  for (const [what, call] of Object.entries(calls)) {
    test(`are refused when they are no whole number: ${what}`, () => {
      using region = MappedRegion.anonymous(PAGE);
      const { bytes } = region;
      const apply = (value: unknown): unknown => Reflect.apply(call, undefined, [region, value]);
      for (const value of ["1", 1n, null, {}, [], coerced, true]) {
        assert.throws(
          () => apply(value),
          (error) => error instanceof TypeError && error.message.startsWith(what),
        );
      }
      for (const value of [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53]) {
        assert.throws(
          () => apply(value),
          (error) => error instanceof RangeError && error.message.startsWith(what),
        );
      }
      assert.equal(bytes.length, PAGE);
    });
  }

  test("may be -0, which is 0", () => {
    using region = MappedRegion.anonymous(100);
    region.fill(66, { offset: -0 });
    region.fill(-0, { length: 50 });
    region.write(-0, "A");
    assert.deepEqual([region.indexOf(-0), region.count(-0), region.text({ offset: -0, length: 1 })], [
      1,
      49,
      "A",
    ]);
    using raw = MappedRegion.map({
      length: 100,
      protection: -0,
      flags: libc.MAP_PRIVATE | libc.MAP_ANONYMOUS,
    });
    assert.equal(raw.protection, "none");
  });

  test("are refused past the end, however they are added up", () => {
    using region = MappedRegion.anonymous(100);
    const past = [[101, 0], [0, 101], [50, 51], [100, 1], [1, Number.MAX_SAFE_INTEGER], [
      Number.MAX_SAFE_INTEGER,
      Number.MAX_SAFE_INTEGER,
    ]] as const;
    for (const [offset, length] of past) {
      assert.throws(() => region.read(offset, length), RangeError);
      assert.throws(() => region.array(Uint8Array, offset, length), RangeError);
      for (
        const call of [
          () => region.flushSync({ offset, length }),
          () => region.protect("read", { offset, length }),
          () => region.advise("normal", { offset, length }),
          () => region.discard({ offset, length }),
          () => region.prefault({ offset, length }),
          () => region.lock({ offset, length }),
          () => region.unlock({ offset, length }),
          () => region.residency({ offset, length }),
        ]
      ) assert.throws(call, RangeError);
    }
    assert.throws(() => region.write(98, "abc"), RangeError);
    assert.deepEqual(region.read(98, 2), new Uint8Array(2));
  });

  test("that are no words are TypeErrors", () => {
    using region = MappedRegion.anonymous(PAGE);
    for (const value of [undefined, null, 1, "", "writes", {}]) {
      assert.throws(() => Reflect.apply(region.protect, region, [value]), TypeError);
      assert.throws(() => Reflect.apply(region.advise, region, [value]), TypeError);
    }
    for (
      const value of [
        undefined,
        null,
        1,
        "Uint8Array",
        {},
        DataView,
        Array,
        ArrayBuffer,
        class extends Uint8Array {},
      ]
    ) {
      assert.throws(() => Reflect.apply(region.array, region, [value]), TypeError);
    }
    for (const value of [undefined, null, 1, {}, [1], [new Uint8Array(1)]]) {
      assert.throws(() => Reflect.apply(region.write, region, [0, value]), TypeError);
    }
    for (const value of [undefined, null, 1, {}, new Date()]) {
      assert.throws(() => Reflect.apply(MappedRegion.open, MappedRegion, [value]), TypeError);
    }
  });
});
