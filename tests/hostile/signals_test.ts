// Listeners to SIGBUS and SIGSEGV take the handler's place in Node and Bun; the guard stays in force, and they work.
import assert from "node:assert/strict";
import { test } from "node:test";
import { programs } from "./programs/signals.ts";
import { guardOnly } from "../helpers/mod.ts";
import { expectAll, runProgram } from "./support.ts";

const { afterwards, ...others } = programs;

expectAll("signals", others, {
  listensAfter: [[4, true], true, [4, true], [4, true], 4, true],
  listensBefore: [[4, true], true, [4, true], 4, true],
  comeAndGo: 4,
  sentOften: "well",
  worker: [65, 4, 4, 4, 4],
  ends: 4,
  sentToNobody: 4,
  traps: [100, 4],
});

test(
  "a signal that is sent when nobody listens any more does what it does without the guard",
  guardOnly,
  () => {
    assert.ok(afterwards);
    const [guarded, without] = [{}, { HOSTILE_GUARD: "absent" }].map((env) => {
      const { status, signal, stdout } = runProgram("signals", "afterwards", env);
      return { status, signal, stdout };
    });
    assert.deepEqual(guarded, without);
  },
);
