/**
 * Starting an example again, in this runtime or in others, for the examples in which processes work together.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import process from "node:process";

/** What each runtime needs to run a file of ours. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  bun: ["bun", "run"],
  deno: ["deno", "run", "--allow-all"], // less doesn't let it open anything in /dev
  node: ["node", "--disable-warning=ExperimentalWarning"],
};

/** The runtimes of the three that are installed. */
export function installedRuntimes(): string[] {
  return Object.keys(COMMANDS).filter((runtime) => spawnSync(runtime, ["--version"]).status === 0);
}

/** Starts a file in a runtime; what it prints is printed. */
export function startIn(runtime: string, file: string, ...args: readonly string[]): ChildProcess {
  const [program = runtime, ...flags] = COMMANDS[runtime] ?? [];
  return spawn(program, [...flags, file, ...args], { stdio: "inherit" });
}

/** The command that starts this program again in the same runtime, with other arguments: what spawn() is called with. */
export function again(...args: readonly string[]): [program: string, args: readonly string[]] {
  const flags = process.versions["deno"] === undefined ? process.execArgv : ["run", "--allow-all"];
  return [process.execPath, [...flags, process.argv[1] ?? "", ...args]];
}

/** Resolves when a process has ended; rejects if it didn't end well. */
export function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`a process ended with ${signal ?? code}`));
    });
  });
}
