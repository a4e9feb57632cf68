/**
 * What the tests of "./ipc" share: names that nobody else has, and peers in other runtimes and languages.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MappedRegion } from "../../mod.ts";
import { root } from "../helpers/mod.ts";

/** The runtimes that a peer can run in. */
export const RUNTIMES = ["bun", "deno", "node"] as const;

/** One of them. */
export type RuntimeName = (typeof RUNTIMES)[number];

const FLAGS: Readonly<Record<RuntimeName, readonly string[]>> = {
  bun: ["run"],
  deno: ["run", "--no-prompt", "-A"],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** How a program ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs beside the test. */
export interface Peer extends AsyncDisposable {
  readonly process: ChildProcessWithoutNullStreams;
  /** How it ended. */
  readonly ended: Promise<Ended>;
  /** Resolves when it has printed a line with this text. */
  printed(text: string): Promise<void>;
}

/** Starts a program of `tests/ipc/programs` in a runtime. It is killed at the end of the block. */
export function peer(runtime: RuntimeName, program: string, ...args: readonly string[]): Peer {
  const file = join(root, "tests/ipc/programs", `${program}.ts`);
  return start(join(root, "node_modules/.bin", runtime), [...FLAGS[runtime], file, ...args]);
}

/** So long may a program run: a test takes less, a long run of `soak.ts` more. */
const MILLISECONDS = 3_600_000;

/** Starts any program. */
export function start(file: string, args: readonly string[]): Peer {
  const child = spawn(file, args, {
    cwd: root,
    stdio: "pipe",
    timeout: MILLISECONDS,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  let looking: (() => void)[] = [];
  const look = (): void => {
    const all = looking;
    looking = [];
    for (const each of all) each();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let over = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      over = true;
      resolve({ status, signal, stdout, stderr });
      look();
    });
  });
  return {
    process: child,
    ended,
    async printed(text): Promise<void> {
      while (!stdout.includes(text)) {
        assert(!over, `ended without printing '${text}': ${stdout}${stderr}`);
        await new Promise<void>((resolve) => looking.push(resolve));
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      if (!over) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Asserts that a program ended well; returns what it printed. */
export async function well(peer: Peer): Promise<string> {
  const { status, signal, stdout, stderr } = await peer.ended;
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" }, stdout);
  return stdout;
}

/** A name for shared memory that nobody else has. The memory is unlinked at the end of the block, if it is there. */
export function uniqueName(): { readonly name: string } & Disposable {
  const name = `/mapped-region-${randomUUID()}`;
  return { name, [Symbol.dispose]: () => rmSync(`/dev/shm${name}`, { force: true }) };
}

/** Memory that workers and processes may share, all zeros. */
export function sharedRegion(length: number = 4096): MappedRegion {
  return MappedRegion.anonymous(length, { shared: true });
}

/** Whether a process is there. */
export const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`);

/** This process's memory and descriptors must not grow: how many descriptors it has. */
export const pid: number = process.pid;
