/**
 * The constants of `<sys/mman.h>` on the running platform, under their C names. One that the platform lacks is
 * `undefined`; the functions of this door answer it with ENOTSUP.
 *
 * @module
 */
import { constants } from "./platform.ts";

/** Pages may not be accessed. */
export const PROT_NONE: number = constants.PROT_NONE;
/** Pages may be read. */
export const PROT_READ: number = constants.PROT_READ;
/** Pages may be written. */
export const PROT_WRITE: number = constants.PROT_WRITE;
/** Pages may be executed. */
export const PROT_EXEC: number = constants.PROT_EXEC;
/** `mprotect`: apply the change down to the start of a growing mapping. Linux only. */
export const PROT_GROWSDOWN: number | undefined = constants.PROT_GROWSDOWN;
/** `mprotect`: apply the change up to the end of a growing mapping. Linux only. */
export const PROT_GROWSUP: number | undefined = constants.PROT_GROWSUP;
/** Map a file: 0, the default, kept for old programs. */
export const MAP_FILE: number = constants.MAP_FILE;
/** Stores reach the file and other processes. */
export const MAP_SHARED: number = constants.MAP_SHARED;
/** Stores go to a private copy of the page. */
export const MAP_PRIVATE: number = constants.MAP_PRIVATE;
/** Map at exactly this address, over whatever is there. */
export const MAP_FIXED: number = constants.MAP_FIXED;
/** Map memory, not a file. */
export const MAP_ANON: number = constants.MAP_ANON;
/** Map memory, not a file. */
export const MAP_ANONYMOUS: number = constants.MAP_ANONYMOUS;
/** Reserve no swap space. */
export const MAP_NORESERVE: number = constants.MAP_NORESERVE;
/** `MAP_SHARED`, with unknown flags refused. Linux only. */
export const MAP_SHARED_VALIDATE: number | undefined = constants.MAP_SHARED_VALIDATE;
/** Pages that the kernel may drop under memory pressure. Linux only. */
export const MAP_DROPPABLE: number | undefined = constants.MAP_DROPPABLE;
/** Map within the first 2 GiB (Linux x86-64), or 4 GiB (macOS). Not on Linux arm64. */
export const MAP_32BIT: number | undefined = constants.MAP_32BIT;
/** A mapping that grows downwards when touched below its start, for stacks. Linux only. */
export const MAP_GROWSDOWN: number | undefined = constants.MAP_GROWSDOWN;
/** Ignored by Linux. Linux only. */
export const MAP_DENYWRITE: number | undefined = constants.MAP_DENYWRITE;
/** Ignored by Linux. Linux only. */
export const MAP_EXECUTABLE: number | undefined = constants.MAP_EXECUTABLE;
/** Lock the pages into memory. Linux only. */
export const MAP_LOCKED: number | undefined = constants.MAP_LOCKED;
/** Read the pages in beforehand. Linux only. */
export const MAP_POPULATE: number | undefined = constants.MAP_POPULATE;
/** With `MAP_POPULATE`: don't read anything in. Linux only. */
export const MAP_NONBLOCK: number | undefined = constants.MAP_NONBLOCK;
/** A mapping for a stack: no effect on Linux today. Linux only. */
export const MAP_STACK: number | undefined = constants.MAP_STACK;
/** Use huge pages that the administrator has reserved. Linux only. */
export const MAP_HUGETLB: number | undefined = constants.MAP_HUGETLB;
/** Persistent memory whose metadata is durable with each store. Linux only. */
export const MAP_SYNC: number | undefined = constants.MAP_SYNC;
/** Map at exactly this address, or fail with EEXIST. Linux only. */
export const MAP_FIXED_NOREPLACE: number | undefined = constants.MAP_FIXED_NOREPLACE;
/** Don't clear anonymous pages; honoured only by kernels built for it. Linux only. */
export const MAP_UNINITIALIZED: number | undefined = constants.MAP_UNINITIALIZED;
/** Where in the flags the logarithm of the huge page size goes. Linux only. */
export const MAP_HUGE_SHIFT: number | undefined = constants.MAP_HUGE_SHIFT;
/** The bits of the logarithm of the huge page size, before shifting. Linux only. */
export const MAP_HUGE_MASK: number | undefined = constants.MAP_HUGE_MASK;
/** With `MAP_HUGETLB`: pages of 2 MiB. Linux only. */
export const MAP_HUGE_2MB: number | undefined = constants.MAP_HUGE_2MB;
/** With `MAP_HUGETLB`: pages of 1 GiB. Linux only. */
export const MAP_HUGE_1GB: number | undefined = constants.MAP_HUGE_1GB;
/** Don't keep the pages cached. macOS only. */
export const MAP_NOCACHE: number | undefined = constants.MAP_NOCACHE;
/** Memory for code generated at run time. macOS only. */
export const MAP_JIT: number | undefined = constants.MAP_JIT;
/** Pages that fail code signing read as zeros. macOS only. */
export const MAP_RESILIENT_CODESIGN: number | undefined = constants.MAP_RESILIENT_CODESIGN;
/** Pages whose file is gone read as zeros. macOS only. */
export const MAP_RESILIENT_MEDIA: number | undefined = constants.MAP_RESILIENT_MEDIA;
/** Start the write-back and return. */
export const MS_ASYNC: number = constants.MS_ASYNC;
/** Invalidate other mappings of the same file. */
export const MS_INVALIDATE: number = constants.MS_INVALIDATE;
/** Write back, and return when it is done. */
export const MS_SYNC: number = constants.MS_SYNC;
/** No special treatment. */
export const MADV_NORMAL: number = constants.MADV_NORMAL;
/** Expect random access: no read-ahead. */
export const MADV_RANDOM: number = constants.MADV_RANDOM;
/** Expect sequential access: more read-ahead. */
export const MADV_SEQUENTIAL: number = constants.MADV_SEQUENTIAL;
/** Expect access soon: start reading in. */
export const MADV_WILLNEED: number = constants.MADV_WILLNEED;
/** The pages are not needed: private contents are lost. */
export const MADV_DONTNEED: number = constants.MADV_DONTNEED;
/** The pages may be freed when memory is short: contents may be lost. */
export const MADV_FREE: number = constants.MADV_FREE;
/** Write the pages out now. */
export const MADV_PAGEOUT: number = constants.MADV_PAGEOUT;
/** Free the pages and their backing store: a hole in the file. Linux only. */
export const MADV_REMOVE: number | undefined = constants.MADV_REMOVE;
/** Leave the pages out of children. Linux only. */
export const MADV_DONTFORK: number | undefined = constants.MADV_DONTFORK;
/** Undo `MADV_DONTFORK`. Linux only. */
export const MADV_DOFORK: number | undefined = constants.MADV_DOFORK;
/** Let the kernel merge identical pages. Linux only. */
export const MADV_MERGEABLE: number | undefined = constants.MADV_MERGEABLE;
/** Undo `MADV_MERGEABLE`. Linux only. */
export const MADV_UNMERGEABLE: number | undefined = constants.MADV_UNMERGEABLE;
/** Use transparent huge pages. Linux only. */
export const MADV_HUGEPAGE: number | undefined = constants.MADV_HUGEPAGE;
/** Don't use transparent huge pages. Linux only. */
export const MADV_NOHUGEPAGE: number | undefined = constants.MADV_NOHUGEPAGE;
/** Leave the pages out of core dumps. Linux only. */
export const MADV_DONTDUMP: number | undefined = constants.MADV_DONTDUMP;
/** Undo `MADV_DONTDUMP`. Linux only. */
export const MADV_DODUMP: number | undefined = constants.MADV_DODUMP;
/** Children find zeros. Linux only. */
export const MADV_WIPEONFORK: number | undefined = constants.MADV_WIPEONFORK;
/** Undo `MADV_WIPEONFORK`. Linux only. */
export const MADV_KEEPONFORK: number | undefined = constants.MADV_KEEPONFORK;
/** The pages may be reclaimed first. Linux only. */
export const MADV_COLD: number | undefined = constants.MADV_COLD;
/** Fault the pages in for reading. Linux only. */
export const MADV_POPULATE_READ: number | undefined = constants.MADV_POPULATE_READ;
/** Fault the pages in for writing. Linux only. */
export const MADV_POPULATE_WRITE: number | undefined = constants.MADV_POPULATE_WRITE;
/** `MADV_DONTNEED`, on locked pages too. Linux only. */
export const MADV_DONTNEED_LOCKED: number | undefined = constants.MADV_DONTNEED_LOCKED;
/** Make huge pages of these pages now. Linux only. */
export const MADV_COLLAPSE: number | undefined = constants.MADV_COLLAPSE;
/** Poison a page, for tests of the kernel. Linux only. */
export const MADV_HWPOISON: number | undefined = constants.MADV_HWPOISON;
/** Take a page out of service, for tests of the kernel. Linux only. */
export const MADV_SOFT_OFFLINE: number | undefined = constants.MADV_SOFT_OFFLINE;
/** Make the pages fault on every access, without a mapping of their own. Linux only. */
export const MADV_GUARD_INSTALL: number | undefined = constants.MADV_GUARD_INSTALL;
/** Undo `MADV_GUARD_INSTALL`. Linux only. */
export const MADV_GUARD_REMOVE: number | undefined = constants.MADV_GUARD_REMOVE;
/** Zero wired pages when they are unmapped. macOS only. */
export const MADV_ZERO_WIRED_PAGES: number | undefined = constants.MADV_ZERO_WIRED_PAGES;
/** The pages may be freed, and will be reused. macOS only. */
export const MADV_FREE_REUSABLE: number | undefined = constants.MADV_FREE_REUSABLE;
/** The pages are in use again. macOS only. */
export const MADV_FREE_REUSE: number | undefined = constants.MADV_FREE_REUSE;
/** Whether the pages can be reused. macOS only. */
export const MADV_CAN_REUSE: number | undefined = constants.MADV_CAN_REUSE;
/** Zero the pages. macOS only. */
export const MADV_ZERO: number | undefined = constants.MADV_ZERO;
/** The mapping may move. Linux only. */
export const MREMAP_MAYMOVE: number | undefined = constants.MREMAP_MAYMOVE;
/** Move the mapping to exactly this address. Linux only. */
export const MREMAP_FIXED: number | undefined = constants.MREMAP_FIXED;
/** Leave the old range mapped, and empty. Linux only. */
export const MREMAP_DONTUNMAP: number | undefined = constants.MREMAP_DONTUNMAP;
/** `mlock2`: lock pages as they are touched. Linux only. */
export const MLOCK_ONFAULT: number | undefined = constants.MLOCK_ONFAULT;
/** `mlockall`: all pages mapped now. Linux only. */
export const MCL_CURRENT: number | undefined = constants.MCL_CURRENT;
/** `mlockall`: all pages mapped from now on. Linux only. */
export const MCL_FUTURE: number | undefined = constants.MCL_FUTURE;
/** `mlockall`: lock pages as they are touched. Linux only. */
export const MCL_ONFAULT: number | undefined = constants.MCL_ONFAULT;
/** The page is in memory. macOS only. */
export const MINCORE_INCORE: number | undefined = constants.MINCORE_INCORE;
/** This mapping has referenced the page. macOS only. */
export const MINCORE_REFERENCED: number | undefined = constants.MINCORE_REFERENCED;
/** This mapping has modified the page. macOS only. */
export const MINCORE_MODIFIED: number | undefined = constants.MINCORE_MODIFIED;
/** The page has been referenced. macOS only. */
export const MINCORE_REFERENCED_OTHER: number | undefined = constants.MINCORE_REFERENCED_OTHER;
/** The page has been modified. macOS only. */
export const MINCORE_MODIFIED_OTHER: number | undefined = constants.MINCORE_MODIFIED_OTHER;
/** The page has been paged out. macOS only. */
export const MINCORE_PAGED_OUT: number | undefined = constants.MINCORE_PAGED_OUT;
/** The page has been copied. macOS only. */
export const MINCORE_COPIED: number | undefined = constants.MINCORE_COPIED;
/** The page is anonymous. macOS only. */
export const MINCORE_ANONYMOUS: number | undefined = constants.MINCORE_ANONYMOUS;
