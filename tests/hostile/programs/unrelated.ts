// deno-lint-ignore-file explicit-function-return-type -- the type of `programs` says it
/** Faults that are none of the library's: they end as in the same program where no handler was installed (HOSTILE_GUARD=absent). */
import { execFileSync } from "node:child_process";
import { truncateSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { libc } from "../../../ffi/libc.ts";
import { constants } from "../../../ffi/platform.ts";
import { MappedRegion } from "../../../mod.ts";
import { PAGE } from "../../helpers/mod.ts";
import { failure, file, outcome, type Programs } from "../support.ts";

/** Regions that stay open: one that was collected would be warned of. */
const kept: MappedRegion[] = [];

/** Has the handler installed, and at work; unless it is to be absent. */
function guard(): void {
  if (process.env["HOSTILE_GUARD"] === "absent") return;
  const path = file(4);
  const region = MappedRegion.open(path);
  kept.push(region);
  truncateSync(path, 0);
  if (region.bytes[0] !== 0 || region.faults !== 1) throw new Error("the guard is not at work");
}

/** A module whose one function, run, has this body. */
function wasm(body: readonly number[]): () => unknown {
  const code = [0, ...body, 0x0b];
  const bytes = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // the header
    ...[1, 5, 1, 0x60, 0, 1, 0x7f], // one type: () -> i32
    ...[3, 2, 1, 0], // one function of it
    ...[5, 3, 1, 0, 1], // a memory of one page
    ...[7, 7, 1, 3, 0x72, 0x75, 0x6e, 0, 0], // exported as "run"
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return exports["run"] as () => unknown;
}

export const programs: Programs = {
  /** Traps in WebAssembly: out of bounds, unreachable, division by zero. */
  wasmTraps() {
    guard();
    const outOfBounds = wasm([0x41, 0x80, 0x80, 0xc0, 0, 0x28, 2, 0]);
    const unreachable = wasm([0]);
    const division = wasm([0x41, 1, 0x41, 0, 0x6d]);
    const ends = [];
    for (let i = 0; i < 100; i++) ends.push([outOfBounds, unreachable, division].map(outcome).join());
    return [ends[0], new Set(ends).size];
  },

  /** Overflows the stack a hundred times. */
  stackOverflow() {
    guard();
    const recurse = (depth: number): number => recurse(depth + 1) + 1;
    const ends = Array.from({ length: 100 }, () => outcome(() => recurse(0)));
    return [ends[0], new Set(ends).size];
  },

  /** Dereferences null in promises, which is JavaScript's own matter. */
  async errors() {
    guard();
    const nothing = JSON.parse("null") as { readonly property: unknown };
    return await Promise.resolve().then(() => nothing.property).catch(failure);
  },

  /** Is sent SIGBUS from outside. */
  async sentBus() {
    guard();
    execFileSync("kill", ["-BUS", String(process.pid)]);
    await delay(500);
    return "survived";
  },

  /** Is sent SIGSEGV from outside. */
  async sentSegv() {
    guard();
    execFileSync("kill", ["-SEGV", String(process.pid)]);
    await delay(500);
    return "survived";
  },

  /** Reads memory that is not there. */
  crash() {
    guard();
    const { functions, arrayBuffer } = libc();
    const { PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS } = constants;
    // Much address space, of which the middle is read: what other threads map meanwhile goes to its ends.
    const length = 2 ** 30;
    const start = functions.mmap(0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bytes = new Uint8Array(arrayBuffer(start + length / 2, PAGE));
    if (bytes[0] !== 0) return "it isn't there";
    functions.munmap(start, length);
    return bytes[0];
  },

  /** Reads a lost page of a region without a guard: ended by SIGBUS, as in C. */
  guardFalse() {
    const path = file(4);
    using region = MappedRegion.open(path, { guard: false });
    truncateSync(path, 0);
    return region.bytes[0];
  },

  /** Reads a lost page; run with MAPPED_REGION_GUARD=off it is ended by SIGBUS. */
  guardOff() {
    const path = file(4);
    using region = MappedRegion.open(path);
    truncateSync(path, 0);
    return region.bytes[0];
  },
};
