// Writing pages back while the event loop goes on.
import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MappedRegion, RegionClosedError } from "../mod.ts";
import {
  collectGarbage,
  failing,
  fails,
  guardOnly,
  isMapped,
  PAGE,
  run,
  temporaryDirectory,
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
  region.fill(7);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await region.flush();
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
