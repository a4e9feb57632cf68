// The files behind regions: descriptors of any origin, limits, files that can't be mapped, files that have gone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { MappedRegion, MmapError } from "../mod.ts";
import { cFunction, descriptorApart } from "./helpers/descriptor.ts";
import { hugePagesOnly, reserveHugePages } from "./helpers/huge_pages.ts";
import {
  descriptors,
  fails,
  isMapped,
  linuxOnly,
  PAGE,
  pattern,
  run,
  temporaryDirectory,
  testFile,
} from "./helpers/mod.ts";

/** No file system has room for so much. */
const TOO_LARGE = 2 ** 52;

function isTooLarge(error: unknown): boolean {
  assert(error instanceof MmapError, `${error}`);
  assert.match(error.code, /^(EFBIG|ENOSPC)$/);
  return true;
}

describe("a descriptor that node:fs didn't open", () => {
  test("is mapped, asked for its size, and resized", () => {
    using file = testFile(2 * PAGE);
    using apart = descriptorApart(file.path, "r+");
    const fd = apart.number;
    {
      using region = MappedRegion.fromDescriptor(fd, { access: "read-write" });
      assert.deepEqual(region.read(0, 2 * PAGE), pattern(2 * PAGE));
      region.resize(5 * PAGE);
      region.write(4 * PAGE, "end");
      assert.equal(statSync(file.path).size, 5 * PAGE);
      assert.deepEqual(file.read().subarray(4 * PAGE, 4 * PAGE + 3), new TextEncoder().encode("end"));
      assert.throws(() => region.resize(TOO_LARGE), isTooLarge);
      region.resize(PAGE);
      assert.deepEqual(region.bytes, pattern(PAGE));
    }
    apart.close();
    fails(() => MappedRegion.fromDescriptor(fd), "EBADF", /is not open/);
  });

  test("may be a memory file's", linuxOnly, () => {
    const fd = cFunction("memfd_create", "bytes", "int")(new TextEncoder().encode("test\0"), 0);
    {
      using region = MappedRegion.fromDescriptor(fd, { access: "read-write", size: 3 * PAGE });
      using same = MappedRegion.fromDescriptor(fd);
      region.write(2 * PAGE, "shared");
      assert.equal(same.indexOf("shared"), 2 * PAGE);
      region.resize(50 * PAGE);
      same.resize(40 * PAGE);
      assert.equal(same.length, 40 * PAGE);
    }
    cFunction("close", "int")(fd);
  });

  test("is an int: a larger number is never taken for another", () => {
    using file = testFile(1);
    const fd = openSync(file.path, "r");
    fails(() => MappedRegion.fromDescriptor(2 ** 32 + fd), "EBADF", /no descriptor/);
    closeSync(fd);
  });
});

test("the first files of a program are opened as later ones are", () => {
  using directory = temporaryDirectory();
  const { status, stdout, stderr } = run(`
    import fs from "node:fs";
    import { MappedRegion } from "../../mod.ts";
    const directory = ${JSON.stringify(directory.path)};
    const names = Array.from({ length: 24 }, (_, index) => directory + "/" + index);
    for (const [index, name] of names.entries()) fs.writeFileSync(name, new Uint8Array(5000).fill(index));
    const others = names.map((name) => fs.openSync(name)); // so many descriptors stand before ours
    fs.mkdirSync(directory + "/folder");
    const code = (name) => {
      try {
        MappedRegion.open(directory + "/" + name);
      } catch (error) {
        return error.code;
      }
    };
    const seen = names.map((name, index) => {
      const access = index % 2 === 0 ? "read" : "read-write";
      using region = MappedRegion.open(name, { access });
      if (access === "read-write") region.write(0, Uint8Array.of(100 + index));
      return [region.bytes[0], region.bytes[4999], region.length, code("folder"), code("none")].join(" ");
    });
    console.log(seen.join("\\n"));
    const open = fs.readdirSync("/dev/fd").filter((fd) => {
      try {
        return fs.readlinkSync("/dev/fd/" + fd).startsWith(directory);
      } catch {
        return false;
      }
    });
    console.log(open.length - others.length);
  `);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const rows = Array.from(
    { length: 24 },
    (_, index) => [index % 2 === 0 ? index : 100 + index, index, 5000, "EISDIR", "ENOENT"].join(" "),
  );
  const told = stdout.trim().split("\n");
  const stillOpen = told.pop();
  assert.deepEqual(told, rows);
  if (process.platform === "linux") assert.equal(stillOpen, "0"); // elsewhere /dev/fd doesn't tell
});

