import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { MappedRegion } from "../../mod.ts";
import {
  anonymousSharedMemory,
  createSharedMemory,
  openSharedMemory,
  unlinkSharedMemory,
} from "../../src/ipc/mod.ts";
import {
  compiled,
  denoOnly,
  describeWhere,
  fails,
  linuxOnly,
  needsC,
  needsPython,
  root,
  run,
} from "../helpers/mod.ts";
import { peer, RUNTIMES, uniqueName, well } from "./support.ts";

describeWhere("named shared memory", linuxOnly, () => {
  test("is found under its name, with and without the slash, until it is unlinked", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 10_000);
    assert.equal(region.length, 10_000);
    assert(region.shared);
    region.write(9_990, "0123456789");
    using other = openSharedMemory(unique.name.slice(1));
    assert.equal(other.length, 10_000);
    assert.equal(new TextDecoder().decode(other.read(9_990, 10)), "0123456789");
    other.bytes[0] = 7;
    assert.equal(region.bytes[0], 7);
    unlinkSharedMemory(unique.name);
    fails(() => openSharedMemory(unique.name), "ENOENT", { words: /createSharedMemory/, path: unique.name });
    fails(() => unlinkSharedMemory(unique.name), "ENOENT", /no shared memory/);
    other.bytes[1] = 8; // who has it keeps it
    assert.equal(region.bytes[1], 8);
  });

  test("may be opened only to be read", () => {
    using unique = uniqueName();
    createSharedMemory(unique.name, 100).close();
    using region = openSharedMemory(unique.name, { access: "read" });
    assert.equal(region.access, "read");
    fails(() => region.write(0, "x"), "EACCES");
  });

  test("exists once: 'exclusive' refuses it, otherwise it is opened and grows", () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 100, { exclusive: true });
    region.write(0, "kept");
    fails(
      () => createSharedMemory(unique.name, 100, { exclusive: true }),
      "EEXIST",
      { words: /exclusive/, path: unique.name },
    );
    using larger = createSharedMemory(unique.name, 9000);
    assert.equal(larger.length, 9000);
    assert.equal(new TextDecoder().decode(larger.read(0, 4)), "kept");
    using smaller = createSharedMemory(unique.name, 50);
    assert.equal(smaller.length, 50);
    assert.equal(statSync(`/dev/shm${unique.name}`).size, 9000);
  });

  test("has the mode it is given, less the umask; 0o600 unless told otherwise", () => {
    using one = uniqueName();
    using other = uniqueName();
    createSharedMemory(one.name, 1).close();
    assert.equal(statSync(`/dev/shm${one.name}`).mode & 0o777, 0o600);
    createSharedMemory(other.name, 1, { mode: 0o640 }).close();
    assert.equal(statSync(`/dev/shm${other.name}`).mode & 0o777, 0o640 & ~process.umask());
  });

  test("a full /dev/shm is an error at once, and leaves nothing behind", () => {
    using unique = uniqueName();
    fails(() => createSharedMemory(unique.name, 2 ** 46), "ENOSPC", {
      words: /\/dev\/shm is full/,
      path: unique.name,
    });
    assert(!existsSync(`/dev/shm${unique.name}`));
  });

  test("memory that has no bytes yet is not opened", () => {
    using unique = uniqueName();
    closeSync(openSync(`/dev/shm${unique.name}`, "w"));
    fails(() => openSharedMemory(unique.name), "EAGAIN", { words: /try again/, path: unique.name });
  });

  test("a symbolic link is not followed", () => {
    using unique = uniqueName();
    symlinkSync("/etc/hostname", `/dev/shm${unique.name}`);
    fails(() => openSharedMemory(unique.name, { access: "read" }), "ELOOP", /not shared memory/);
    fails(() => createSharedMemory(unique.name, 1), "ELOOP");
  });

  test("what is not shared memory is not unlinked", () => {
    using unique = uniqueName();
    const path = `/dev/shm${unique.name}`;
    mkdirSync(path);
    try {
      fails(() => unlinkSharedMemory(unique.name), "EISDIR");
      assert(existsSync(path));
    } finally {
      rmdirSync(path);
    }
  });

  test("a name is a name, and a length is a length", () => {
    for (const name of ["", "/", ".", "/..", "a/b", "//a", "a\0b"]) {
      assert.throws(() => createSharedMemory(name, 1), RangeError);
      assert.throws(() => openSharedMemory(name), RangeError);
      assert.throws(() => unlinkSharedMemory(name), RangeError);
    }
    fails(() => createSharedMemory("x".repeat(256), 1), "ENAMETOOLONG");
    assert.throws(() => createSharedMemory(7 as unknown as string, 1), TypeError);
    assert.throws(() => createSharedMemory("/x", 0), RangeError);
    assert.throws(() => createSharedMemory("/x", 1.5), RangeError);
    assert.throws(() => createSharedMemory("/x", 1, { mode: 0o1777 }), RangeError);
    assert.throws(() => createSharedMemory("/x", 1, { exclusive: 1 } as unknown as object), TypeError);
    assert.throws(() => createSharedMemory("/x", 1, { sise: 1 } as unknown as object), /no option 'sise'/);
    assert.throws(() => openSharedMemory("/x", { access: "write" } as unknown as object), TypeError);
  });

  test(
    "needs Deno's permissions for files",
    denoOnly,
    () => {
      const result = run(
        `import { openSharedMemory } from "../../src/ipc/mod.ts";
      try { openSharedMemory("/none"); } catch (error) { console.log(error.name); }`,
        { permissions: ["--allow-ffi"] },
      );
      assert.deepEqual(result, { status: 0, signal: null, stdout: "NotCapable\n", stderr: "" });
    },
  );

  for (const runtime of RUNTIMES) {
    test(`is shared with a process of ${runtime}`, async () => {
      using unique = uniqueName();
      using region = createSharedMemory(unique.name, 4096);
      region.write(0, "ping");
      await using other = peer(runtime, "exchange", unique.name);
      await well(other);
      assert.equal(new TextDecoder().decode(region.read(0, 4)), "pong");
    });
  }

  test("is shared with C's shm_open, in both directions", needsC, () => {
    using unique = uniqueName();
    using program = compiled("tests/ipc/peer.c", "-pthread", "-lrt");
    using region = createSharedMemory(unique.name, 5000);
    region.write(4096, "from here");
    const opened = spawnSync(program.path, ["exchange", unique.name, "4096", "from here", "from C"]);
    assert.equal(opened.status, 0, String(opened.stderr));
    assert.equal(new TextDecoder().decode(region.read(4096, 6)), "from C");
    unlinkSharedMemory(unique.name);
    const made = spawnSync(program.path, ["create", unique.name, "8192", "made by C"]);
    assert.equal(made.status, 0, String(made.stderr));
    using found = openSharedMemory(unique.name);
    assert.equal(found.length, 8192);
    assert.equal(new TextDecoder().decode(found.read(0, 9)), "made by C");
  });

  test("is shared with Python's multiprocessing.shared_memory, in both directions", needsPython, () => {
    using unique = uniqueName();
    using region = createSharedMemory(unique.name, 5000);
    region.write(100, "from here");
    // Before 3.13 Python unlinks at its end what it only opened, unless it is told to forget it.
    const opened = spawnSync("python3", [
      "-c",
      `
import sys
from multiprocessing import resource_tracker, shared_memory
memory = shared_memory.SharedMemory(sys.argv[1])
resource_tracker.unregister(memory._name, "shared_memory")
assert bytes(memory.buf[100:109]) == b"from here", bytes(memory.buf[100:109])
memory.buf[100:111] = b"from Python"
memory.close()
`,
      unique.name.slice(1),
    ], { encoding: "utf8" });
    assert.equal(opened.status, 0, opened.stderr);
    assert.equal(new TextDecoder().decode(region.read(100, 11)), "from Python");
    unlinkSharedMemory(unique.name);
    const made = spawnSync("python3", [
      "-c",
      `
import sys
from multiprocessing import resource_tracker, shared_memory
memory = shared_memory.SharedMemory(sys.argv[1], create=True, size=6000)
resource_tracker.unregister(memory._name, "shared_memory")
memory.buf[0:14] = b"made by Python"
memory.close()
`,
      unique.name.slice(1),
    ], { encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
    using found = openSharedMemory(unique.name);
    assert.equal(found.length, 6000);
    assert.equal(new TextDecoder().decode(found.read(0, 14)), "made by Python");
  });
});

