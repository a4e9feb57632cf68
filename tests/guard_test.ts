// The table of regions that the fault guard keeps: what lies where, who is in it, and how it is opened.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CODE } from "../ffi/guard/code.ts";
import { CODE as KERNELS } from "../ffi/kernels/code.ts";
import type { TablePart } from "../ffi/guard/discovery.ts";
import { LAYOUT } from "../ffi/guard/layout.ts";
import type { Members } from "../ffi/guard/members.ts";
import { type GuardCalls, openTable, RegionTable, TableFullError } from "../ffi/guard/mod.ts";
import { constants } from "../ffi/platform.ts";
import { describeWhere, linuxOnly } from "./helpers/mod.ts";

const PAGE = 4096;
const range = { start: 2 ** 40, length: 3 * PAGE, kind: "shared", guarded: true } as const;

function tableInMemory(): { table: RegionTable; buffer: ArrayBuffer } {
  const buffer = new ArrayBuffer(LAYOUT.TABLE_SIZE);
  return { table: new RegionTable((offset) => ({ buffer, offset }), 0x1_0000, PAGE, undefined), buffer };
}

function rangeOf(buffer: ArrayBuffer, slot: number): number[] {
  return [...new BigUint64Array(buffer, LAYOUT.RANGES + slot * 16, 2)].map(Number);
}

describe("the guard's layout", () => {
  test("has room for everything, and the parts where the handler expects them", () => {
    assert.equal(LAYOUT.RECORD_SIZE, 8 * 16);
    assert.equal(LAYOUT.RECORDS, LAYOUT.RANGES + LAYOUT.SLOTS * 16);
    assert.equal(LAYOUT.PINS, LAYOUT.RECORDS + LAYOUT.SLOTS * LAYOUT.RECORD_SIZE);
    assert.equal(LAYOUT.RECORD_PINS, LAYOUT.PINS - LAYOUT.RECORDS);
    assert.equal(LAYOUT.LOST, LAYOUT.PINS + LAYOUT.SLOTS * LAYOUT.RECORD_SIZE);
    assert.equal(LAYOUT.LOST_SIZE, 4 * LAYOUT.RECORD_SIZE);
    assert.equal(LAYOUT.LOST_SIZE, LAYOUT.LOST_BANKS * LAYOUT.LOST_BANK_SIZE);
    assert.equal(LAYOUT.INDEX, LAYOUT.LOST + LAYOUT.SLOTS * LAYOUT.LOST_SIZE);
    const buckets = 2 ** (32 - LAYOUT.INDEX_HASH_SHIFT);
    assert.equal(LAYOUT.TABLE_SIZE, LAYOUT.INDEX + buckets * 2 ** LAYOUT.INDEX_BUCKET_SHIFT);
    for (const part of [LAYOUT.CODE, LAYOUT.RANGES, LAYOUT.PINS, LAYOUT.LOST, LAYOUT.TABLE_SIZE]) {
      assert.equal(part % 65_536, 0);
    }
    const sizeOf = (code: string): number => Uint8Array.fromBase64(code).length;
    for (const code of Object.values(CODE)) assert.ok(sizeOf(code) <= LAYOUT.KERNELS - LAYOUT.CODE);
    for (const code of Object.values(KERNELS)) assert.ok(sizeOf(code) <= LAYOUT.RANGES - LAYOUT.KERNELS);
  });
});

