/**
 * A folder for the files that a program makes only to show something.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is removed, with all that is in it, at the end of the `using` block. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/** Makes a folder, for the files of the program of this name. */
export function temporaryFolder(name: string, above: string = tmpdir()): TemporaryFolder {
  const path = mkdtempSync(join(above, `${name}-`));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
