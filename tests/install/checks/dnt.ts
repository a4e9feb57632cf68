// dnt's output, which is what is published, beside that of TypeScript's own emitter, which all other checks are of.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EXPECTED } from "../expected.ts";
import { attempt, emptyFolder, installed, NODE, PACKAGE, ROOT, run, RUNTIMES } from "../support.ts";

const files = (folder: string): string[] => globSync("**/*.{js,ts,json,md}", { cwd: folder }).sort();

/** A file without the comment of its module: TypeScript 7 leaves that out if an import behind it is left out. */
function content(folder: string, file: string): string {
  return readFileSync(join(folder, file), "utf8").replace(/^((?:\/\/\/.*\n)?)\/\*\*[^]*?\*\/\n/, "$1");
}

test("dnt builds what TypeScript's emitter builds, and it runs", async (t) => {
  const byDnt = emptyFolder();
  const build = [NODE, join(ROOT, "scripts/build_npm.ts"), "--emitter=dnt", `--out=${byDnt}`];
  const { code, stderr } = await attempt(ROOT, build);
  if (stderr.includes("dnt could not be loaded from JSR")) {
    return t.skip("JSR can't be reached from here");
  }
  assert.equal(code, 0, stderr);
  assert.deepEqual(files(byDnt), files(PACKAGE));
  for (const file of files(byDnt).filter((name) => name.endsWith(".json") || name.endsWith(".d.ts"))) {
    assert.equal(content(byDnt, file), content(PACKAGE, file), file);
  }
  const folder = await installed(byDnt);
  for (const [runtime, command] of Object.entries(RUNTIMES)) {
    const { stdout } = await run(folder, [...command, "consumer.js"]);
    assert.deepEqual(JSON.parse(stdout), EXPECTED, runtime);
  }
});
