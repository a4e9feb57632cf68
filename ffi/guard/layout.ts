/**
 * The layout of the region table: one mapping of memory that JavaScript, in
 * every isolate of the process, and the signal handler read and write.
 *
 * This is the only place that knows the numbers. `scripts/assemble.ts`
 * hands every one of them to the assembler under the name it has here, so
 * `x86_64.S` and `aarch64.S` contain names and no offsets.
 *
 * ```
 * HEADER    one of each: magic, state of the guard, free list, former handlers
 * MEMBERS   MEMBERS_LIMIT x 128 bytes          the isolates that have references
 * CODE      the handler's machine code and, from KERNELS on, the kernels': the only executable pages
 * RANGES    SLOTS x { start: u64, end: u64 }   what the handler searches
 * RECORDS   SLOTS x 128 bytes                  everything else about a slot, but
 * PINS      SLOTS x 128 bytes                  which handlers are at work on it, and
 * LOST      SLOTS x 512 bytes                  which of its pages were lost
 * INDEX     16,384 x 64 bytes                  which slots an address may be in
 * ```
 *
 * The parts begin at multiples of 64 KiB, the largest page of any Linux that
 * these runtimes run on, so that CODE has pages of its own everywhere. Memory
 * starts as zeros, and zeros everywhere is a valid, empty table: there is
 * nothing to set up that a second thread could find half done.
 */
