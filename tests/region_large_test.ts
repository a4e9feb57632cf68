/** Regions past 2 GiB and 4 GiB, over a sparse file. */
import assert from "node:assert/strict";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MappedRegion } from "../mod.ts";
import { runtimeName, temporaryDirectory } from "./helpers/mod.ts";

const GIB = 2 ** 30;

test("offsets past 2 and 4 GiB read, write, search and show what they should", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "large");
  const fd = openSync(path, "w");
  ftruncateSync(fd, 5 * GIB + 10);
  const places = [2 * GIB - 3, 2 * GIB + 5, 4 * GIB - 3, 4 * GIB + 5, 5 * GIB];
  for (const place of places) writeSync(fd, new TextEncoder().encode("needle"), 0, 6, place);
  closeSync(fd);
  using region = MappedRegion.open(path, { access: "read-write", sparse: true });
  assert.equal(region.length, 5 * GIB + 10);
  for (const place of places) {
    assert.equal(new TextDecoder().decode(region.read(place, 6)), "needle");
    assert.equal(new TextDecoder().decode(region.subarray(place, place + 6)), "needle");
    assert.equal(region.indexOf("needle", place - 2), place);
    using part = MappedRegion.open(path, { offset: place, length: 6 });
    assert.equal(new TextDecoder().decode(part.bytes), "needle");
  }
  region.write(5 * GIB + 4, "after!");
  using tail = MappedRegion.open(path, { offset: 5 * GIB });
  assert.equal(new TextDecoder().decode(tail.bytes), "needafter!");
  const windows = [...region.windows({ size: GIB })];
  assert.deepEqual(windows.map((window) => window.length), [GIB, GIB, GIB, GIB, GIB, 10]);
  for (const place of places) {
    const found = Array.from(
      "needle",
      (_, index) => windows[Math.floor((place + index) / GIB)]?.[(place + index) % GIB],
    );
    const expected = place === 5 * GIB ? "need" : "needle"; // and "after!"
    assert.equal(String.fromCharCode(...found.slice(0, expected.length).map(Number)), expected);
  }
  if (runtimeName === "bun") assert.throws(() => region.bytes, /subarray.*windows.*read.*indexOf/);
  else assert.equal(region.bytes[5 * GIB], 110);
  const view = region.subarray(5 * GIB, 5 * GIB + 4);
  region.resize(3 * GIB);
  assert.equal(view.length, 0);
  assert.equal(new TextDecoder().decode(region.read(2 * GIB + 5, 6)), "needle");
  region.resize(6 * GIB);
  assert.equal(region.read(6 * GIB - 1, 1)[0], 0);
});

test("small copies in and out of a large region are right before and after it has a view", () => {
  using region = MappedRegion.anonymous(8 << 20);
  for (let round = 0; round < 200; round++) {
    const offset = (round * 41_777) % (8 << 20);
    const word = `<${round}>`;
    region.write(offset, word);
    assert.equal(new TextDecoder().decode(region.read(offset, word.length)), word);
  }
  assert.equal(region.bytes[0], "<".charCodeAt(0));
});
