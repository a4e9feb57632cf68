/**
 * Starting an example again in other runtimes, for the examples in which processes work together.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";

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
