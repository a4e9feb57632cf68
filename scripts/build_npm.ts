/**
 * Builds what npm gets, into npm/: `node scripts/build_npm.ts`.
 *
 * First the doors become JavaScript and declarations: by dnt if JSR can be reached, else by TypeScript's own emitter
 * (`--emitter=dnt` or `--emitter=typescript` chooses one). Then rolldown bundles them: one file for each door, with
 * zod inside, and one for what the doors share. rolldown comes with the lock file of tests/install, which this script
 * installs if needed.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const TOOLS = join(ROOT, "tests/install");

/** The exit code of emit_with_dnt.ts if dnt can't be loaded. */
const UNREACHABLE = 69;

/** Where both emitters put JavaScript and declarations of every module: a name of dnt's. */
const EMITTED = "esm";

interface Door {
  /** As in the package's exports: `"./libc"`. */
  readonly path: string;
  /** The name of its file, without an extension: `"libc"`. */
  readonly name: string;
  /** Its module without the extension, from the root: `"ffi/mod"`. */
  readonly module: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const manifest = (file: string): Manifest => JSON.parse(readFileSync(join(ROOT, file), "utf8"));

function run(program: string, options: readonly string[], cwd = ROOT, env = {}): number | null {
  const { status, error } = spawnSync(program, options, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (error !== undefined) throw error;
  return status;
}

function doors(): Door[] {
  return Object.entries(manifest("deno.json").exports).map(([path, file]) => ({
    path,
    name: path === "." ? "mod" : path.replace(/^\.\//, ""),
    module: file.replace(/^\.\//, "").replace(/\.ts$/, ""),
  }));
}

/** Returns false where dnt can't be loaded. Installs zod into the folder's node_modules. */
function emitWithDnt(folder: string): boolean {
  const script = join(ROOT, "scripts/npm/emit_with_dnt.ts");
  const deno = join(ROOT, "node_modules/.bin/deno");
  // dnt brings its own dependencies; ours would get in its way.
  const options = ["run", "--allow-all", "--no-config", "--no-lock", script, folder];
  const status = run(deno, options, ROOT, { DENO_NO_PACKAGE_JSON: "1" });
  if (status === UNREACHABLE) return false;
  if (status !== 0) throw new Error(`dnt failed, exit code ${status}`);
  return true;
}

function emitWithTypeScript(folder: string): void {
  const config = join(folder, "tsconfig.json");
  const { compilerOptions } = manifest("tsconfig.json") as unknown as { compilerOptions: object };
  writeFileSync(
    config,
    JSON.stringify({
      compilerOptions: {
        ...compilerOptions,
        noEmit: false,
        declaration: true,
        stripInternal: true,
        rewriteRelativeImportExtensions: true,
        target: "ES2023",
        lib: ["ESNext", "DOM", "DOM.Iterable"], // DOM for the types of WebAssembly, URL and ReadableStream
        types: ["node"],
        typeRoots: [join(ROOT, "node_modules/@types")],
        rootDir: ROOT,
        outDir: join(folder, EMITTED),
      },
      files: doors().map(({ module }) => join(ROOT, `${module}.ts`)),
    }),
  );
  const status = run(join(ROOT, "node_modules/.bin/tsc"), ["-p", config]);
  if (status !== 0) throw new Error(`tsc failed, exit code ${status}`);
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

/** What we use of rolldown, written by hand, since the root's `npm ci` doesn't install it. */
interface Rolldown {
  build(options: object): Promise<{ readonly output: readonly { readonly fileName: string }[] }>;
}

async function bundler(): Promise<Rolldown> {
  if (!existsSync(join(TOOLS, "node_modules/rolldown"))) {
    const status = run("npm", ["ci", "--no-audit", "--no-fund"], TOOLS);
    if (status !== 0) throw new Error(`npm ci failed in ${TOOLS}`);
  }
  const path = createRequire(join(TOOLS, "package.json")).resolve("rolldown");
  return (await import(pathToFileURL(path).href)) as Rolldown;
}

/**
 * Bundles: one module for each door, and one for what they share. They stay readable, with the names and doc comments
 * of the sources.
 */
async function bundle(folder: string, out: string): Promise<void> {
  const { build } = await bundler();
  await build({
    cwd: folder,
    input: Object.fromEntries(doors().map(({ name, module }) => [name, join(folder, `${module}.js`)])),
    external: /^(node|bun):/,
    resolve: { symlinks: false }, // the bundle names the files it is made of: the same, whoever builds it
    logLevel: "warn",
    output: {
      dir: out,
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "[name].js",
      minifyInternalExports: false,
      codeSplitting: { groups: [{ name: "shared", minShareCount: 2 }] },
    },
  });
}

/** Copies the declarations that the doors lead to, so that they need nothing but TypeScript's own libraries. */
function declare(folder: string, out: string): void {
  const waiting = doors().map(({ module }) => `${module}.d.ts`);
  const seen = new Set<string>();
  for (let file; (file = waiting.pop()) !== undefined;) {
    if (seen.has(file)) continue;
    seen.add(file);
    const at = dirname(file);
    // TypeScript leaves the sources' extensions in declarations.
    const text = readFileSync(join(folder, file), "utf8").replace(
      /((?:from |import\()")(\.{1,2}\/[^"]*)\.[jt]s"/g,
      (_, before: string, path: string) => {
        waiting.push(relative(".", join(at, `${path}.d.ts`)));
        return `${before}${path}.js"`;
      },
    );
    // A consumer's own `lib` may have no Symbol.dispose in it.
    const disposable = text.includes("Symbol.dispose") || text.includes("Symbol.asyncDispose");
    mkdirSync(join(out, at), { recursive: true });
    writeFileSync(join(out, file), disposable ? `/// <reference lib="esnext.disposable" />\n${text}` : text);
  }
}

/** The package's own package.json: what a user needs of the root's, which is private. */
function describe(out: string): void {
  const { name, version, description, keywords, license, repository, engines } = manifest("package.json");
  const exports = Object.fromEntries(
    doors().map(({ path, name, module }) => [
      path,
      { types: `./types/${module}.d.ts`, default: `./${name}.js` },
    ]),
  );
  const fields = { name, version, description, keywords, license, repository, engines };
  writeFileSync(
    join(out, "package.json"),
    `${JSON.stringify({ ...fields, type: "module", sideEffects: false, exports }, null, 2)}\n`,
  );
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    cpSync(join(ROOT, file), join(out, file));
  }
  cpSync(join(ROOT, "node_modules/zod/LICENSE"), join(out, "LICENSE-zod"));
}

/** By the emitter that was asked for, or the first one that works. */
function emit(wanted: string | undefined, folder: string): void {
  if (wanted !== "typescript") {
    if (emitWithDnt(folder)) return;
    if (wanted === "dnt") throw new Error("dnt could not be loaded from JSR");
    process.stdout.write("skipped: dnt, which could not be loaded from JSR; TypeScript emits in its place\n");
  }
  emitWithTypeScript(folder);
}

const {
  values: { emitter, out },
} = parseArgs({
  options: { emitter: { type: "string" }, out: { type: "string", default: join(ROOT, "npm") } },
});
if (emitter !== undefined && emitter !== "dnt" && emitter !== "typescript") {
  throw new TypeError(`--emitter takes dnt or typescript: received '${emitter}'`);
}
const folder = mkdtempSync(join(tmpdir(), "mapped-region-build-"));
try {
  emit(emitter, folder);
  const emitted = join(folder, EMITTED);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await bundle(emitted, out);
  declare(emitted, join(out, "types"));
  describe(out);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`built ${relative(process.cwd(), out) || out}\n`);