describe("a file that is to be longer than it may be", () => {
  test("is EFBIG, or ENOSPC, and stays as it is", () => {
    using file = testFile(PAGE);
    for (const sparse of [false, true]) {
      using region = MappedRegion.open(file.path, { access: "read-write", sparse });
      assert.throws(() => region.resize(TOO_LARGE), isTooLarge);
      assert.throws(
        () => MappedRegion.open(file.path, { access: "read-write", size: TOO_LARGE, sparse }),
        isTooLarge,
      );
      assert.deepEqual(region.bytes, pattern(PAGE));
    }
    assert.equal(statSync(file.path).size, PAGE);
  });

  test("by `ulimit -f` is EFBIG, and no signal", () => {
    using directory = temporaryDirectory();
    const LIMIT = 16 << 20; // Deno goes on writing its cache, which is a new one here, and less than that
    const program = `
      import { platform } from "../../ffi/platform.ts";
      import { createRuntime } from "../../ffi/runtime.ts";
      import { MappedRegion } from "../../mod.ts";
      const setrlimit = createRuntime().bind(platform().libraries[0], "setrlimit", { parameters: ["int", "bytes"], result: "int" });
      const RLIMIT_FSIZE = 1;
      const NONE = 2n ** 64n - 1n;
      const limit = (bytes) => setrlimit(RLIMIT_FSIZE, new Uint8Array(new BigUint64Array([bytes, NONE]).buffer));
      limit(${LIMIT}n);
      const path = ${JSON.stringify(join(directory.path, "file"))};
      const tried = (work) => {
        try {
          work();
        } catch (error) {
          return error.code;
        }
      };
      for (const sparse of [false, true]) {
        const region = MappedRegion.open(path, { access: "read-write", create: true, size: ${LIMIT}, sparse });
        console.log(
          tried(() => region.resize(${LIMIT + 1})),
          tried(() => MappedRegion.open(path, { access: "read-write", size: ${2 * LIMIT}, sparse })),
          region.length,
        );
        region.close();
      }
      limit(NONE); // the runtime has files of its own
    `;
    const { status, signal, stdout, stderr } = run(program, {
      env: { DENO_DIR: join(directory.path, "deno") },
    });
    assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" });
    assert.equal(stdout, `EFBIG EFBIG ${LIMIT}\n`.repeat(2));
    assert.equal(statSync(join(directory.path, "file")).size, LIMIT);
  });
});

