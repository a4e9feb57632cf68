// One pass over a region gives its bytes, in little memory, whatever happens to the region meanwhile.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import { linuxOnly, temporaryDirectory } from "./helpers/mod.ts";

function counted(length: number): MappedRegion {
  const region = MappedRegion.anonymous(Math.max(1, length));
  region.write(0, Uint8Array.from({ length }, (_, index) => index * 31 & 0xff));
  return region;
}

const range = {
  offset: fc.integer({ min: 0, max: 40_000 }),
  length: fc.integer({ min: 0, max: 40_000 }),
  dropBehind: fc.boolean(),
};
const size = fc.integer({ min: 100, max: 50_000 });
const ranges = fc.record({ ...range, chunkSize: size });
const windows = fc.record({ ...range, size });

describe("stream", () => {
  test("gives the bytes of a range, in chunks", async () => {
    await fc.assert(
      fc.asyncProperty(ranges, async (options) => {
        using region = counted(80_000);
        const chunks: Uint8Array[] = [];
        for await (const chunk of region.stream(options)) {
          assert(chunk.length <= options.chunkSize);
          chunks.push(chunk);
        }
        assert.deepEqual(Buffer.concat(chunks), Buffer.from(region.read(options.offset, options.length)));
      }),
      { numRuns: 50 },
    );
  });

  test("is a body", async () => {
    using region = counted(1_000_000);
    const body = await new Response(region.stream()).arrayBuffer();
    assert.deepEqual(new Uint8Array(body), region.read(0, region.length));
    using empty = MappedRegion.anonymous(1);
    assert.equal(await new Response(empty.stream({ length: 0 })).text(), "");
  });

  test("lets the event loop run, however many chunks are there", async () => {
    using region = MappedRegion.anonymous(2 ** 25 + 1);
    region.fill(1);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    for (let walk = 0; walk < 1000 && turns === 0; walk++) {
      let length = 0;
      for await (const chunk of region.stream()) length += chunk.length;
      assert.equal(length, region.length);
    }
    clearInterval(timer);
    assert(turns > 0);
    assert.deepEqual(new Uint8Array(await new Response(region.stream()).arrayBuffer()), region.bytes);
    const reader = region.stream({ chunkSize: 2 ** 24 }).getReader();
    await reader.read();
    const next = reader.read();
    await reader.cancel();
    assert.equal((await next).done, true);
  });

  test("fills a reader's own buffer", async () => {
    using region = counted(1000);
    const reader = region.stream().getReader({ mode: "byob" });
    const read: Uint8Array[] = [];
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(300));
      if (value !== undefined) read.push(value);
      if (done) break;
    }
    assert.deepEqual(Buffer.concat(read), Buffer.from(region.bytes));
  });

  test("its chunks outlive the region, and it fails when that is closed in the middle", async () => {
    const region = counted(1000);
    const reader = region.stream({ chunkSize: 400 }).getReader();
    const { value } = await reader.read();
    const copy = value?.slice();
    region.close();
    await assert.rejects(reader.read(), RegionClosedError);
    assert.deepEqual(value, copy);
    assert.equal(value?.length, 400);
    assert.throws(() => region.stream(), RegionClosedError);
  });

  test("ends early when the region has become shorter", async () => {
    using region = counted(1000);
    const reader = region.stream({ chunkSize: 400 }).getReader();
    await reader.read();
    region.resize(500);
    assert.equal((await reader.read()).value?.length, 100);
    assert.equal((await reader.read()).done, true);
  });

  test("refuses bad options, and can be cancelled", async () => {
    using region = counted(10);
    assert.throws(() => region.stream({ chunkSize: 0 }), RangeError);
    assert.throws(() => region.stream({ offset: 11 }), RangeError);
    assert.throws(() => region.stream({ offset: 2, length: 9 }), RangeError);
    assert.throws(() => region.stream({ size: 5 } as object), /no option "size"/);
    await region.stream().cancel();
  });
});

describe("windows", () => {
  test("gives the bytes of a range, without a copy", async () => {
    await fc.assert(
      fc.asyncProperty(windows, async (options) => {
        using region = counted(80_000);
        const parts: Buffer[] = [];
        for await (const part of region.windows(options)) {
          assert.equal(part.buffer, region.buffer);
          parts.push(Buffer.from(part));
        }
        assert.deepEqual(Buffer.concat(parts), Buffer.from(region.read(options.offset, options.length)));
      }),
      { numRuns: 50 },
    );
  });

  test("loses nothing that was stored", async () => {
    using directory = temporaryDirectory();
    for (const access of ["read-write", "copy-on-write"] as const) {
      const path = join(directory.path, access);
      MappedRegion.open(path, { access: "read-write", create: true, size: 100_000 }).close();
      using region = MappedRegion.open(path, { access, offset: 5 });
      region.fill(7);
      for await (const part of region.windows({ size: 10_000, dropBehind: true })) {
        assert(part.every((byte) => byte === 7));
      }
      assert(region.bytes.every((byte) => byte === 7));
    }
  });

  test("loses nothing that was stored by another owner", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "file");
    MappedRegion.open(path, { access: "read-write", create: true, size: 100_000 }).close();
    using region = MappedRegion.open(path, { access: "copy-on-write" });
    using other = MappedRegion.attach(structuredClone(region.handle()));
    other.fill(7);
    for (const each of [region, other]) {
      for await (const _ of each.windows({ size: 10_000, dropBehind: true }));
    }
    assert(region.bytes.every((byte) => byte === 7));
    assert(other.bytes.every((byte) => byte === 7));
  });

  test("lets timers run, and notices that the region is closed", async () => {
    const region = counted(100_000);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 0);
    try {
      // A thousand windows may take less than the millisecond that a timer waits at least.
      for (let walk = 0; walk < 1000 && ticks === 0; walk++) {
        for await (const _ of region.windows({ size: 100 }));
      }
      assert(ticks > 0);
      await assert.rejects(async () => {
        for await (const _ of region.windows({ size: 100 })) region.close();
      }, RegionClosedError);
    } finally {
      clearInterval(timer);
    }
    assert.throws(() => region.windows(), RegionClosedError);
  });
});

/** This process's resident memory in bytes. */
function resident(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

test("one pass over 64 GiB stays under 512 MiB of resident memory", linuxOnly, async () => {
  const before = resident();
  using directory = temporaryDirectory();
  const path = join(directory.path, "sparse");
  const fd = openSync(path, "w");
  ftruncateSync(fd, 2 ** 36);
  writeSync(fd, Buffer.from("last"), 0, 4, 2 ** 36 - 4); // Deno 2.9 has no ear for the position of a string
  closeSync(fd);
  using region = MappedRegion.open(path);
  region.advise("random"); // no reading ahead: it would be most of the time
  let seen = 0;
  let most = 0;
  let last = 0;
  for await (const part of region.windows({ size: 2 ** 26, dropBehind: true })) {
    // A page in 128 KiB: 2 GiB would become resident if nothing were dropped.
    for (let at = 0; at < part.length; at += 2 ** 17) seen += part[at] === 0 ? 1 : 0;
    last = part.at(-1) ?? 0;
    most = Math.max(most, resident());
  }
  assert.equal(seen, 2 ** 19);
  assert.equal(last, "t".charCodeAt(0));
  assert(most - before < 2 ** 29, `${most - before} bytes more than before`);
});
