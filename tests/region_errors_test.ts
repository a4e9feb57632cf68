/** What can't be mapped: each refusal is an MmapError that names the file and says what to do. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { MappedRegion } from "../mod.ts";
import { fails, linuxOnly, PAGE, rootOnly, testFile } from "./helpers/region.ts";
import { run, temporaryDirectory } from "./helpers/runtime.ts";

describe("open", () => {
  test("a missing file: ENOENT, and how to make one", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "missing");
    fails(() => MappedRegion.open(path), "ENOENT", /no such file/, path);
    fails(() => MappedRegion.open(path, { access: "read-write" }), "ENOENT", /create: true/, path);
    fails(() => MappedRegion.open(join(path, "deeper"), { access: "read-write", create: true }), "ENOENT");
  });

  test("a directory: EISDIR", () => {
    using directory = temporaryDirectory();
    fails(() => MappedRegion.open(directory.path), "EISDIR", /directory/, directory.path);
    fails(
      () => MappedRegion.open(directory.path, { access: "read-write" }),
      "EISDIR",
      /directory/,
      directory.path,
    );
    fails(() => MappedRegion.open(directory.path, { length: 1 }), "EISDIR", /directory/, directory.path);
  });

  test("a path through a file: ENOTDIR", () => {
    using file = testFile(1);
    fails(() => MappedRegion.open(join(file.path, "x")), "ENOTDIR", undefined, join(file.path, "x"));
  });

  test("a FIFO: ENODEV at once, without waiting for a writer", linuxOnly, () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "fifo");
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    fails(() => MappedRegion.open(path), "ENODEV", /FIFO/, path);
    fails(() => MappedRegion.open(path, { length: 10 }), "ENODEV", /FIFO/, path);
    fails(() => MappedRegion.open(path, { access: "read-write", length: 10 }), "ENODEV", /FIFO/, path);
  });

  test("a socket: ENXIO, which says what it is", linuxOnly, async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "socket");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      fails(() => MappedRegion.open(path), "ENXIO", /socket/, path);
    } finally {
      server.close();
    }
  });

  test("a file of /proc: an MmapError that names it, or an empty region, never a crash", linuxOnly, () => {
    for (
      const path of ["/proc/self/status", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"]
    ) {
      try {
        using region = MappedRegion.open(path);
        region.read(0, 0);
      } catch (error) {
        assert.match(String(error), /^MmapError: (ENODEV|EINVAL|EACCES)/);
        assert(String(error).includes(path));
      }
    }
  });

  test("a device that has no pages: ENODEV", linuxOnly, () => {
    fails(() => MappedRegion.open("/dev/null", { length: PAGE }), "ENODEV", /can't be mapped/, "/dev/null");
  });

  test("a program that is running, for writing: ETXTBSY", linuxOnly, async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "sleep");
    copyFileSync("/bin/sleep", path);
    chmodSync(path, 0o755);
    const child = spawn(path, ["30"]);
    try {
      await new Promise<void>((resolve, reject) => child.on("spawn", resolve).on("error", reject));
      fails(() => MappedRegion.open(path, { access: "read-write" }), "ETXTBSY", /running/, path);
      using region = MappedRegion.open(path);
      assert.equal(region.indexOf("ELF"), 1);
    } finally {
      child.kill("SIGKILL");
      await new Promise<void>((resolve) => child.on("exit", () => resolve()));
    }
  });

  test("a file without permission: EACCES, and what to ask for instead", rootOnly, () => {
    using file = testFile(10);
    chmodSync(file.directory, 0o755);
    chmodSync(file.path, 0o444);
    const child = run(
      `import { MappedRegion } from "../../mod.ts";
      import { chmodSync } from "node:fs";
      import process from "node:process";
      const path = process.argv[2] ?? "";
      { using region = MappedRegion.open(path); }
      const tell = (options) => {
        try {
          using region = MappedRegion.open(path, options);
          console.log("opened", region.residency().reliable);
        } catch (error) {
          console.log(error.code, error.path === path, error.message);
        }
      };
      chmodSync(path, 0o400);
      process.setgroups?.([]);
      process.setgid?.(65534);
      process.setuid?.(65534);
      console.log(process.getuid?.());
      tell({});
      tell({ access: "read-write" });`,
      { args: [file.path] },
    );
    if (!child.stdout.startsWith("65534\n")) {
      // Deno has no setuid.
      assert.match(child.stdout + child.stderr, /setuid|NotSupported|not implemented|^0/i);
      return;
    }
    const [, read = "", write = ""] = child.stdout.split("\n");
    assert.match(read, /^EACCES true .*permission denied/, child.stderr);
    assert.match(write, /^EACCES true .*access "read"/);
  });
});

describe("fromDescriptor", () => {
  test("a closed descriptor: EBADF", () => {
    using file = testFile(10);
    const fd = openSync(file.path, "r");
    closeSync(fd);
    fails(() => MappedRegion.fromDescriptor(fd), "EBADF", /not open/);
    fails(() => MappedRegion.fromDescriptor(2 ** 31 - 1), "EBADF", /not open/);
  });

  test("a descriptor opened without a right that the access needs: EACCES", () => {
    using file = testFile(10);
    const reader = openSync(file.path, "r");
    const writer = openSync(file.path, "a");
    try {
      fails(
        () => MappedRegion.fromDescriptor(reader, { access: "read-write" }),
        "EACCES",
        /reading and writing/,
      );
      fails(() => MappedRegion.fromDescriptor(writer), "EACCES", /opened for reading/);
      fails(
        () => MappedRegion.fromDescriptor(reader, { access: "read-write", size: 100 }),
        "EBADF",
        /opened for writing/,
      );
      using region = MappedRegion.fromDescriptor(reader, { access: "copy-on-write" });
      region.write(0, "x");
    } finally {
      closeSync(reader);
      closeSync(writer);
    }
  });

  test("directories and FIFOs are refused as by open", linuxOnly, () => {
    using directory = temporaryDirectory();
    mkdirSync(join(directory.path, "d"));
    const fd = openSync(join(directory.path, "d"), "r");
    try {
      fails(() => MappedRegion.fromDescriptor(fd), "EISDIR", /directory/);
    } finally {
      closeSync(fd);
    }
  });
});

describe("anonymous", () => {
  test("too much: ENOMEM, with the length in it", () => {
    fails(() => MappedRegion.anonymous(2 ** 52), "ENOMEM", /4503599627370496.*no room/);
  });

  test("an address that isn't a page's is a RangeError; a huge one is ENOMEM or EPERM or ignored", () => {
    assert.throws(() => MappedRegion.anonymous(PAGE, { address: 1n }), RangeError);
    assert.throws(() => MappedRegion.anonymous(PAGE, { address: 0n, placement: "fixed" }), RangeError);
  });
});

test("a refused mapping leaves no descriptor open", linuxOnly, () => {
  using file = testFile(10);
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  for (let round = 0; round < 50; round++) {
    assert.throws(() => MappedRegion.open(file.path, { length: 11 }));
    assert.throws(() => MappedRegion.open(file.directory));
    assert.throws(() => MappedRegion.open("/dev/null", { length: PAGE }));
    assert.throws(() => MappedRegion.open(file.path, { address: 1n }));
    assert.throws(() => MappedRegion.open(file.path, { access: "read-write", size: 2 ** 52 }));
  }
  assert.equal(descriptors(), before);
  assert.equal(file.read().length, 10);
  assert.equal(process.exitCode ?? 0, 0);
});
