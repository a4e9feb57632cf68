/**
 * What the hostile programs and their tests share.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Condition,
  describeWhere,
  guardOnly,
  isEmulated,
  PAGE,
  run,
  type RunResult,
  temporaryDirectory,
} from "../helpers/mod.ts";

/** A topic's programs; each returns what it found. */
export type Programs = Readonly<Record<string, () => unknown>>;

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

/** Runs a program in a process of its own, with a directory for its files that is deleted afterwards. */
export function runProgram(topic: string, name: string, env: Record<string, string> = {}): RunResult {
  using directory = temporaryDirectory();
  const args = [topic, name];
  const result = run(new URL("./run_program.ts", import.meta.url), {
    args,
    env: { ...env, TMPDIR: directory.path },
    timeout: isEmulated ? 900_000 : 480_000,
  });
  // Many of the programs store where they may not; of that they are warned.
  const stderr = result.stderr.split("\n")
    .filter((line) => !/MAPPED_REGION_STRAY_STORE|--trace-warnings/.test(line)).join("\n");
  return { ...result, stderr };
}

/**
 * Tests that each program ends well, having found exactly what it is expected to find.
 *
 * @param needs What single programs need beside the guard.
 */
export function expectAll(
  topic: string,
  programs: Programs,
  expected: Readonly<Record<string, unknown>>,
  needs: Readonly<Record<string, Condition>> = {},
): void {
  describeWhere(topic, guardOnly, () => {
    for (const name of Object.keys(programs)) {
      test(name, needs[name] ?? {}, () => {
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
