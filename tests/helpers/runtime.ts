/**
 * What tests need of the runtime they run in: its name, a child process of the same runtime, a garbage collection,
 * and a temporary directory.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The repository's root. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** The runtime that this test runs in. */
export const runtimeName: "bun" | "deno" | "node" = process.versions["bun"] !== undefined
  ? "bun"
  : process.versions["deno"] !== undefined
  ? "deno"
  : "node";

/**
 * The emulator that runs the runtime, qemu-aarch64 say; scripts/test_arm64.ts sets it. The runtime's children have to
 * be started by it, too.
 */
const EMULATOR: readonly string[] = [process.env["TEST_EMULATOR"] ?? []].flat();

/** Whether the runtime runs in an emulator of another CPU. */
export const isEmulated: boolean = EMULATOR.length > 0;

/** How a child process is started. */
export interface RunOptions {
  /** Arguments of the script: `process.argv.slice(2)`. */
  args?: readonly string[];
  /** Flags of `deno run`; `["-A"]` unless told otherwise. */
  permissions?: readonly string[];
  /** Flags of `node`; unless told otherwise, those that keep its remarks on experiments out of `stderr`. */
  nodeFlags?: readonly string[];
  /** Set on top of this process's environment; `undefined` takes a variable away. */
  env?: Readonly<Record<string, string | undefined>>;
  /** The working directory: the repository's root unless told otherwise. */
  cwd?: string;
  /** After so many milliseconds the child is killed with SIGKILL: 180 000 unless told otherwise. */
  timeout?: number;
}

/** How a child process ended, and what it printed. */
export interface RunResult {
  /** The exit code; `null` when a signal ended it. */
  status: number | null;
  /** The signal that ended it, `"SIGBUS"`; a shell's 128 + n is not turned into one. */
  signal: string | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs a script in a child process of the same runtime, and waits for its end.
 *
 * @param script A file's path or URL; or the text of a TypeScript module, known by the newline or semicolon in
 *   it. The text is run from a folder of its own in `tests/`: it imports `"../../mod.ts"`, `"../helpers/mod.ts"` or
 *   `"@mapped/region"`.
 */
export function run(script: string | URL, options: RunOptions = {}): RunResult {
  if (script instanceof URL) return runFile(fileURLToPath(script), options);
  if (!/[\n;]/.test(script)) return runFile(script, options);
  using folder = scratch();
  const file = join(folder.path, "main.ts");
  writeFileSync(file, script);
  return runFile(file, options);
}

/** Runs one of the examples, which has to end well; returns what it printed. */
export function printed(name: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = run(join(root, `examples/${name}.ts`), { args });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  return stdout;
}

function runFile(file: string, options: RunOptions): RunResult {
  const {
    args = [],
    permissions = ["-A"],
    nodeFlags = ["--disable-warning=ExperimentalWarning"],
    env = {},
    cwd = root,
    timeout = isEmulated ? 900_000 : 180_000,
  } = options;
  const flags = {
    bun: ["run"],
    // Deno's node:child_process adds -A to a child deno that is given no permission flag at all: --deny-run is one.
    deno: ["run", "--no-prompt", ...(permissions.length === 0 ? ["--deny-run"] : permissions)],
    node: nodeFlags,
  }[runtimeName];
  const environment = { ...process.env, ...env };
  for (const [name, value] of Object.entries(environment)) if (value === undefined) delete environment[name];
  const command = [...EMULATOR, process.execPath, ...flags, file, ...args];
  const { status, signal, stdout, stderr, error } = spawnSync(command[0] ?? "", command.slice(1), {
    cwd,
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
    maxBuffer: 64 << 20,
  });
  // An error means that the child wasn't started: if it was killed, status and signal say so.
  if (error !== undefined && status === null && signal === null) throw error;
  return { status, signal, stdout, stderr };
}

/** A folder in `tests/` that tsc (a dot in front), git and Deno's tools (.tmp behind) pass by if it is left over. */
function scratch(): TemporaryDirectory {
  const path = join(root, "tests", `.run-${randomUUID()}.tmp`);
  mkdirSync(path);
  return disposable(path);
}

const garbageCollector: () => void = findGarbageCollector();

function findGarbageCollector(): () => void {
  const { Bun: bun, gc } = globalThis as unknown as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  if (bun !== undefined) return () => bun.gc(true);
  if (gc !== undefined) return gc;
  // Without --expose-gc: V8 accepts the flag at run time, and has `gc` in contexts that are made afterwards.
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/**
 * Collects garbage, and lets finalizers and the event loop run. That in several rounds, since one object's end can
 * make another one garbage. What is to be collected must not be reachable from the caller's variables.
 */
export async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    garbageCollector();
    await setImmediate();
    await setTimeout(2);
  }
}

/**
 * Collects garbage until something holds, and tells whether it does: a finalizer may come late, and Bun's collector takes
 * for a reference what an earlier call has left on the stack.
 */
export async function collectUntil(condition: () => boolean): Promise<boolean> {
  for (let round = 0; round < 200 && !condition(); round++) await collectGarbage();
  return condition();
}

/** Waits until something holds, and tells whether it does: after two minutes it won't any more. */
export async function eventually(condition: () => boolean): Promise<boolean> {
  for (const end = Date.now() + 120_000; !condition() && Date.now() < end;) await setTimeout(5);
  return condition();
}

/** A directory that is deleted, with what is in it, at the end of the block: `using directory = …`. */
export interface TemporaryDirectory extends Disposable {
  /** Its path, with no symbolic link in it. */
  readonly path: string;
}

/** Makes an empty directory among the system's temporary files. */
export function temporaryDirectory(): TemporaryDirectory {
  return disposable(realpathSync(mkdtempSync(join(tmpdir(), "mapped-region-"))));
}

function disposable(path: string): TemporaryDirectory {
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
