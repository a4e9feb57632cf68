/**
 * System calls that fail, each with an error number of its own.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  getpagesize,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  MmapError,
  MS_SYNC,
  msync,
  munmap,
} from "../../ffi/mod.ts";
import { PROT_READ, PROT_WRITE } from "../../ffi/constants.ts";

const CALLS: Readonly<Record<string, (fd: number, page: number) => unknown>> = {
  EBADF: (_, page) => mmap(0n, page, PROT_READ, MAP_PRIVATE, -1, 0),
  EINVAL: (_, page) => munmap(1n, page),
  // Nothing is mapped at the first page of the address space.
  ENOMEM: (_, page) => msync(0n, page, MS_SYNC),
  EACCES: (fd, page) => mmap(0n, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
};

/** The names of the errors that the calls here fail with. */
export const names: readonly string[] = Object.keys(CALLS);

/** Makes the calls in turn, with garbage in between. Returns those that failed with the wrong error, at most ten. */
export function failures(names: readonly string[], calls: number): string[] {
  const page = getpagesize();
  const fd = openSync(fileURLToPath(import.meta.url), "r");
  const wrong: string[] = [];
  let garbage: unknown[] = [];
  try {
    for (let call = 0; call < calls && wrong.length < 10; call++) {
      const name = names[call % names.length] ?? "";
      let code = "nothing";
      try {
        CALLS[name]?.(fd, page);
      } catch (error) {
        code = error instanceof MmapError ? error.code : String(error);
      }
      if (code !== name) wrong.push(`call ${call}: ${code} where ${name} was due`);
      garbage.push({
        call,
        text: `${name} ${call}`,
        list: new Array(50).fill(call),
        bytes: new Uint8Array(300),
      });
      if (garbage.length > 500) garbage = [];
    }
  } finally {
    closeSync(fd);
  }
  return wrong;
}
