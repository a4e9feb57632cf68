/**
 * macOS: constants, names of the C library, and what it lacks.
 *
 * The numbers are those of the SDK's `<sys/mman.h>`; x86-64 and arm64 share them.
 *
 * @module
 */
import type { ConstantTable, Platform } from "./platform.ts";

const COMMON = {
  PROT_NONE: 0,
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,

  MAP_FILE: 0,
  MAP_SHARED: 0x0001,
  MAP_PRIVATE: 0x0002,
  MAP_FIXED: 0x0010,
  MAP_NORESERVE: 0x0040,
  MAP_NOCACHE: 0x0400,
  MAP_JIT: 0x0800,
  MAP_ANON: 0x1000,
  MAP_ANONYMOUS: 0x1000,
  MAP_RESILIENT_CODESIGN: 0x2000,
  MAP_RESILIENT_MEDIA: 0x4000,
  MAP_32BIT: 0x8000,

  MS_ASYNC: 0x0001,
  MS_INVALIDATE: 0x0002,
  MS_SYNC: 0x0010,

  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 5,
  MADV_ZERO_WIRED_PAGES: 6,
  MADV_FREE_REUSABLE: 7,
  MADV_FREE_REUSE: 8,
  MADV_CAN_REUSE: 9,
  MADV_PAGEOUT: 10,
  MADV_ZERO: 11,

  MINCORE_INCORE: 0x01,
  MINCORE_REFERENCED: 0x02,
  MINCORE_MODIFIED: 0x04,
  MINCORE_REFERENCED_OTHER: 0x08,
  MINCORE_MODIFIED_OTHER: 0x10,
  MINCORE_PAGED_OUT: 0x20,
  MINCORE_COPIED: 0x40,
  MINCORE_ANONYMOUS: 0x80,
} as const satisfies ConstantTable;

/** The constants of macOS. */
export function darwinConstants(): ConstantTable {
  return COMMON;
}

/** macOS. */
export function darwin(): Platform {
  return {
    constants: COMMON,
    libraries: ["libSystem.B.dylib", "/usr/lib/libSystem.B.dylib"],
    errnoLocation: "__error",
    hidesResidency: false,
    lacks: ["__errno_location", "mremap", "memrchr", "posix_fallocate"],
  };
}
