/**
 * How long to wait.
 *
 * @module
 */
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { show } from "../checks.ts";

/** How long a call that blocks may take. */
export interface TimeoutOptions {
  /** The number of milliseconds, after which ETIMEDOUT is thrown. Default: any number. */
  timeout?: number | undefined;
}

/** How long a call that waits may take, and what ends it early. */
export interface WaitOptions extends TimeoutOptions {
  /** Aborts the wait, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** When a wait ends, as `performance.now()` has it, and what ends it early. */
export interface Until {
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

const FOREVER: Until = { deadline: Infinity, signal: undefined };

/** Checks options. Each property is read once, and only if it is the object's own. */
export function ownOptions<Name extends string>(
  options: unknown,
  names: readonly Name[],
  call: string,
): { readonly [Each in Name]?: unknown } {
  if (options === undefined) return { __proto__: null } as { readonly [Each in Name]?: unknown };
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${call}: the options must be an object: received ${show(options)}`);
  }
  const copy: Record<string, unknown> = { ...options };
  const unknown = Object.keys(copy).find((name) => !names.includes(name as Name));
  if (unknown !== undefined) throw new TypeError(`${call}: there is no option ${show(unknown)}`);
  return { __proto__: null, ...copy } as { readonly [Each in Name]?: unknown };
}

/** Checks how long a program wants to wait. */
export function until(options: unknown, call: string, blocking: boolean): Until {
  if (options === undefined) return FOREVER;
  const names = blocking ? (["timeout"] as const) : (["timeout", "signal"] as const);
  const { timeout, signal } = ownOptions<"timeout" | "signal">(options, names, call);
  return { deadline: deadlineOf(timeout, call), signal: signalOf(signal, call) };
}

function deadlineOf(timeout: unknown, call: string): number {
  if (timeout === undefined) return Infinity;
  if (typeof timeout !== "number") {
    throw new TypeError(`${call}: option 'timeout' must be a number: received ${show(timeout)}`);
  }
  if (!(timeout >= 0)) {
    throw new RangeError(
      `${call}: option 'timeout' must be 0 or more milliseconds: received ${show(timeout)}`,
    );
  }
  return performance.now() + timeout;
}

function signalOf(signal: unknown, call: string): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new TypeError(`${call}: option 'signal' must be an AbortSignal: received ${show(signal)}`);
}

/** Throws if a wait has taken too long. */
export function checkTime({ deadline }: Until, call: string, path: string | undefined): void {
  if (performance.now() < deadline) return;
  throw new MmapError(errorNumber("ETIMEDOUT"), undefined, {
    operation: call,
    path,
    explanation: "it was not to be had in time; try again, or allow a longer 'timeout'",
  });
}
