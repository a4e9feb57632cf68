// What a region says of itself: to console.log, to JSON, and about its guard.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { MappedRegion } from "../mod.ts";
import { guardOnly, PAGE, run, testFile } from "./helpers/mod.ts";

describe("a region", () => {
  test("is what matters of it in JSON", () => {
    using file = testFile("hello");
    using region = MappedRegion.open(file.path, { access: "read-write" });
    assert.deepEqual(JSON.parse(JSON.stringify({ region })), {
      region: {
        path: file.path,
        length: 5,
        access: "read-write",
        protection: "read-write",
        shared: true,
        faults: 0,
        closed: false,
      },
    });
    using memory = MappedRegion.anonymous(7);
    memory.close();
    assert.deepEqual(JSON.parse(JSON.stringify(memory)), {
      length: 0,
      access: "read-write",
      protection: "none",
      shared: false,
      faults: 0,
      closed: true,
    });
  });

  test("shows the same to console.log, and no getters", () => {
    using file = testFile("hello");
    const { stdout, stderr } = run(`
      import { MappedRegion } from "../../mod.ts";
      using region = MappedRegion.open(${JSON.stringify(file.path)});
      console.log(region);
      console.log({ region });
      console.log("%o", [region]);
      region.close();
      console.log(region);
    `);
    assert.equal(stderr, "");
    const shown = stdout.split(/(?=MappedRegion \{)/).filter((text) => text.startsWith("MappedRegion {"));
    assert.equal(shown.length, 4, stdout);
    for (const [index, text] of shown.entries()) {
      assert(text.includes(file.path), text);
      assert.match(
        text,
        index === 3 ? /closed: true/ : /length: 5[^]*access: .read.[^]*protection: .read.[^]*faults: 0/,
      );
      assert.doesNotMatch(text, /Getter|\[Function/);
    }
  });

  test("shows faults, and looks at no byte to be shown", guardOnly, () => {
    using region = MappedRegion.anonymous(PAGE, { protection: "read" });
    region.bytes[0] = 1;
    assert.match(inspect(region), /faults: 1/);
    using none = MappedRegion.anonymous(PAGE, { protection: "none" });
    assert.match(inspect(none), /protection: 'none'/);
  });

  test("is [object MappedRegion], and has nothing to enumerate", () => {
    using region = MappedRegion.anonymous(1);
    assert.equal(String(region), "[object MappedRegion]");
    assert.deepEqual(Object.keys(region), []);
  });
});

describe("unguardedReason", () => {
  test("is undefined where there is a guard, and says that the region was opened without", guardOnly, () => {
    using file = testFile("abc");
    using guarded = MappedRegion.open(file.path);
    assert.deepEqual([guarded.guarded, guarded.unguardedReason], [true, undefined]);
    using region = MappedRegion.open(file.path, { guard: false });
    assert.equal(region.guarded, false);
    assert.match(region.unguardedReason ?? "", /guard: false/);
    region.close();
    assert.equal(region.guarded, false);
  });

  test("says that the environment turned the guard off", guardOnly, () => {
    const program = `
      import { MappedRegion } from "../../mod.ts";
      using region = MappedRegion.anonymous(100);
      region.fill(1);
      console.log(region.guarded, region.unguardedReason, region.count(1));
    `;
    const off = run(program, { env: { MAPPED_REGION_GUARD: "off" } });
    assert.match(off.stdout, /^false .*MAPPED_REGION_GUARD.* 100\n$/, off.stderr);
    const on = run(program, { env: { MAPPED_REGION_GUARD: "on" } });
    assert.match(on.stdout, /^true undefined 100\n$/, on.stderr);
  });
});
