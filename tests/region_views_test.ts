/** Views: which bytes they show, and that they are taken back without anything crashing. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MappedRegion } from "../mod.ts";
import { fails, PAGE, pattern, run, testFile, typedArrays } from "./helpers/mod.ts";

describe("views", () => {
  test("buffer, bytes and view are the same objects each time, over the same memory", () => {
    using region = MappedRegion.anonymous(100);
    assert.equal(region.buffer, region.buffer);
    assert.equal(region.bytes, region.bytes);
    assert.equal(region.view, region.view);
    assert.equal(region.bytes.buffer, region.buffer);
    region.view.setUint16(2, 0x0102);
    assert.deepEqual([...region.bytes.subarray(2, 4)], [1, 2]);
    assert.deepEqual([...region.subarray(2, 4)], [1, 2]);
    assert.deepEqual([region.buffer.byteLength, region.view.byteLength], [100, 100]);
  });

  test("subarray shows any part, and windows all of it in order", () => {
    using file = testFile(3 * PAGE + 5);
    const expected = pattern(3 * PAGE + 5);
    using region = MappedRegion.open(file.path, { offset: 3 });
    for (const offset of [0, 1, PAGE - 4, PAGE - 3, PAGE, 3 * PAGE + 2]) {
      assert.deepEqual(region.subarray(offset), expected.slice(offset + 3));
      assert.deepEqual(region.subarray(offset, offset), new Uint8Array());
    }
    for (const size of [1000, PAGE, 1 << 26]) {
      const parts = [...region.windows({ size })];
      assert.deepEqual(Uint8Array.from(parts.flatMap((part) => [...part])), expected.slice(3));
      assert(parts.slice(0, -1).every((part) => part.length === size));
    }
  });

  for (const type of typedArrays) {
    test(`array lays a ${type.name} over the memory`, () => {
      using region = MappedRegion.anonymous(101);
      region.bytes.set(pattern(101));
      const width = type.BYTES_PER_ELEMENT;
      const array = region.array(type);
      assert(array instanceof type);
      assert.equal(array.length, Math.floor(101 / width));
      const part = region.array(type, width, 2);
      assert.equal(part.length, 2);
      assert.equal(part[0], array[1]);
      if (width > 1) assert.throws(() => region.array(type, 1), RangeError);
      assert.throws(
        () => region.array(type, 0, Math.floor(101 / width) + 1),
        RangeError,
      );
    });
  }

  test("read gives a copy that outlives the region, write takes strings as UTF-8", () => {
    const region = MappedRegion.anonymous(20);
    assert.equal(region.write(1, "grüß dich"), 11);
    assert.equal(region.write(12, Uint8Array.of(1, 2)), 2);
    const copy = region.read(1, 13);
    region.close();
    assert.equal(new TextDecoder().decode(copy), "grüß dich\x01\x02");
  });

  test("write within a region takes bytes of the region itself", () => {
    using region = MappedRegion.anonymous(10);
    region.write(0, "abcdef");
    region.write(2, region.subarray(0, 6));
    assert.equal(new TextDecoder().decode(region.read(0, 8)), "ababcdef");
  });

  test("indexOf finds bytes, strings and patterns from any offset, as on Uint8Array", () => {
    using region = MappedRegion.anonymous(2 * PAGE);
    region.write(PAGE - 2, "needle");
    for (const needle of ["needle", new TextEncoder().encode("needle"), 110]) {
      assert.equal(region.indexOf(needle), PAGE - 2);
      assert.equal(region.indexOf(needle, PAGE - 2), PAGE - 2);
      assert.equal(region.indexOf(needle, PAGE - 1), -1);
      assert.equal(region.indexOf(needle, -PAGE - 2), PAGE - 2);
      assert.equal(region.indexOf(needle, -Infinity), PAGE - 2);
      assert.equal(region.indexOf(needle, Infinity), -1);
    }
    assert.equal(region.includes("needles"), false);
    assert.equal(region.indexOf(""), 0);
  });
});

describe("views are taken back", () => {
  const ends: Record<string, (region: MappedRegion) => void> = {
    close: (region) => region.close(),
    resize: (region) => region.resize(3 * PAGE),
    "resize to less": (region) => region.resize(PAGE),
    "a protect that takes a right away": (region) => region.protect("read"),
    "a protect of a part": (region) => region.protect("read", { length: 1 }),
  };
  for (const [name, end] of Object.entries(ends)) {
    test(`by ${name}`, () => {
      using region = MappedRegion.anonymous(2 * PAGE);
      const { buffer, bytes, view } = region;
      const others = [region.subarray(5, 10), region.array(Uint32Array), ...region.windows({ size: PAGE })];
      end(region);
      assert.equal(buffer.detached, true);
      assert.deepEqual([bytes.length, bytes[0], ...others.map((other) => other.length)], [
        0,
        undefined,
        0,
        0,
        0,
        0,
      ]);
      assert.throws(() => view.getUint8(0), TypeError);
    });
  }

  test("not by a protect that only gives rights, nor by one that changes nothing", () => {
    using region = MappedRegion.anonymous(PAGE, { protection: "read" });
    const { bytes } = region;
    region.protect("read");
    region.protect("read-write");
    bytes[0] = 5;
    assert.equal(region.bytes, bytes);
    assert.equal(region.read(0, 1)[0], 5);
  });

  test("parts beside pages with protection none can be taken, the rest is refused by EACCES", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    region.write(0, "first");
    region.protect("none", { offset: PAGE, length: PAGE });
    assert.equal(region.protection, "none");
    const refused = [
      (): unknown => region.bytes,
      (): unknown => region.buffer,
      (): unknown => region.view,
      (): unknown => region.subarray(PAGE - 1, PAGE + 1),
      (): unknown => region.read(PAGE, 1),
      (): unknown => region.write(2 * PAGE - 1, "xy"),
      (): unknown => region.indexOf("x"),
      (): unknown => region.prefault(),
    ];
    for (const call of refused) fails(call, "EACCES");
    assert.equal(new TextDecoder().decode(region.subarray(0, 5)), "first");
    region.write(2 * PAGE, "last");
    assert.equal(region.array(Uint8Array, 2 * PAGE)[0], 108);
  });
});

describe("hostile programs end well", () => {
  const programs: Record<string, string> = {
    "buffers transferred away read and write zeros after close": `
      const bytes = [region.buffer.transfer()];
      const other = MappedRegion.open(path, { access: "read-write" });
      bytes.push(structuredClone(other.buffer, { transfer: [other.buffer] }));
      region.close();
      other.close();
      for (const buffer of bytes) {
        const view = new Uint8Array(buffer);
        for (let at = 0; at < view.length; at += 512) { if (view[at] !== 0) throw new Error("not zero"); view[at] = 1; }
      }`,
    "a buffer posted to a worker is still memory there after close": `
      const { Worker } = await import("node:worker_threads");
      const code = 'require("node:worker_threads").parentPort.on("message", (buffer) => {' +
        'const view = new Uint8Array(buffer); let sum = 0;' +
        'const end = Date.now() + 200; while (Date.now() < end) for (let at = 0; at < view.length; at += 512) sum += view[at];' +
        'require("node:worker_threads").parentPort.postMessage(view.length); });';
      const worker = new Worker(code, { eval: true });
      const { buffer } = region;
      const answer = new Promise((resolve) => worker.once("message", resolve));
      worker.postMessage(buffer, [buffer]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      region.close();
      if (await answer !== 1 << 20) throw new Error("wrong length");
      await worker.terminate();`,
    "native work in flight at close": `
      const { gzip } = await import("node:zlib");
      const { write, openSync } = await import("node:fs");
      // Node's and Deno's zlib throw from a callback of their own when the input was detached: no crash.
      process.on("uncaughtException", (error) => { if (!/input/.test(error.message)) throw error; });
      const big = MappedRegion.anonymous(64 << 20);
      big.bytes.fill(3);
      const fd = openSync(path + ".out", "w");
      gzip(big.bytes, () => {});
      const work = [
        
        new Promise((resolve) => write(fd, big.bytes, 0, big.length, 0, resolve)),
        crypto.subtle.digest("SHA-256", big.bytes),
      ];
      big.close();
      region.close();
      await Promise.allSettled(work);
      await new Promise((resolve) => setTimeout(resolve, 500));`,
    "a stale view after close, resize and protect": `
      const { bytes } = region;
      region.protect("read");
      bytes[0] = 1;
      const again = region.bytes;
      region.resize(100);
      again[0] = 1;
      const last = region.bytes;
      region.close();
      last[0] = 1;
      if (last[0] !== undefined) throw new Error("still there");`,
  };
  for (const [name, program] of Object.entries(programs)) {
    test(name, () => {
      using file = testFile(1 << 20);
      const child = run(
        `
        import { MappedRegion } from "../../mod.ts";
        import process from "node:process";
        const path = process.argv[2] ?? "";
        const region = MappedRegion.open(path, { access: "read-write" });
        ${program}
        console.log("done");
        process.exit(0);
        `,
        { args: [file.path] },
      );
      assert.deepEqual([child.status, child.signal, child.stdout], [0, null, "done\n"], child.stderr);
    });
  }
});

// In V8, a process that has ever detached a buffer is slower with all of its own.
test("a region of which nothing was lent is read, searched, walked, stored to and closed without detaching a buffer", () => {
  using file = testFile(1 << 20);
  const child = run(
    `
    import process from "node:process";
    const told = (prototype, name) => {
      const original = prototype[name];
      prototype[name] = function (...values) {
        console.log(name);
        return original.apply(this, values);
      };
    };
    for (const name of ["transfer", "transferToFixedLength"]) told(ArrayBuffer.prototype, name);
    told(WebAssembly.Memory.prototype, "grow");
    const { MappedRegion } = await import("../../mod.ts"); // which takes functions as they are by now
    const path = process.argv[2] ?? "";
    const region = MappedRegion.open(path, { access: "read-write" });
    region.read(0, 1);
    region.read(0, region.length);
    region.text({ length: 100_000 });
    for (const needle of ["a", "abc", "x".repeat(100)]) {
      region.indexOf(needle);
      region.lastIndexOf(needle);
      region.count(needle);
      for (const at of region.matches(needle)) region.read(at, 1);
    }
    for (const encoding of ["utf-8", "bytes", "offsets"]) {
      for (const line of region.lines({ encoding })) region.includes("b", 1);
      for (const line of region.lines({ encoding, reverse: true })) region.includes("b", 1);
    }
    for await (const chunk of region.stream()) region.write(0, chunk);
    region.fill(1, { length: 100_000 });
    region.move(0, 10, 100_000);
    region.copyTo(new Uint8Array(1 << 20));
    region.flushSync();
    region.assertIntact();
    region.close();
    process.exit(0);
    `,
    { args: [file.path] },
  );
  assert.deepEqual([child.status, child.signal, child.stdout], [0, null, ""], child.stderr);
});
