// Files as regions: which bytes, for what, and what can't be mapped.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { MappedRegion, RegionClosedError, struct } from "../mod.ts";
import { descriptorApart } from "./helpers/descriptor.ts";
import { descriptors, failing, fails, otherUserOnly, PAGE, run, temporaryDirectory } from "./helpers/mod.ts";

/** A file whose bytes tell where they are. */
function numbered(path: string, size: number): Uint8Array {
  const bytes = Uint8Array.from({ length: size }, (_, index) => index * 7 + (index >> 8));
  writeFileSync(path, bytes);
  return bytes;
}

describe("a region of a file", () => {
  test("shows exactly the bytes that were asked for, wherever they begin and end", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const size = 3 * PAGE + 123;
    const bytes = numbered(path, size);
    const places = fc.oneof(
      fc.integer({ min: 0, max: size }),
      fc.constantFrom(0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, size - 1, size),
    );
    fc.assert(fc.property(places, places, (a, b) => {
      const [offset, end] = a < b ? [a, b] : [b, a];
      using region = MappedRegion.open(path, { offset, length: end - offset });
      assert.equal(region.length, end - offset);
      assert.deepEqual(region.bytes, bytes.subarray(offset, end));
      assert.deepEqual(region.read(0, region.length), bytes.slice(offset, end));
      using rest = MappedRegion.open(path, { offset });
      assert.equal(rest.length, size - offset);
    }));
  });

  test("can be given by a path, relative or not, or a URL", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "a file with spaces and ü");
    writeFileSync(path, "here");
    for (const name of [path, relative(process.cwd(), path), pathToFileURL(path)]) {
      using region = MappedRegion.open(name);
      assert.equal(region.indexOf("here"), 0);
    }
    assert.throws(() => MappedRegion.open(new URL("https://example.com/file")), TypeError);
  });

  test("tells what it is", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    numbered(path, 10);
    using read = MappedRegion.open(path);
    assert.deepEqual([read.access, read.protection, read.shared, read.path, read.closed], [
      "read",
      "read",
      false,
      path,
      false,
    ]);
    using write = MappedRegion.open(path, { access: "read-write", offset: 3 });
    assert.deepEqual([write.access, write.protection, write.shared], ["read-write", "read-write", true]);
    assert.equal(Number(write.address) % PAGE, 3);
    using copy = MappedRegion.open(path, { access: "copy-on-write" });
    assert.deepEqual([copy.access, copy.protection, copy.shared], ["copy-on-write", "read-write", false]);
    assert.equal(String(read), "[object MappedRegion]");
  });

  test("that is empty has no bytes, and everything can be done with it", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "empty");
    writeFileSync(path, "");
    using region = MappedRegion.open(path, { access: "read-write" });
    assert.equal(region.length, 0);
    assert.equal(region.address, 0n);
    assert.equal(region.bytes.length + region.buffer.byteLength + region.view.byteLength, 0);
    assert.equal(region.indexOf("x"), -1);
    assert.equal(region.indexOf(""), 0);
    assert.equal(region.count("x"), 0);
    assert.deepEqual([...region.windows(), ...region.lines()], []);
    assert.deepEqual(region.read(0, 0), new Uint8Array(0));
    assert.equal(region.write(0, ""), 0);
    assert.equal(region.residency().pages, 0);
    region.flushSync();
    region.protect("read");
    region.advise("random");
    region.discard();
    region.prefault();
    region.lock();
    region.unlock();
    region.resize(5);
    assert.equal(region.length, 5);
    assert.equal(statSync(path).size, 5);
  });

  test("of a part past the end is a RangeError that says how long the file is", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    numbered(path, 10);
    assert.throws(() => MappedRegion.open(path, { length: 11 }), /RangeError: .*has 10 bytes/);
    assert.throws(() => MappedRegion.open(path, { offset: 11 }), RangeError);
    assert.throws(() => MappedRegion.open(path, { offset: 9, length: 2 }), RangeError);
    assert.throws(() => MappedRegion.open(path, { offset: Number.MAX_SAFE_INTEGER }), RangeError);
    assert.equal(descriptors(path), 0);
    using end = MappedRegion.open(path, { offset: 10 });
    assert.equal(end.length, 0);
  });

  test("stays what it was when the file is replaced or removed", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "old");
    using region = MappedRegion.open(path, { access: "read-write" });
    writeFileSync(`${path}.new`, "new!");
    renameSync(`${path}.new`, path);
    assert.equal(region.indexOf("old"), 0);
    fails(() => region.resize(4), "ESTALE", { path, words: /another file/ });
    unlinkSync(path);
    fails(() => region.resize(4), "ENOENT", { path, words: /removed or renamed/ });
    assert.equal(region.write(2, "?"), 1);
    assert.equal(region.text(), "ol?");
    region.resize(2); // needs nothing of the file
    assert.equal(region.text(), "ol");
  });
});

