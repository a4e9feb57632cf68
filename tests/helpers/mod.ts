/**
 * What the tests share, in one place: files, errors, children, workers, garbage, mounts, and reasons to skip a test.
 *
 * @module
 */
export * from "./region.ts";
export * from "./runtime.ts";
export * from "./system.ts";
export * from "./worker.ts";
