/**
 * What differs between operating systems, and the choice of the one that is running.
 *
 * @module
 */
import process from "node:process";
import { darwin, darwinConstants } from "./darwin.ts";
import { unsupported } from "./errors.ts";
import type { FunctionName } from "./libc.ts";
import { linux, linuxConstants } from "./linux.ts";

/** Constants that every supported platform has. */
export type CommonConstant =
  | "PROT_NONE"
  | "PROT_READ"
  | "PROT_WRITE"
  | "PROT_EXEC"
  | "MAP_FILE"
  | "MAP_SHARED"
  | "MAP_PRIVATE"
  | "MAP_FIXED"
  | "MAP_ANON"
  | "MAP_ANONYMOUS"
  | "MAP_NORESERVE"
  | "MS_ASYNC"
  | "MS_INVALIDATE"
  | "MS_SYNC"
  | "MADV_NORMAL"
  | "MADV_RANDOM"
  | "MADV_SEQUENTIAL"
  | "MADV_WILLNEED"
  | "MADV_DONTNEED"
  | "MADV_FREE"
  | "MADV_PAGEOUT";

/** Constants that some platforms, architectures or C libraries lack. */
export type OtherConstant =
  | "PROT_GROWSDOWN"
  | "PROT_GROWSUP"
  | "MAP_SHARED_VALIDATE"
  | "MAP_DROPPABLE"
  | "MAP_32BIT"
  | "MAP_GROWSDOWN"
  | "MAP_DENYWRITE"
  | "MAP_EXECUTABLE"
  | "MAP_LOCKED"
  | "MAP_POPULATE"
  | "MAP_NONBLOCK"
  | "MAP_STACK"
  | "MAP_HUGETLB"
  | "MAP_SYNC"
  | "MAP_FIXED_NOREPLACE"
  | "MAP_UNINITIALIZED"
  | "MAP_HUGE_SHIFT"
  | "MAP_HUGE_MASK"
  | "MAP_HUGE_2MB"
  | "MAP_HUGE_1GB"
  | "MAP_NOCACHE"
  | "MAP_JIT"
  | "MAP_RESILIENT_CODESIGN"
  | "MAP_RESILIENT_MEDIA"
  | "MADV_REMOVE"
  | "MADV_DONTFORK"
  | "MADV_DOFORK"
  | "MADV_MERGEABLE"
  | "MADV_UNMERGEABLE"
  | "MADV_HUGEPAGE"
  | "MADV_NOHUGEPAGE"
  | "MADV_DONTDUMP"
  | "MADV_DODUMP"
  | "MADV_WIPEONFORK"
  | "MADV_KEEPONFORK"
  | "MADV_COLD"
  | "MADV_POPULATE_READ"
  | "MADV_POPULATE_WRITE"
  | "MADV_DONTNEED_LOCKED"
  | "MADV_COLLAPSE"
  | "MADV_HWPOISON"
  | "MADV_SOFT_OFFLINE"
  | "MADV_GUARD_INSTALL"
  | "MADV_GUARD_REMOVE"
  | "MADV_ZERO_WIRED_PAGES"
  | "MADV_FREE_REUSABLE"
  | "MADV_FREE_REUSE"
  | "MADV_CAN_REUSE"
  | "MADV_ZERO"
  | "MREMAP_MAYMOVE"
  | "MREMAP_FIXED"
  | "MREMAP_DONTUNMAP"
  | "MLOCK_ONFAULT"
  | "MCL_CURRENT"
  | "MCL_FUTURE"
  | "MCL_ONFAULT"
  | "MINCORE_INCORE"
  | "MINCORE_REFERENCED"
  | "MINCORE_MODIFIED"
  | "MINCORE_REFERENCED_OTHER"
  | "MINCORE_MODIFIED_OTHER"
  | "MINCORE_PAGED_OUT"
  | "MINCORE_COPIED"
  | "MINCORE_ANONYMOUS";

/** The constants of one platform under their C names; one that it lacks is `undefined`. */
export type ConstantTable =
  & { readonly [Name in CommonConstant]: number }
  & { readonly [Name in OtherConstant]?: number };

/** What the library has to know of an operating system. */
export interface Platform {
  readonly constants: ConstantTable;
  /** Names of the C library, to be tried in turn. */
  readonly libraries: readonly string[];
  /** The function that returns the address of the calling thread's `errno`. */
  readonly errnoLocation: "__errno_location" | "__error";
  /** Whether mincore tells the truth of a file only to those who may write it (Linux, from 5.2 on). */
  readonly hidesResidency: boolean;
  /** Functions of our table that this platform's C library doesn't have. */
  readonly lacks: readonly FunctionName[];
}

/**
 * The running platform; throws an ENOTSUP {@linkcode MmapError} where the library doesn't work.
 *
 * @param system The operating system, as `process.platform` names it.
 * @param architecture The CPU, as `process.arch` names it.
 */
export function platform(
  system: string = process.platform,
  architecture: string = process.arch,
): Platform {
  if (architecture !== "x64" && architecture !== "arm64") {
    throw unsupported(`mapping is supported on x64 and arm64, not on '${architecture}'`);
  }
  if (system === "linux") return linux(architecture);
  if (system === "darwin") return darwin();
  throw unsupported(`mapping is supported on Linux and macOS, not on '${system}'`);
}

/**
 * The running platform's constants. They are needed at import, which must not throw: where the library doesn't
 * work, Linux's stand in, and every call that would use one throws.
 */
export const constants: ConstantTable = process.platform === "darwin"
  ? darwinConstants()
  : linuxConstants(process.arch);
