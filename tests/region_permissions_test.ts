/** The permissions of Deno and Node hold: nothing is opened that they were not allowed to open. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { denoOnly, nodeOnly, root, run, testFile } from "./helpers/mod.ts";

const PROGRAM = `
  import { MappedRegion } from "../../mod.ts";
  import process from "node:process";
  const [path = "", access = ""] = process.argv.slice(2);
  try {
    using region = MappedRegion.open(path, { access });
    if (access === "read-write") { region.resize(20); region.write(19, "x"); region.flushSync(); }
    console.log("opened", region.bytes.length, region.residency().pages);
  } catch (error) {
    console.log(error.code === "ERR_ACCESS_DENIED" ? "denied " + error.permission : error.name);
  }`;

function open(path: string, access: string, flags: readonly string[]): string {
  const nodeFlags = ["--disable-warning=ExperimentalWarning", "--permission", ...flags];
  const { stdout, stderr, status } = run(PROGRAM, { args: [path, access], permissions: flags, nodeFlags });
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

test(
  "under Node's --permission it needs --allow-ffi, and the file's --allow-fs-read and --allow-fs-write",
  nodeOnly,
  () => {
    using file = testFile(10);
    const code = `--allow-fs-read=${root}`; // Node needs it to read the program itself
    const read = ["--allow-ffi", code, `--allow-fs-read=${file.path}`];
    assert.equal(open(file.path, "read", read), "opened 10 1");
    assert.equal(open(file.path, "read", [code, `--allow-fs-read=${file.path}`]), "denied FFI");
    assert.equal(open(file.path, "read", ["--allow-ffi", code]), "denied FileSystemRead");
    assert.equal(open(file.path, "read-write", read), "denied FileSystemWrite");
    assert.equal(open(file.path, "copy-on-write", read), "opened 10 1");
    assert.equal(open(file.path, "read-write", [...read, `--allow-fs-write=${file.path}`]), "opened 20 1");
  },
);
