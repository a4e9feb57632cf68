// The declarations, as TypeScript's users check them: every option that is strict, and those of dependencies not skipped.
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { installed, NODE, ROOT, run, tool } from "../support.ts";

const COMPILERS = ["typescript-5.7", "typescript-5", "typescript-7"];

const RESOLUTIONS: Readonly<Record<string, object>> = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "Bundler" },
};

/** What else users have in their configurations. */
const LIBRARIES: Readonly<Record<string, object>> = {
  "no library named": { target: "ESNext" },
  "an older target": { target: "ES2022", lib: ["ES2022", "DOM"] },
  "the types of Node": { target: "ESNext", lib: ["ESNext"], types: ["node"] },
};

let folder: string;

before(async () => {
  folder = await installed();
});

for (const compiler of COMPILERS) {
  for (const [resolution, options] of Object.entries(RESOLUTIONS)) {
    for (const [library, more] of Object.entries(LIBRARIES)) {
      test(`${compiler}, ${resolution}, ${library}`, async () => {
        const config = join(folder, `${compiler}-${resolution}-${library.replaceAll(" ", "-")}.json`);
        const typeRoots = [join(ROOT, "node_modules/@types")];
        const compilerOptions = {
          ...{
            noEmit: true,
            strict: true,
            skipLibCheck: false,
            exactOptionalPropertyTypes: true,
            types: [],
            typeRoots,
          },
          ...options,
          ...more,
        };
        writeFileSync(config, JSON.stringify({ compilerOptions, files: ["consumer_types.ts"] }));
        await run(folder, [...tool(`${compiler}/bin/tsc`), "-p", config]);
      });
    }
  }
}

test("deno check, from npm's package", async () => {
  const own = join(folder, "deno");
  mkdirSync(own);
  cpSync(join(folder, "node_modules"), join(own, "node_modules"), { recursive: true });
  writeFileSync(join(own, "package.json"), '{ "dependencies": { "@mapped/region": "*" } }');
  writeFileSync(join(own, "deno.json"), '{ "nodeModulesDir": "manual" }');
  cpSync(join(folder, "consumer_types.ts"), join(own, "consumer_types.ts"));
  await run(own, [join(ROOT, "node_modules/.bin/deno"), "check", "consumer_types.ts"]);
});

test("publint", async () => {
  const package_ = join(folder, "node_modules/@mapped/region");
  await run(folder, [...tool("publint/src/cli.js"), package_, "--strict"]);
});

test("@arethetypeswrong/cli", async () => {
  const { stdout } = await run(folder, ["npm", "pack", "--json", join(ROOT, "npm")]);
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  // An ES module that require() takes, too: what it warns of is a require() that doesn't.
  await run(folder, [
    NODE,
    join(ROOT, "tests/install/node_modules/@arethetypeswrong/cli/dist/index.js"),
    filename,
    "--profile",
    "esm-only",
  ]);
});
