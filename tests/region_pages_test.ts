// What pages may be used for, how they will be used, and which of them are there.
import assert from "node:assert/strict";
import { chmodSync, closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Advice, MappedRegion, type Protection } from "../mod.ts";
import { Protections } from "../src/protections.ts";
import {
  failing,
  fails,
  kernelOnly,
  linuxKernelOnly,
  linuxOnly,
  otherUserOnly,
  PAGE,
  run,
  temporaryDirectory,
} from "./helpers/mod.ts";

function file(directory: { readonly path: string }, pages: number): string {
  const path = join(directory.path, "file");
  writeFileSync(path, new Uint8Array(pages * PAGE).fill(65));
  return path;
}

describe("protect", () => {
  test("gives and takes rights", () => {
    using region = MappedRegion.anonymous(PAGE);
    for (const protection of ["read", "read-write", "none", "read-execute", "read-write"] as Protection[]) {
      region.protect(protection);
      assert.equal(region.protection, protection);
    }
    region.write(0, "x");
  });

  test("takes views back when it takes a right away, and leaves them when it gives one", () => {
    using region = MappedRegion.anonymous(2 * PAGE, { protection: "read" });
    const before = region.bytes;
    region.protect("read-write");
    assert.equal(before.length, 2 * PAGE);
    assert.equal(region.bytes, before);
    const { buffer, view } = region;
    region.protect("read", { length: 1 });
    assert.deepEqual([before.length, buffer.detached], [0, true]);
    assert.throws(() => view.getInt8(0), TypeError);
    assert.equal(region.bytes.length, 2 * PAGE);
  });

  test("widens a range to whole pages, and the library knows which", () => {
    using region = MappedRegion.anonymous(4 * PAGE);
    region.protect("read", { offset: PAGE + 1, length: PAGE });
    assert.equal(region.protection, "read");
    region.write(0, new Uint8Array(PAGE));
    fails(() => region.write(PAGE - 1, "xx"), "EACCES");
    fails(() => region.write(3 * PAGE - 1, "x"), "EACCES");
    assert.equal(region.write(3 * PAGE, "x"), 1);
    assert.equal(region.bytes.length, 4 * PAGE);
  });

  test("to none makes the library refuse those pages, and only those", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    region.write(0, "first");
    region.protect("none", { offset: PAGE, length: 1 });
    assert.equal(region.protection, "none");
    for (
      const use of [
        () => region.bytes,
        () => region.buffer,
        () => region.view,
        () => region.read(PAGE, 1),
        () => region.subarray(PAGE - 1, PAGE + 1),
        () => region.array(Uint8Array),
        () => region.indexOf("first"),
        () => region.count("first"),
        () => region.lastIndexOf("first"),
        () => [...region.lines()],
        () => region.write(PAGE, "x"),
        () => region.prefault(),
      ]
    ) assert.throws(use, failing("EACCES"));
    assert.equal(new TextDecoder().decode(region.subarray(0, 5)), "first");
    assert.equal(region.array(Uint8Array, 2 * PAGE).length, PAGE);
    region.write(2 * PAGE, "third");
    region.protect("read-write");
    assert.equal(region.indexOf("third"), 2 * PAGE);
  });

  test("to more than the descriptor allows is EACCES, and changes nothing", () => {
    using directory = temporaryDirectory();
    const path = file(directory, 1);
    const fd = openSync(path, "r");
    using region = MappedRegion.map({ length: PAGE, protection: 1, flags: 1, fd }); // MAP_SHARED
    closeSync(fd);
    fails(() => region.protect("read-write"), "EACCES");
    assert.equal(region.protection, "read");
  });

  test("keeps book as a list of every byte would", () => {
    const size = 40;
    const change = fc.tuple(fc.nat(size + 5), fc.nat(size + 5), fc.constantFrom(0, 1, 3, 5, 7));
    fc.assert(fc.property(fc.array(change), fc.array(change), (changes, questions) => {
      const protections = new Protections(size, 3);
      let model = new Array<number>(size).fill(3);
      for (const [a, b, bits] of changes) {
        const [start, end] = a < b ? [a, b] : [b, a];
        if (a % 8 === 7 && b > 0) {
          protections.resize(b);
          model = Array.from({ length: b }, (_, at) => model[at] ?? model.at(-1) ?? 0);
        } else {
          protections.set(start, end, bits);
          model.fill(bits, start, end);
        }
      }
      assert.equal(protections.common, model.reduce((all, bits) => all & bits, 7));
      assert.equal(protections.any, model.reduce((all, bits) => all | bits, 0));
      assert.equal(protections.last, model.at(-1));
      assert.equal(protections.count, model.filter((bits, at) => bits !== model[at - 1]).length);
      for (let at = 0; at < model.length; at++) {
        assert.equal(protections.at(at), model[at]);
        const lacks = (bits: number): boolean => (bits & 1) === 0;
        if (lacks(model[at] ?? 0)) continue;
        const behind = model.findIndex((bits, index) => index > at && lacks(bits));
        const end = behind === -1 ? model.length : behind;
        const start = model.findLastIndex((bits, index) => index < at && lacks(bits)) + 1;
        assert.deepEqual(protections.around(at, 1), { start, end });
      }
      for (const [a, b, bits] of questions) {
        const [start, end] = a < b ? [a, b] : [b, a];
        const part = model.slice(start, end);
        assert.equal(protections.allow(start, end, bits), part.every((had) => (had & bits) === bits));
        assert.equal(protections.narrows(start, end, bits), part.some((had) => (had & ~bits) !== 0));
      }
      const listed: number[] = [];
      protections.forEach((start, end, bits) => listed.push(...new Array<number>(end - start).fill(bits)));
      assert.deepEqual(listed, model);
    }));
  });
});