describe("access", () => {
  test("read sees what others store", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    numbered(path, PAGE);
    using reader = MappedRegion.open(path);
    using writer = MappedRegion.open(path, { access: "read-write" });
    writer.bytes[5] = 77;
    assert.equal(reader.bytes[5], 77);
    assert.throws(
      () => reader.write(0, "x"),
      failing("EACCES", { path, words: /open it with access "read-write"/ }),
    );
  });

  test("read-write reaches the file and other processes", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    numbered(path, PAGE);
    using region = MappedRegion.open(path, { access: "read-write" });
    region.write(1, "hello");
    assert.equal(execFileSync("head", ["-c", "6", path]).subarray(1).toString(), "hello");
  });

  test("copy-on-write keeps stores to itself", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const bytes = numbered(path, PAGE);
    chmodSync(path, 0o444);
    using region = MappedRegion.open(path, { access: "copy-on-write" });
    region.bytes.fill(0);
    assert.equal(region.count(0), PAGE);
    assert.deepEqual(new Uint8Array(readFileSync(path)), bytes);
  });
});

describe("making the file", () => {
  test("create makes one, with a mode, or takes the one that is there", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "made");
    assert.throws(
      () => MappedRegion.open(path, { access: "read-write" }),
      failing("ENOENT", { path, words: /create: true/ }),
    );
    const umask = process.umask(0o022);
    try {
      using region = MappedRegion.open(path, { access: "read-write", create: true, mode: 0o620, size: 10 });
      assert.equal(region.length, 10);
      assert.equal(statSync(path).mode & 0o777, 0o600);
    } finally {
      process.umask(umask);
    }
    writeFileSync(path, "0123456789abc");
    using again = MappedRegion.open(path, { access: "read-write", create: true, size: 10 });
    assert.equal(again.length, 13);
    assert.throws(
      () => MappedRegion.open(path, { access: "read-write", create: true, exclusive: true }),
      failing("EEXIST", { path, words: /exclusive/ }),
    );
  });

  test("size allocates the blocks, unless it is to be sparse", () => {
    using directory = temporaryDirectory();
    const size = 1 << 20;
    const options = { access: "read-write", create: true, size } as const;
    using _allocated = MappedRegion.open(join(directory.path, "allocated"), options);
    using _sparse = MappedRegion.open(join(directory.path, "sparse"), { ...options, sparse: true });
    assert(statSync(join(directory.path, "allocated")).blocks * 512 >= size);
    assert(statSync(join(directory.path, "sparse")).blocks * 512 < size);
    assert.equal(statSync(join(directory.path, "sparse")).size, size);
  });
});

