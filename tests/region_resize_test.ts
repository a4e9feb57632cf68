// A region that is made longer or shorter keeps what it had, and the file follows where it should.
import assert from "node:assert/strict";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MappedRegion, MmapError } from "../mod.ts";
import { descriptorApart } from "./helpers/descriptor.ts";
import {
  collectGarbage,
  failing,
  linuxOnly,
  mountOnly,
  PAGE,
  run,
  smallFileSystem,
  temporaryDirectory,
  testFile,
} from "./helpers/mod.ts";

const pattern = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => index * 11 + (index >> 7));

// Without mremap(2) nothing grows where it is.
test("memory that grows step by step while its views are in use is copied a few times", linuxOnly, () => {
  using region = MappedRegion.anonymous(PAGE);
  const views: Uint8Array[] = [];
  const addresses = new Set<bigint>();
  for (let pages = 1; pages <= 400; pages++) {
    const { bytes } = region;
    bytes[(pages - 1) * PAGE] = 7;
    views.push(bytes);
    region.resize((pages + 1) * PAGE);
    addresses.add(region.address);
  }
  assert.equal(region.count(7), 400);
  assert.ok(addresses.size < 200, `it has been at ${addresses.size} addresses`); // others may take the room behind it
});

describe("memory", () => {
  test("keeps its bytes, and grows by zeros, whatever the lengths", () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 40 * PAGE }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.boolean(), (sequence, look) => {
        using region = MappedRegion.anonymous(sequence[0] ?? 0);
        let model: Uint8Array = new Uint8Array(sequence[0] ?? 0);
        for (const length of sequence) {
          region.resize(length);
          const next = new Uint8Array(length);
          next.set(model.subarray(0, length));
          // What was cut off in the last page is not what comes back.
          const bytes = region.read(0, length);
          assert.deepEqual(bytes.subarray(0, Math.min(model.length, length)), model.slice(0, length));
          region.write(0, pattern(length));
          model = pattern(length);
          if (look) assert.equal(region.bytes.length, length);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("is zero behind what it was, when it has grown", () => {
    using region = MappedRegion.anonymous(10);
    region.bytes.fill(1);
    region.resize(3);
    region.resize(10 * PAGE);
    assert.deepEqual(region.read(0, 3), Uint8Array.of(1, 1, 1));
    assert.equal(region.count(0), 10 * PAGE - 3);
  });

  test("is zero where it was cut off within a page, in every way of growing again", () => {
    for (
      const [shorter, longer] of [[10, 20], [10, PAGE], [10, 3 * PAGE], [PAGE + 1, PAGE + 2], [
        PAGE + 1,
        9 * PAGE,
      ]]
    ) {
      for (const look of [false, true]) {
        using region = MappedRegion.anonymous(2 * PAGE);
        region.fill(7);
        if (look) assert.equal(region.bytes[0], 7); // somebody may still be looking when it grows
        region.resize(shorter ?? 0);
        region.protect("read");
        region.resize(longer ?? 0);
        assert.equal(region.protection, "read");
        assert.equal(region.count(7), shorter);
        assert.equal(region.count(0), (longer ?? 0) - (shorter ?? 0));
      }
    }
  });

  test("may have no bytes for a while", () => {
    using region = MappedRegion.anonymous(PAGE);
    region.resize(0);
    assert.deepEqual([region.length, region.address, region.bytes.length], [0, 0n, 0]);
    region.resize(2 * PAGE);
    region.bytes[2 * PAGE - 1] = 1;
    assert.equal(region.count(0), 2 * PAGE - 1);
  });

  test("takes its views back", () => {
    using region = MappedRegion.anonymous(PAGE);
    const { bytes, view, buffer } = region;
    const part = region.subarray(5, 10);
    region.resize(2 * PAGE);
    assert.deepEqual([bytes.length, part.length, buffer.detached], [0, 0, true]);
    assert.throws(() => view.getUint8(0), TypeError);
    assert.equal(region.bytes.length, 2 * PAGE);
  });

  test("that is shared grows by no byte, and says what does", () => {
    using region = MappedRegion.anonymous(2 * PAGE, { shared: true });
    region.bytes.fill(3);
    assert.throws(
      () => region.resize(3 * PAGE),
      (error) =>
        error instanceof MmapError && error.code === "ENOTSUP" &&
        error.message.includes("anonymousSharedMemory"),
    );
    assert.equal(region.bytes.length, 2 * PAGE);
    region.resize(PAGE);
    assert.equal(region.count(3), PAGE);
  });

  test("keeps the protections of its pages, new ones have the last one's", () => {
    using region = MappedRegion.anonymous(4 * PAGE);
    region.bytes.fill(9);
    region.protect("read", { offset: PAGE, length: PAGE });
    region.protect("none", { offset: 2 * PAGE, length: PAGE });
    region.resize(64 * PAGE);
    const denied = failing("EACCES");
    region.write(0, "x");
    assert.throws(() => region.write(PAGE, "x"), denied);
    assert.throws(() => region.read(2 * PAGE, 1), denied);
    region.write(63 * PAGE, "x");
    region.protect("read-write");
    assert.deepEqual(region.read(2 * PAGE, 2), Uint8Array.of(9, 9));
    assert.equal(region.read(PAGE, 1)[0], 9);
  });

  test("that is too large is ENOMEM, and stays as it was", () => {
    using region = MappedRegion.anonymous(PAGE);
    region.write(0, "kept");
    assert.throws(
      () => region.resize(2 ** 50),
      failing("ENOMEM"),
    );
    assert.equal(region.length, PAGE);
    assert.equal(region.indexOf("kept"), 0);
    region.resize(2 * PAGE);
  });
});

describe("a file", () => {
  test("grows with a writable region, and is cut off where that is asked for", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, pattern(3 * PAGE + 5));
    using region = MappedRegion.open(path, { access: "read-write", offset: PAGE + 1 });
    region.resize(5 * PAGE);
    assert.equal(statSync(path).size, 6 * PAGE + 1);
    region.write(5 * PAGE - 3, "end");
    region.resize(10);
    assert.equal(statSync(path).size, 6 * PAGE + 1);
    region.resize(10, { file: true });
    assert.equal(statSync(path).size, PAGE + 11);
    assert.deepEqual(new Uint8Array(readFileSync(path)), pattern(PAGE + 11));
    region.resize(0, { file: true });
    assert.equal(statSync(path).size, PAGE + 1);
    region.resize(7);
    region.write(0, "written");
    assert.equal(readFileSync(path).subarray(PAGE + 1).toString(), "written");
  });

  test("is cut off where the region ends only if it is asked for, and the region may be written", () => {
    using file = testFile(3 * PAGE);
    using region = MappedRegion.open(file.path, { access: "read-write" });
    region.resize(PAGE);
    region.resize(PAGE, {});
    region.resize(PAGE - 1, { file: false });
    assert.equal(file.read().length, 3 * PAGE);
    region.resize(PAGE - 1, { file: true }); // though the region has that length already
    assert.equal(file.read().length, PAGE - 1);
    for (const access of ["read", "copy-on-write"] as const) {
      using other = MappedRegion.open(file.path, { access });
      assert.throws(
        () => other.resize(10, { file: true }),
        (error) => error instanceof TypeError || failing("EACCES")(error),
      );
      assert.equal(other.length, PAGE - 1);
    }
    using memory = MappedRegion.anonymous(PAGE);
    assert.throws(() => memory.resize(10, { file: true }), TypeError);
    assert.throws(() => Reflect.apply(region.resize, region, [10, { cut: true }]), TypeError);
    assert.throws(() => Reflect.apply(region.resize, region, [10, { file: 1 }]), TypeError);
    assert.deepEqual([memory.length, region.length, file.read().length], [PAGE, PAGE - 1, PAGE - 1]);
  });

  test("keeps what is behind a region that ends before it", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, pattern(4 * PAGE));
    using region = MappedRegion.open(path, { access: "read-write", length: 2 * PAGE });
    region.resize(PAGE);
    assert.equal(statSync(path).size, 4 * PAGE);
    region.resize(3 * PAGE);
    assert.equal(statSync(path).size, 4 * PAGE);
    assert.deepEqual(new Uint8Array(readFileSync(path)), pattern(4 * PAGE));
    assert.deepEqual(region.bytes, pattern(3 * PAGE));
  });

  for (const access of ["read", "copy-on-write"] as const) {
    test(`that has become longer is followed by a ${access} region, but not past its end`, () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      writeFileSync(path, pattern(PAGE + 1));
      using region = MappedRegion.open(path, { access });
      const { bytes } = region;
      if (access === "copy-on-write") bytes[0] = 200;
      assert.throws(() => region.resize(PAGE + 2), /RangeError: .*has 4097 bytes|RangeError: .*past the end/);
      assert.equal(bytes.length, PAGE + 1);
      writeFileSync(path, pattern(50 * PAGE), { flag: "r+" });
      region.resize(50 * PAGE);
      const expected = pattern(50 * PAGE);
      if (access === "copy-on-write") expected[0] = 200;
      assert.deepEqual(region.bytes, expected);
      region.resize(1);
      assert.equal(statSync(path).size, 50 * PAGE);
    });
  }

  test("is allocated when it grows, unless the region is sparse", () => {
    using directory = temporaryDirectory();
    const size = 1 << 20;
    for (const sparse of [false, true]) {
      const path = join(directory.path, String(sparse));
      using region = MappedRegion.open(path, { access: "read-write", create: true, sparse });
      region.resize(size);
      assert.equal(statSync(path).blocks * 512 >= size, !sparse);
      assert.equal(statSync(path).size, size);
    }
  });
});