describeWhere("anonymous shared memory", linuxOnly, () => {
  test("has a descriptor that is another region, and can grow and shrink", () => {
    using memory = anonymousSharedMemory(1000);
    assert.equal(memory.length, 1000);
    memory.write(990, "0123456789");
    using other = MappedRegion.fromDescriptor(memory.descriptor, { access: "read-write" });
    assert.equal(new TextDecoder().decode(other.read(990, 10)), "0123456789");
    memory.resize(100_000);
    memory.write(99_999, "x");
    other.resize(100_000);
    assert.equal(other.bytes[99_999], 120);
    memory.resize(10, { file: true });
    assert.equal(memory.length, 10);
  });

  test("is found by others under its path, while it is open", async () => {
    const memory = anonymousSharedMemory(4096);
    const path = memory.path;
    assert.equal(path, `/proc/${process.pid}/fd/${memory.descriptor}`);
    memory.write(0, "ping");
    await using other = peer("node", "exchange", path);
    await well(other);
    assert.equal(new TextDecoder().decode(memory.read(0, 4)), "pong");
    memory.close();
    memory.close();
    assert.equal(memory.path, undefined);
    assert.equal(memory.descriptor, -1);
    assert(memory.closed);
    // The runtime may have opened something else under that number since.
    assert(!existsSync(path) || !readlinkSync(path).includes("memfd:"), path);
  });

  test("is handed to a child in its stdio", async () => {
    using memory = anonymousSharedMemory(4096, { seal: ["shrink", "grow"] });
    memory.write(0, "ping");
    for (const runtime of RUNTIMES) {
      memory.write(0, "ping");
      const flags =
        { bun: [], deno: ["run", "-A"], node: ["--disable-warning=ExperimentalWarning"] }[runtime];
      const child = spawn(
        join(root, "node_modules/.bin", runtime),
        [...flags, join(root, "tests/ipc/programs/exchange.ts"), "3"],
        { stdio: ["ignore", "inherit", "inherit", memory.descriptor] },
      );
      assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 0, runtime);
      assert.equal(new TextDecoder().decode(memory.read(0, 4)), "pong", runtime);
    }
  });

  test("a seal holds, and says so", () => {
    using memory = anonymousSharedMemory(4096, { seal: "shrink" });
    assert.deepEqual(memory.seals, ["shrink"]);
    fails(() => memory.resize(100, { file: true }), "EPERM", /seal/);
    memory.resize(8192);
    memory.seal("grow");
    fails(() => memory.resize(10_000), "EPERM", /seal/);
    assert.equal(memory.length, 8192);
    memory.write(8191, "x");
    fails(() => memory.seal("write"), "EBUSY", /future-write/);
    memory.seal("future-write", "seal");
    fails(() => memory.seal("shrink"), "EPERM", /sealed against further seals/);
    assert.deepEqual(memory.seals, ["seal", "shrink", "grow", "future-write"]);
    fails(() => MappedRegion.fromDescriptor(memory.descriptor, { access: "read-write" }), "EPERM");
    using reader = MappedRegion.fromDescriptor(memory.descriptor);
    memory.bytes[0] = 9;
    assert.equal(reader.bytes[0], 9);
  });

  test("is a region like any other, and grows where it is", () => {
    const memory = anonymousSharedMemory(100, { capacity: 1 << 20 });
    assert(memory instanceof MappedRegion);
    const { bytes, address, descriptor } = memory;
    memory.resize(1 << 20);
    bytes[0] = 7;
    using other = MappedRegion.fromDescriptor(descriptor, { access: "read-write" });
    assert.deepEqual([memory.address, other.length, other.bytes[0]], [address, 1 << 20, 7]);
    memory.close();
    assert.deepEqual([memory.closed, memory.descriptor, memory.path, bytes.length], [true, -1, undefined, 0]);
    memory.close();
    assert.throws(() => anonymousSharedMemory(100, { capacity: 99 }), RangeError);
  });

  test("more memory than the machine has is refused, and not allocated until there is none left", () => {
    fails(() => anonymousSharedMemory(2 ** 46), "ENOMEM", /more memory than/);
    using memory = anonymousSharedMemory(4096);
    fails(() => memory.resize(2 ** 46), "ENOMEM", /more memory than/);
    memory.resize(8192);
    assert.equal(memory.length, 8192);
  });

  test("wrong options are refused", () => {
    assert.throws(() => anonymousSharedMemory(1, { seal: "shrank" } as unknown as object), TypeError);
    assert.throws(() => anonymousSharedMemory(1, { seals: [] } as unknown as object), /no option 'seals'/);
    assert.throws(() => anonymousSharedMemory(-1), RangeError);
    assert.throws(() => anonymousSharedMemory(1, { name: "x".repeat(300) }), RangeError);
    using memory = anonymousSharedMemory(1, { name: "told apart" });
    assert.match(readFileSync("/proc/self/maps", "utf8"), /memfd:told apart/);
    assert.equal(memory.length, 1);
  });
});
