// Work on regions that are closed, resized and cut off at random ends with their true bytes, or in an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardOnly } from "../helpers/mod.ts";
import { runProgram } from "./support.ts";

interface Counts {
  readonly right: number;
}

test(
  "100,000 random operations under work in flight: no crash, and no byte that isn't true",
  guardOnly,
  () => {
    const { status, signal, stdout, stderr } = runProgram("under_way", "all");
    assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr);
    const [operations, done, wrong] = JSON.parse(stdout) as [number, Record<string, Counts>, string];
    assert.equal(wrong, "");
    // Fewer on a busy machine.
    assert.ok(operations >= 20_000, `${operations} operations`);
    // Much of the work has found the bytes as they were, and not only errors.
    const right = Object.values(done).reduce((sum, counts) => sum + counts.right, 0);
    assert.ok(right >= 100, `${right} right`);
  },
);
