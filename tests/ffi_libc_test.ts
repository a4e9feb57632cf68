/** The "./libc" door for real: each C function's success and failure, errno, and what is refused beforehand. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { libc as internal, openLibc } from "../ffi/libc.ts";
import { platform } from "../ffi/platform.ts";
import { createRuntime } from "../ffi/runtime.ts";
import * as libc from "../ffi/mod.ts";
import { failures, names } from "./helpers/failing_calls.ts";
import { failing, isMusl, linuxOnly, temporaryDirectory } from "./helpers/mod.ts";

const {
  getpagesize,
  madvise,
  memchr,
  memcmp,
  memmem,
  memrchr,
  mincore,
  mlock,
  mmap,
  mprotect,
  mremap,
  msync,
  munlock,
  munmap,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED = 0,
  MREMAP_MAYMOVE = 0,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} = libc;

const PAGE = getpagesize();
const READ_WRITE = PROT_READ | PROT_WRITE;
const onLinux = process.platform === "linux";
const hasHugePages = existsSync("/sys/kernel/mm/transparent_hugepage");

/** The first page of the address space: nobody's, on any system. */
const NOWHERE = 0n;

/** A mapping that goes at the end of the block, and its memory as bytes. */
interface Mapping extends Disposable {
  readonly address: bigint;
  readonly length: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function mapping(address: bigint, length: number): Mapping {
  const buffer = internal().arrayBuffer(Number(address), length);
  return {
    address,
    length,
    bytes: new Uint8Array(buffer),
    [Symbol.dispose](): void {
      buffer.transfer(0); // no view survives its memory
      munmap(address, length);
    },
  };
}

function anonymous(pages: number, protection = READ_WRITE, flags = MAP_PRIVATE): Mapping {
  const length = pages * PAGE;
  return mapping(mmap(0n, length, protection, flags | MAP_ANONYMOUS, -1, 0), length);
}

/** A file of so many pages, page n full of the number n + 1, and its descriptor. */
function file(pages: number, flags: "r" | "r+" = "r+"): Disposable & { path: string; fd: number } {
  const directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, Uint8Array.from({ length: pages * PAGE }, (_, index) => Math.floor(index / PAGE) + 1));
  const fd = openSync(path, flags);
  return {
    path,
    fd,
    [Symbol.dispose](): void {
      closeSync(fd);
      directory[Symbol.dispose]();
    },
  };
}

interface Expected {
  readonly code: string;
  readonly syscall: string;
  readonly address?: bigint;
  readonly length?: number;
}

/** Asserts that a call fails with an MmapError that has these fields, and no others. */
function fails(call: () => unknown, { code, syscall, address, length }: Expected): void {
  const words = new RegExp(
    `^${code}: ${syscall}.*` +
      (address === undefined ? "" : `0x${address.toString(16)}.*`) + `${length ?? ""}.*: [^:]{3,}$`,
  );
  assert.throws(call, failing(code, { words, syscall, address, length, path: undefined }));
}

describe("getpagesize", () => {
  test("is a power of two, 4096 or more", () => {
    assert(PAGE >= 4096);
    assert.equal(Math.log2(PAGE) % 1, 0);
    assert.equal(getpagesize(), PAGE);
  });
});

