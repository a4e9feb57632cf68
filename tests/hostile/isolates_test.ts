// Regions that four isolates of a process close, resize, cut off and give away at random: no crash, and no byte of anybody else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardOnly } from "../helpers/mod.ts";
import { runProgram } from "./support.ts";

test("2500 random operations of four isolates find letters and zeros only", guardOnly, () => {
  const { status, signal, stdout, stderr } = runProgram("isolates", "all");
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr);
  const [operations, answers, wrong] = JSON.parse(stdout) as [number, number, string];
  assert.equal(wrong, "");
  assert.equal(operations, 2500);
  assert.ok(answers > 0);
});