test("on a full file system growing fails at once, and file and region are as they were", mountOnly, () => {
  using disk = smallFileSystem(1 << 20);
  {
    const path = join(disk.path, "file");
    const full = failing("ENOSPC", { path, words: /sparse: true/ });
    {
      using region = MappedRegion.open(path, { access: "read-write", create: true, size: PAGE });
      region.write(0, "kept");
      const { bytes } = region;
      assert.throws(() => region.resize(8 << 20), full);
      assert.throws(() => MappedRegion.open(path, { access: "read-write", size: 8 << 20 }), full);
      assert.equal(statSync(path).size, PAGE);
      assert.equal(bytes.length, PAGE);
      assert.equal(region.indexOf("kept"), 0);
      region.resize(2 * PAGE);
      region.close({ now: true });
    }
    // A sparse file is found out by a store, which the guard survives.
    using sparse = MappedRegion.open(path, { access: "read-write", size: 8 << 20, sparse: true });
    if (sparse.guarded) {
      const { bytes } = sparse;
      for (let offset = 0; offset < bytes.length; offset += PAGE) bytes[offset] = 1;
      assert(sparse.faults > 0);
      assert.throws(
        () => sparse.assertIntact(),
        failing("EFAULT"),
      );
      sparse.resize(16 << 20); // as sparse as it was opened
      assert.equal(sparse.bytes.length, 16 << 20);
      assert.equal(sparse.bytes[0], 1);
    }
    sparse.close({ now: true });
  }
  assert(disk.unmount());
});

