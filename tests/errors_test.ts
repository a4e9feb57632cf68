// Errors name what the program called, what the kernel refused, and what to do about it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { type Access, MappedRegion, type MmapError, RegionClosedError } from "../mod.ts";
import { fails, guardOnly, PAGE, regionOf, run, testFile } from "./helpers/mod.ts";

/** Everything that reads bytes, under its own name. */
const READING: Readonly<Record<string, (region: MappedRegion) => unknown>> = {
  buffer: (region) => region.buffer,
  bytes: (region) => region.bytes,
  view: (region) => region.view,
  subarray: (region) => region.subarray(0, 1),
  array: (region) => region.array(Uint8Array),
  read: (region) => region.read(0, 1),
  text: (region) => region.text(),
  mismatch: (region) => region.mismatch(new Uint8Array(1)),
  copyTo: (region) => region.copyTo(new Uint8Array(region.length)),
  move: (region) => region.move(0, 1, 1),
  indexOf: (region) => region.indexOf("a"),
  lastIndexOf: (region) => region.lastIndexOf("a"),
  includes: (region) => region.includes("a"),
  count: (region) => region.count("a"),
  matches: (region) => [...region.matches("a")],
  lines: (region) => [...region.lines()],
  windows: (region) => [...region.windows()],
  prefault: (region) => region.prefault(),
  readU8: (region) => region.cursor().readU8(),
  readLine: (region) => region.cursor().readLine(),
};

/** Everything that stores. */
const STORING: Readonly<Record<string, (region: MappedRegion) => unknown>> = {
  write: (region) => region.write(0, "x"),
  fill: (region) => region.fill(1),
  move: (region) => region.move(0, 1, 1),
  prefault: (region) => region.prefault({ write: true }),
  writeU8: (region) => region.cursor().writeU8(1),
  copyTo: (region) => regionOf("x").copyTo(region),
};

describe("an operation on pages that it may not touch is named by its own name, and no C function", () => {
  for (const [operation, call] of Object.entries(READING)) {
    test(`${operation} of "none"`, () => {
      using region = MappedRegion.anonymous(PAGE);
      region.protect("none");
      fails(() => call(region), "EACCES", { operation, syscall: undefined, words: /protect\(\) them/ });
    });
  }

  for (const [operation, call] of Object.entries(STORING)) {
    test(`${operation} to memory, and to a file`, () => {
      using memory = MappedRegion.anonymous(PAGE, { protection: "read" });
      fails(() => call(memory), "EACCES", {
        operation,
        syscall: undefined,
        words: /protect\("read-write"\)/,
      });
      using file = testFile("abc");
      using region = MappedRegion.open(file.path);
      const words = /open it with access "read-write" or "copy-on-write"/;
      fails(() => call(region), "EACCES", { operation, syscall: undefined, path: file.path, words });
      assert.equal(region.text(), "abc");
    });
  }
});

describe("what the kernel refuses names the C function, and the operation that called it", () => {
  test("mmap, open and madvise", () => {
    fails(() => MappedRegion.anonymous(2 ** 50), "ENOMEM", { syscall: "mmap" });
    fails(() => MappedRegion.open("/nowhere"), "ENOENT", { syscall: "open", path: "/nowhere" });
    using memory = MappedRegion.anonymous(PAGE);
    fails(() => memory.discard({ how: "remove" }), ["EINVAL", "EACCES"], {
      syscall: "madvise",
      operation: "discard",
    });
  });

  test("a flag for neither shared nor private memory isn't explained by alignment alone", () => {
    using file = testFile(PAGE);
    using region = MappedRegion.open(file.path);
    const flags = 0x20; // MAP_ANONYMOUS on Linux, and nothing else
    fails(
      () => MappedRegion.map({ length: PAGE, protection: 1, flags }),
      "EINVAL",
      /MAP_SHARED and MAP_PRIVATE/,
    );
    assert.equal(region.length, PAGE);
  });
});

describe("what to do is said where something is likely to be mistaken", () => {
  test("a URL as a string", () => {
    using file = testFile("abc");
    const url = pathToFileURL(file.path);
    fails(() => MappedRegion.open(url.href), "ENOENT", /new URL/);
    using region = MappedRegion.open(url);
    assert.equal(region.text(), "abc");
  });

  test("an array at an odd offset", () => {
    using region = MappedRegion.anonymous(PAGE);
    assert.throws(() => region.array(Uint32Array, 2), /RangeError: .*'offset'.*records\(\)/);
  });

  test("rights that the region was not opened for", () => {
    using file = testFile("abc");
    using region = MappedRegion.open(file.path);
    fails(() => region.protect("read-write"), "EACCES", {
      operation: "protect",
      words: /access "read-write"/,
    });
    fails(() => region.protect("read-write-execute"), "EACCES");
    assert.equal(region.protection, "read");
    region.protect("none");
    region.protect("read");
    for (const access of ["read-write", "copy-on-write"] satisfies Access[]) {
      using other = MappedRegion.open(file.path, { access });
      other.protect("read");
      other.protect("read-write");
      other.write(0, "x");
    }
  });
});

