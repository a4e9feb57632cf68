/**
 * The choice of the backend: which runtime is this?
 *
 * @module
 */
import type { Runtime } from "./abi.ts";
import { createBunRuntime, loadBunFfi } from "./bun.ts";
import { nodeProcess } from "./builtins.ts";
import { createDenoRuntime, loadDenoFfi } from "./deno.ts";
import { createNodeRuntime, loadNodeFfi } from "./node.ts";

/**
 * The backend of the runtime that is running.
 *
 * Bun is recognised first, and by a field that programs don't define. Some programs define a global `Deno` in Bun,
 * which would choose the wrong backend.
 */
export function createRuntime(): Runtime {
  const { bun, node = "" } = nodeProcess()?.versions ?? {};
  if (bun !== undefined) return createBunRuntime(loadBunFfi(bun), bun);
  const deno = loadDenoFfi();
  if (deno !== undefined) return createDenoRuntime(deno);
  return createNodeRuntime(loadNodeFfi(node), node);
}
