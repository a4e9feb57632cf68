// dnt's output, beside that of TypeScript's own emitter: where JSR can be reached, what is published is dnt's.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { attempt, emptyFolder, NODE, ROOT } from "../support.ts";

const files = (folder: string): string[] => globSync("**/*.{js,ts,json,md}", { cwd: folder }).sort();

test("dnt builds what TypeScript's emitter builds", async (t) => {
  const [byDnt, byTypeScript] = [emptyFolder(), emptyFolder()];
  const script = join(ROOT, "scripts/build_npm.ts");
  const { code, stderr } = await attempt(ROOT, [NODE, script, "--emitter=dnt", `--out=${byDnt}`]);
  if (stderr.includes("dnt could not be loaded from JSR")) {
    return t.skip("JSR can't be reached from here");
  }
  assert.equal(code, 0, stderr);
  assert.equal(
    (await attempt(ROOT, [NODE, script, "--emitter=typescript", `--out=${byTypeScript}`])).code,
    0,
  );
  assert.deepEqual(files(byDnt), files(byTypeScript));
  for (const file of files(byDnt).filter((name) => name.endsWith(".json") || name.endsWith(".d.ts"))) {
    assert.equal(
      readFileSync(join(byDnt, file), "utf8"),
      readFileSync(join(byTypeScript, file), "utf8"),
      file,
    );
  }
});
