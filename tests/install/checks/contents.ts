// What is in the package, and under which names.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { PACKAGE, ROOT, run } from "../support.ts";

const manifest = (file: string): Record<string, unknown> => JSON.parse(readFileSync(file, "utf8"));

const doors = Object.entries(manifest(join(ROOT, "deno.json"))["exports"] as Record<string, string>).map(
  ([path, file]) => ({
    path,
    file: path === "." ? "mod.js" : `${path.slice(2)}.js`,
    declarations: `types/${file.slice(2).replace(/\.ts$/, ".d.ts")}`,
  }),
);

/** The declarations that a file leads to, itself among them. */
function declarations(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, to = ""] of readFileSync(join(PACKAGE, file), "utf8").matchAll(/"(\.{1,2}\/[^"]*)\.js"/g)) {
    declarations(join(file, "..", `${to}.d.ts`), seen);
  }
  return seen;
}

test("the package holds its doors, what they share, their declarations, and what a person reads", async () => {
  const { stdout } = await run(ROOT, ["npm", "pack", "--dry-run", "--json", PACKAGE]);
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const expected = new Set([
    ...["package.json", "README.md", "CHANGELOG.md", "LICENSE", "LICENSE-zod", "shared.js"],
    ...doors.map(({ file }) => file),
    ...doors.flatMap(({ declarations: file }) => [...declarations(file)]),
  ]);
  assert.deepEqual(files.map(({ path }) => path).sort(), [...expected].sort());
});

test("its package.json has what a user needs, and nothing of how it is made", () => {
  const root = manifest(join(ROOT, "package.json"));
  const own = manifest(join(PACKAGE, "package.json"));
  for (const field of ["name", "version", "description", "keywords", "license", "engines"]) {
    assert.deepEqual(own[field], root[field], field);
  }
  for (const field of ["private", "dependencies", "devDependencies", "peerDependencies", "scripts", "bin"]) {
    assert.equal(own[field], undefined, field);
  }
  const exports = doors.map(({ path, file, declarations: types }) => [
    path,
    { types: `./${types}`, default: `./${file}` },
  ]);
  assert.deepEqual(own["exports"], Object.fromEntries(exports));
  for (const condition of Object.values(own["exports"] as Record<string, object>)) {
    assert.deepEqual(Object.keys(condition), ["types", "default"], "types must be found first");
  }
});

test("the root's own package.json can't be published", () => {
  assert.equal(manifest(join(ROOT, "package.json"))["private"], true);
});

test("its modules import nothing but the runtime's own", () => {
  for (const file of globSync("*.js", { cwd: PACKAGE })) {
    const text = readFileSync(join(PACKAGE, file), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export)\b.* from "([^"]*)"|\bimport\("([^"]*)"\)/gm)) {
      if (from !== undefined) assert.match(from, /^(node:|\.\/\w+\.js$)/, file);
    }
    assert.ok(!/import\.meta|createRequire/.test(text), `${file}: a CommonJS bundle has no import.meta`);
  }
});

test("its declarations need neither other packages nor other compiler options", () => {
  for (const file of globSync("types/**/*.d.ts", { cwd: PACKAGE })) {
    const text = readFileSync(join(PACKAGE, file), "utf8").replace(/\/\*[^]*?\*\//g, "");
    for (const [, from] of text.matchAll(/(?:from |import\()"([^"]*)"/g)) {
      assert.match(from ?? "", /^\..*\.js$/, file);
    }
  }
});

test("declarations keep the members that are named by symbols", () => {
  const text = readFileSync(join(PACKAGE, "types/src/region.d.ts"), "utf8");
  assert.match(text, /\[Symbol\.dispose\]\(\): void/);
});

test("every door exports what its sources export, under the names of the sources", async () => {
  for (const { path, file } of doors) {
    const source = (manifest(join(ROOT, "deno.json"))["exports"] as Record<string, string>)[path] ?? "";
    const built = (await import(pathToFileURL(join(PACKAGE, file)).href)) as Record<string, unknown>;
    const written = (await import(pathToFileURL(join(ROOT, source)).href)) as Record<string, unknown>;
    assert.deepEqual(Object.keys(built).sort(), Object.keys(written).sort(), path);
    for (const [name, value] of Object.entries(written)) {
      assert.equal(typeof built[name], typeof value, `${path}: ${name}`);
      if (typeof value !== "function") continue;
      const twin = built[name] as { readonly name: string; readonly prototype?: object };
      assert.equal(twin.name, value.name, `${path}: the name of ${name}`);
      assert.deepEqual(
        Object.getOwnPropertyNames(twin.prototype ?? {}),
        Object.getOwnPropertyNames(value.prototype ?? {}),
        `${path}: the members of ${name}`,
      );
    }
  }
});

test("its text is made to be read: doc comments, and no line of a machine's length", () => {
  const files = globSync("*.js", { cwd: PACKAGE }).map((file) => readFileSync(join(PACKAGE, file), "utf8"));
  const lines = files.flatMap((file) => file.split("\n"));
  assert.ok(lines.filter((line) => line.trim() === "/**").length > 300, "it has lost its comments");
  const long = lines.filter((line) => line.length > 600 && !/^(import|export) \{/.test(line));
  assert.ok(long.length < 10, `${long.length} long lines: it looks minified`);
});
