/**
 * Everything that can be checked without running the tests: `npm run check`. One line for each check,
 * `ok  name` or `FAIL name` with its output.
 *
 * `npm run check -- lint types` runs the checks whose name contains one of the words.
 *
 * @module
 */
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, stripVTControlCharacters } from "node:util";
import { checkDocumentation } from "./documented.ts";
import { checkRooms } from "./rooms.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const BIN = join(ROOT, "node_modules/.bin");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly compilerOptions: Readonly<Record<string, unknown>>;
}

/**
 * Files of the installation tests. They import the library as an installed package, which isn't there when checks
 * run.
 */
const INSTALLED = ["tests/install/node_modules/**", "tests/install/programs/**"];

const json = (file: string): Manifest => JSON.parse(readFileSync(join(ROOT, file), "utf8"));
const doors = (): string[] => Object.values(json("deno.json").exports);

/** A check returns what is wrong; "" if all is well. */
type Check = () => string;

// New checks go here: a name, and a command or a function.
const CHECKS: Readonly<Record<string, Check>> = {
  "format (deno fmt)": () => run("deno", "fmt", "--check"),
  "lint (deno lint)": () => run("deno", "lint"),
  "types (deno check)": () =>
    run(
      "deno",
      "check",
      ...doors(),
      ...globSync("{tests,examples,scripts}/**/*.ts", { cwd: ROOT, exclude: INSTALLED }),
    ),
  "types (tsc)": () => run("tsc", "-p", "."),
  "rooms (imports go down, no circles)": () => checkRooms(ROOT),
  "documentation (deno doc --lint)": () => run("deno", "doc", "--lint", ...doors()),
  "reference (deno doc --html)": reference,
  "documentation (every export has it, with examples)": everythingIsDocumented,
  "examples in the documentation": documentedExamples,
  "publishing (deno publish --dry-run)": () => run("deno", "publish", "--dry-run", "--allow-dirty"),
  "constants (the system's headers)": () => run("node", "scripts/check_constants.ts"),
  "machine code (its bytes are its source's)": () => run("node", "scripts/assemble.ts"),
  "WebAssembly (its bytes are its source's)": () => run("node", "scripts/assemble_wasm.ts"),
  "package.json and deno.json agree": manifestsAgree,
};

/** Runs a program of node_modules/.bin; returns its output if it fails. */
function run(program: string, ...options: readonly string[]): string {
  return runAt(ROOT, program, options);
}

function start(cwd: string, program: string, options: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(join(BIN, program), options, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 << 20,
  });
}

function runAt(cwd: string, program: string, options: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = start(cwd, program, options);
  if (status === 0) return "";
  const reason = error?.message ?? (signal === null ? `exit code ${status}` : `ended by ${signal}`);
  return `${program} ${options.join(" ")}: ${reason}\n${withoutFlood(stdout + stderr)}`;
}

/**
 * A program's output without the lines that come with every file, and without Deno's warnings about references in
 * @types/node and bun-types that it can't follow.
 */
function withoutFlood(output: string): string {
  const lines = stripVTControlCharacters(output).split("\n");
  return lines.filter((line, index) => {
    const inWarning = /^\s+at file:.*\/node_modules\//.test(line) && lines[index - 1]?.startsWith("Warning ");
    return inWarning !== true && !/^(Warning Failed resolving types\.|Check |running 0 tests)/.test(line);
  }).join("\n").trim();
}

/** Builds the reference, as a website would show it, to see that it can be built. */
function reference(): string {
  const folder = mkdtempSync(join(tmpdir(), "mapped-region-reference-"));
  try {
    return run("deno", "doc", "--html", "--name=@mapped/region", `--output=${folder}`, ...doors());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Type-checks and runs the examples in doc comments and in the README. They run in a directory with copies of
 * deno.json and of the data files of examples/, so that an example can open these, and write what it likes.
 */
function documentedExamples(): string {
  const directory = mkdtempSync(join(tmpdir(), "mapped-region-examples-"));
  // Deno adds an import of all of a module's exports to each of its examples, and then complains that some are
  // unused. So the examples get a copy of our deno.json, beside it, that allows unused names.
  const config = join(ROOT, `.check-${process.pid}.tmp`);
  const { compilerOptions, ...rest } = json("deno.json");
  try {
    writeFileSync(
      config,
      JSON.stringify({ ...rest, compilerOptions: { ...compilerOptions, noUnusedLocals: false } }),
    );
    cpSync(join(ROOT, "deno.json"), join(directory, "deno.json"));
    for (const file of globSync("examples/*", { cwd: ROOT, exclude: ["**/*.ts"] })) {
      cpSync(join(ROOT, file), join(directory, basename(file)), { recursive: true });
    }
    const modules = globSync("{README.md,mod.ts,ffi/**/*.ts,src/**/*.ts}", { cwd: ROOT }).map((file) =>
      join(ROOT, file)
    );
    return runAt(directory, "deno", [
      "test",
      "--doc",
      "--allow-all",
      "--permit-no-files",
      `--config=${config}`,
      ...modules,
    ]);
  } finally {
    rmSync(config, { force: true });
    rmSync(directory, { recursive: true, force: true });
  }
}

function everythingIsDocumented(): string {
  const { status, stdout, stderr } = start(ROOT, "deno", ["doc", "--json", ...doors()]);
  return status === 0 ? checkDocumentation(stdout) : withoutFlood(stderr);
}

function manifestsAgree(): string {
  const npm = json("package.json");
  const jsr = json("deno.json");
  const fields = (["name", "version", "license", "exports"] as const)
    .filter((field) => !isDeepStrictEqual(npm[field], jsr[field]))
    .map((field) => `'${field}' differs between package.json and deno.json`);
  const files = doors().filter((file) => !existsSync(join(ROOT, file)))
    .map((file) => `deno.json exports ${file}, which doesn't exist`);
  return [...fields, ...files].join("\n");
}

const words = process.argv.slice(2);
for (const [name, check] of Object.entries(CHECKS)) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  const began = performance.now();
  const complaint = check();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  process.stdout.write(complaint === "" ? `ok   ${name} (${seconds} s)\n` : `FAIL ${name}\n${complaint}\n\n`);
  if (complaint !== "") process.exitCode = 1;
}
