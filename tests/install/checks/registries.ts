// The package as its users get it: published to a registry on loopback, added to an empty folder, run.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { EXPECTED } from "../expected.ts";
import {
  BUN,
  DENO,
  emptyFolder,
  folderWith,
  NODE,
  PACKAGE,
  PROGRAMS,
  ROOT,
  run,
  RUNTIMES,
  serve,
  tool,
} from "../support.ts";

/** The program of a user and its worker, in a folder. */
function withProgram(folder: string): string {
  for (const file of ["consumer.js", "consumer_worker.js"]) cpSync(join(PROGRAMS, file), join(folder, file));
  return folder;
}

async function saw(
  folder: string,
  command: readonly string[],
  extra: Record<string, string> = {},
): Promise<object> {
  const { stdout } = await run(folder, [...command, "consumer.js"], extra);
  return JSON.parse(stdout);
}

/** Runs what the README says, by a shell, in an empty folder: its first program, with the command that begins so. */
async function followReadme(beginning: string, extra: Record<string, string>): Promise<void> {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, first = ""] = /```js ignore\n([^]*?)```/.exec(readme) ?? [];
  const commands = [...readme.matchAll(/```sh\n([^]*?)\n```/g)].map(([, text = ""]) => text);
  const command = commands.find((text) => text.startsWith(beginning));
  assert.ok(command !== undefined, `the README has no command that begins with '${beginning}'`);
  const { stdout } = await run(folderWith({ "first.mjs": first }), ["sh", "-c", command], extra);
  assert.match(stdout, /^4 lines, "using" at byte 48$/m);
}

describe("npm", () => {
  let registry: Record<string, string> = {};
  let server: ChildProcess;
  before(async () => {
    const storage = folderWith({
      "config.yaml": [
        "storage: ./storage",
        "uplinks: {}",
        "packages: { '**': { access: $all, publish: $all, unpublish: $all } }",
        "log: { type: stdout, level: warn }",
      ].join("\n"),
    });
    const verdaccio = [...tool("verdaccio/bin/verdaccio"), "--config", "config.yaml", "--listen"];
    const served = await serve(storage, (port) => [...verdaccio, `127.0.0.1:${port}`], "/-/ping");
    server = served.server;
    const { url } = served;
    registry = {
      npm_config_registry: `${url}/`,
      NPM_CONFIG_REGISTRY: `${url}/`,
      BUN_CONFIG_REGISTRY: `${url}/`,
    };
    const token = `--${url.slice("http:".length)}/:_authToken=nobody`;
    await run(PACKAGE, ["npm", "publish", "--ignore-scripts", token], registry);
  });
  after(() => server.kill());

  test("npm install, and Node runs it", async () => {
    const folder = withProgram(folderWith({ "package.json": '{ "private": true, "type": "module" }' }));
    await run(folder, ["npm", "install", "@mapped/region"], registry);
    assert.deepEqual(await saw(folder, RUNTIMES["node"] ?? []), EXPECTED);
  });

  test("as the README says, in Node and in Bun", async () => {
    await followReadme("npm install", registry);
    await followReadme("bun add", registry);
  });

  test("npm install, and Node's permission model lets it through", async () => {
    const folder = withProgram(folderWith({ "package.json": '{ "private": true, "type": "module" }' }));
    await run(folder, ["npm", "install", "@mapped/region"], registry);
    const granted = [
      "--permission",
      "--allow-ffi",
      "--allow-worker",
      "--allow-fs-read=.",
      "--allow-fs-write=.",
    ];
    assert.deepEqual(await saw(folder, [NODE, ...granted]), EXPECTED);
  });

  test("bun add, and Bun runs it", async () => {
    const folder = withProgram(emptyFolder());
    await run(folder, [BUN, "add", "@mapped/region"], registry);
    assert.deepEqual(await saw(folder, RUNTIMES["bun"] ?? []), EXPECTED);
  });

  test("deno add npm:, and Deno runs it", async () => {
    const folder = withProgram(emptyFolder());
    await run(folder, [DENO, "add", "--minimum-dependency-age=0", "npm:@mapped/region"], registry);
    assert.deepEqual(await saw(folder, RUNTIMES["deno"] ?? [], registry), EXPECTED);
  });
});

describe("JSR", () => {
  let registry: Record<string, string> = {};
  let server: ChildProcess;
  let folder = "";
  before(async () => {
    const program = join(ROOT, "tests/install/jsr_server.ts");
    const served = await serve(ROOT, (port) => [NODE, program, `${port}`], "/");
    server = served.server;
    registry = { JSR_URL: `${served.url}/` };
    await run(ROOT, [DENO, "publish", "--allow-dirty", "--token=nobody", "--no-provenance"], registry);
  });
  after(() => server.kill());

  test("deno add jsr:, and Deno runs it", async () => {
    folder = withProgram(emptyFolder());
    await run(folder, [DENO, "add", "jsr:@mapped/region"], registry);
    assert.deepEqual(await saw(folder, RUNTIMES["deno"] ?? [], registry), EXPECTED);
  });

  test("as the README says, in Deno", async () => {
    await followReadme("deno add", registry);
  });

  test("deno check and deno doc take it from there", async () => {
    await run(folder, [DENO, "check", "consumer.js"], registry);
    const { stdout } = await run(
      folder,
      [DENO, "doc", "--filter", "MappedRegion.open", "jsr:@mapped/region"],
      registry,
    );
    assert.match(stdout, /open\(/);
  });
});

test("as the README says, in a checkout", async () => {
  assert.match(readFileSync(join(ROOT, "README.md"), "utf8"), /^npm ci && npm run demo$/m);
  const { stdout } = await run(ROOT, ["npm", "run", "--silent", "demo"]); // that follows npm ci here, too
  const lines = stdout.trim().split("\n");
  assert.ok(lines.length > 5 && lines.every((line) => line.includes("ERROR")), stdout);
});