describe("the table of regions", () => {
  test("shows the handler whole pages, from the region's first to its last", () => {
    const { table, buffer } = tableInMemory();
    const slot = table.add({ ...range, start: range.start + 100, length: PAGE });
    assert.deepEqual(rangeOf(buffer, slot.handle.slot), [range.start, range.start + 2 * PAGE]);
    assert.deepEqual([slot.start, slot.length], [range.start + 100, PAGE]);
    slot.move(range.start + 8 * PAGE, 1);
    assert.deepEqual(rangeOf(buffer, slot.handle.slot), [range.start + 8 * PAGE, range.start + 9 * PAGE]);
    slot.move(range.start, 0);
    assert.equal(rangeOf(buffer, slot.handle.slot)[1], 0);
    const huge = table.add({ ...range, pageSize: 2 ** 21, start: 2 ** 41, length: 5 });
    assert.deepEqual(rangeOf(buffer, huge.handle.slot), [2 ** 41, 2 ** 41 + 2 ** 21]);
  });

  test("hides a region without a guard, or that was given up, from the handler", () => {
    const { table, buffer } = tableInMemory();
    const open = table.add({ ...range, guarded: false });
    assert.equal(open.guarded, false);
    assert.equal(rangeOf(buffer, open.handle.slot)[1], 0);
    open.move(range.start, PAGE);
    assert.equal(rangeOf(buffer, open.handle.slot)[1], 0);
    const slot = table.add(range);
    slot.release();
    assert.equal(rangeOf(buffer, slot.handle.slot)[1], 0);
  });

  test("counts references, and tells the last one", () => {
    const { table } = tableInMemory();
    const first = table.add(range);
    const second = table.retain(structuredClone(first.handle));
    assert.ok(second);
    assert.deepEqual([second.start, second.length, second.guarded], [range.start, range.length, true]);
    assert.equal(first.owners, 2);
    assert.equal(first.release(), 1);
    assert.throws(() => first.release(), /released/);
    assert.equal(second.release(), 0);
    assert.equal(table.retain(first.handle), undefined);
  });

  test("keeps a region whose owners have gone while somebody lingers", () => {
    const { table, buffer } = tableInMemory();
    const owner = table.add(range);
    const other = table.retain(owner.handle);
    assert.ok(other);
    other.linger();
    other.linger();
    assert.deepEqual([owner.owners, owner.lingering], [1, 1]);
    owner.linger();
    assert.deepEqual([owner.owners, owner.lingering], [0, 2]);
    assert.equal(table.retain(owner.handle), undefined);
    assert.equal(owner.alone(() => {}), false);
    assert.equal(rangeOf(buffer, owner.handle.slot)[1], range.start + range.length);
    let last = 0;
    assert.equal(owner.release(() => last++), 1);
    assert.equal(rangeOf(buffer, owner.handle.slot)[1], range.start + range.length);
    assert.deepEqual([last, other.lingering], [0, 1]);
    assert.equal(other.release(() => last++), 0);
    assert.deepEqual([last, other.owners, other.lingering], [1, 0, 0]);
    assert.equal(rangeOf(buffer, owner.handle.slot)[1], 0);
    assert.throws(() => other.linger(), /released/);
  });

  test("lets an owner be alone while others linger, and none attach", () => {
    const { table } = tableInMemory();
    const owner = table.add(range);
    const other = table.retain(owner.handle);
    assert.ok(other);
    assert.equal(owner.alone(() => assert.fail()), false);
    other.linger();
    let ran = 0;
    assert.equal(
      owner.alone(() => {
        ran++;
        assert.equal(owner.owners, 1);
        assert.equal(owner.alone(() => assert.fail()), false);
        assert.equal(other.release(() => assert.fail()), 1);
        assert.equal(table.retain(owner.handle), undefined);
      }),
      true,
    );
    assert.equal(ran, 1);
    assert.throws(() => owner.alone(() => assert.fail("this")), /this/);
    table.retain(owner.handle)?.release();
    assert.equal(owner.release(), 0);
  });

  test("gives an isolate's next region a slot it has used, and others what an ended isolate set aside", () => {
    const buffer = new ArrayBuffer(LAYOUT.TABLE_SIZE);
    const dead: { member: number; counts: Uint32Array; done(): void }[] = [];
    const isolate = (member: number): { table: RegionTable; counts: Uint32Array } => {
      const counts = new Uint32Array(LAYOUT.SLOTS);
      const members = { member, counts, takeDead: () => dead.pop() } as unknown as Members;
      const unused = (): void => assert.fail("there is nothing to give back");
      const estate = { members, unmap: unused, cover: unused };
      const part = (offset: number): TablePart => ({ buffer, offset });
      return { table: new RegionTable(part, 0x1_0000, PAGE, undefined, estate), counts };
    };
    const [one, other] = [isolate(1), isolate(2)];
    const slotsOf = (table: RegionTable, count: number): number[] =>
      Array.from({ length: count }, () => table.add(range)).map((slot) => (slot.release(), slot.handle.slot));
    // Far more regions, one after the other, than are set aside; and far more at once.
    assert.equal(new Set(slotsOf(other.table, 1000)).size, 1000);
    for (let round = 0; round < 1000; round++) slotsOf(other.table, 1);
    const usedOf = (): number | undefined => new Uint32Array(buffer)[LAYOUT.HEADER_USED / 4];
    assert.equal(usedOf(), 1000);
    let done = 0;
    dead.push({ member: 2, counts: other.counts, done: () => done++ });
    assert.equal(new Set(slotsOf(one.table, 1000)).size, 1000);
    assert.deepEqual([usedOf(), done], [1000, 1]);
    assert(other.counts.every((count) => count === 0));
  });

  test("knows the slots that another isolate was the first to use, however many", () => {
    const { table, buffer } = tableInMemory();
    const other = new RegionTable((offset) => ({ buffer, offset }), table.address, PAGE, undefined);
    const startOf = (index: number): number => range.start + index * range.length;
    const slots = Array.from({ length: 3000 }, (_, index) => table.add({ ...range, start: startOf(index) }));
    const last = slots.at(-1);
    assert(last !== undefined);
    assert.deepEqual(rangeOf(buffer, 2999), [startOf(2999), startOf(3000)]);
    assert(other.isOccupied(startOf(2999), 1));
    const retained = other.retain(last.handle);
    assert.deepEqual([retained?.start, retained?.owners, slots[0]?.start], [startOf(2999), 2, startOf(0)]);
    assert.deepEqual([retained?.release(), last.release()], [1, 0]);
    assert.equal(
      new RegionTable((offset) => ({ buffer, offset }), 1, PAGE, undefined).add(range).index,
      2999,
    );
    for (const slot of slots.slice(0, -1)) assert.equal(slot.release(), 0);
    assert.equal(other.isOccupied(startOf(0), PAGE), true); // it's the range of slot 2999 now
    assert.equal(other.isOccupied(startOf(1), range.length), false);
  });

  test("refuses the handle of a free slot at once", () => {
    const { table } = tableInMemory();
    const { handle } = table.add(range);
    const free = { ...handle, slot: 9, generation: 0 };
    const gone = table.add(range);
    gone.release();
    const { wait } = Atomics;
    Atomics.wait = (): never => assert.fail("it waited for an owner that won't come");
    try {
      for (const generation of [0, 1, 2]) {
        assert.equal(table.retain({ ...free, generation }), undefined);
        assert.equal(table.retain({ ...gone.handle, generation }), undefined);
      }
    } finally {
      Atomics.wait = wait;
    }
  });

  test("doesn't take the next tenant of a slot for the one before", () => {
    const { table } = tableInMemory();
    const gone = table.add(range);
    gone.release();
    const next = table.add(range);
    assert.equal(next.handle.slot, gone.handle.slot);
    assert.equal(table.retain(gone.handle), undefined);
    assert.ok(table.retain(next.handle));
  });

  test("knows no handle of another table, nor one that is no handle", () => {
    const { table } = tableInMemory();
    const { handle } = table.add(range);
    for (
      const wrong of [{ table: 0x2_0000 }, { slot: -1 }, { slot: 65_536 }, { slot: 0.5 }, { slot: 1 }, {
        generation: 0,
      }, { generation: 1.5 }]
    ) assert.equal(table.retain({ ...handle, ...wrong }), undefined);
  });

  test("is full with 65,536 regions, and takes one again when one has gone", () => {
    const { table } = tableInMemory();
    const slots = Array.from({ length: LAYOUT.SLOTS }, (_, i) => table.add({ ...range, start: i * PAGE }));
    assert.throws(() => table.add(range), TableFullError);
    slots[7]?.release();
    assert.equal(table.add(range).handle.slot, 7);
    assert.throws(() => table.add(range), TableFullError);
  });

  test("doesn't grow when regions come and go", () => {
    const { table, buffer } = tableInMemory();
    for (let i = 0; i < 1e5; i++) {
      const slots = [table.add(range), table.add(range), table.add(range)];
      for (const slot of slots) slot.release();
    }
    assert.equal(new Uint32Array(buffer)[LAYOUT.HEADER_USED / 4], 3);
  });

  test("starts a region's counters at 0, and keeps them when it is given up", () => {
    const { table, buffer } = tableInMemory();
    const words = new Uint32Array(buffer);
    const slot = table.add(range);
    const record = (LAYOUT.RECORDS + slot.handle.slot * LAYOUT.RECORD_SIZE) / 4;
    assert.deepEqual([slot.faults, slot.strays, slot.lastFault], [0, 0, undefined]);
    words[record + LAYOUT.RECORD_FAULTS / 4] = 3;
    words[record + LAYOUT.RECORD_STRAYS / 4] = 1;
    words[record + LAYOUT.RECORD_LAST / 4] = 0x1000;
    words[record + LAYOUT.RECORD_LAST / 4 + 1] = 0x7f;
    slot.release();
    assert.deepEqual([slot.faults, slot.strays, slot.lastFault], [3, 1, 0x7f_0000_1000]);
    const next = table.add(range);
    assert.deepEqual([next.faults, next.strays, next.lastFault], [0, 0, undefined]);
    assert.deepEqual([slot.faults, slot.strays, slot.lastFault], [3, 1, 0x7f_0000_1000]);
  });
});