describe("mmap", () => {
  test("maps memory that is zero, writable and at a page's start", () => {
    using memory = anonymous(3);
    assert.equal(typeof memory.address, "bigint");
    assert.equal(memory.address % BigInt(PAGE), 0n);
    assert(memory.address > 0n);
    assert(memory.bytes.every((byte) => byte === 0));
    memory.bytes.fill(7);
    assert.equal(memory.bytes[3 * PAGE - 1], 7);
  });

  test("maps a file, shared: stores reach it, and its changes are seen", () => {
    using target = file(2);
    using memory = mapping(mmap(0n, 2 * PAGE, READ_WRITE, MAP_SHARED, target.fd, 0), 2 * PAGE);
    assert.deepEqual([memory.bytes[0], memory.bytes[PAGE]], [1, 2]);
    memory.bytes[1] = 99;
    assert.equal(readFileSync(target.path)[1], 99);
    writeSync(target.fd, Uint8Array.of(88), 0, 1, PAGE + 5);
    assert.equal(memory.bytes[PAGE + 5], 88);
  });

  test("maps a file, privately: stores don't reach it", () => {
    using target = file(1, "r");
    using memory = mapping(mmap(0n, PAGE, READ_WRITE, MAP_PRIVATE, target.fd, 0), PAGE);
    memory.bytes[0] = 99;
    assert.equal(readFileSync(target.path)[0], 1);
  });

  test("maps a file from an offset on, past 4 GiB as well", () => {
    using target = file(3);
    using third = mapping(mmap(0n, PAGE, PROT_READ, MAP_SHARED, target.fd, 2 * PAGE), PAGE);
    assert.equal(third.bytes[0], 3);
    const far = 5 * 2 ** 30;
    ftruncateSync(target.fd, far + PAGE); // sparse
    writeSync(target.fd, Uint8Array.of(55), 0, 1, far);
    using beyond = mapping(mmap(0n, PAGE, PROT_READ, MAP_SHARED, target.fd, far), PAGE);
    assert.equal(beyond.bytes[0], 55);
  });

  test("maps more than 4 GiB", () => {
    const length = 2 ** 33;
    const address = mmap(0n, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | libc.MAP_NORESERVE, -1, 0);
    munmap(address, length);
  });

  test("MAP_FIXED maps over what is there", () => {
    using target = file(1);
    using memory = anonymous(2);
    memory.bytes.fill(9);
    const address = memory.address + BigInt(PAGE);
    assert.equal(mmap(address, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, target.fd, 0), address);
    assert.deepEqual([memory.bytes[0], memory.bytes[PAGE]], [9, 1]);
  });

  test("MAP_FIXED_NOREPLACE doesn't", linuxOnly, () => {
    assert(MAP_FIXED_NOREPLACE !== undefined);
    using memory = anonymous(1);
    const { address } = memory;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    fails(() => mmap(address, PAGE, PROT_READ, flags, -1, 0), {
      code: "EEXIST",
      syscall: "mmap",
      address,
      length: PAGE,
    });
  });

  test("fails as mmap(2) says", () => {
    using readable = file(1, "r");
    const at = { syscall: "mmap", address: 0n };
    fails(() => mmap(0n, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), { ...at, code: "EBADF", length: PAGE });
    fails(() => mmap(0n, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), {
      ...at,
      code: "EINVAL",
      length: 0,
    });
    fails(() => mmap(0n, PAGE, PROT_READ, MAP_PRIVATE, readable.fd, 1), {
      ...at,
      code: "EINVAL",
      length: PAGE,
    });
    fails(() => mmap(0n, PAGE, READ_WRITE, MAP_SHARED, readable.fd, 0), {
      ...at,
      code: "EACCES",
      length: PAGE,
    });
    const huge = 2 ** 52; // more than any address space
    fails(() => mmap(0n, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), {
      ...at,
      code: "ENOMEM",
      length: huge,
    });
  });
});