test("a region stays as it is, views and all, when its descriptor is no longer good for resizing", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, pattern(PAGE));
  using fd = descriptorApart(path, "r+");
  using region = MappedRegion.fromDescriptor(fd.number, { access: "read-write" });
  const views = [region.bytes, region.subarray(1, 2), region.view] as const;
  const unchanged = (): void => {
    assert.throws(
      () => region.resize(2 * PAGE),
      failing("EBADF"),
    );
    assert.equal(region.length, PAGE);
    assert.equal(statSync(path).size, PAGE);
    assert.deepEqual(region.bytes, pattern(PAGE));
    assert.deepEqual(views.map(({ byteLength }) => byteLength), [PAGE, 1, PAGE]);
  };
  fd.close();
  unchanged();
  fd.open(path, "r"); // the same file under the same number, but not to be written to
  unchanged();
});

test("a buffer that was transferred away stays valid memory when the region moves", () => {
  const { status, stdout, stderr } = run(`
    import { MappedRegion } from "../../mod.ts";
    const page = MappedRegion.pageSize;
    const region = MappedRegion.anonymous(page);
    region.bytes.fill(7);
    const stolen = new Uint8Array(structuredClone(region.buffer, { transfer: [region.buffer] }));
    using wall = MappedRegion.anonymous(page); // so that it can't grow where it is
    for (let pages = 2; pages < 2000; pages *= 3) region.resize(pages * page);
    stolen[1] = 8;
    console.log(stolen.length, region.read(0, 1)[0], region.length);
    region.close();
    stolen.fill(1);
    console.log("alive", wall.length);
  `);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.match(stdout, new RegExp(`^${PAGE} 7 ${1458 * PAGE}\nalive ${PAGE}\n$`));
});

test("a file that was cut short by others can be resized to what is left", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, pattern(4 * PAGE));
  using region = MappedRegion.open(path, { access: "read-write" });
  truncateSync(path, PAGE);
  region.resize(PAGE);
  assert.deepEqual(region.bytes, pattern(PAGE));
  region.resize(2 * PAGE);
  assert.equal(region.bytes[PAGE], 0);
  await collectGarbage();
  assert.equal(statSync(path).size, 2 * PAGE);
});