test("errors are what Node's are: a code, a negative number, and JSON that says it", () => {
  const error = ((): MmapError => {
    try {
      MappedRegion.open("/nowhere");
    } catch (thrown) {
      return thrown as MmapError;
    }
    return assert.fail();
  })();
  assert.equal(error.code, "ENOENT");
  assert.equal(error.errno, -2);
  assert.equal(error.name, "MmapError");
  assert(error instanceof Error);
});

describe("a stray store is told of", () => {
  const program = (stores: string): string[] => {
    using file = testFile(4 * PAGE);
    const { status, stdout, stderr } = run(
      `
      import process from "node:process";
      import { MappedRegion } from "../../mod.ts";
      const warnings = [];
      process.on("warning", (warning) => warning.name === "MappedRegionWarning" && warnings.push(warning));
      const path = ${JSON.stringify(file.path)};
      ${stores}
      await new Promise((resolve) => setTimeout(resolve, 20));
      console.log(JSON.stringify(warnings.map(({ code, message }) => [code, message])));
      `,
    );
    assert.equal(status, 0, stderr);
    return (JSON.parse(stdout) as string[][]).map(([code, message]) => {
      assert.equal(code, "MAPPED_REGION_STRAY_STORE");
      return message ?? "";
    });
  };

  test("once for each place, by the time the region is closed", guardOnly, () => {
    const messages = program(`
      function store(path) {
        using region = MappedRegion.open(path);
        region.bytes[0] = 1;
        region.bytes[${PAGE}] = 1;
      }
      for (let round = 0; round < 10; round++) store(path);
      const other = MappedRegion.open(path);
      other.bytes[5] = 2;
      other.close();
    `);
    assert.equal(messages.length, 2);
    assert.match(
      messages[0] ?? "",
      /2 pages of a region of '.*file' .*private.*access "read-write".*main\.ts:\d+/,
    );
    assert.match(messages[1] ?? "", /^A page .*main\.ts:\d+/);
  });

  test("with what to do about memory, which no file stands behind", guardOnly, () => {
    const [message = ""] = program(`
      using region = MappedRegion.anonymous(100, { protection: "read" });
      region.bytes[0] = 1;
      region.close();
    `);
    assert.match(message, /Protect it with "read-write"/);
    assert(!message.includes("Open it"), message);
  });

  test("and of a read, where not even that was allowed", guardOnly, () => {
    const [message = "", ...more] = program(`
      using region = MappedRegion.open(path);
      const stolen = new Uint8Array(region.buffer.transfer());
      region.protect("none");
      stolen[0];
      try {
        region.assertIntact();
      } catch ({ code, message }) {
        warnings.push({ code: "MAPPED_REGION_STRAY_STORE", message });
      }
      using other = MappedRegion.open(path);
      const taken = new Uint8Array(other.buffer.transfer());
      other.protect("none");
      taken[0];
      other.close();
    `);
    assert.match(message, /EFAULT.*offset 0 on were read or stored to without the right to/);
    assert.match(
      more.join(),
      /^A page of .* was read or stored to .* Protect it with "read" or "read-write"/,
    );
  });

  test("and of no other store", guardOnly, () => {
    assert.deepEqual(
      program(`
        for (const access of ["read", "read-write", "copy-on-write"]) {
          using region = MappedRegion.open(path, { access });
          if (access === "read") region.bytes[0];
          else region.bytes[0] = 1;
        }
      `),
      [],
    );
  });
});

describe("closed regions", () => {
  test("are refused by name", () => {
    const region = regionOf("abc");
    region.close();
    for (const [operation, call] of Object.entries({ ...READING, ...STORING })) {
      if (operation === "copyTo") continue; // of another, below
      assert.throws(() => call(region), (error) => {
        assert(error instanceof RegionClosedError, `${operation}: ${error}`);
        assert.match(error.message, /closed; keep it open/);
        return true;
      });
    }
    assert.throws(() => regionOf("x").copyTo(region), RegionClosedError);
  });
});

test("the old names are gone", () => {
  for (const name of ["sync", "syncAsync", "scan", "subarrays"]) {
    assert(!(name in MappedRegion.prototype), name);
  }
});