export const LAYOUT = {
  /** Raise it when the rules change, but no number and no code does. */
  VERSION: 2,
  /** Slots in the table. Linux grants 65,530 mappings by default. */
  SLOTS: 65_536,
  /** Bytes of the whole table. */
  TABLE_SIZE: 0x322_0000,

  // The header.

  /** u64: `MAGIC`, once the table may be used. */
  HEADER_MAGIC: 0,
  /** u32: one of `GuardState`. */
  HEADER_GUARD: 8,
  /** u32: slots that were ever used; the handler searches no further. */
  HEADER_USED: 12,
  /** u64: the free list, `changes << 32 | index + 1` of its first slot. */
  HEADER_FREE: 16,
  /** u64: signals that were not ours and went to the former handler. */
  HEADER_CHAINED: 24,
  /** { handler: u64, flags: u32, unused: u32, mask: u64 } of the action SIGBUS had before ours. */
  HEADER_FORMER_SIGBUS: 32,
  /** The same for SIGSEGV. */
  HEADER_FORMER_SIGSEGV: 56,
  /** The same of the action that listens to SIGBUS for the program, and gets what was sent; 0 if there is none. */
  HEADER_LISTENER_SIGBUS: 80,
  /** The same for SIGSEGV. */
  HEADER_LISTENER_SIGSEGV: 104,
  /** u32: entries of MEMBERS that were ever used. */
  HEADER_MEMBERS: 128,
  /** u64: bit k is set when a region of 2^(k-1) to 2^k pages was ever in the index. */
  HEADER_CLASSES: 136,
  /** u32: slots that aren't in the index, since a bucket was full. */
  HEADER_UNINDEXED: 144,
  /** u32: how often a range was shown to the handler. */
  HEADER_SHOWN: 148,
  /** `MISSED_MARKS` u64: which access last faulted where no region was, of the threads that share a mark. */
  HEADER_MISSED: 256,
  /** A power of two. */
  MISSED_MARKS: 16,
  /** How far the address of a thread's signal frame is shifted to tell which mark is the thread's. */
  MISSED_SHIFT: 12,
  /** Two `struct sigaction`, used while the handler is being installed. */
  HEADER_SCRATCH: 1024,

  // The isolates.

  MEMBERS: 0x1000,
  /** Beyond so many isolates at once, those who come later are not known when they have ended. */
  MEMBERS_LIMIT: 256,
  /** Bytes of an entry. */
  MEMBER_SIZE: 128,
  /** u32: one of the states in `members.ts`. */
  MEMBER_STATE: 0,
  /** f64: the address of `SLOTS` u32, the isolate's references to each slot. */
  MEMBER_COUNTS: 8,
  /** u32: how many ranges the isolate keeps that it has given back, for work in flight … */
  MEMBER_RANGES: 16,
  /** … how many mappings these may be to the kernel … */
  MEMBER_MAPPINGS: 20,
  /** … and how many pages of memory that are in no file. */
  MEMBER_MEMORY: 24,
  /** u32: how many files it has mapped that need no closing. */
  MEMBER_FILES: 28,
  /** The `pthread_mutex_t` that the isolate's thread has locked: 40 bytes in glibc and musl. */
  MEMBER_MUTEX: 64,

  // The parts after the header.

  /** The handler's machine code. */
  CODE: 0x1_0000,
  /** The kernels' machine code: searching has no table of its own, and this one's code is executable. */
  KERNELS: 0x1_1000,
  /** `SLOTS` pairs of u64; `end` is 0 while the handler shall not see one. */
  RANGES: 0x2_0000,
  /** `SLOTS` records. */
  RECORDS: 0x12_0000,
  /** `SLOTS` times RECORD_PINS and so on. A child of fork(2) gets zeros for them: it has none of those threads. */
  PINS: 0x92_0000,
  /** `SLOTS` times `LOST_BANKS` banks of 8 { start: u64, end: u64 }. */
  LOST: 0x112_0000,
  /** Buckets of 16 u32, each 0 or the index + 1 of a slot: which slots an address may be in. */
  INDEX: 0x312_0000,
  /** log2 of the bytes of a bucket. */
  INDEX_BUCKET_SHIFT: 6,
  /** 32 - log2 of the number of buckets. */
  INDEX_HASH_SHIFT: 18,
  /** log2 of the pages that sizes are told in. */
  INDEX_PAGE_SHIFT: 12,
  /** Odd numbers that make a bucket's number of a block's. */
  INDEX_MIX: 0x9e37_79b1,
  INDEX_MIX_HIGH: 0x85eb_ca6b,
  /** Bytes of a record: RECORD_SIZE = 8 x the size of a range. */
  RECORD_SIZE: 128,

  // A record.

  /** u64: `generation << 32 | references`. */
  RECORD_LIFE: 0,
  /** f64: the region's address, for whoever attaches to it. */
  RECORD_START: 8,
  /** f64: the region's length in bytes. */
  RECORD_LENGTH: 16,
  /** u64: bytes of a page of this mapping; more than usual on hugetlbfs. */
  RECORD_PAGE_SIZE: 24,
  /** u32: index + 1 of the next free slot. */
  RECORD_NEXT: 32,
  /** u32: any of the `FLAG_` numbers below. */
  RECORD_FLAGS: 36,
  /** u32: how often pages were replaced or converted. */
  RECORD_SINGLES: 52,
  /** u32: how often the newest fault came back after it had been dealt with. */
  RECORD_REPEATS: 56,
  /** u32: faults that were caught: lost pages and stray accesses. */
  RECORD_FAULTS: 60,
  /** u32: how many of them were stray accesses. */
  RECORD_STRAYS: 64,
  /** u64: the address of the newest of them. */
  RECORD_LAST: 72,
  /** u64: which fault was seen last, and what was done about it. */
  RECORD_MARK: 80,
  /** u32: how often pages were replaced because they were lost. */
  RECORD_LOST_COUNT: 88,
  /** u32: where the lost ranges are: `changes << 8 | bank << 4 | how many`. */
  RECORD_LOST_STATE: 92,

  /** f64: bytes of address space from the region's address on that are its own, mapped or not. */
  RECORD_CAPACITY: 96,
  /** u32: the `MAP_*` flags that it was mapped with. */
  RECORD_MAP_FLAGS: 104,
  /** u32: the `PROT_*` bits that all of its pages have. */
  RECORD_COMMON_RIGHTS: 108,
  /** u32: the `PROT_*` bits that any of its pages has. */
  RECORD_ANY_RIGHTS: 112,
  /** u32: which isolate is changing the mapping alone, by its number among the members; 0 if that isn't known. */
  RECORD_CHANGER: 116,

  /** u32, two of them: where the slot is in the index; 0 if it isn't. */
  RECORD_INDEXED: 120,

  // What lies in PINS: PINS - RECORDS bytes behind a record.

  /** u32: handlers that are at work on this slot. */
  RECORD_PINS: 0x80_0000,
  /** u32: 1 while a handler changes pages. */
  RECORD_CLAIM: 0x80_0004,
  /** u32: how often handlers found the claim taken since it last was free. */
  RECORD_WAITS: 0x80_0008,

  // The lost ranges of a slot: pages that were replaced because they were lost, whatever there has been since.

  /** Bytes of a slot's banks: LOST_SIZE = 4 x the size of a record. */
  LOST_SIZE: 512,
  /** Bytes of a bank. */
  LOST_BANK_SIZE: 128,
  /** Banks of a slot: the handler writes to the first two, JavaScript to the others. */
  LOST_BANKS: 4,
  /** The parts of RECORD_LOST_STATE. */
  LOST_USED_MASK: 0xf,
  LOST_BANK_SHIFT: 4,
  LOST_BANK_MASK: 3,
  LOST_CHANGE: 0x100,

  /** SIGSEGV is handled, too: stores to read-only pages, reads of PROT_NONE. */
  FLAG_STRAYS: 1,
  /** The mapping is MAP_PRIVATE: a page may simply be made writable. */
  FLAG_PRIVATE: 2,
  /** Pages are executable and shall stay so. The value of PROT_EXEC. */
  FLAG_EXECUTABLE: 4,
  /** The handler looks after the slot. The handler itself goes by the slot's end; this flag is for those who attach. */
  FLAG_GUARDED: 8,
  /** A buffer over the memory has left the library: an isolate's end doesn't say that nobody looks at it. */
  FLAG_VIEWED: 32,
  /** An isolate has let go of the region while somebody might still be using its memory. */
  FLAG_LENT: 16,

  /** So many pages of a slot are dealt with one by one; after that, many at once. */
  SINGLE_LIMIT: 1024,
  /** log2 of the pages that are dealt with at once after that: copied, or replaced to each side if they are lost. */
  BLOCK_SHIFT: 8,
  /** Twice as many lost pages are looked for each time that 2^GROWTH_SHIFT faults were dealt with. */
  GROWTH_SHIFT: 9,
  /** Faults that are dealt with before the rest of the region is given up. Each can cost two mappings of 65,530. */
  REST_LIMIT: 16_384,
  /** A fault that comes back this often can't be mended. */
  REPEAT_LIMIT: 65_536,
  /** How often a claim is found taken before it is waited for a millisecond at a time. */
  YIELD_LIMIT: 1000,
} as const;

/** What `LAYOUT.HEADER_GUARD` says about the handler. */
export const GuardState = {
  /** Nobody has asked for it. */
  absent: 0,
  /** A thread is installing it. */
  busy: 1,
  /** It is installed. */
  installed: 2,
  /** The system refused to make its code executable. */
  notExecutable: 3,
  /** `sigaction` failed. */
  noSigaction: 4,
  /** The thread that was installing it did not come back. */
  abandoned: 5,
} as const;
