/**
 * Linux: constants, names of the C library, and what it has that others lack.
 *
 * The numbers are those of `<sys/mman.h>` (asm-generic, which x86-64 and arm64 share);
 * `scripts/check_constants.ts` compiles them again from the machine's own headers.
 *
 * @module
 */
import type { ConstantTable, Platform } from "./platform.ts";

const COMMON = {
  PROT_NONE: 0,
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,
  PROT_GROWSDOWN: 0x0100_0000,
  PROT_GROWSUP: 0x0200_0000,

  MAP_FILE: 0,
  MAP_SHARED: 0x01,
  MAP_PRIVATE: 0x02,
  MAP_SHARED_VALIDATE: 0x03,
  MAP_DROPPABLE: 0x08, // 6.11
  MAP_FIXED: 0x10,
  MAP_ANON: 0x20,
  MAP_ANONYMOUS: 0x20,
  MAP_GROWSDOWN: 0x0100,
  MAP_DENYWRITE: 0x0800,
  MAP_EXECUTABLE: 0x1000,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_NONBLOCK: 0x1_0000,
  MAP_STACK: 0x2_0000,
  MAP_HUGETLB: 0x4_0000,
  MAP_SYNC: 0x8_0000, // 4.15
  MAP_FIXED_NOREPLACE: 0x10_0000, // 4.17
  MAP_UNINITIALIZED: 0x400_0000,
  MAP_HUGE_SHIFT: 26,
  MAP_HUGE_MASK: 0x3f,
  MAP_HUGE_2MB: 0x5400_0000, // 21 << MAP_HUGE_SHIFT
  MAP_HUGE_1GB: 0x7800_0000, // 30 << MAP_HUGE_SHIFT

  MS_ASYNC: 1,
  MS_INVALIDATE: 2,
  MS_SYNC: 4,

  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8, // 4.5
  MADV_REMOVE: 9,
  MADV_DONTFORK: 10,
  MADV_DOFORK: 11,
  MADV_MERGEABLE: 12,
  MADV_UNMERGEABLE: 13,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
  MADV_WIPEONFORK: 18, // 4.14
  MADV_KEEPONFORK: 19,
  MADV_COLD: 20, // 5.4
  MADV_PAGEOUT: 21, // 5.4
  MADV_POPULATE_READ: 22, // 5.14
  MADV_POPULATE_WRITE: 23, // 5.14
  MADV_DONTNEED_LOCKED: 24, // 5.18
  MADV_COLLAPSE: 25, // 6.1
  MADV_HWPOISON: 100,
  MADV_SOFT_OFFLINE: 101,
  MADV_GUARD_INSTALL: 102, // 6.13
  MADV_GUARD_REMOVE: 103, // 6.13

  MREMAP_MAYMOVE: 1,
  MREMAP_FIXED: 2,
  MREMAP_DONTUNMAP: 4, // 5.7

  MLOCK_ONFAULT: 1,
  MCL_CURRENT: 1,
  MCL_FUTURE: 2,
  MCL_ONFAULT: 4,
} as const satisfies ConstantTable;

/** The constants of Linux on one architecture, as `process.arch` names it. */
export function linuxConstants(architecture: string): ConstantTable {
  return architecture === "x64" ? { ...COMMON, MAP_32BIT: 0x40 } : COMMON;
}

/** musl's name for an architecture, as in `libc.musl-x86_64.so.1`. */
const MUSL_ARCHITECTURE: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };

/** Linux on one architecture. */
export function linux(architecture: string): Platform {
  const musl = MUSL_ARCHITECTURE[architecture] ?? architecture;
  return {
    constants: linuxConstants(architecture),
    // glibc's name first: musl answers to it too, but musl's own name, where a glibc system has musl
    // installed as well, would bring a second C library into the process.
    libraries: ["libc.so.6", `libc.musl-${musl}.so.1`],
    errnoLocation: "__errno_location",
    hidesResidency: true,
    lacks: ["__error"],
  };
}