describe("advise", () => {
  /** What can be advised so. "untried": collapse depends on the file system and on how the kernel was built. */
  const KINDS: Readonly<Record<Advice, "files" | "memory" | "both" | "untried">> = {
    "normal": "both",
    "random": "both",
    "sequential": "both",
    "will-need": "both",
    "dont-need": "files",
    "cold": "both",
    "page-out": "both",
    "populate-read": "both",
    "populate-write": "both",
    "huge-page": "memory",
    "no-huge-page": "memory",
    "collapse": "untried",
    "mergeable": "memory",
    "unmergeable": "memory",
    "dont-fork": "both",
    "do-fork": "both",
    "dont-dump": "both",
    "do-dump": "both",
    "wipe-on-fork": "memory",
    "keep-on-fork": "memory",
  };
  const advicesFor = (kind: "files" | "memory"): Advice[] =>
    (Object.keys(KINDS) as Advice[]).filter((advice) => KINDS[advice] === kind || KINDS[advice] === "both");

  test("takes every advice for files that is for files, and changes no byte", linuxOnly, () => {
    using directory = temporaryDirectory();
    using region = MappedRegion.open(file(directory, 4), { access: "read-write" });
    for (const advice of advicesFor("files")) {
      region.advise(advice);
      region.advise(advice, { offset: PAGE + 5, length: 7 });
      assert.equal(region.count("A"), 4 * PAGE, advice);
    }
  });

  test("takes every advice for memory that is for memory, and changes no byte", linuxOnly, () => {
    using region = MappedRegion.anonymous(4 * PAGE);
    region.bytes.fill(65);
    for (const advice of advicesFor("memory")) {
      // A kernel may be built without some of them (KSM, huge pages).
      try {
        region.advise(advice);
      } catch (error) {
        assert(failing("EINVAL")(error), `${advice}: ${String(error)}`);
      }
      assert.equal(region.count("A"), 4 * PAGE, advice);
    }
  });

  test(
    "refuses what would throw contents away, or isn't for this kind of mapping, or the platform lacks",
    linuxKernelOnly,
    () => {
      using memory = MappedRegion.anonymous(4 * PAGE);
      memory.bytes.fill(65);
      assert.throws(
        () => memory.advise("dont-need"),
        (error) => failing("EINVAL")(error) && String(error).includes("discard()"),
      );
      using directory = temporaryDirectory();
      using read = MappedRegion.open(file(directory, 4));
      fails(() => read.advise("dont-need"), "EINVAL");
      fails(() => read.advise("populate-write"), ["EINVAL", "EFAULT"]);
      fails(() => read.advise("wipe-on-fork"), "EINVAL");
      fails(() => read.advise("collapse"), ["EINVAL", "ENOTSUP", "ENOMEM", "EAGAIN", "EBUSY"]);
      assert.equal(memory.count("A"), 4 * PAGE);
    },
  );
});

describe("discard", () => {
  test("throws away whole pages within the range, and no byte outside", () => {
    using region = MappedRegion.anonymous(4 * PAGE + 10);
    const fill = (): unknown => region.bytes.fill(1);
    fill();
    region.discard({ offset: 1, length: 2 * PAGE });
    assert.deepEqual([...region.matches(Uint8Array.of(1, 0))], [PAGE - 1]);
    assert.equal(region.count(0), PAGE);
    fill();
    region.discard({ offset: 10, length: PAGE });
    assert.equal(region.count(0), 0);
    region.discard({ offset: 4 * PAGE });
    assert.equal(region.count(0), 10);
    region.discard();
    assert.equal(region.count(0), region.length);
  });

  test("gives a copy-on-write region the file's bytes back", linuxOnly, () => {
    using directory = temporaryDirectory();
    using region = MappedRegion.open(file(directory, 2), { access: "copy-on-write" });
    region.bytes.fill(1);
    region.discard({ offset: 0, length: PAGE });
    assert.equal(region.count("A"), PAGE);
  });

  test("by removal makes a hole in the file, and leaves what is behind the region", kernelOnly, () => {
    using directory = temporaryDirectory();
    const path = file(directory, 8);
    using region = MappedRegion.open(path, { access: "read-write", length: 4 * PAGE + 5 });
    const { blocks } = statSync(path);
    try {
      region.discard({ how: "remove" });
    } catch (error) {
      assert(failing(["EINVAL", "ENOTSUP"])(error)); // a file system without holes
      return;
    }
    assert(statSync(path).blocks < blocks);
    assert.equal(region.count(0), 4 * PAGE);
    assert.equal(readFileSync(path).subarray(4 * PAGE).indexOf(0), -1);
  });

  test("when memory is short is for private memory only", kernelOnly, () => {
    using memory = MappedRegion.anonymous(PAGE);
    memory.discard({ how: "free" });
    using directory = temporaryDirectory();
    using region = MappedRegion.open(file(directory, 1), { access: "read-write" });
    fails(() => region.discard({ how: "free" }), "EINVAL");
    using read = MappedRegion.open(file(directory, 1));
    fails(() => read.discard({ how: "remove" }), ["EACCES", "EINVAL"]);
  });
});