/** libc over pretended memory; `refuse` names the calls that fail. */
function pretend(...refuse: (keyof GuardCalls)[]): GuardCalls & { mappings: Map<number, ArrayBuffer> } {
  const mappings = new Map<number, ArrayBuffer>();
  const answer = (name: keyof GuardCalls): number => refuse.includes(name) ? -1 : 0;
  return {
    mappings,
    mmap(address, length): number {
      if (refuse.includes("mmap")) return -1;
      if (mappings.has(address)) return -1;
      mappings.set(address, new ArrayBuffer(length));
      return address;
    },
    munmap: () => answer("munmap"),
    mprotect: () => answer("mprotect"),
    madvise: () => answer("madvise"),
    msync: (address) => mappings.has(address) ? 0 : -1,
    sigaction: () => answer("sigaction"),
    arrayBuffer: (address, length) => mappings.get(address) ?? new ArrayBuffer(length),
  };
}

const linux = { architecture: "x64", platform: "linux", pageSize: PAGE, constants, guard: "on" } as const;

describeWhere("opening the table", linuxOnly, () => {
  test("is done once: who comes later finds it", () => {
    const calls = pretend();
    const first = openTable(calls, linux);
    const second = openTable(calls, linux);
    assert.equal(first.guarded, true);
    assert.equal(first.reason, undefined);
    assert.equal(second.address, first.address);
    assert.equal(calls.mappings.size, 1);
    assert.ok(second.retain(first.add(range).handle));
  });

  test("passes by what isn't a table of this version", () => {
    const calls = pretend();
    const first = openTable(calls, linux);
    new BigUint64Array(calls.mappings.get(first.address) ?? new ArrayBuffer(0))[0] = 1n;
    const second = openTable(calls, linux);
    assert.notEqual(second.address, first.address);
    assert.equal(first.retain(second.add(range).handle), undefined);
  });

  test("knows only a table that has this process's secret", () => {
    const calls = pretend();
    const first = openTable(calls, { ...linux, secret: [1n, 2n] });
    assert.equal(openTable(calls, { ...linux, secret: [1n, 2n] }).address, first.address);
    const others = [[1n, 3n], [2n, 2n], []].map((secret) => openTable(calls, { ...linux, secret }).address);
    assert.equal(new Set([first.address, ...others]).size, 4);
  });

  test("works without a handler, and says why there is none", () => {
    const without = [
      { table: openTable(pretend("mprotect"), linux), reason: /executable memory/ },
      { table: openTable(pretend("sigaction"), linux), reason: /signal handler/ },
      { table: openTable(pretend("mmap"), linux), reason: /memory for its table/ },
      { table: openTable(pretend(), { ...linux, guard: "off" }), reason: /turned off/ },
      { table: openTable(pretend(), { ...linux, architecture: "riscv64" }), reason: /linux on riscv64/ },
      { table: openTable(pretend(), { ...linux, platform: "darwin" }), reason: /darwin on x64/ },
    ];
    for (const { table, reason } of without) {
      assert.equal(table.guarded, false);
      assert.match(table.reason ?? "", reason);
      const slot = table.add(range);
      assert.equal(slot.guarded, false);
      assert.equal(slot.release(), 0);
    }
  });

  test("tells those who come later that the handler was refused", () => {
    const calls = pretend("mprotect");
    openTable(calls, linux);
    assert.match(openTable(calls, linux).reason ?? "", /executable memory/);
  });
});
