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

/** The backend of the runtime that is running. */
export function createRuntime(): Runtime {
  const deno = loadDenoFfi();
  if (deno !== undefined) return createDenoRuntime(deno);
  const { bun, node = "" } = nodeProcess()?.versions ?? {};
  return bun === undefined
    ? createNodeRuntime(loadNodeFfi(node), node)
    : createBunRuntime(loadBunFfi(bun), bun);
}
