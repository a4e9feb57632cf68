/**
 * Turns the doors into JavaScript and declarations by dnt: `deno run --allow-all scripts/npm/emit_with_dnt.ts FOLDER`.
 *
 * dnt comes from JSR alone. Where that can't be reached this ends with exit code {@linkcode UNREACHABLE}, and
 * build_npm.ts goes on with TypeScript's own emitter.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A variable, since a type checker that can't reach JSR would look a literal up. */
const DNT: string = "jsr:@deno/dnt@^0.43.2";

/** The exit code that says: dnt could not be loaded, the project has nothing to do with it. */
const UNREACHABLE = 69; // EX_UNAVAILABLE of sysexits.h

/** What we use of dnt, written by hand for the same reason. */
interface Dnt {
  build(options: {
    entryPoints: readonly { name: string; path: string }[];
    outDir: string;
    cwd: string;
    shims: object;
    package: { name: string; version: string; devDependencies: Readonly<Record<string, string>> };
    esModule: boolean;
    scriptModule: "cjs" | "umd" | false;
    polyfills: boolean;
    declaration: "inline" | "separate" | false;
    typeCheck: "both" | "single" | false;
    test: boolean;
    skipSourceOutput: boolean;
    compilerOptions: {
      target: string;
      lib: readonly string[];
      noImplicitReturns: boolean;
      noUncheckedIndexedAccess: boolean;
      useUnknownInCatchVariables: boolean;
      stripInternal: boolean;
    };
  }): Promise<void>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string): Record<string, never> => JSON.parse(readFileSync(`${root}${file}`, "utf8"));
const { name, version, exports } = read("deno.json") as unknown as {
  name: string;
  version: string;
  exports: Readonly<Record<string, string>>;
};
const { devDependencies } = read("package.json") as unknown as {
  devDependencies: Readonly<Record<string, string>>;
};
const [outDir] = process.argv.slice(2);
if (outDir === undefined) throw new TypeError("usage: emit_with_dnt.ts FOLDER");

const dnt = await import(DNT).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(UNREACHABLE);
}) as Dnt;

await dnt.build({
  entryPoints: Object.entries(exports).map(([door, path]) => ({ name: door, path })),
  outDir,
  cwd: root,
  shims: {}, // the library asks the runtime itself
  package: { name, version, devDependencies: { "@types/node": devDependencies["@types/node"] ?? "*" } },
  esModule: true,
  scriptModule: false, // require() takes an ES module in all three runtimes
  polyfills: false,
  declaration: "inline",
  typeCheck: "single",
  test: false, // the suite needs no build, and runs on the sources
  skipSourceOutput: true,
  compilerOptions: {
    target: "ES2023",
    lib: ["ESNext", "DOM", "DOM.Iterable"], // DOM for the types of WebAssembly, URL and ReadableStream
    noImplicitReturns: true,
    noUncheckedIndexedAccess: true,
    useUnknownInCatchVariables: true,
    stripInternal: true,
  },
});
