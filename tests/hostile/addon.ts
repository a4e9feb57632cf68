/**
 * The addon of `addon.c`, compiled.
 *
 * @module
 */
import { linkSync } from "node:fs";
import { createRequire } from "node:module";
import { compiled, nodeHeaders } from "../helpers/mod.ts";

/** Counts the bytes of a value, or stores it to all of them, after so many milliseconds, in a thread of its own. */
export type AddonWork = (bytes: Uint8Array, value: number, delay: number, store: boolean) => Promise<number>;

/** Compiles the addon and loads it. */
export function addon(): AddonWork {
  const { path } = compiled("tests/hostile/addon.c", "-shared", "-fPIC", `-I${nodeHeaders() ?? ""}`);
  linkSync(path, `${path}.node`);
  return createRequire(import.meta.url)(`${path}.node`).work;
}
