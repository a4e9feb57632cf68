// Faults that are none of the library's end as in the same program where no handler was installed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeWhere, guardOnly, runtimeName } from "../helpers/mod.ts";
import { runProgram } from "./support.ts";

/** What ends a program: its exit code or signal, and what it found. */
function ending(name: string, env: Record<string, string> = {}): readonly [number | string | null, string] {
  const { status, signal, stdout } = runProgram("unrelated", name, env);
  return [signal ?? status, stdout.trim()];
}

const traps = '["RuntimeError,RuntimeError,RuntimeError",1]';
// A Deno without any library survives these two when they are sent by kill(2).
const survived = [0, '"survived"'] as const;
const expected: Readonly<Record<string, readonly [number | string | null, string]>> = {
  wasmTraps: [0, traps],
  stackOverflow: [0, '["RangeError",1]'],
  errors: [0, '"TypeError"'],
  sentBus: runtimeName === "deno" ? survived : ["SIGBUS", ""],
  sentSegv: runtimeName === "deno" ? survived : ["SIGSEGV", ""],
  crash: ["SIGSEGV", ""],
};

describeWhere("beside the guard", guardOnly, () => {
  for (const [name, end] of Object.entries(expected)) {
    test(name, () => {
      const without = ending(name, { HOSTILE_GUARD: "absent" });
      assert.deepEqual(ending(name), without);
      assert.deepEqual(without, end, runtimeName);
    });
  }
});

describeWhere("without the guard", guardOnly, () => {
  test("a region opened with guard: false ends by SIGBUS", () => {
    assert.deepEqual(ending("guardFalse"), ["SIGBUS", ""]);
  });

  test("MAPPED_REGION_GUARD=off ends by SIGBUS, and on does not", () => {
    assert.deepEqual(ending("guardOff", { MAPPED_REGION_GUARD: "off" }), ["SIGBUS", ""]);
    assert.deepEqual(ending("guardOff"), [0, "0"]);
  });
});
