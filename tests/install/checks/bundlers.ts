// The package within what people make of their programs: bundles, CommonJS, single executables. Each result is run in a
// folder that has no node_modules, in every runtime that can.
import assert from "node:assert/strict";
import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { EXPECTED } from "../expected.ts";
import {
  attempt,
  BUN,
  command,
  DENO,
  emptyFolder,
  installed,
  NODE,
  run,
  RUNTIMES,
  tool,
  TOOLS,
} from "../support.ts";

let folder: string;

before(async () => {
  folder = await installed();
});

const ENTRIES = ["consumer.js", "consumer_worker.js", "forgotten.js"];

/** What a bundler made, in a folder of its own: without what it was made of. */
function made(by: string, type: "module" | "commonjs"): string {
  const out = emptyFolder();
  cpSync(join(folder, by), out, { recursive: true });
  writeFileSync(join(out, "package.json"), JSON.stringify({ type }));
  return out;
}

/** Both programs, in the runtimes named. */
async function works(
  at: string,
  runtimes: readonly string[] = Object.keys(RUNTIMES),
  worker: readonly string[] = [],
): Promise<void> {
  for (const runtime of runtimes) {
    const [program = "", ...options] = RUNTIMES[runtime] ?? [];
    const { stdout } = await run(at, [program, ...options, "consumer.js", ...worker]);
    assert.deepEqual(JSON.parse(stdout), EXPECTED, runtime);
    const gc =
      { bun: ["--expose-gc"], deno: ["run", "--v8-flags=--expose-gc"], node: ["--expose-gc"] }[runtime] ?? [];
    const rest = options.filter((option) => option !== "run");
    const forgotten = await run(at, [program, ...gc, ...rest, "forgotten.js"]);
    assert.match(forgotten.stdout, /was collected without having been closed.*\bforgetful\b/s, runtime);
  }
}

test("as it is", async () => {
  await works(folder);
});

test("require()", async () => {
  writeFileSync(
    join(folder, "required.cjs"),
    `const { MappedRegion } = require("@mapped/region");
    const { mmap } = require("@mapped/region/libc");
    const region = MappedRegion.anonymous(4096);
    region.write(0, "required");
    console.log(new TextDecoder().decode(region.read(0, 8)), typeof mmap);
    region.close();`,
  );
  for (const [runtime, command] of Object.entries(RUNTIMES)) {
    const { stdout } = await run(folder, [...command, "required.cjs"]);
    assert.equal(stdout.trim(), "required function", runtime);
  }
});

describe("bun build", () => {
  const build = (out: string, ...options: string[]): Promise<unknown> =>
    run(folder, [BUN, "build", ...ENTRIES, "--outdir", out, ...options]);

  test("--target=bun", async () => {
    await build("bun-bun", "--target=bun");
    await works(made("bun-bun", "module"), ["bun"]);
  });
  test("--target=node", async () => {
    await build("bun-node", "--target=node");
    await works(made("bun-node", "module"));
  });
  test("--target=node --format=cjs", async () => {
    await build("bun-cjs", "--target=node", "--format=cjs");
    const out = made("bun-cjs", "commonjs");
    await works(out, undefined, [join(out, "consumer_worker.js")]); // import.meta.url is what it was when it was built
  });
  test("--compile", async () => {
    const out = emptyFolder();
    await run(folder, [
      BUN,
      "build",
      "--compile",
      ...ENTRIES.slice(0, 2),
      "--outfile",
      join(out, "consumer"),
    ]);
    const { stdout } = await run(out, [join(out, "consumer"), "./consumer_worker.js"]);
    assert.deepEqual(JSON.parse(stdout), EXPECTED);
  });
});

describe("esbuild", () => {
  const build = (out: string, ...options: string[]): Promise<unknown> =>
    run(folder, [
      ...command("esbuild"),
      ...ENTRIES,
      ...[
        "--bundle",
        "--platform=node",
        `--outdir=${out}`,
        "--log-override:empty-import-meta=silent",
        ...options,
      ],
    ]);

  test("ESM", async () => {
    await build("esbuild-esm", "--format=esm", "--keep-names");
    await works(made("esbuild-esm", "module"));
  });
  test("CommonJS", async () => {
    await build("esbuild-cjs", "--format=cjs", "--keep-names");
    await works(made("esbuild-cjs", "commonjs"));
  });
  test("minified, with shared code split off", async () => {
    await build("esbuild-min", "--format=esm", "--keep-names", "--minify", "--splitting");
    await works(made("esbuild-min", "module"));
  });
});

test("rollup", async () => {
  writeFileSync(
    join(folder, "rollup.config.mjs"),
    `import resolve from ${JSON.stringify(`${TOOLS}/@rollup/plugin-node-resolve/dist/es/index.js`)};
    export default { input: ${JSON.stringify(ENTRIES)}, plugins: [resolve()], external: /^node:/,
      output: { dir: "rollup", format: "es" } };`,
  );
  await run(folder, [...tool("rollup/dist/bin/rollup"), "--config", "rollup.config.mjs"]);
  await works(made("rollup", "module"));
});

test("vite, for a server", async () => {
  writeFileSync(
    join(folder, "vite.config.mjs"),
    `export default { ssr: { noExternal: true }, build: { ssr: true, outDir: "vite", minify: false,
      rolldownOptions: { input: ${JSON.stringify(ENTRIES)} } } };`,
  );
  await run(folder, [...tool("vite/bin/vite.js"), "build", "--config", "vite.config.mjs"]);
  await works(made("vite", "module"));
});

describe("Node's single executables", () => {
  for (
    const [format, mainFormat] of [
      ["esm", "module"],
      ["cjs", "commonjs"],
    ] as const
  ) {
    test(mainFormat, async () => {
      const main = `single.${format}.js`;
      await run(folder, [
        ...command("esbuild"),
        "consumer.js",
        ...["--bundle", "--platform=node", `--format=${format}`, `--outfile=${main}`, "--keep-names"],
        "--log-override:empty-import-meta=silent",
      ]);
      const out = emptyFolder();
      const output = join(out, "consumer");
      const config = join(folder, `sea-${format}.json`);
      writeFileSync(
        config,
        JSON.stringify({ main, mainFormat, output, disableExperimentalSEAWarning: true }),
      );
      await run(folder, [NODE, `--build-sea=${config}`]);
      chmodSync(output, 0o755);
      const { stdout } = await run(out, [output, "none"]);
      assert.deepEqual(JSON.parse(stdout), EXPECTED);
    });
  }
});

test("deno compile", async (t) => {
  const out = emptyFolder();
  const permissions = ["--allow-ffi", "--allow-read", "--allow-write"];
  const compiled = await attempt(folder, [
    DENO,
    "compile",
    "--no-check",
    ...permissions,
    "--output",
    join(out, "consumer"),
    "consumer.js",
  ]);
  if (/denort|dl\.deno\.land|download/i.test(compiled.stderr) && compiled.code !== 0) {
    return t.skip("the runtime that deno compile embeds can't be downloaded from here");
  }
  assert.equal(compiled.code, 0, compiled.stderr);
  const { stdout } = await run(out, [join(out, "consumer"), "none"]);
  assert.deepEqual(JSON.parse(stdout), EXPECTED);
});
