/**
 * A folder for the files that a program makes only to show something.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * A folder that is removed, with all that is in it, at the end of the `using` block; and if the program is ended before,
 * by Ctrl+C, say. A program that goes on for long has to let the event loop run now and then: it doesn't hear of Ctrl+C
 * otherwise.
 */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/** Makes a folder, for the files of the program of this name. */
export function temporaryFolder(name: string, above: string = tmpdir()): TemporaryFolder {
  const path = mkdtempSync(join(above, `${name}-`));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  const end = (signal: typeof SIGNALS[number]): never => process.exit(128 + constants.signals[signal]);
  process.on("exit", remove);
  for (const signal of SIGNALS) process.on(signal, end);
  return {
    path,
    [Symbol.dispose](): void {
      process.off("exit", remove);
      for (const signal of SIGNALS) process.off(signal, end);
      remove();
    },
  };
}