test("shared memory of /dev/zero can't grow, which would be pages that fault", () => {
  using region = MappedRegion.open("/dev/zero", { access: "read-write", length: PAGE });
  region.write(0, "kept");
  fails(() => region.resize(2 * PAGE), "ENOTSUP", /can't grow/);
  assert.equal(region.indexOf("kept"), 0);
  assert.equal(region.faults, 0);
  using own = MappedRegion.open("/dev/zero", { access: "copy-on-write", length: PAGE });
  own.write(0, "kept");
  own.resize(3 * PAGE);
  assert.deepEqual([own.indexOf("kept"), own.count(0), own.faults], [0, 3 * PAGE - 4, 0]);
});

describe("a file that can't be mapped as asked", () => {
  const refused: Readonly<Record<string, (path: string, exclusive: boolean) => MappedRegion>> = {
    "a part past its end": (path, exclusive) =>
      MappedRegion.open(path, {
        access: "read-write",
        create: true,
        exclusive,
        size: 3 * PAGE,
        offset: 10 * PAGE,
        length: 1,
      }),
    "a size that it can't have": (path, exclusive) =>
      MappedRegion.open(path, { access: "read-write", create: true, exclusive, size: TOO_LARGE }),
    "an address that it can't have": (path, exclusive) => {
      using other = MappedRegion.anonymous(PAGE);
      return MappedRegion.open(path, {
        access: "read-write",
        create: true,
        exclusive,
        size: 3 * PAGE,
        address: other.address,
        placement: "fixed-noreplace",
      });
    },
  };

  for (const [what, open] of Object.entries(refused)) {
    test(`${what}: if it was made, it is gone again; if it was there, it is as it was`, linuxOnly, () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      for (const exclusive of [false, true]) {
        assert.throws(() => open(path, exclusive));
        assert.deepEqual(readdirSync(directory.path), []);
      }
      writeFileSync(path, pattern(PAGE + 1));
      assert.throws(() => open(path, false));
      assert.throws(() => open(path, true), /exists/);
      assert.deepEqual(new Uint8Array(readFileSync(path)), pattern(PAGE + 1));
      assert.equal(descriptors(path), 0);
    });
  }

  test("a symbolic link to a file that is not there yet makes that file, as open(2) does", () => {
    using directory = temporaryDirectory();
    const [path, link] = [join(directory.path, "file"), join(directory.path, "link")];
    symlinkSync(path, link);
    {
      using region = MappedRegion.open(link, { access: "read-write", create: true, size: 5 });
      region.write(0, "12345");
    }
    assert.equal(readFileSync(path, "utf8"), "12345");
    rmSync(path);
    fails(
      () => MappedRegion.open(link, { access: "read-write", create: true, exclusive: true, size: 5 }),
      "EEXIST",
    );
    assert(!existsSync(path));
  });
});

describe("a region of a path", () => {
  for (const access of ["read", "copy-on-write", "read-write"] as const) {
    test(`holds no descriptor: ${access}`, linuxOnly, () => {
      using file = testFile(3 * PAGE);
      using region = MappedRegion.open(file.path, { access });
      assert.equal(descriptors(file.path), 0);
      assert.deepEqual(region.read(0, 3 * PAGE), pattern(3 * PAGE));
      writeFileSync(file.path, pattern(9 * PAGE), { flag: "r+" });
      region.resize(9 * PAGE);
      assert.deepEqual(region.read(0, 9 * PAGE), pattern(9 * PAGE));
      assert.equal(descriptors(file.path), 0);
    });
  }

  test("30,000 of one file live at once where 256 files may be open", linuxOnly, () => {
    using file = testFile(2 * PAGE);
    const { status, signal, stdout, stderr } = run(`
      import { platform } from "../../ffi/platform.ts";
      import { createRuntime } from "../../ffi/runtime.ts";
      import { MappedRegion } from "../../mod.ts";
      const setrlimit = createRuntime().bind(platform().libraries[0], "setrlimit", { parameters: ["int", "bytes"], result: "int" });
      const RLIMIT_NOFILE = 7;
      setrlimit(RLIMIT_NOFILE, new Uint8Array(new BigUint64Array([256n, 256n]).buffer));
      const path = ${JSON.stringify(file.path)};
      const regions = Array.from({ length: 30_000 }, (_, index) =>
        MappedRegion.open(path, { access: index % 2 === 0 ? "read" : "read-write" }));
      regions[29_999].write(${PAGE}, "last");
      console.log(regions.every((region) => region.read(${PAGE}, 4).join() === "108,97,115,116"));
      regions[29_999].resize(${3 * PAGE});
      regions[0].resize(${3 * PAGE});
      console.log(regions[0].length);
      for (const region of regions) region.close();
    `);
    assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" });
    assert.equal(stdout, `true\n${3 * PAGE}\n`);
  });

  test("goes on when its file is renamed, removed or replaced; only resizing it past what is mapped needs it", () => {
    for (const replace of [false, true]) {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      writeFileSync(path, pattern(2 * PAGE));
      using region = MappedRegion.open(path, { access: "read-write" });
      renameSync(path, `${path}.1`);
      if (replace) writeFileSync(path, "another file");
      region.write(0, "kept");
      assert.equal(readFileSync(`${path}.1`).subarray(0, 4).toString(), "kept");
      fails(
        () => region.resize(3 * PAGE),
        replace ? "ESTALE" : "ENOENT",
        { words: replace ? /another file/ : /removed or renamed/, path },
      );
      assert.equal(region.length, 2 * PAGE);
      assert.equal(region.indexOf("kept"), 0);
      if (replace) assert.equal(readFileSync(path, "utf8"), "another file");
      rmSync(path, { force: true });
      renameSync(`${path}.1`, path);
      region.resize(3 * PAGE); // it is back
      assert.equal(statSync(path).size, 3 * PAGE);
    }
  });

  test(
    "that has no bytes yet keeps its descriptor, since nothing else keeps its file's number",
    linuxOnly,
    () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "file");
      {
        using region = MappedRegion.open(path, { access: "read-write", create: true });
        rmSync(path);
        writeFileSync(path, "another file"); // often with the same number
        region.resize(PAGE);
        region.write(0, "own");
        assert.equal(descriptors(path), 0);
      }
      assert.equal(readFileSync(path, "utf8"), "another file");
      assert.equal(descriptors(path), 0);
    },
  );

  test("is asked for its file's size by the path: one that is found tells that it was cut off", () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    writeFileSync(path, "0123456789");
    using region = MappedRegion.open(path);
    truncateSync(path, 5);
    fails(() => region.count("x"), "EFAULT", { path, words: /truncated/ });
    renameSync(path, `${path}.1`);
    assert.equal(region.count("\0"), 5); // nobody can tell any more
    renameSync(`${path}.1`, path);
    fails(() => region.count("x"), "EFAULT", { path, words: /truncated/ });
  });

  test("that has no bytes any more takes a descriptor again", linuxOnly, () => {
    for (const cut of [false, true]) {
      using file = testFile(PAGE);
      {
        using region = MappedRegion.open(file.path, { access: "read-write" });
        region.resize(0, { file: cut });
        assert.equal(descriptors(file.path), 1);
        rmSync(file.path);
        writeFileSync(file.path, "another file");
        region.resize(2 * PAGE);
        assert.equal(region.bytes[1], cut ? 0 : pattern(2)[1]);
        assert.equal(descriptors(file.path), 0);
      }
      assert.equal(readFileSync(file.path, "utf8"), "another file");
    }
  });
});

