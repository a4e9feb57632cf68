// The fault guard itself, below the library: what it catches, and that it leaves alone what is none of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeWhere, guardOnly, isEmulated } from "../helpers/mod.ts";
import { LIMIT, run } from "./guard_support.ts";

const EMULATED = "QEMU's user mode does otherwise";

const FAULTS = {
  access: "can be touched in every way when it is lost",
  regrown: "is the file's again when the file has come back",
  remapped: "can be mapped and lost any number of times",
  strays: "keeps stray stores to itself",
  mixed: "is lost where it is lost, and nowhere else",
  lostRanges: "is known to be lost for as long as it lives",
  found: "is found among others that come, go and change their length",
  slow: "stays the handler's for as long as it is at work on it",
  countFirst: "is counted as lost before anyone can see it",
  calledAsFunction: "is looked after by who calls the handler as a function",
  nested: "can be lost while other signals come",
  limits: "can be lost in more pieces than the kernel grants mappings",
  workers: "can be lost under several threads",
  counting: "keeps what threads stored to pages that another thread was replacing",
  storm: "is found while others enter and leave the table",
  sharing: "is known to every isolate, by one table and one handler",
  terminated: "is guarded after the worker that came first has gone",
  ended: "is given back when a worker has ended that had it",
  occupied: "is guarded when something else lies where the table should",
  forged: "is guarded when files that look like the table lie where it should",
  forked: "is guarded in a process that is started by one that is guarded",
};

describeWhere("a region's memory", guardOnly, () => {
  for (const [program, what] of Object.entries(FAULTS)) {
    // Neither addresses nor their contents are what they seem in QEMU's user mode, nor does it tell of a thread's end.
    const skip = ["occupied", "forged", "ended"].includes(program) && isEmulated && EMULATED;
    test(what, { skip, timeout: 2 * LIMIT }, () => {
      const { status, signal, stdout, stderr } = run(program);
      assert.deepEqual({ status, signal }, { status: 0, signal: null }, stdout + stderr);
      assert.match(stdout, /"done"/);
    });
  }
});

const OTHERS = {
  bus: "a lost page elsewhere",
  segv: "a store to read-only memory elsewhere",
  unmapped: "memory that isn't there",
  unguarded: "a region without a guard",
  released: "a region that was given up",
  noStrays: "a stray store to a region that doesn't want them caught",
  killBus: "SIGBUS from kill(2)",
  killSegv: "SIGSEGV from kill(2)",
  ignored: "signals that were ignored before",
  ignoredFault: "a fault whose signal was ignored before",
  mask: "the mask of a handler that was there before",
  once: "a handler that is to be called once",
  overflow: "too much recursion",
  wasm: "traps of WebAssembly",
};

describeWhere("what is none of the guard's", guardOnly, () => {
  for (const [program, what] of Object.entries(OTHERS)) {
    // Without us, QEMU's user mode ignores such a fault, for ever.
    const skip = program === "ignoredFault" && isEmulated && EMULATED;
    test(`ends as it would without: ${what}`, { skip, timeout: 3 * LIMIT }, () => {
      const [on, off] = [run(program, "on"), run(program, "off")];
      for (const key of ["status", "signal", "stdout"] as const) assert.equal(on[key], off[key], on.stderr);
    });
  }
});

test("every program is one of these, or measures what the guard costs", guardOnly, () => {
  const names = JSON.parse(run("names").stdout) as string[];
  assert.deepEqual(names.sort(), ["cost", ...Object.keys({ ...FAULTS, ...OTHERS })].sort());
});