describe("pages in memory", () => {
  test("are those that were touched, and the drawing shows them", linuxOnly, () => {
    using region = MappedRegion.anonymous(128 * PAGE);
    region.advise("no-huge-page");
    assert.equal(region.residency().resident, 0);
    for (let page = 0; page < 32; page++) region.bytes[page * PAGE] = 1;
    region.bytes[64 * PAGE] = 1;
    const residency = region.residency();
    assert.deepEqual([residency.pages, residency.resident, residency.pageSize, residency.reliable], [
      128,
      33,
      PAGE,
      true,
    ]);
    assert.deepEqual(
      [...residency.bitmap].map((_, page) => page).filter((page) => residency.bitmap[page] === 1).slice(-2),
      [
        31,
        64,
      ],
    );
    assert.equal(
      String(residency),
      `[${"█".repeat(16)}${"·".repeat(16)}▒${
        "·".repeat(31)
      }] 33 of 128 pages of ${PAGE} bytes in memory, 25.8 %`,
    );
    assert.equal(region.residency({ offset: 64 * PAGE, length: 1 }).resident, 1);
    assert.equal(region.residency({ offset: 0, length: 0 }).pages, 0);
  });

  test("come in by prefault, for reading or for stores", linuxKernelOnly, () => {
    using region = MappedRegion.anonymous(64 * PAGE);
    region.prefault({ offset: PAGE, length: 10 * PAGE });
    region.prefault({ offset: 32 * PAGE, write: true });
    assert.equal(region.residency({ offset: 32 * PAGE }).resident, 32);
    using directory = temporaryDirectory();
    const path = file(directory, 4);
    using read = MappedRegion.open(path);
    read.prefault();
    assert.equal(read.residency().resident, 4);
    fails(() => read.prefault({ write: true }), "EACCES");
    truncateSync(path, 0);
    fails(() => read.prefault(), "EFAULT");
  });

  test("stay when they are locked", linuxOnly, () => {
    using region = MappedRegion.anonymous(8 * PAGE);
    region.lock({ offset: PAGE, length: 2 * PAGE });
    assert.equal(region.residency().resident, 2);
    fails(() => region.discard(), "EINVAL");
    region.unlock();
    region.discard();
    assert.equal(region.residency().resident, 0);
  });
});

describe("sync", () => {
  test("takes every mode, on any range, and any region", () => {
    using directory = temporaryDirectory();
    const path = file(directory, 4);
    using region = MappedRegion.open(path, { access: "read-write", offset: 7 });
    region.write(0, "synced");
    region.flushSync();
    region.flushSync({ wait: false });
    region.flushSync({ invalidate: true });
    region.flushSync({ offset: PAGE + 3, length: 5 });
    region.flushSync({ offset: region.length });
    assert.equal(readFileSync(path).indexOf("synced"), 7);
    using read = MappedRegion.open(path);
    read.flushSync();
    using memory = MappedRegion.anonymous(PAGE);
    memory.flushSync();
  });

  test("with invalidate is EBUSY on locked pages", () => {
    using directory = temporaryDirectory();
    using region = MappedRegion.open(file(directory, 1), { access: "read-write" });
    region.lock();
    fails(() => region.flushSync({ invalidate: true }), "EBUSY");
    region.unlock();
    region.flushSync({ invalidate: true });
  });
});

test(
  "pages in memory are told of a file that is somebody else's, with a word of doubt",
  otherUserOnly,
  () => {
    using directory = temporaryDirectory();
    const path = file(directory, 4);
    using owned = MappedRegion.open(path);
    assert.equal(owned.residency().reliable, true);
    chmodSync(directory.path, 0o755);
    chmodSync(path, 0o644);
    const { stdout, stderr } = run(`
        import { MappedRegion } from "../../mod.ts";
    MappedRegion.open(${
      JSON.stringify(path)
    }).close(); // another user may not read what the runtime still has to load
    process.setgid(65534);
    process.setuid(65534);
    const region = MappedRegion.open(${JSON.stringify(path)});
    console.log(region.residency().reliable, String(region.residency()));
    region.close();
  `);
    assert.match(stdout, /^false .*not reliable/, stderr);
  },
);