test("a descriptor that was closed meanwhile is an error, and what took its number is left alone", () => {
  using directory = temporaryDirectory();
  const [path, other] = [join(directory.path, "file"), join(directory.path, "other")];
  writeFileSync(path, pattern(PAGE));
  writeFileSync(other, "other");
  using fd = descriptorApart(path, "r+");
  using region = MappedRegion.fromDescriptor(fd.number, { access: "read-write" });
  fd.close();
  fails(() => region.resize(2 * PAGE), "EBADF", /is not open/);
  fd.open(other, "r+");
  fails(() => region.resize(2 * PAGE), "EBADF", /no longer the file/);
  assert.equal(readFileSync(other, "utf8"), "other");
  assert.deepEqual(region.bytes, pattern(PAGE));
});

test("a file on hugetlbfs is mapped in its pages, resized by them, and unmapped", hugePagesOnly, () => {
  using directory = temporaryDirectory();
  const HUGE = 2 ** 21;
  using _reserved = reserveHugePages(8);
  execFileSync("mount", ["-t", "hugetlbfs", "-o", "pagesize=2M", "none", directory.path]);
  try {
    const path = join(directory.path, "file");
    {
      using region = MappedRegion.open(path, { access: "read-write", create: true, size: 2 * HUGE });
      region.write(HUGE + 5, "kept");
      using part = MappedRegion.open(path, { offset: HUGE + 5, length: 4 });
      assert.deepEqual(part.read(0, 4), new TextEncoder().encode("kept"));
      region.resize(3 * HUGE);
      region.write(3 * HUGE - 1, "x");
      assert.equal(region.indexOf("kept"), HUGE + 5);
      fails(() => region.resize(3 * HUGE + 1), "EINVAL", /multiple/);
      const fd = openSync(path, "r+");
      using raw = MappedRegion.fromDescriptor(fd, { access: "read-write", length: HUGE });
      closeSync(fd);
      raw.write(0, "raw");
      assert.equal(region.indexOf("raw"), 0);
      assert(isMapped(path));
    }
    assert(!isMapped(path));
  } finally {
    execFileSync("umount", [directory.path]);
  }
});
