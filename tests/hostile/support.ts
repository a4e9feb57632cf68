/**
 * What the hostile programs and their tests share.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { MappedRegion } from "../../mod.ts";
import { run, type RunResult, temporaryDirectory } from "../helpers/runtime.ts";

/** A topic's programs; each returns what it found. */
export type Programs = Readonly<Record<string, () => unknown>>;

/** The size of a page in bytes. */
export const PAGE: number = MappedRegion.pageSize;

/** A new file of so many pages of the letter A; the test deletes it. */
export function file(pages: number): string {
  const path = join(mkdtempSync(join(tmpdir(), "hostile-")), "file");
  writeFileSync(path, new Uint8Array(pages * PAGE).fill(65));
  return path;
}

/** What a call returned, or the name or code of what it threw. */
export function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return failure(error);
  }
}

/** The code of an error, or its name where it has none. */
export function failure(error: unknown): string {
  if (!(error instanceof Error)) return `not an error: ${String(error)}`;
  return (error as { code?: unknown }).code === undefined || error instanceof DOMException
    ? error.name
    : String((error as { code?: unknown }).code);
}

/** Whether this system can run programs that fault. */
export function faultsAreGuarded(): boolean {
  using region = MappedRegion.anonymous(1);
  return region.guarded;
}

/** Whether this process may mount a file system; says so where it may not. */
export function canMount(): boolean {
  using directory = temporaryDirectory();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "tmpfs", directory.path]).status === 0;
  if (mounted) spawnSync("umount", ["-l", directory.path]);
  else process.stdout.write("the full disk is not tested: only root can mount one\n");
  return mounted;
}

/** Runs a program in a process of its own, with a directory for its files that is deleted afterwards. */
export function runProgram(topic: string, name: string, env: Record<string, string> = {}): RunResult {
  using directory = temporaryDirectory();
  const args = [topic, name];
  const result = run(new URL("./run_program.ts", import.meta.url), {
    args,
    env: { ...env, TMPDIR: directory.path },
  });
  // Many of the programs store where they may not; of that they are warned.
  const stderr = result.stderr.split("\n")
    .filter((line) => !/MAPPED_REGION_STRAY_STORE|--trace-warnings/.test(line)).join("\n");
  return { ...result, stderr };
}

/** Tests that each program ends well, having found exactly what it is expected to find. */
export function expectAll(
  topic: string,
  programs: Programs,
  expected: Readonly<Record<string, unknown>>,
): void {
  describe(topic, { skip: !faultsAreGuarded() && "there is no fault guard on this system" }, () => {
    for (const name of Object.keys(programs)) {
      test(name, () => {
        const { status, signal, stdout, stderr } = runProgram(topic, name);
        assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: "" });
        assert.deepEqual(JSON.parse(stdout), expected[name]);
      });
    }
    test("has an expectation for every program", () => {
      assert.deepEqual(Object.keys(expected).sort(), Object.keys(programs).sort());
    });
  });
}

/** A worker that is asked and answers. */
export interface Together {
  /** Posts a message and waits for the answer. */
  ask(message: unknown, transfer?: readonly ArrayBuffer[]): Promise<unknown>;
  /** The next message that wasn't asked for. */
  next(): Promise<unknown>;
  /** Terminates the worker. */
  end(): Promise<unknown>;
}

/** Starts a worker of this process that runs a program, in JavaScript. */
export function together(program: string, data?: unknown): Together {
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const worker = new Worker(url, { workerData: data });
  const next = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  return {
    ask: (message, transfer = []) => {
      const answer = next();
      worker.postMessage(message, [...transfer]);
      return answer;
    },
    next,
    end: () => worker.terminate(),
  };
}