describe("what can't be mapped says so", () => {
  test("a file that isn't there", () => {
    assert.throws(
      () => MappedRegion.open("/nowhere/file"),
      failing("ENOENT", { path: "/nowhere/file", words: /no such file/ }),
    );
    assert.throws(
      () => MappedRegion.open(""),
      failing("ENOENT"),
    );
    assert.throws(() => MappedRegion.open("/tmp/a\0b"), TypeError);
  });

  test("a directory", () => {
    using directory = temporaryDirectory();
    const { path } = directory;
    mkdirSync(join(path, "more"));
    for (const access of ["read", "read-write", "copy-on-write"] as const) {
      fails(() => MappedRegion.open(path, { access }), "EISDIR", { path, words: /directory/ });
    }
  });

  test("a FIFO, without waiting for anybody", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "fifo");
    execFileSync("mkfifo", [path]);
    for (const access of ["read", "read-write"] as const) {
      fails(() => MappedRegion.open(path, { access }), "ENODEV", { path, words: /FIFO/ });
    }
  });

  test("a socket", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "socket");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    fails(() => MappedRegion.open(path), "ENXIO", { path, words: /socket/ });
    await new Promise((resolve) => server.close(resolve));
  });

  test("a file that its file system makes up", () => {
    assert.throws(
      () => MappedRegion.open("/proc/cpuinfo"),
      failing("ENODEV", { path: "/proc/cpuinfo", words: /node:fs/ }),
    );
  });

  test("a device, but for one with memory behind it and a length", () => {
    assert.throws(() => MappedRegion.open("/dev/zero"), /RangeError: .*device.*'length'/);
    using zero = MappedRegion.open("/dev/zero", { length: PAGE + 1 });
    assert.equal(zero.count(0), PAGE + 1);
    assert.throws(
      () => MappedRegion.open("/dev/null", { length: 1 }),
      failing("ENODEV", { path: "/dev/null", words: /can't be mapped/ }),
    );
  });

  test("a program that is running, for writing", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "sleep");
    copyFileSync("/bin/sleep", path);
    chmodSync(path, 0o755);
    const { status, stdout } = run(`
      import { spawn } from "node:child_process";
      import { MappedRegion } from "../../mod.ts";
      const child = spawn(${JSON.stringify(path)}, ["10"]);
      child.once("spawn", () => {
        try {
          MappedRegion.open(${JSON.stringify(path)}, { access: "read-write" });
        } catch (error) {
          console.log(error.code, error.message);
        }
        child.kill();
      });
    `);
    assert.equal(status, 0);
    assert.match(stdout, /^ETXTBSY ETXTBSY: open .*running/);
  });

  test("a file that this user may not open", otherUserOnly, () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "secret");
    writeFileSync(path, "secret", { mode: 0o600 });
    chmodSync(directory.path, 0o755);
    const { stdout, stderr } = run(`
      import process from "node:process";
      import { MappedRegion } from "../../mod.ts";
      MappedRegion.anonymous(1).close(); // another user may not read what the runtime still has to load
      process.setgid(65534);
      process.setuid(65534);
      try {
        MappedRegion.open(${JSON.stringify(path)});
      } catch (error) {
        console.log(error.name, error.code, error.message);
      }
    `);
    assert.match(stdout, /^MmapError EACCES EACCES: open .*permission denied; change/, stderr);
  });
});

describe("a region of a descriptor", () => {
  test("leaves it to the caller, who may close it at once", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const bytes = numbered(path, PAGE);
    const fd = openSync(path, "r");
    const byte = new Uint8Array(1);
    readSync(fd, byte);
    using region = MappedRegion.fromDescriptor(fd, { offset: 1 });
    readSync(fd, byte);
    assert.equal(byte[0], bytes[1]); // where it was in the file has not moved
    closeSync(fd);
    assert.deepEqual(region.bytes, bytes.subarray(1));
    assert.equal(region.path, undefined);
    const open = openSync(path, "r");
    MappedRegion.fromDescriptor(open).close();
    assert.equal(fstatSync(open).size, PAGE);
    closeSync(open);
  });

  test("resizes through it, and not through what took its number", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    const other = join(directory.path, "other");
    numbered(path, 10);
    numbered(other, 10);
    using fd = descriptorApart(path, "r+");
    using region = MappedRegion.fromDescriptor(fd.number, { access: "read-write" });
    region.resize(20);
    assert.equal(statSync(path).size, 20);
    fd.close();
    fails(() => region.resize(30), "EBADF", { path: undefined, words: /open/ });
    fd.open(other, "r+");
    fails(() => region.resize(30), "EBADF", { path: undefined, words: /no longer the file/ });
    assert.equal(statSync(other).size, 10);
    assert.equal(region.length, 20);
  });

  test("that is closed, or lacks a right, is refused", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    numbered(path, 10);
    fails(() => MappedRegion.fromDescriptor(999_999), "EBADF", { path: undefined, words: /is not open/ });
    const read = openSync(path, "r");
    assert.throws(
      () => MappedRegion.fromDescriptor(read, { access: "read-write" }),
      failing("EACCES", { path: undefined, words: /not opened for reading and writing/ }),
    );
    MappedRegion.fromDescriptor(read, { access: "copy-on-write" }).close();
    closeSync(read);
    const write = openSync(path, "a");
    fails(() => MappedRegion.fromDescriptor(write), "EACCES", { path: undefined, words: /for reading/ });
    closeSync(write);
    const directoryDescriptor = openSync(directory.path, "r");
    assert.throws(
      () => MappedRegion.fromDescriptor(directoryDescriptor),
      failing("EISDIR", { path: undefined, words: /directory/ }),
    );
    closeSync(directoryDescriptor);
  });
});

