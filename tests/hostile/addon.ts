/**
 * The addon of `addon.c`, compiled.
 *
 * @module
 */
import { linkSync } from "node:fs";
import { createRequire } from "node:module";
import { compiled, nodeHeaders } from "../helpers/mod.ts";

/** What the addon has. */
export interface Addon {
  /** Counts the bytes of a value, or stores it to all of them, after so many milliseconds, in a thread of its own. */
  work(bytes: Uint8Array, value: number, delay: number, store: boolean): Promise<number>;
  /** Lets one piece of work begin that waits for it. */
  go(): void;
}

/** The delay of work that begins when it is told to. */
export const UNTIL_GO: number = 2 ** 32 - 1;

/** Compiles the addon and loads it. */
export function addon(): Addon {
  const { path } = compiled("tests/hostile/addon.c", "-shared", "-fPIC", `-I${nodeHeaders() ?? ""}`);
  linkSync(path, `${path}.node`);
  return createRequire(import.meta.url)(`${path}.node`);
}
