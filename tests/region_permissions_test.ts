/** Deno's permissions hold: nothing is opened that Deno was not allowed to open. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testFile } from "./helpers/region.ts";
import { root, run, runtimeName } from "./helpers/runtime.ts";

const denoOnly = { skip: runtimeName === "deno" ? false : "permissions are Deno's" };

const PROGRAM = `
  import { MappedRegion } from "../../mod.ts";
  import process from "node:process";
  const [path = "", access = ""] = process.argv.slice(2);
  try {
    using region = MappedRegion.open(path, { access });
    if (access === "read-write") { region.resize(20); region.write(19, "x"); region.sync(); }
    console.log("opened", region.bytes.length, region.residency().pages);
  } catch (error) {
    console.log(error.name);
  }`;

function open(path: string, access: string, permissions: readonly string[]): string {
  const { stdout, stderr, status } = run(PROGRAM, { args: [path, access], permissions });
  return status === 0 ? stdout.trim() : stderr;
}

test("reading needs --allow-ffi and --allow-read for the file, and no more", denoOnly, () => {
  using file = testFile(10);
  assert.equal(open(file.path, "read", ["--allow-ffi", `--allow-read=${file.path}`]), "opened 10 1");
  assert.equal(open(file.path, "read", ["--allow-ffi"]), "NotCapable");
  assert.equal(open(file.path, "read", [`--allow-read=${file.path}`]), "NotCapable");
  assert.equal(open(file.path, "read", ["--allow-ffi", `--allow-read=${root}`]), "NotCapable");
});

test("read-write needs --allow-write for the file as well", denoOnly, () => {
  using file = testFile(10);
  const read = ["--allow-ffi", `--allow-read=${file.path}`];
  assert.equal(open(file.path, "read-write", [...read, `--allow-write=${file.path}`]), "opened 20 1");
  assert.equal(open(file.path, "read-write", read), "NotCapable");
  assert.equal(open(file.path, "copy-on-write", read), "opened 20 1");
});