test("a closed region refuses everything, and can be closed again", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  numbered(path, 10);
  const region = MappedRegion.open(path);
  region.close();
  region.close();
  region[Symbol.dispose]();
  assert.deepEqual([
    region.closed,
    region.length,
    region.address,
    region.protection,
    region.path,
    region.access,
  ], [
    true,
    0,
    0n,
    "none",
    path,
    "read",
  ]);
  const uses: Record<string, () => unknown> = {
    stream: () => region.stream(),
    text: () => region.text(),
    move: () => region.move(0, 0, 0),
    fill: () => region.fill(0),
    copyTo: () => region.copyTo(new Uint8Array()),
    mismatch: () => region.mismatch(new Uint8Array()),
    records: () => region.records(struct({ id: "u8" })),
    cursor: () => region.cursor().readU8(),
    refresh: () => region.refresh(),
    buffer: () => region.buffer,
    bytes: () => region.bytes,
    view: () => region.view,
    subarray: () => region.subarray(),
    array: () => region.array(Uint8Array),
    windows: () => region.windows(),
    read: () => region.read(0, 0),
    write: () => region.write(0, ""),
    indexOf: () => region.indexOf("x"),
    lastIndexOf: () => region.lastIndexOf("x"),
    includes: () => region.includes("x"),
    count: () => region.count("x"),
    matches: () => region.matches("x"),
    lines: () => region.lines(),
    flushSync: () => region.flushSync(),
    protect: () => region.protect("read"),
    advise: () => region.advise("normal"),
    discard: () => region.discard(),
    prefault: () => region.prefault(),
    lock: () => region.lock(),
    unlock: () => region.unlock(),
    residency: () => region.residency(),
    resize: () => region.resize(1),
    handle: () => region.handle(),
  };
  const closed = (error: unknown): boolean => error instanceof RegionClosedError && error.path === path;
  for (const [name, use] of Object.entries(uses)) {
    assert.throws(use, closed, name);
  }
  await assert.rejects(region.flush(), closed);
  await assert.rejects(region.use(() => {}), closed);
  // What still answers, and everything else: a new member belongs in one of the two.
  const answering = [
    "length",
    "address",
    "capacity",
    "fileOffset",
    "access",
    "protection",
    "shared",
    "path",
    "closed",
  ];
  const telling = ["guarded", "unguardedReason", "faults", "assertIntact", "toJSON", "constructor", "close"];
  assert.deepEqual(
    Object.getOwnPropertyNames(MappedRegion.prototype).sort(),
    [...Object.keys(uses), "flush", "use", ...answering, ...telling].sort(),
  );
});

test("using closes a region at the end of the block, thrown out of or not", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  numbered(path, 10);
  let kept: MappedRegion | undefined;
  assert.throws(() => {
    using region = MappedRegion.open(path);
    kept = region;
    throw new Error("out");
  }, /out/);
  assert.equal(kept?.closed, true);
});

test("regions are not made by their constructor", () => {
  assert.throws(() => Reflect.construct(MappedRegion, []), TypeError);
  assert.throws(() => Reflect.construct(MappedRegion, [{ mapping: {} }]), TypeError);
});
