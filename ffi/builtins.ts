/**
 * Node's built-in modules, taken when they are first needed.
 *
 * Importing them would take most of the library's start. And where an old runtime's module lacks a name, an import is
 * a SyntaxError, before anybody can say which version is needed.
 *
 * @module
 */
import { REQUIREMENTS } from "./versions.ts";

interface Modules {
  "node:buffer": typeof import("node:buffer");
  "node:fs": typeof import("node:fs");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:timers": typeof import("node:timers");
  "node:timers/promises": typeof import("node:timers/promises");
  "node:url": typeof import("node:url");
  "node:util": typeof import("node:util");
  "node:worker_threads": typeof import("node:worker_threads");
}

interface Process {
  readonly pid: number;
  readonly versions: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): unknown;
  emitWarning(message: string, options: { type: string; code: string }): void;
  once(event: "exit", listener: () => void): unknown;
}

/** The `process` of Bun, Deno and Node; undefined elsewhere. Deno makes it when it is first used, which takes 13 ms. */
export function nodeProcess(): Process | undefined {
  return (globalThis as { readonly process?: Process }).process;
}

/**
 * Whether this is Bun. Some programs define a global `Deno` there, so this is asked before `Deno` is looked at. (Where
 * nothing is called `Bun`, `process` isn't made for the question.)
 */
export function isBun(): boolean {
  return "Bun" in globalThis && nodeProcess()?.versions["bun"] !== undefined;
}

/**
 * Whether a loop whose machine code was left because an index was out of bounds stays slow, as JavaScriptCore's does:
 * see `window.ts`.
 */
export function loopsStaySlow(): boolean {
  return isBun();
}

/** Whether two bigints are compared faster than one is cut off, as in JavaScriptCore. */
export function comparesBigints(): boolean {
  return isBun();
}

/** The `Deno` global, in Deno; undefined elsewhere. */
export function denoGlobal(): unknown {
  return isBun() ? undefined : (globalThis as { readonly Deno?: unknown }).Deno;
}

/** The number of this process. */
export function processId(): number {
  return nodeProcess()?.pid ?? 0;
}

/** A module that not every runtime has; undefined where it is missing. */
export function optionalBuiltin(name: string): unknown {
  return nodeProcess()?.getBuiltinModule?.(name);
}

const taken: Record<string, unknown> = {};

/**
 * A built-in module.
 *
 * @throws {Error} On a runtime that has no such module, or is too old to be asked for it.
 */
export function builtin<Name extends keyof Modules>(name: Name): Modules[Name] {
  return (taken[name] ??= take(name)) as Modules[Name];
}

function take(name: string): unknown {
  const module = optionalBuiltin(name);
  if (module === undefined) {
    throw new Error(
      `@mapped/region needs ${REQUIREMENTS}: this runtime has no ${name}, or no process.getBuiltinModule to ask for it`,
    );
  }
  return module;
}
