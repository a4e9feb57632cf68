/**
 * The choice of the platform: which operating system is this?
 *
 * @module
 */
import type { ConstantTable } from "./constant_table.ts";
import { darwin, darwinConstants } from "./darwin.ts";
import { unsupported } from "./errors.ts";
import { linux, linuxConstants } from "./linux.ts";
import { machine } from "./machine.ts";
import type { Platform } from "./system.ts";

/**
 * The running platform; throws an ENOTSUP {@linkcode MmapError} where the library doesn't work.
 *
 * @param system The operating system, as `process.platform` names it.
 * @param architecture The CPU, as `process.arch` names it.
 */
export function platform(
  system: string = machine.system,
  architecture: string = machine.architecture,
): Platform {
  if (architecture !== "x64" && architecture !== "arm64") {
    throw unsupported(`mapping is supported on x64 and arm64, not on '${architecture}'`);
  }
  if (system === "linux") return linux(architecture);
  if (system === "darwin") return darwin(architecture);
  throw unsupported(`mapping is supported on Linux and macOS, not on '${system}'`);
}

/**
 * The running platform's constants. They are needed at import, which must not throw: where the library doesn't
 * work, Linux's stand in, and every call that would use one throws.
 */
export const constants: ConstantTable = machine.system === "darwin"
  ? darwinConstants()
  : linuxConstants(machine.architecture);
