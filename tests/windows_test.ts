// windows() walks a part of a region in order, by `for` and by `for await`, as often as it is asked to.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MappedRegion, RegionClosedError, type WindowsOptions } from "../mod.ts";
import { PAGE, pattern, testFile } from "./helpers/mod.ts";

const LENGTH = 10 * PAGE + 77;
const BYTES = pattern(LENGTH);

/** The bytes of one walk by `for`, and of one by `for await`; and how long each window was. */
async function walks(region: MappedRegion, options: WindowsOptions): Promise<[Buffer, number[]][]> {
  const windows = region.windows(options);
  const parts: Buffer[][] = [[], [], []];
  for (const window of windows) parts[0]?.push(Buffer.from(window));
  for await (const window of windows) parts[1]?.push(Buffer.from(window));
  for (const window of windows) parts[2]?.push(Buffer.from(window));
  return parts.map((list) => [Buffer.concat(list), list.map(({ length }) => length)]);
}

describe("windows", () => {
  test("give the same bytes by for and by for await, and again", async () => {
    using file = testFile(LENGTH);
    const options = fc.record({
      offset: fc.integer({ min: 0, max: LENGTH }),
      length: fc.integer({ min: 0, max: LENGTH }),
      size: fc.integer({ min: PAGE / 8, max: 2 * LENGTH }),
      dropBehind: fc.boolean(),
    }, { requiredKeys: [] });
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        using region = MappedRegion.open(file.path);
        const offset = given.offset ?? 0;
        const length = given.length === undefined ? undefined : Math.min(given.length, LENGTH - offset);
        const end = offset + (length ?? LENGTH - offset);
        const part = Buffer.from(BYTES.subarray(offset, end));
        for (
          const [bytes, lengths] of await walks(region, {
            ...given,
            ...(length === undefined ? {} : { length }),
          })
        ) {
          assert(bytes.equals(part));
          const { size = LENGTH } = given;
          assert(lengths.slice(0, -1).every((each) => each === size));
          assert.equal(lengths.length, Math.ceil(part.length / size));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("are views: what is stored to one is in the region", () => {
    using region = MappedRegion.anonymous(3 * PAGE);
    for (const window of region.windows({ size: PAGE })) window[5] = 9;
    assert.deepEqual([5, PAGE + 5, 2 * PAGE + 5].map((at) => region.read(at, 1)[0]), [9, 9, 9]);
  });

  for (const way of ["for", "for await"] as const) {
    /** Walks, and does something at the second window; returns the lengths. */
    const walk = async (
      region: MappedRegion,
      options: WindowsOptions,
      then: () => void,
    ): Promise<number[]> => {
      const lengths: number[] = [];
      const look = (window: Uint8Array): void => {
        lengths.push(window.length);
        if (lengths.length === 2) then();
      };
      const windows = region.windows(options);
      if (way === "for") { for (const window of windows) look(window); }
      else for await (const window of windows) look(window);
      return lengths;
    };

    test(`by ${way} end with an error when the region is closed in the middle`, async () => {
      const region = MappedRegion.anonymous(5 * PAGE);
      await assert.rejects(walk(region, { size: PAGE }, () => region.close()), RegionClosedError);
    });

    test(`by ${way} follow a region that becomes shorter or longer, unless a length was asked for`, async () => {
      using shorter = MappedRegion.anonymous(5 * PAGE);
      assert.deepEqual(await walk(shorter, { size: PAGE }, () => shorter.resize(2 * PAGE + 5)), [
        PAGE,
        PAGE,
        5,
      ]);
      using gone = MappedRegion.anonymous(5 * PAGE);
      assert.deepEqual(await walk(gone, { size: PAGE }, () => gone.resize(7)), [PAGE, PAGE]);
      using longer = MappedRegion.anonymous(3 * PAGE);
      const grow = (): void => longer.resize(4 * PAGE);
      assert.deepEqual(await walk(longer, { size: PAGE }, grow), [PAGE, PAGE, PAGE, PAGE]);
      using fixed = MappedRegion.anonymous(3 * PAGE);
      const growFixed = (): void => fixed.resize(9 * PAGE);
      assert.deepEqual(await walk(fixed, { size: PAGE, length: 3 * PAGE }, growFixed), [PAGE, PAGE, PAGE]);
    });

    test(`by ${way} can be left in the middle`, async () => {
      using region = MappedRegion.anonymous(5 * PAGE);
      const stop = new Error("enough");
      await assert.rejects(
        walk(region, { size: PAGE }, () => {
          throw stop;
        }),
        stop,
      );
      assert.equal((await walk(region, { size: PAGE }, () => {})).length, 5);
    });
  }

  test("refuse what they can't do when they are asked for", () => {
    using region = MappedRegion.anonymous(100);
    assert.throws(() => region.windows({ offset: 101 }), RangeError);
    assert.throws(() => region.windows({ offset: 50, length: 51 }), RangeError);
    assert.throws(() => region.windows({ size: 0 }), RangeError);
    assert.throws(() => region.windows({ size: 2 ** 60 }), RangeError);
    assert.throws(() => Reflect.apply(region.windows, region, [{ step: 1 }]), TypeError);
    assert.deepEqual([...region.windows({ offset: 100 })], []);
  });
});
