/**
 * Which operating system and which CPU the process runs on.
 *
 * @module
 */

interface Globals {
  readonly process?: { readonly platform: string; readonly arch: string };
  readonly Deno?: { readonly build?: { readonly os?: unknown; readonly arch?: unknown } };
}

/** An operating system and a CPU, as Node names them: `"linux"`, `"x64"`. Empty where nothing is known. */
export interface Machine {
  readonly system: string;
  readonly architecture: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "arm64" };

/** The machine that the process runs on. */
export const machine: Machine = findMachine(globalThis as Globals);

/** This runs at import. So `process`, which Deno takes 13 ms to make, isn't used if `Deno` tells. */
function findMachine(globals: Globals): Machine {
  const { os, arch } = globals.Deno?.build ?? {};
  if (typeof os === "string" && typeof arch === "string") {
    return { system: os, architecture: ARCHITECTURES[arch] ?? arch };
  }
  return { system: globals.process?.platform ?? "", architecture: globals.process?.arch ?? "" };
}
