/** Huge pages: refused clearly where none are reserved, and given back where some are. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { MappedRegion } from "../mod.ts";
import { fails, rootOnly } from "./helpers/region.ts";

const CONTROL = "/proc/sys/vm/nr_hugepages";

function free(): number {
  return Number(/^HugePages_Free:\s*(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
}

test("without reserved huge pages the error says how to reserve some", rootOnly, (t) => {
  if (free() > 0) return t.skip("some are reserved");
  fails(() => MappedRegion.anonymous(1, { hugePages: true }), "ENOMEM", /vm\.nr_hugepages/);
  fails(() => MappedRegion.anonymous(1, { hugePages: "2MB" }), "ENOMEM", /vm\.nr_hugepages/);
  assert.throws(() => MappedRegion.anonymous(1, { hugePages: "1GB" }), /huge pages/);
});

test("reserved ones are mapped, resized, looked at and given back by close", rootOnly, (t) => {
  const before = readFileSync(CONTROL, "utf8").trim();
  try {
    writeFileSync(CONTROL, String(Number(before) + 8));
  } catch {
    return t.skip("huge pages can't be reserved here");
  }
  try {
    const start = free();
    if (start < 8) return t.skip(`only ${start} huge pages could be reserved`);
    const region = MappedRegion.anonymous(1 << 20, { hugePages: true });
    region.write((1 << 20) - 1, "x");
    assert.equal(free(), start - 1);
    assert(region.residency().resident > 0);
    region.resize(6 << 20);
    assert.equal(region.read((1 << 20) - 1, 1)[0], 120);
    region.bytes.fill(1);
    assert.equal(free(), start - 3);
    region.resize(1 << 20);
    assert.equal(free(), start - 1);
    region.close();
    assert.equal(free(), start);
  } finally {
    writeFileSync(CONTROL, before);
  }
});
