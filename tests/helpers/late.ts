/**
 * Runs a program when the process is a second old: `late.ts PROGRAM ARGUMENT…`. What takes that long shows how far it is.
 *
 * @module
 */
import process from "node:process";

Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, 1001 - performance.now()));
const [program = ""] = process.argv.splice(2, 1);
await import(program);