describe("munmap", () => {
  test("takes away a range of a mapping, and nothing else", () => {
    // The hole is known to be one by what is mapped into it: a hint is taken where there is nothing. Another
    // thread of the runtime's may come first, but not time and again.
    for (let attempt = 0; attempt < 10; attempt++) {
      const first = mmap(0n, 3 * PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      const middle = first + BigInt(PAGE);
      munmap(middle, PAGE);
      const hole = mmap(middle, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      using _before = mapping(first, PAGE);
      using _after = mapping(middle + BigInt(PAGE), PAGE);
      munmap(hole, PAGE);
      if (hole === middle) return;
    }
    assert.fail("what was unmapped was never free");
  });

  test("fails as munmap(2) says", () => {
    using memory = anonymous(1);
    const { address } = memory;
    const crooked = address + 1n;
    fails(() => munmap(crooked, PAGE), { code: "EINVAL", syscall: "munmap", address: crooked, length: PAGE });
    fails(() => munmap(address, 0), { code: "EINVAL", syscall: "munmap", address, length: 0 });
  });
});

describe("msync", () => {
  test("writes a file back, at once, later, and invalidating", () => {
    using target = file(1);
    using memory = mapping(mmap(0n, PAGE, READ_WRITE, MAP_SHARED, target.fd, 0), PAGE);
    for (const [value, flags] of [[10, MS_SYNC], [11, MS_ASYNC], [12, MS_SYNC | MS_INVALIDATE]] as const) {
      memory.bytes[0] = value;
      assert.equal(msync(memory.address, PAGE, flags), undefined);
      assert.equal(readFileSync(target.path)[0], value);
    }
  });

  test("fails as msync(2) says", () => {
    using memory = anonymous(1);
    const { address } = memory;
    const at = { syscall: "msync", length: PAGE };
    fails(() => msync(address, PAGE, MS_SYNC | MS_ASYNC), { ...at, code: "EINVAL", address });
    fails(() => msync(address + 1n, PAGE, MS_SYNC), { ...at, code: "EINVAL", address: address + 1n });
    fails(() => msync(NOWHERE, PAGE, MS_SYNC), { ...at, code: "ENOMEM", address: NOWHERE });
  });
});

describe("mprotect", () => {
  test("gives a right", () => {
    using memory = anonymous(1, PROT_NONE);
    assert.equal(mprotect(memory.address, PAGE, READ_WRITE), undefined);
    memory.bytes[0] = 3;
    mprotect(memory.address, PAGE, PROT_READ);
    assert.equal(memory.bytes[0], 3);
  });

  test("fails as mprotect(2) says", () => {
    using readable = file(1, "r");
    using memory = mapping(mmap(0n, PAGE, PROT_READ, MAP_SHARED, readable.fd, 0), PAGE);
    const { address } = memory;
    const at = { syscall: "mprotect", length: PAGE };
    fails(() => mprotect(address, PAGE, READ_WRITE), { ...at, code: "EACCES", address });
    if (!isMusl()) { // which rounds to whole pages
      fails(() => mprotect(address + 1n, PAGE, PROT_READ), { ...at, code: "EINVAL", address: address + 1n });
    }
    fails(() => mprotect(NOWHERE, PAGE, PROT_READ), { ...at, code: "ENOMEM", address: NOWHERE });
  });
});

describe("madvise", () => {
  test("takes advice", () => {
    using target = file(2);
    using memory = mapping(mmap(0n, 2 * PAGE, PROT_READ, MAP_SHARED, target.fd, 0), 2 * PAGE);
    for (const advice of [libc.MADV_RANDOM, libc.MADV_SEQUENTIAL, libc.MADV_WILLNEED, libc.MADV_NORMAL]) {
      assert.equal(madvise(memory.address, 2 * PAGE, advice), undefined);
    }
    assert.deepEqual([memory.bytes[0], memory.bytes[PAGE]], [1, 2]);
  });

  test("MADV_DONTNEED throws away: elsewhere it is but a hint", linuxOnly, () => {
    using memory = anonymous(1);
    memory.bytes[0] = 4;
    madvise(memory.address, PAGE, libc.MADV_DONTNEED);
    assert.equal(memory.bytes[0], 0);
  });

  test("advice that the platform lacks is undefined, and ENOTSUP", () => {
    const lacking = onLinux ? libc.MADV_ZERO_WIRED_PAGES : libc.MADV_COLLAPSE;
    assert.equal(lacking, undefined);
    using memory = anonymous(1);
    fails(() => madvise(memory.address, PAGE, lacking), { code: "ENOTSUP", syscall: "madvise" });
  });

  test("fails as madvise(2) says", () => {
    using memory = anonymous(1);
    const { address } = memory;
    const at = { syscall: "madvise", length: PAGE };
    fails(() => madvise(address, PAGE, 9999), { ...at, code: "EINVAL", address });
    fails(() => madvise(address + 1n, PAGE, libc.MADV_NORMAL), {
      ...at,
      code: "EINVAL",
      address: address + 1n,
    });
    if (onLinux) {
      fails(() => madvise(NOWHERE, PAGE, libc.MADV_WILLNEED), { ...at, code: "ENOMEM", address: NOWHERE });
    }
  });
});

describe("mlock and munlock", () => {
  test("lock and unlock a page", () => {
    using memory = anonymous(1);
    assert.equal(mlock(memory.address, PAGE), undefined);
    assert.equal(munlock(memory.address, PAGE), undefined);
  });

  test("fail as mlock(2) says", () => {
    const address = NOWHERE;
    fails(() => mlock(address, PAGE), { code: "ENOMEM", syscall: "mlock", address, length: PAGE });
    fails(() => munlock(address, PAGE), { code: "ENOMEM", syscall: "munlock", address, length: PAGE });
  });
});

describe("mincore", () => {
  test("tells a touched page from an untouched one", () => {
    using memory = anonymous(4);
    if (hasHugePages) madvise(memory.address, 4 * PAGE, libc.MADV_NOHUGEPAGE); // of which one touch would bring all
    memory.bytes[0] = 1;
    memory.bytes[2 * PAGE] = 1;
    const vector = new Uint8Array(4);
    assert.equal(mincore(memory.address, 4 * PAGE, vector), undefined);
    assert.deepEqual([...vector].map((byte) => byte & 1), [1, 0, 1, 0]);
  });

  test("writes to its part of a larger array, and one byte for a part of a page", () => {
    using memory = anonymous(2);
    memory.bytes.fill(1);
    const all = new Uint8Array(6).fill(0xee);
    mincore(memory.address, PAGE + 1, all.subarray(2, 5));
    assert.deepEqual([...all], [0xee, 0xee, 1, 1, 0xee, 0xee]);
  });

  test("a vector that is too short, detached or no Uint8Array is refused", () => {
    using memory = anonymous(2);
    const { address } = memory;
    const detached = new Uint8Array(2);
    detached.buffer.transfer(0);
    assert.throws(() => mincore(address, 2 * PAGE, new Uint8Array(1)), RangeError);
    assert.throws(() => mincore(address, PAGE + 1, new Uint8Array(1)), RangeError);
    assert.throws(() => mincore(address, PAGE, detached), RangeError);
    for (
      const vector of [
        undefined,
        null,
        [0, 0],
        new ArrayBuffer(2),
        new Uint16Array(2),
        new DataView(new ArrayBuffer(2)),
      ]
    ) {
      assert.throws(() => mincore(address, PAGE, vector as unknown as Uint8Array<ArrayBuffer>), TypeError);
    }
  });

  test("fails as mincore(2) says", () => {
    using memory = anonymous(1);
    const address = memory.address + 1n;
    const vector = new Uint8Array(1);
    fails(() => mincore(address, PAGE, vector), {
      code: "EINVAL",
      syscall: "mincore",
      address,
      length: PAGE,
    });
    fails(() => mincore(NOWHERE, PAGE, vector), {
      code: "ENOMEM",
      syscall: "mincore",
      address: NOWHERE,
      length: PAGE,
    });
  });
});

describe("mremap", () => {
  if (!onLinux) {
    test("is ENOTSUP", () => {
      fails(() => mremap(NOWHERE, PAGE, PAGE, 0), { code: "ENOTSUP", syscall: "mremap" });
    });
    return;
  }

  test("grows and shrinks a mapping, and its contents stay", () => {
    const old = mmap(0n, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const before = internal().arrayBuffer(Number(old), PAGE);
    new Uint8Array(before).fill(6);
    before.transfer(0);
    const address = mremap(old, PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    using grown = mapping(address, 4 * PAGE);
    assert.deepEqual([grown.bytes[0], grown.bytes[PAGE - 1], grown.bytes[PAGE]], [6, 6, 0]);
    assert.equal(mremap(address, 4 * PAGE, 2 * PAGE, 0), address);
  });

  test("MREMAP_FIXED moves it where it is told", () => {
    using room = anonymous(1);
    const old = mmap(0n, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const before = internal().arrayBuffer(Number(old), PAGE);
    new Uint8Array(before).fill(6);
    before.transfer(0);
    assert.equal(mremap(old, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room.address), room.address);
    assert.equal(room.bytes[0], 6);
  });

  test("fails as mremap(2) says", () => {
    using memory = anonymous(1);
    const { address } = memory;
    const at = { syscall: "mremap", length: PAGE };
    fails(() => mremap(address, PAGE, 0, MREMAP_MAYMOVE), { ...at, code: "EINVAL", address });
    fails(() => mremap(address, PAGE, PAGE, 0x40), { ...at, code: "EINVAL", address });
    fails(() => mremap(address + 1n, PAGE, PAGE, 0), { ...at, code: "EINVAL", address: address + 1n });
    fails(() => mremap(NOWHERE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), { ...at, code: "EFAULT", address: NOWHERE });
  });
});

describe("memchr, memrchr, memmem and memcmp", () => {
  // Few different bytes, so that there is something to find.
  const contents = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 200 });
  const needles = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }).map((list) =>
    Uint8Array.from(list)
  );

  test("find what a Buffer finds", () => {
    using memory = anonymous(1);
    const at = (index: number): bigint => index === -1 ? 0n : memory.address + BigInt(index);
    fc.assert(
      fc.property(contents, needles, fc.integer({ min: 0, max: 4 }), (list, needle, byte) => {
        const bytes = Buffer.from(list);
        memory.bytes.set(bytes);
        const { address } = memory;
        assert.equal(memchr(address, byte, bytes.length), at(bytes.indexOf(byte)));
        assert.equal(memrchr(address, byte, bytes.length), at(bytes.lastIndexOf(byte)));
        assert.equal(memmem(address, bytes.length, needle), at(bytes.indexOf(needle)));
        assert.equal(memchr(address, byte, 0), 0n);
        assert.equal(memrchr(address, byte, 0), 0n);
      }),
    );
  });

  test("take the lowest 8 bits of a byte, as C does", () => {
    using memory = anonymous(1);
    memory.bytes[5] = 0xfe;
    for (const byte of [0xfe, -2, 0x1fe]) {
      assert.equal(memchr(memory.address, byte, PAGE), memory.address + 5n);
      assert.equal(memrchr(memory.address, byte, PAGE), memory.address + 5n);
    }
  });

  test("memcmp orders memory as Buffer.compare does", () => {
    using memory = anonymous(2);
    fc.assert(
      fc.property(contents, contents, (one, other) => {
        const length = Math.min(one.length, other.length);
        memory.bytes.set(one, 0);
        memory.bytes.set(other, PAGE);
        const expected = Buffer.compare(
          Buffer.from(one).subarray(0, length),
          Buffer.from(other).subarray(0, length),
        );
        assert.equal(Math.sign(memcmp(memory.address, memory.address + BigInt(PAGE), length)), expected);
      }),
    );
    assert.throws(() => memcmp(memory.address, 4096 as never, 1), TypeError);
    assert.throws(() => memcmp(memory.address, memory.address, -1), RangeError);
  });

  test("memmem refuses a needle that is none", () => {
    using memory = anonymous(1);
    for (const needle of [undefined, null, "needle", 7, [1]]) {
      assert.throws(() => memmem(memory.address, PAGE, needle as never), TypeError);
    }
  });

  test("where the C library has no memrchr, ours finds the same", () => {
    const lacking = openLibc(createRuntime(), { ...platform(), lacks: [...platform().lacks, "memrchr"] });
    assert.equal(lacking.has("memrchr"), true);
    const { memrchr: ours } = lacking.functions;
    assert.notEqual(ours, internal().functions.memrchr);
    const size = 2 ** 21 + 5; // more than is looked at through one buffer
    using memory = anonymous(Math.ceil(size / PAGE));
    const address = Number(memory.address);
    const edges = fc.oneof(
      fc.nat(size - 1),
      fc.constantFrom(0, 4, 5, 6, 2 ** 20 + 4, 2 ** 20 + 5, size - 1),
    );
    fc.assert(
      fc.property(fc.array(edges, { maxLength: 3 }), fc.nat(size), (places, length) => {
        for (const place of places) memory.bytes[place] = 1;
        const before = places.filter((place) => place < length);
        const expected = before.length === 0 ? 0 : address + Math.max(...before);
        assert.equal(ours(address, 1, length), expected);
        assert.equal(ours(address, 0x101, length), expected);
        if (internal().has("memrchr")) {
          assert.equal(internal().functions.memrchr(address, 1, length), expected);
        }
        for (const place of places) memory.bytes[place] = 0;
      }),
    );
  });
});

describe("bad arguments", () => {
  // Each is tried in the place of a good one, on a mapping that must be there, and unharmed, afterwards.
  const CALLS: Readonly<
    Record<string, { call: (...values: never[]) => unknown; kinds: string; extra: unknown[] }>
  > = {
    mmap: { call: mmap, kinds: "aliiis", extra: [PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0] },
    munmap: { call: munmap, kinds: "al", extra: [] },
    msync: { call: msync, kinds: "ali", extra: [MS_SYNC] },
    mprotect: { call: mprotect, kinds: "ali", extra: [PROT_NONE] },
    madvise: { call: madvise, kinds: "ali", extra: [libc.MADV_DONTNEED] },
    mlock: { call: mlock, kinds: "al", extra: [] },
    munlock: { call: munlock, kinds: "al", extra: [] },
    mincore: { call: mincore, kinds: "al", extra: [new Uint8Array(1)] },
    memchr: { call: memchr, kinds: "ail", extra: [PAGE] },
    memrchr: { call: memrchr, kinds: "ail", extra: [PAGE] },
    memmem: { call: memmem, kinds: "al", extra: [new Uint8Array(1)] },
    ...(onLinux ? { mremap: { call: mremap, kinds: "alliA", extra: [PAGE, 0, 0n] } } : {}),
  };

  const WRONG_TYPES = [null, "4096", {}, [], true, Symbol("size"), () => 4096];
  const HUGE = [2 ** 53, 2 ** 60, 2 ** 64, Number.MAX_VALUE];
  const NO_INTEGERS = [Number.NaN, Infinity, -Infinity, 0.5, 4096.5];
  const NO_ADDRESSES = [
    -1n,
    -4096n,
    ...[53n, 60n, 63n, 64n, 70n].flatMap((bits) => [2n ** bits, 2n ** bits + 4096n]),
  ];
  const CASES: Readonly<Record<string, { types: readonly unknown[]; ranges: readonly unknown[] }>> = {
    a: { types: [...WRONG_TYPES, undefined, 4096, 0], ranges: NO_ADDRESSES }, // an address
    A: { types: [...WRONG_TYPES, 4096, 0], ranges: NO_ADDRESSES }, // an address that may be left out
    l: { types: [...WRONG_TYPES, undefined, 4096n], ranges: [...NO_INTEGERS, ...HUGE, -1, -4096] },
    s: { types: [...WRONG_TYPES, undefined, 0n], ranges: [...NO_INTEGERS, ...HUGE, -1, -4096] },
    i: { // an int; madvise takes undefined for advice that the platform lacks
      types: [...WRONG_TYPES, 1n],
      ranges: [...NO_INTEGERS, ...HUGE, 2 ** 31, 2 ** 32, -(2 ** 31) - 1],
    },
  };

  for (const [name, { call, kinds, extra }] of Object.entries(CALLS)) {
    test(`${name} refuses them before it calls the system`, () => {
      using memory = anonymous(1);
      memory.bytes[0] = 77;
      const good = [memory.address, PAGE, ...extra];
      for (const [index, kind] of [...kinds].entries()) {
        const { types = [], ranges = [] } = CASES[kind] ?? {};
        for (const [values, type] of [[types, TypeError], [ranges, RangeError]] as const) {
          for (const value of values) {
            assert.throws(
              () => call(...good.with(index, value) as never[]),
              type,
              `${name}, argument ${index}: ${typeof value} ${String(value)}`,
            );
          }
        }
      }
      assert.equal(memory.bytes[0], 77);
    });
  }

  test("an address that wraps around to one of ours is no address", () => {
    using memory = anonymous(1);
    memory.bytes[0] = 77;
    assert.throws(() => munmap(memory.address + 2n ** 64n, PAGE), RangeError);
    assert.throws(() => munmap(memory.address - 2n ** 64n, PAGE), RangeError);
    assert.equal(memory.bytes[0], 77);
  });
});

describe("errno", () => {
  test("is the failed call's, whatever garbage there is", () => {
    assert.deepEqual(failures(names, 20_000), []);
  });

  test("survives calls that succeed in between", () => {
    using memory = anonymous(1);
    for (let call = 0; call < 1000; call++) {
      fails(() => msync(NOWHERE, PAGE, MS_SYNC), {
        code: "ENOMEM",
        syscall: "msync",
        address: NOWHERE,
        length: PAGE,
      });
      madvise(memory.address, PAGE, libc.MADV_NORMAL);
    }
  });

  test("is each thread's own", async () => {
    const started = new Int32Array(new SharedArrayBuffer(4));
    const calls = 20_000;
    const workers = ["EBADF", "EINVAL"].map((name) => {
      const workerData = { name, calls, started, threads: 3 };
      const worker = new Worker(new URL("./helpers/errno_worker.ts", import.meta.url), { workerData });
      return new Promise<string[]>((resolve, reject) => {
        worker.once("message", (wrong: string[]) => {
          resolve(wrong);
          void worker.terminate();
        });
        worker.once("error", reject);
        worker.once("exit", (code) => reject(new Error(`the worker left with ${code}`)));
      });
    });
    // The third thread is this one; Atomics.wait could keep the workers from starting.
    while (Atomics.load(started, 0) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    Atomics.add(started, 0, 1);
    Atomics.notify(started, 0);
    const own = failures(["ENOMEM"], calls);
    assert.deepEqual([...await Promise.all(workers), own], [[], [], []]);
  });
});
