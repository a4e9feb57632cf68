/** Nothing happens at import: seen from outside, in child processes that may do nothing but import. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { root, run, runtimeName } from "./helpers/mod.ts";

/** What a child may do that may only load modules. Bun has no permissions. */
const RESTRICTED = { permissions: [], nodeFlags: ["--permission", `--allow-fs-read=${root}`] };

for (const door of ["../../mod.ts", "../../ffi/mod.ts", "../../src/ipc/mod.ts"]) {
  test(`importing ${door.slice(6)} needs no permission and prints nothing`, () => {
    const result = run(`import "${door}";`, RESTRICTED);
    assert.deepEqual(result, { status: 0, signal: null, stdout: "", stderr: "" });
  });
}

test("importing all by the package's name, in a worker too, needs no permission and prints nothing", () => {
  // A worker is an isolate of its own, which imports everything again.
  const result = run(
    `
    import "@mapped/region";
    import "@mapped/region/libc";
    import "@mapped/region/ipc";
    import { isMainThread, Worker } from "node:worker_threads";
    if (isMainThread) new Worker(new URL(import.meta.url)).on("error", (error) => { throw error; });
    `,
    {
      permissions: [`--allow-read=${root}`],
      nodeFlags: [...RESTRICTED.nodeFlags, "--allow-worker", "--disable-warning=SecurityWarning"],
    },
  );
  assert.deepEqual(result, { status: 0, signal: null, stdout: "", stderr: "" });
});

test("the first call is what needs the permission, and the runtime's own error comes through", () => {
  const result = run(
    `
    import { getpagesize, MmapError } from "../../ffi/mod.ts";
    // Twice: a refusal isn't remembered as anything else.
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        getpagesize();
        console.log("allowed");
      } catch (error) {
        console.log(error instanceof MmapError ? "MmapError" : error.code ?? error.name);
      }
    }
    `,
    RESTRICTED,
  );
  assert.equal(result.status, 0, result.stderr);
  const expected = { bun: "allowed", deno: "NotCapable", node: "ERR_ACCESS_DENIED" }[runtimeName];
  assert.equal(result.stdout, `${expected}\n${expected}\n`);
});

test("--allow-ffi is all that the C functions need in Deno, and --allow-ffi in Node", () => {
  const result = run(
    `
    import { getpagesize, MAP_ANON, MAP_PRIVATE, mmap, munmap, PROT_READ } from "../../ffi/mod.ts";
    munmap(mmap(0n, getpagesize(), PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0), getpagesize());
    `,
    { permissions: ["--allow-ffi"], nodeFlags: [...RESTRICTED.nodeFlags, "--allow-ffi"] },
  );
  assert.equal(result.status, 0, result.stderr);
});
