// What a fault means to a program: lost pages, stray stores, and how the library tells of them.
import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MappedRegion, MmapError } from "../mod.ts";
import { describeWhere, failing, guardOnly, PAGE, temporaryDirectory } from "./helpers/mod.ts";

const PAGES = 8;

/** A file of eight pages of the letter A. */
function file(directory: { readonly path: string }, name = "file"): string {
  const path = join(directory.path, name);
  writeFileSync(path, new Uint8Array(PAGES * PAGE).fill(65));
  return path;
}

/** An EFAULT of a file. */
const lost = failing("EFAULT", /open the file again/);

describeWhere("a file that is truncated while it is mapped", guardOnly, () => {
  test("reads as zeros where it was, through a view", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path);
    const { bytes } = region;
    truncateSync(path, PAGE);
    assert.equal(bytes[PAGE - 1], 65);
    assert.equal(bytes[PAGE], 0);
    assert.equal(bytes[PAGES * PAGE - 1], 0);
    assert.equal(region.faults, 2);
    assert.throws(() => region.assertIntact(), lost);
  });

  test("takes stores privately, through a view", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path, { access: "read-write" });
    const { bytes } = region;
    truncateSync(path, PAGE);
    bytes[2 * PAGE] = 7;
    assert.equal(bytes[2 * PAGE], 7);
    assert.equal(region.faults, 1);
    assert.equal(readFileSync(path).length, PAGE);
  });

  for (
    const [name, touch] of Object.entries<(region: MappedRegion) => unknown>({
      read: (region) => region.read(2 * PAGE, 10),
      write: (region) => region.write(3 * PAGE, "x"),
      indexOf: (region) => region.indexOf("B"),
      includes: (region) => region.includes(66),
    })
  ) {
    test(`makes ${name} throw EFAULT with the offset, the second time too`, () => {
      using directory = temporaryDirectory();
      const path = file(directory);
      using region = MappedRegion.open(path, { access: "read-write" });
      truncateSync(path, PAGE);
      assert.throws(
        () => touch(region),
        (error) => lost(error) && error instanceof MmapError && (error.offset ?? -1) >= PAGE,
      );
      assert.throws(() => touch(region), lost);
    });
  }

  test("is still read where it still is", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path);
    truncateSync(path, PAGE);
    assert.throws(() => region.read(0, region.length), lost);
    assert.deepEqual(region.read(PAGE - 2, 2), Uint8Array.of(65, 65));
  });

  test("makes flush tell, for good, that stores did not reach it", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path, { access: "read-write" });
    truncateSync(path, PAGE);
    region.bytes[4 * PAGE] = 1;
    assert.throws(() => region.flushSync(), lost);
    assert.throws(() => region.flushSync(), lost);
    region.flushSync({ length: PAGE });
    truncateSync(path, 5 * PAGE); // whatever becomes of the file
    assert.throws(() => region.flushSync(), lost);
    assert.equal(region.faults, 1);
  });

  test("can be mapped again when it has grown again", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path, { access: "read-write" });
    truncateSync(path, 0);
    assert.equal(region.bytes[0], 0);
    region.close();
    writeFileSync(path, "grown");
    using again = MappedRegion.open(path);
    assert.equal(new TextDecoder().decode(again.bytes), "grown");
    again.assertIntact();
  });

  test("is seen again in the region that grows with it", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, new Uint8Array(PAGE).fill(65));
    using region = MappedRegion.open(path, { access: "read-write" });
    truncateSync(path, 0);
    assert.equal(region.bytes[0], 0);
    region.resize(2 * PAGE);
    region.bytes[0] = 1;
    region.bytes[PAGE] = 2;
    const stored = readFileSync(path);
    assert.deepEqual([stored.length, stored[0], stored[PAGE]], [2 * PAGE, 1, 2]);
  });

  test("leaves the count readable when the region is closed", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    const region = MappedRegion.open(path);
    truncateSync(path, 0);
    assert.equal(region.bytes[0], 0);
    region.close();
    assert.equal(region.faults, 1);
    assert.equal(region.guarded, true);
    assert.throws(() => region.assertIntact(), lost);
  });
});

