// Random sequences of operations against a model, in a process of its own: no crash, and no wrong byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardOnly } from "../helpers/mod.ts";
import { runProgram } from "./support.ts";

test("100,000 random operations find the bytes that a model has", guardOnly, () => {
  const { status, signal, stdout, stderr } = runProgram("sequences", "all");
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" });
  const [operations, wrong] = JSON.parse(stdout) as [number, string];
  assert.equal(wrong, "");
  assert.ok(operations >= 100_000, `${operations} operations`);
});
