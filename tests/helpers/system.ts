/**
 * What a test may need of the system it runs on: a reason to skip it where that is missing, small file systems, programs in C.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { MappedRegion } from "../../mod.ts";
import { isEmulated, root, runtimeName, type TemporaryDirectory, temporaryDirectory } from "./runtime.ts";

/** A node:test option: false where a test can run, the reason where it can't. */
export interface Condition {
  readonly skip: string | false;
}

/** A condition, which is evaluated once, when a test first asks. */
export function where(holds: () => boolean, reason: string): Condition {
  let skip: string | false | undefined;
  return {
    get skip(): string | false {
      return skip ??= holds() ? false : reason;
    },
  };
}

const isRoot = (): boolean => process.getuid?.() === 0;
const runs = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

/** For tests of what only Linux has. */
export const linuxOnly: Condition = where(() => process.platform === "linux", "Linux only");

const EMULATOR_IS_NOT_LINUX = "QEMU's user mode takes flags of mmap(2) and advice for nothing";

/** For tests of what the kernel does with a mapping. */
export const kernelOnly: Condition = where(() => !isEmulated, EMULATOR_IS_NOT_LINUX);

/** For tests of what Linux's kernel alone does. */
export const linuxKernelOnly: Condition = where(
  () => process.platform === "linux" && !isEmulated,
  `Linux only; ${EMULATOR_IS_NOT_LINUX}`,
);

/** For tests that lose pages on purpose: without the guard they would end the process, as in C. */
export const guardOnly: Condition = where(() => {
  using region = MappedRegion.anonymous(1);
  return region.guarded;
}, "there is no fault guard on this system");

/** For tests of what only root may do. */
export const rootOnly: Condition = where(() => process.platform === "linux" && isRoot(), "needs root");

/** For tests in which root becomes another user. */
export const otherUserOnly: Condition = where(
  () => isRoot() && runtimeName !== "deno",
  "only root can become somebody else, and not in Deno",
);

/** For tests of a runtime's own permissions. */
export const denoOnly: Condition = where(() => runtimeName === "deno", "these permissions are Deno's");
export const nodeOnly: Condition = where(() => runtimeName === "node", "this permission model is Node's");

/** Whether the runtime's C library is musl. */
export function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  return /\/ld-musl-|-linux-musl\//.test(readFileSync("/proc/self/maps", "utf8")); // Alpine's path, and Debian's
}

/** For tests that compile a program. */
export const needsC: Condition = where(() => runs("cc"), "needs a C compiler, cc");

/** Where the headers are that npm's Node brings along, for addons. */
export function nodeHeaders(): string | undefined {
  const folders = [join(root, "node_modules"), join(root, "node_modules/node/node_modules")];
  return folders.filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name, "include/node")))
    .find((folder) => existsSync(join(folder, "node_api.h")));
}

/** Whether what is compiled fits the runtime: cc is for musl where the runtime is. */
function compilesForRuntime(): boolean {
  const { stdout } = spawnSync("cc", ["-dumpmachine"], { encoding: "utf8" });
  return stdout.includes("musl") === isMusl();
}

/** For tests that compile an addon. */
export const needsAddon: Condition = where(
  () => runs("cc") && nodeHeaders() !== undefined && compilesForRuntime(),
  "needs Node's headers, and a C compiler, cc, for the runtime's C library",
);

/** For tests that run a program in Python. */
export const needsPython: Condition = where(() => runs("python3"), "needs python3");

/** For tests that fill a disk: on {@linkcode smallFileSystem}. */
export const mountOnly: Condition = where(() => {
  using directory = temporaryDirectory();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "tmpfs", directory.path]).status === 0;
  if (mounted) spawnSync("umount", ["-l", directory.path]);
  return mounted;
}, "only root can mount a small file system");

/**
 * A `describe` for tests that all need the same. If that is missing, one skipped test stands for them: Bun doesn't
 * count a `describe` that is skipped.
 */
export function describeWhere(title: string, { skip }: Condition, tests: () => void): void {
  if (skip === false) describe(title, tests);
  else test(title, { skip }, () => {});
}

/** A file system that is unmounted at the end of the block. */
export interface SmallFileSystem extends TemporaryDirectory {
  /** Unmounts it; returns whether it could be: not as long as a file of it is open or mapped. */
  unmount(): boolean;
}

/** Mounts a file system of so many bytes, in memory. */
export function smallFileSystem(bytes: number): SmallFileSystem {
  const directory = temporaryDirectory();
  const { path } = directory;
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  let mounted = true;
  return {
    path,
    unmount(): boolean {
      if (spawnSync("umount", [path]).status === 0) mounted = false;
      return !mounted;
    },
    [Symbol.dispose](): void {
      if (mounted) spawnSync("umount", ["-l", path]);
      directory[Symbol.dispose]();
    },
  };
}

/** A program that was compiled, or a library; it is deleted at the end of the block. */
export interface Compiled extends Disposable {
  readonly path: string;
}

/** Compiles a C file of the repository, with all of the compiler's warnings as errors. */
export function compiled(source: string, ...flags: readonly string[]): Compiled {
  const directory = temporaryDirectory();
  const path = join(directory.path, "program");
  const command = ["-O2", "-Wall", "-Wextra", "-Werror", "-o", path, join(root, source), ...flags];
  const { status, stderr } = spawnSync("cc", command, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return { path, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}
