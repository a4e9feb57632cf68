/**
 * Descriptors of the system, and C functions that make them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import type { CType } from "../../ffi/abi.ts";
import { platform } from "../../ffi/platform.ts";
import { createRuntime } from "../../ffi/runtime.ts";

/** A function of the C library that the product doesn't use: what it does the runtime doesn't know of. */
export function cFunction(
  symbol: string,
  ...parameters: readonly CType[]
): (...values: readonly unknown[]) => number {
  const signature = { parameters, result: "int" } as const;
  return createRuntime().bind(platform().libraries[0] ?? "", symbol, signature) as (
    ...values: unknown[]
  ) => number;
}

function isOpen(number: number): boolean {
  try {
    fstatSync(number);
    return true;
  } catch {
    return false;
  }
}

/** A descriptor whose number nothing else takes while it is closed. */
export interface DescriptorApart extends Disposable {
  readonly number: number;
  /** Opens a file under that number. */
  open(path: string, flags: string): void;
  close(): void;
}

/**
 * Opens a file under a high number. The system gives out the lowest that is free, and the runtime opens and closes files at
 * any time, in threads of its own: so nobody can know which number the next file gets.
 */
export function descriptorApart(path: string, flags: string): DescriptorApart {
  const dup2 = cFunction("dup2", "int", "int");
  const close = cFunction("close", "int");
  let number = 200;
  while (isOpen(number)) number++;
  const apart: DescriptorApart = {
    number,
    open(path, flags): void {
      const opened = openSync(path, flags);
      assert.equal(dup2(opened, number), number);
      closeSync(opened);
    },
    close: () => void close(number),
    [Symbol.dispose]: () => void close(number),
  };
  apart.open(path, flags);
  return apart;
}