describeWhere("a store to a page that may not be written to", guardOnly, () => {
  test("stays with a region that was opened for reading", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path);
    region.bytes[3] = 1;
    assert.equal(region.bytes[3], 1);
    assert.equal(region.faults, 1);
    assert.equal(readFileSync(path)[3], 65);
  });

  test("stays with a shared region that was protected", () => {
    using directory = temporaryDirectory();
    const path = file(directory);
    using region = MappedRegion.open(path, { access: "read-write" });
    using other = MappedRegion.open(path);
    region.protect("read");
    region.bytes[PAGE + 3] = 1;
    assert.equal(region.bytes[PAGE + 3], 1);
    assert.equal(region.bytes[PAGE + 2], 65);
    assert.equal(region.faults, 1);
    assert.equal(other.bytes[PAGE + 3], 65);
    assert.equal(readFileSync(path)[PAGE + 3], 65);
  });

  test("is caught in memory of its own too", () => {
    using region = MappedRegion.anonymous(2 * PAGE);
    region.bytes.fill(5);
    region.protect("read");
    region.bytes[0] = 6;
    assert.equal(region.faults, 1);
    assert.throws(
      () => region.assertIntact(),
      failing("EFAULT"),
    );
    assert.equal(region.bytes[PAGE], 5);
  });
});

// The rest of the last page is zeros then, without a fault: every file below a page is such a case.
describe("a file that is cut off within its last page is told of by what looks at all of it", () => {
  const walk = (parts: Iterable<unknown>): void => void [...parts];
  const looks: Readonly<Record<string, (region: MappedRegion) => unknown>> = {
    "count": (region) => region.count("A"),
    "indexOf what is not there": (region) => region.indexOf("B"),
    "indexOf zero": (region) => region.indexOf(0),
    "includes": (region) => region.includes("B"),
    "lastIndexOf": (region) => region.lastIndexOf("B"),
    "matches": (region) => walk(region.matches("A")),
    "lines": (region) => walk(region.lines()),
    "lines as bytes": (region) => walk(region.lines({ encoding: "bytes" })),
    "lines as offsets": (region) => walk(region.lines({ encoding: "offsets" })),
    "lines that contain something": (region) => walk(region.lines({ containing: "nowhere" })),
    "lines that contain something, backwards": (region) =>
      walk(region.lines({ containing: "nowhere", reverse: true })),
    "text": (region) => region.text(),
    "windows": (region) => walk(region.windows()),
    "stream": (region) => new Response(region.stream()).text(),
    "mismatch with an array": (region) => region.mismatch(new Uint8Array(100).fill(65)),
    "mismatch with a region": (region) => {
      using other = MappedRegion.anonymous(100);
      other.fill(65);
      return other.mismatch(region);
    },
    "assertIntact": (region) => region.assertIntact(),
  };
  for (const [name, look] of Object.entries(looks)) {
    test(name, async () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      writeFileSync(path, new Uint8Array(100).fill(65));
      using region = MappedRegion.open(path);
      await look(region);
      truncateSync(path, 50);
      await assert.rejects(async () => await look(region), lost);
    });
  }
});

test("pages that were lost can't be read in or locked, whatever has become of the file", guardOnly, () => {
  using directory = temporaryDirectory();
  const path = file(directory);
  using region = MappedRegion.open(path);
  const { length } = region;
  truncateSync(path, PAGE);
  assert.throws(() => region.read(2 * PAGE, 1), lost);
  truncateSync(path, length);
  assert.throws(() => region.prefault(), lost);
  assert.throws(() => region.lock({ offset: 2 * PAGE, length: 1 }), lost);
  region.prefault({ length: PAGE });
  region.lock({ length: PAGE });
});

test("a region that nothing happened to is intact", () => {
  using directory = temporaryDirectory();
  using region = MappedRegion.open(file(directory));
  assert.equal(region.bytes[0], 65);
  assert.equal(region.faults, 0);
  region.assertIntact();
});

test("a region opened with guard: false has no guard, and works", () => {
  using directory = temporaryDirectory();
  using region = MappedRegion.open(file(directory), { guard: false });
  assert.equal(region.guarded, false);
  assert.equal(region.indexOf("A"), 0);
});
