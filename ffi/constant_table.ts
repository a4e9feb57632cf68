/**
 * The numbers of `<sys/mman.h>`, platform by platform: one table.
 *
 * Linux's are the kernel's asm-generic ones, which x86-64 and arm64 share, but for what stands under `linuxX64`;
 * `scripts/check_constants.ts` compiles them again from the machine's own headers. A remark is the version of Linux that
 * brought the constant. macOS's are the SDK's, which x86-64 and arm64 share.
 *
 * Every name stands once more, in `constants.ts`, which exports it: a module's exports can't be made from a table, and
 * each has its own documentation there. The test of the constants fails for a name that is in one of the two only.
 *
 * @module
 */

/** What the platforms know a constant as. */
interface Numbers {
  readonly linux?: number;
  /** On x86-64 only. */
  readonly linuxX64?: number;
  readonly darwin?: number;
}

const TABLE = {
  PROT_NONE: { linux: 0, darwin: 0 },
  PROT_READ: { linux: 1, darwin: 1 },
  PROT_WRITE: { linux: 2, darwin: 2 },
  PROT_EXEC: { linux: 4, darwin: 4 },
  PROT_GROWSDOWN: { linux: 0x0100_0000 },
  PROT_GROWSUP: { linux: 0x0200_0000 },

  MAP_FILE: { linux: 0, darwin: 0 },
  MAP_SHARED: { linux: 0x01, darwin: 0x0001 },
  MAP_PRIVATE: { linux: 0x02, darwin: 0x0002 },
  MAP_SHARED_VALIDATE: { linux: 0x03 },
  MAP_DROPPABLE: { linux: 0x08 }, // 6.11
  MAP_FIXED: { linux: 0x10, darwin: 0x0010 },
  MAP_ANON: { linux: 0x20, darwin: 0x1000 },
  MAP_ANONYMOUS: { linux: 0x20, darwin: 0x1000 },
  MAP_GROWSDOWN: { linux: 0x0100 },
  MAP_DENYWRITE: { linux: 0x0800 },
  MAP_EXECUTABLE: { linux: 0x1000 },
  MAP_LOCKED: { linux: 0x2000 },
  MAP_NORESERVE: { linux: 0x4000, darwin: 0x0040 },
  MAP_POPULATE: { linux: 0x8000 },
  MAP_NONBLOCK: { linux: 0x1_0000 },
  MAP_STACK: { linux: 0x2_0000 },
  MAP_HUGETLB: { linux: 0x4_0000 },
  MAP_SYNC: { linux: 0x8_0000 }, // 4.15
  MAP_FIXED_NOREPLACE: { linux: 0x10_0000 }, // 4.17
  MAP_UNINITIALIZED: { linux: 0x400_0000 },
  MAP_HUGE_SHIFT: { linux: 26 },
  MAP_HUGE_MASK: { linux: 0x3f },
  MAP_HUGE_2MB: { linux: 0x5400_0000 }, // 21 << MAP_HUGE_SHIFT
  MAP_HUGE_1GB: { linux: 0x7800_0000 }, // 30 << MAP_HUGE_SHIFT
  MAP_NOCACHE: { darwin: 0x0400 },
  MAP_JIT: { darwin: 0x0800 },
  MAP_RESILIENT_CODESIGN: { darwin: 0x2000 },
  MAP_RESILIENT_MEDIA: { darwin: 0x4000 },
  MAP_32BIT: { linuxX64: 0x40, darwin: 0x8000 },

  MS_ASYNC: { linux: 1, darwin: 0x0001 },
  MS_INVALIDATE: { linux: 2, darwin: 0x0002 },
  MS_SYNC: { linux: 4, darwin: 0x0010 },

  MADV_NORMAL: { linux: 0, darwin: 0 },
  MADV_RANDOM: { linux: 1, darwin: 1 },
  MADV_SEQUENTIAL: { linux: 2, darwin: 2 },
  MADV_WILLNEED: { linux: 3, darwin: 3 },
  MADV_DONTNEED: { linux: 4, darwin: 4 },
  MADV_FREE: { linux: 8, darwin: 5 }, // 4.5
  MADV_REMOVE: { linux: 9 },
  MADV_DONTFORK: { linux: 10 },
  MADV_DOFORK: { linux: 11 },
  MADV_MERGEABLE: { linux: 12 },
  MADV_UNMERGEABLE: { linux: 13 },
  MADV_HUGEPAGE: { linux: 14 },
  MADV_NOHUGEPAGE: { linux: 15 },
  MADV_DONTDUMP: { linux: 16 },
  MADV_DODUMP: { linux: 17 },
  MADV_WIPEONFORK: { linux: 18 }, // 4.14
  MADV_KEEPONFORK: { linux: 19 },
  MADV_COLD: { linux: 20 }, // 5.4
  MADV_PAGEOUT: { linux: 21, darwin: 10 }, // 5.4
  MADV_POPULATE_READ: { linux: 22 }, // 5.14
  MADV_POPULATE_WRITE: { linux: 23 }, // 5.14
  MADV_DONTNEED_LOCKED: { linux: 24 }, // 5.18
  MADV_COLLAPSE: { linux: 25 }, // 6.1
  MADV_HWPOISON: { linux: 100 },
  MADV_SOFT_OFFLINE: { linux: 101 },
  MADV_GUARD_INSTALL: { linux: 102 }, // 6.13
  MADV_GUARD_REMOVE: { linux: 103 }, // 6.13
  MADV_ZERO_WIRED_PAGES: { darwin: 6 },
  MADV_FREE_REUSABLE: { darwin: 7 },
  MADV_FREE_REUSE: { darwin: 8 },
  MADV_CAN_REUSE: { darwin: 9 },
  MADV_ZERO: { darwin: 11 },

  MREMAP_MAYMOVE: { linux: 1 },
  MREMAP_FIXED: { linux: 2 },
  MREMAP_DONTUNMAP: { linux: 4 }, // 5.7

  MLOCK_ONFAULT: { linux: 1 },
  MCL_CURRENT: { linux: 1 },
  MCL_FUTURE: { linux: 2 },
  MCL_ONFAULT: { linux: 4 },

  MINCORE_INCORE: { darwin: 0x01 },
  MINCORE_REFERENCED: { darwin: 0x02 },
  MINCORE_MODIFIED: { darwin: 0x04 },
  MINCORE_REFERENCED_OTHER: { darwin: 0x08 },
  MINCORE_MODIFIED_OTHER: { darwin: 0x10 },
  MINCORE_PAGED_OUT: { darwin: 0x20 },
  MINCORE_COPIED: { darwin: 0x40 },
  MINCORE_ANONYMOUS: { darwin: 0x80 },
} as const satisfies Record<string, Numbers>;

type Table = typeof TABLE;

/** The name of a constant. */
export type Constant = keyof Table;

/** Constants that every supported platform has. */
export type CommonConstant = {
  [Name in Constant]: Table[Name] extends { linux: number; darwin: number } ? Name : never;
}[Constant];

/** Constants that some platforms or architectures lack. */
export type OtherConstant = Exclude<Constant, CommonConstant>;

/** The constants of one platform under their C names; one that it lacks is `undefined`. */
export type ConstantTable =
  & { readonly [Name in CommonConstant]: number }
  & { readonly [Name in OtherConstant]?: number };

/** The constants that have a number in one of these columns: in the first of them that has one. */
export function constantsOf(...columns: readonly (keyof Numbers)[]): ConstantTable {
  const numbers: [string, number][] = [];
  for (const [name, row] of Object.entries<Numbers>(TABLE)) {
    const column = columns.find((each) => row[each] !== undefined);
    if (column !== undefined) numbers.push([name, row[column] ?? 0]);
  }
  return Object.fromEntries(numbers) as unknown as ConstantTable;
}
