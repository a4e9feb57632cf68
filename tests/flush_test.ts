// Writing pages back while the event loop goes on.
import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import {
  collectGarbage,
  failing,
  fails,
  guardOnly,
  isMapped,
  linuxOnly,
  PAGE,
  run,
  temporaryDirectory,
  testFile,
} from "./helpers/mod.ts";

test("timers go on while hundreds of megabytes are written back", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  using region = MappedRegion.open(path, {
    access: "read-write",
    create: true,
    size: 256 << 20,
    sparse: true,
  });
  await region.flush({ length: 1 }); // what is needed for it is there now
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  // A file system in memory has nothing to do, and another one may be done before a busy machine looks at its timers.
  for (let attempt = 0; attempt < 20 && ticks === 0; attempt++) {
    region.fill(7);
    await region.flush();
  }
  clearInterval(timer);
  assert(ticks > 0);
  assert.equal(region.count(7), 256 << 20);
});

test("a region that is closed meanwhile keeps its memory until it is done, and takes no more calls", async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  const region = MappedRegion.open(path, {
    access: "read-write",
    create: true,
    size: 64 << 20,
    sparse: true,
  });
  region.fill(5);
  const first = region.flush();
  const second = region.flush({ offset: PAGE, length: 1 });
  fails(() => region.resize(PAGE), "EBUSY");
  region.close();
  assert(isMapped(path));
  await assert.rejects(region.flush(), RegionClosedError);
  await Promise.all([first, second]);
  await collectGarbage();
  assert(!isMapped(path));
  assert.equal(readFileSync(path).indexOf(0), -1);
});

for (const name of ["flush", "flushSync"] as const) {
  describe(name, () => {
    test("takes any range, with and without invalidate, of any region", async () => {
      using file = testFile(4 * PAGE);
      using region = MappedRegion.open(file.path, { access: "read-write", offset: 7 });
      using memory = MappedRegion.anonymous(PAGE);
      using reader = MappedRegion.open(file.path);
      region.write(0, "written");
      for (const each of [region, memory, reader]) {
        const { length } = each;
        const ranges = [{}, { offset: 3 }, { offset: length }, { offset: 1, length: 0 }, {
          offset: PAGE / 2,
          length: 9,
        }];
        for (const range of ranges) {
          for (const more of [{}, { invalidate: true }, { invalidate: false }]) {
            assert.equal(await each[name]({ ...range, ...more }), undefined);
          }
        }
        assert.equal(await each[name](), undefined);
      }
      assert.equal(new TextDecoder().decode(file.read().subarray(7, 14)), "written");
    });

    test("refuses a range past the end, an unknown option, and a closed region", async () => {
      const region = MappedRegion.anonymous(PAGE, { shared: true });
      const call = async (options: unknown): Promise<void> => {
        await Reflect.apply(region[name], region, [options]);
      };
      await assert.rejects(call({ offset: PAGE + 1 }), RangeError);
      await assert.rejects(call({ offset: 1, length: PAGE }), RangeError);
      await assert.rejects(call({ mode: "async" }), TypeError);
      await assert.rejects(call({ invalidate: 1 }), TypeError);
      if (name === "flush") await assert.rejects(call({ wait: false }), TypeError); // it never waits
      region.close();
      await assert.rejects(call(undefined), RegionClosedError);
    });

    test("with invalidate is EBUSY on locked pages, and says what to do", linuxOnly, async () => {
      using file = testFile(PAGE);
      using region = MappedRegion.open(file.path, { access: "read-write" });
      region.lock();
      const call = async (): Promise<void> => await region[name]({ invalidate: true });
      await assert.rejects(
        call(),
        failing("EBUSY", { syscall: "msync", operation: name, words: /unlock it/ }),
      );
    });
  });
}

test("flushSync that doesn't wait takes a range, and the bytes reach the file", () => {
  using file = testFile(2 * PAGE);
  using region = MappedRegion.open(file.path, { access: "read-write" });
  region.write(PAGE, "later");
  region.flushSync({ wait: false });
  region.flushSync({ wait: false, invalidate: true, offset: PAGE, length: 5 });
  region.flushSync({ wait: true });
  assert.equal(new TextDecoder().decode(file.read().subarray(PAGE, PAGE + 5)), "later");
});

test("wrong arguments reject", async () => {
  using region = MappedRegion.anonymous(4 * PAGE, { shared: true });
  await assert.rejects(region.flush({ offset: 5 * PAGE }), RangeError);
  await assert.rejects(Reflect.apply(region.flush, region, [{ mode: "async" }]), TypeError);
  await region.flush({ length: 0 });
});

test("lost pages reject", guardOnly, async () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "file");
  writeFileSync(path, new Uint8Array(4 * PAGE));
  using region = MappedRegion.open(path, { access: "read-write" });
  truncateSync(path, PAGE);
  region.bytes[2 * PAGE] = 1;
  await assert.rejects(region.flush(), failing("EFAULT"));
  await assert.rejects(region.flush(), { code: "EFAULT" });
  await region.flush({ length: PAGE });
});

test("a program ends when nothing else is to be done, with what it waited for done", () => {
  const { status, stdout } = run(`
    import { MappedRegion } from "../../mod.ts";
    const region = MappedRegion.anonymous(1 << 20, { shared: true });
    region.flush().then(() => {
      region.close();
      console.log("done");
    });
  `);
  assert.equal(stdout, "done\n");
  assert.equal(status, 0);
});
