// The fault guard for Linux on arm64: the handler of SIGBUS and SIGSEGV.
//
// A twin of x86_64.S: the same steps under the same labels, so that the two can be read
// side by side. That file explains them; the comments here are about what differs.
//
//     w0 = signal    x1 = siginfo_t *    x2 = ucontext_t *    x30 = the restorer, in the vDSO
//
// Callee-saved are x19 to x29, and the lower halves of v8 to v15, which are not used here.
// Only instructions of ARMv8.0 are used (no atomics of ARMv8.1), and barriers where x86-64
// needs none.
//
// Instruction cache: the code is written while its page is not executable; the kernel
// cleans and invalidates when mprotect(2) makes it so (__sync_icache_dcache() in
// arch/arm64/mm/flush.c, called for every user-executable page table entry that is new).

    .set SIGBUS, 7
    .set SIGSEGV, 11
    .set BUS_ADRALN, 1
    .set SEGV_ACCERR, 2
    .set SI_CODE, 8
    .set SI_ADDR, 16
    .set SI_SEEN, 120
    .set SIG_IGN, 1
    .set SIG_SETMASK, 2
    .set SA_RESETHAND_BIT, 31
    .set SA_NODEFER_BIT, 30
    .set NEVER_BLOCKED, 0x380040100

// ucontext_t.uc_mcontext.__reserved, <asm/sigcontext.h>: a list of records { u32 magic, u32
// size, ... } that ends with one of magic 0. That of ESR_MAGIC holds the syndrome of the
// fault: bits 31 to 26 its class, bit 6 whether it was a write (Arm ARM, ESR_EL1).
    .set UC_SIGMASK, 40
    .set UC_RESERVED, 464
    .set UC_RESERVED_SIZE, 4096
    .set ESR_MAGIC, 0x45535201
    .set ESR_EC_SHIFT, 26
    .set ESR_EC_BITS, 6
    .set ESR_EC_INSTRUCTION_ABORT, 0x20
    .set ESR_WRITE, 6

// <asm-generic/unistd.h>
    .set SYS_nanosleep, 101
    .set SYS_sched_yield, 124
    .set SYS_rt_sigaction, 134
    .set SYS_rt_sigprocmask, 135
    .set SYS_rt_sigpending, 136
    .set SYS_getpid, 172
    .set SYS_gettid, 178
    .set SYS_munmap, 215
    .set SYS_mremap, 216
    .set SYS_mmap, 222
    .set SYS_mprotect, 226
    .set SYS_madvise, 233
    .set SYS_rt_tgsigqueueinfo, 240
    .set SYS_process_vm_readv, 270
    .set SYS_membarrier, 283

    .set PROT_READ, 1
    .set PROT_READ_WRITE, 3
    .set MAP_NEW, 0x4022
    .set MAP_OVER, 0x4032
    .set MAP_HOLE, 0x104022
    .set MREMAP_OVER, 3
    .set MADV_POPULATE_READ, 22

    .set MAX_ERRNO, 4095                  // `cmn x0, #4095` is "higher or same" on failure
    .set EPERM, 1
    .set MEMBARRIER_EXPEDITED, 8          // MEMBARRIER_CMD_PRIVATE_EXPEDITED, <linux/membarrier.h>, since 4.14
    .set MEMBARRIER_REGISTER, 16          // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    .set EFAULT, 14
    .set ENOSYS, 38
    .set EHWPOISON, 133

// The stack frame.
    .set COPY, 0                          // struct iovec
    .set SOURCE, 16                       // struct iovec
    .set ACTION, 0                        // struct kernel_sigaction, 32 bytes
    .set TIME, 0                          // struct timespec
    .set MASK, 32                         // a signal mask
    .set SAVED, 48                        // x19 to x30
    .set BEFORE, 144                      // struct kernel_sigaction
    .set FRAME, 176

// Registers that are kept throughout; a system call changes x0 only.
//     w20 = signal   x21 = siginfo_t *   x22 = ucontext_t *   w27 = 1: write, 0: read
//     x19 = table    x24 = record        x23 = address of the fault, later of its page
//     x25 = start    x26 = end           x28 = mark    x29 = what lies in PINS for the record

// *(\base + \offset) += \value, which is one of add's immediates; clobbers x14, w15, w16.
    .macro atomic_add value, base, offset
    add x14, \base, #\offset
.Lagain\@:
    ldaxr w15, [x14]
    add w15, w15, #\value
    stlxr w16, w15, [x14]
    cbnz w16, .Lagain\@
    .endm

    .macro release_claim
    add x14, x29, #RECORD_CLAIM - RECORD_PINS
    stlr wzr, [x14]
    .endm

    .macro unpin
    atomic_add -1, x29, 0
    .endm

    .macro save_registers
    sub sp, sp, #FRAME
    stp x19, x20, [sp, #SAVED]
    stp x21, x22, [sp, #SAVED + 16]
    stp x23, x24, [sp, #SAVED + 32]
    stp x25, x26, [sp, #SAVED + 48]
    stp x27, x28, [sp, #SAVED + 64]
    stp x29, x30, [sp, #SAVED + 80]
    .endm

    .macro restore_registers
    ldp x19, x20, [sp, #SAVED]
    ldp x21, x22, [sp, #SAVED + 16]
    ldp x23, x24, [sp, #SAVED + 32]
    ldp x25, x26, [sp, #SAVED + 48]
    ldp x27, x28, [sp, #SAVED + 64]
    ldp x29, x30, [sp, #SAVED + 80]
    add sp, sp, #FRAME
    .endm

    .macro system_call number
    mov x8, #\number
    svc #0
    .endm

    .text
guard:
    hint #34                              // bti c: may be the target of an indirect call
    save_registers
    adr x19, guard
    sub x19, x19, #CODE
    mov w20, w0
    mov x21, x1
    mov x22, x2

// ---- Is this a fault that a mapping can cause?
    ldr w0, [x21, #SI_CODE]
    cmp w0, #0
    b.le chain
    cmp w20, #SIGSEGV
    b.eq 1f
    cmp w0, #BUS_ADRALN
    b.eq chain
    b syndrome
1:  cmp w0, #SEGV_ACCERR
    b.ne chain

// ---- Was it a read or a write? Without a record (QEMU before 7.0) it is taken for a write.
syndrome:
    mov w27, #1
    add x0, x22, #UC_RESERVED
    add x1, x0, #UC_RESERVED_SIZE
    ldr w2, =ESR_MAGIC
2:  ldp w3, w4, [x0]
    cbz w3, search
    cmp w3, w2
    b.eq 3f
    cbz w4, search
    add x0, x0, x4
    cmp x0, x1
    b.lo 2b
    b search
3:  ldr x3, [x0, #8]
    ubfx x27, x3, #ESR_WRITE, #1
    cmp w20, #SIGSEGV
    b.ne search
    ubfx x3, x3, #ESR_EC_SHIFT, #ESR_EC_BITS
    cmp x3, #ESR_EC_INSTRUCTION_ABORT
    b.eq chain

// ---- Which region does it lie in? x5 = sizes that are left, w6 = k, x7 = entry, x8 = end of
// ---- the bucket, or 0, w12 = HEADER_SHOWN, for "missed": loaded before everything else.
search:
    ldr x23, [x21, #SI_ADDR]
    add x0, x19, #HEADER_SHOWN
    ldar w12, [x0]
    ldr x5, [x19, #HEADER_CLASSES]
next_class:
    cbz x5, not_indexed
    rbit x0, x5
    clz x6, x0
    sub x0, x5, #1
    and x5, x5, x0
    add x0, x6, #INDEX_PAGE_SHIFT
    lsr x0, x23, x0                       // x0 = number of the block
    lsr x1, x0, #32
    lsl w1, w1, #6
    add w1, w1, w6
    ldr w2, =INDEX_MIX_HIGH
    mul w1, w1, w2
    eor w0, w0, w1
    ldr w2, =INDEX_MIX
    mul w0, w0, w2
    lsr w0, w0, #INDEX_HASH_SHIFT
    ldr x2, =INDEX
    add x2, x19, x2
    add x7, x2, x0, lsl #INDEX_BUCKET_SHIFT
    add x8, x7, #1 << INDEX_BUCKET_SHIFT
4:  ldar w0, [x7]                         // index of a slot + 1
    cbz w0, 5f
    sub w0, w0, #1
    add x2, x19, #RANGES
    add x0, x2, x0, lsl #4
    ldp x2, x3, [x0]
    cmp x23, x3
    b.hs 5f
    cmp x23, x2
    b.hs pin
5:  add x7, x7, #4
    cmp x7, x8
    b.lo 4b
    b next_class

// ---- Where a bucket is full, slots are left out: then all are looked through.
not_indexed:
    ldr w0, [x19, #HEADER_UNINDEXED]
    cbz w0, missed
    mov x8, #0
    add x0, x19, #RANGES
    add x1, x19, #HEADER_USED
    ldar w1, [x1]
    add x7, x0, x1, lsl #4
50: cmp x0, x7
    b.hs missed
    ldp x2, x3, [x0]
    cmp x23, x3
    b.hs 51f
    cmp x23, x2
    b.hs pin
51: add x0, x0, #16
    b 50b

// ---- None. But there may have been one when the access faulted, which was closed, moved or
// ---- made shorter while we came here or searched; what is there now may be accessed. So the
// ---- access is tried again. It isn't ours if it faults again, with the same mark as below,
// ---- and no region was shown to us since before the first search: in another region at the
// ---- same address it may have come too late once more. Threads have a mark each, as far as
// ---- 16 go.
missed:
    eor x0, x23, x22
    lsr x1, x22, #MISSED_SHIFT
    and x1, x1, #MISSED_MARKS - 1
    add x2, x19, #HEADER_MISSED
    add x2, x2, x1, lsl #3
    dmb ishld                             // after the search
    ldr w3, [x19, #HEADER_SHOWN]
    eor x3, x0, x3, lsl #32               // the mark, if none was shown since
    eor x0, x0, x12, lsl #32              // the mark, for the next time
    ldr x1, [x2]
    str x0, [x2]
    cmp x1, x3
    b.ne return
    b chain

// ---- Pin the slot, then look again: the barrier orders our pin before our loads, the
// ---- acquiring load that of the end before that of the start.
pin:
    add x2, x19, #RANGES
    sub x2, x0, x2
    add x24, x19, #RECORDS
    add x24, x24, x2, lsl #3
    ldr x29, =RECORD_PINS
    add x29, x24, x29
    atomic_add 1, x29, 0
    dmb ish
    add x2, x0, #8
    ldar x26, [x2]
    cmp x23, x26
    b.hs 6f
    ldr x25, [x0]
    cmp x23, x25
    b.hs 7f
6:  unpin
    cbz x8, 51b
    b 5b
7:  cmp w20, #SIGBUS
    b.eq claim
    ldr w0, [x24, #RECORD_FLAGS]
    tst w0, #FLAG_STRAYS
    b.eq unpin_and_chain

// ---- One thread at a time changes the pages of a slot.
claim:
    add x0, x29, #RECORD_CLAIM - RECORD_PINS
    mov w1, #1
8:  ldaxr w2, [x0]
    cbnz w2, 9f
    stlxr w3, w1, [x0]
    cbnz w3, 8b
    b 10f
9:  clrex
    atomic_add 1, x29, RECORD_WAITS - RECORD_PINS
    mov w23, w15
    unpin
    mov w0, #YIELD_LIMIT
    cmp w23, w0
    b.hi 22f
    system_call SYS_sched_yield
    b return
22: ldr x1, =1000000
    stp xzr, x1, [sp, #TIME]
    add x0, sp, #TIME
    mov x1, #0
    system_call SYS_nanosleep
    b return
10: str wzr, [x29, #RECORD_WAITS - RECORD_PINS]

// ---- Have we met this fault before?
    ldr x1, [x24, #RECORD_PAGE_SIZE]
    neg x0, x1
    and x23, x23, x0
    eor x28, x23, x22
    ldr x0, [x24, #RECORD_MARK]
    cmp x0, x28
    b.eq mend
    eor x0, x0, x28
    cmp x0, #1
    b.eq 11f
    str wzr, [x24, #RECORD_REPEATS]
    b 12f
11: ldr w0, [x24, #RECORD_REPEATS]
    add w0, w0, #1
    str w0, [x24, #RECORD_REPEATS]
    mov w2, #REPEAT_LIMIT
    cmp w0, w2
    b.hs give_up

// ---- Is the page good by now?
12: mov x0, x23                           // x1 = page size
    add w2, w27, #MADV_POPULATE_READ
    system_call SYS_madvise
    cbnz w0, mend
    str x28, [x24, #RECORD_MARK]
    b release

mend:
    cmp w20, #SIGSEGV
    b.eq stray

// ---- SIGBUS: one empty page, or the lost ones around it too. x11, x12 = first, last.
lose:
    ldr x1, [x24, #RECORD_PAGE_SIZE]
    mov x11, x23
    add x12, x23, x1
    ldr w0, [x24, #RECORD_SINGLES]
    subs w0, w0, #SINGLE_LIMIT
    b.lo replace
    mov w2, #REST_LIMIT - SINGLE_LIMIT
    cmp w0, w2
    b.hs replace_rest
    lsr w0, w0, #GROWTH_SHIFT
    add w0, w0, #BLOCK_SHIFT
    mov x9, #1
    lsl x9, x9, x0                        // x9 = so many pages in each direction
    mov x2, #MADV_POPULATE_READ
    cbz w27, 23f
    ldr w0, [x24, #RECORD_FLAGS]
    tst w0, #FLAG_PRIVATE
    b.ne 23f
    add x2, x2, #1
23: mov x10, x9
24: cmp x12, x26
    b.hs 25f
    mov x0, x12
    system_call SYS_madvise
    cmn w0, #EFAULT
    b.eq 26f
    cmn w0, #EHWPOISON
    b.ne 25f
26: add x12, x12, x1
    subs x10, x10, #1
    b.ne 24b
25: mov x10, x9
27: cmp x11, x25
    b.ls replace
    sub x0, x11, x1
    system_call SYS_madvise
    cmn w0, #EFAULT
    b.eq 28f
    cmn w0, #EHWPOISON
    b.ne replace
28: sub x11, x11, x1
    subs x10, x10, #1
    b.ne 27b
replace:
    bl replace_range
    b.lo mended

// ---- Everything up to the end, or all of it.
replace_rest:
    mov x11, x23
    mov x12, x26
    bl replace_range
    b.lo mended
    mov x11, x25
    bl replace_range
    b.lo mended
    mov x0, x25
    system_call SYS_munmap
    mov x0, x25
    ldr w3, =MAP_HOLE
    system_call SYS_mmap
    cmp x0, x25
    b.eq mended
    b give_up

// ---- SIGSEGV: give the permission where that can't reach the file.
stray:
    ldr w3, [x24, #RECORD_FLAGS]
    and w2, w3, #FLAG_EXECUTABLE
    cbnz w27, 13f
    orr w2, w2, #PROT_READ
    b 14f
13: orr w2, w2, #PROT_READ_WRITE
    tst w3, #FLAG_PRIVATE
    b.eq copy
14: ldr w0, [x24, #RECORD_SINGLES]
    cmp w0, #SINGLE_LIMIT
    b.hs 15f
    mov x0, x23
    ldr x1, [x24, #RECORD_PAGE_SIZE]
    system_call SYS_mprotect
    cbz w0, mended_stray
15: mov x0, x23
    sub x1, x26, x23
    system_call SYS_mprotect
    cbz w0, mended_stray
    mov x0, x25
    sub x1, x26, x25
    system_call SYS_mprotect
    cbz w0, mended_stray
    b give_up

// ---- A store to a read-only page of a shared mapping: a private copy in its place.
copy:
    mov x6, x23                           // x6, x7 = what is copied
    ldr x7, [x24, #RECORD_PAGE_SIZE]
    ldr w0, [x24, #RECORD_SINGLES]
    cmp w0, #SINGLE_LIMIT
    b.lo 16f
    lsl x7, x7, #BLOCK_SHIFT
    neg x0, x7
    and x6, x6, x0
    cmp x6, x25
    csel x6, x6, x25, hs
    sub x0, x26, x6
    cmp x7, x0
    csel x7, x7, x0, ls
16: mov w10, w2
    mov x0, x6
    mov x1, x7
    mov w2, #PROT_READ
    system_call SYS_mprotect
    mov x0, #0
    mov x1, x7
    mov w2, w10
    mov w3, #MAP_NEW
    mov x4, #-1
    mov x5, #0
    system_call SYS_mmap
    cmn x0, #MAX_ERRNO
    b.hs replace_rest
    mov x9, x0                            // x9 = the copy
    stp x9, x7, [sp, #COPY]
    stp x6, x7, [sp, #SOURCE]
    system_call SYS_getpid
    add x1, sp, #COPY
    mov x2, #1
    add x3, sp, #SOURCE
    mov x4, #1
    mov x5, #0
    system_call SYS_process_vm_readv
    cmn x0, #ENOSYS
    b.eq 17f
    cmn x0, #EPERM
    b.ne 19f
17: mov x0, x6
    mov x1, x7
    mov x2, #MADV_POPULATE_READ
    system_call SYS_madvise
    cmn x0, #EFAULT
    b.eq 19f
    mov x2, #0                            // pages are multiples of 16 bytes
18: add x3, x6, x2
    ldp x0, x1, [x3]
    add x3, x9, x2
    stp x0, x1, [x3]
    add x2, x2, #16
    cmp x2, x7
    b.lo 18b
    mov x0, x7
19: mov x10, x0
    mov x0, x9
    mov x1, x7
    cmp x10, x7
    b.eq 29f
    system_call SYS_munmap                // a page is lost: of a block, another one maybe
    ldr x0, [x24, #RECORD_PAGE_SIZE]
    cmp x0, x7
    b.eq lose
    mov x7, x0
    mov x6, x23
    ldr w2, [x24, #RECORD_FLAGS]
    and w2, w2, #FLAG_EXECUTABLE
    orr w2, w2, #PROT_READ_WRITE
    b 16b
29: mov x2, x7
    mov x3, #MREMAP_OVER
    mov x4, x6
    system_call SYS_mremap
    cmn x0, #MAX_ERRNO
    b.lo mended_stray
    mov x0, x9
    mov x1, x7
    system_call SYS_munmap
    b replace_rest

mended_stray:
    ldr x0, [x21, #SI_ADDR]
    str x0, [x24, #RECORD_LAST]
    atomic_add 1, x24, RECORD_STRAYS
    atomic_add 1, x24, RECORD_FAULTS
mended:
    ldr w0, [x24, #RECORD_SINGLES]
    add w0, w0, #1
    str w0, [x24, #RECORD_SINGLES]
    orr x28, x28, #1
    str x28, [x24, #RECORD_MARK]
release:
    release_claim
unpin_and_return:
    unpin
return:
    restore_registers
    ret

// ---- Not ours: what would have happened without us.
give_up:
    release_claim
unpin_and_chain:
    unpin
chain:
    add x0, x19, #HEADER_CHAINED
20: ldxr x1, [x0]
    add x1, x1, #1
    stxr w2, x1, [x0]
    cbnz w2, 20b
    add x24, x19, #HEADER_FORMER_SIGBUS
    cmp w20, #SIGBUS
    b.eq 21f
    add x24, x19, #HEADER_FORMER_SIGSEGV
21: ldr w0, [x21, #SI_CODE]
    cmp w0, #0
    b.gt 48f
    ldr x0, [x24, #HEADER_LISTENER_SIGBUS - HEADER_FORMER_SIGBUS]
    cbz x0, 48f
    ldr x0, [x21, #SI_SEEN]
    cmp x0, x19
    b.eq 48f
    str x19, [x21, #SI_SEEN]
    add x24, x24, #HEADER_LISTENER_SIGBUS - HEADER_FORMER_SIGBUS
48: mov w0, w20
    mov x1, #0
    add x2, sp, #BEFORE
    mov x3, #8
    system_call SYS_rt_sigaction
    ldr x3, [x24]
    ldr w1, [x24, #8]
    tbz w1, #SA_RESETHAND_BIT, 30f
31: ldaxr x3, [x24]
    stlxr w2, xzr, [x24]
    cbnz w2, 31b
30: cmp x3, #SIG_IGN
    b.ls 32f

// ---- The mask that it asked for, on top of that of the code that was interrupted.
    mov x23, x3
    mov x1, #0
    add x2, sp, #MASK
    mov x3, #8
    system_call SYS_rt_sigprocmask
    ldr x1, [sp, #MASK]
    ldr x2, =NEVER_BLOCKED
    orr x1, x1, x2
    cmn x1, #1
    b.ne 34f
    ldr x1, [x22, #UC_SIGMASK]
    ldr x2, [x24, #16]
    orr x1, x1, x2
    ldr w2, [x24, #8]
    tbnz w2, #SA_NODEFER_BIT, 33f
    sub w2, w20, #1
    mov x3, #1
    lsl x3, x3, x2
    orr x1, x1, x3
33: str x1, [sp, #MASK]
    mov x0, #SIG_SETMASK
    add x1, sp, #MASK
    mov x2, #0
    mov x3, #8
    system_call SYS_rt_sigprocmask
34: mov w0, w20
    mov x1, x21
    mov x2, x22
    blr x23
    str xzr, [x21, #SI_SEEN]

// ---- Has it restored the default? Then that becomes the action behind ours.
    mov w0, w20
    mov x1, #0
    add x2, sp, #ACTION
    mov x3, #8
    system_call SYS_rt_sigaction
    ldr x0, [sp, #ACTION]
    ldr x1, [sp, #BEFORE]
    cmp x0, x1
    b.eq return
    ldr w1, [x21, #SI_CODE]
    cmp w1, #0
    b.gt 49f
    add x0, sp, #MASK
    mov x1, #8
    system_call SYS_rt_sigpending
    ldr x0, [sp, #MASK]
    sub w1, w20, #1
    lsr x0, x0, x1
    tbz x0, #0, 46f
    ldr x0, [sp, #ACTION]
49: ldr x1, [sp, #ACTION + 24]
    str x1, [x24, #16]
    ldr w1, [sp, #ACTION + 8]
    str w1, [x24, #8]
    str x0, [x24]
46: mov w0, w20
    add x1, sp, #BEFORE
    mov x2, #0
    mov x3, #8
    system_call SYS_rt_sigaction
    b return

// ---- SIG_DFL or SIG_IGN.
32: ldr w28, [x21, #SI_CODE]
    b.lo 47f
    cmp w28, #0
    b.le return
47: cmp w28, #0
    b.gt 35f
    adr x0, guard
    ldr x1, [sp, #BEFORE]
    cmp x0, x1
    b.ne return
    ldr x0, [x21, #SI_SEEN]
    cmp x0, x19
    b.eq return
35: stp xzr, xzr, [sp, #ACTION]
    stp xzr, xzr, [sp, #ACTION + 16]
    mov w0, w20
    add x1, sp, #ACTION
    mov x2, #0
    mov x3, #8
    system_call SYS_rt_sigaction
    cmp w28, #0
    b.gt return
    system_call SYS_gettid
    mov w23, w0
    system_call SYS_getpid
    mov w1, w23
    mov w2, w20
    mov x3, x21
    system_call SYS_rt_tgsigqueueinfo
    b return

// ---- Replaces the pages from x11 to x12 by empty ones; "lower" says that it did. First they
// ---- are added to the slot's lost ranges and counted. x25, x26 = one of them meanwhile.
replace_range:
    ldr x0, [x21, #SI_ADDR]
    str x0, [x24, #RECORD_LAST]
    stp x25, x26, [sp, #COPY]
    add x0, x19, #RECORDS
    ldr x1, =LOST
    add x1, x19, x1
    sub x0, x24, x0
    add x3, x1, x0, lsl #2                // x3 = banks; they are 4 times as large as a record
36: add x4, x24, #RECORD_LOST_STATE
    ldar w5, [x4]                         // w5 = state
    mov x0, x11
    mov x1, x12
    and w6, w5, #LOST_USED_MASK           // w6 = ranges to look at
    ubfx w7, w5, #LOST_BANK_SHIFT, #2
    mov x9, #LOST_BANK_SIZE
    madd x7, x7, x9, x3                   // x7 = the next of them
    tst w5, #LOST_BANK_MASK << LOST_BANK_SHIFT
    csel x9, x9, xzr, eq
    add x9, x9, x3                        // x9 = the other bank
    mov x10, x9                           // x10 = its next range
37: cbz w6, 39f
    sub w6, w6, #1
    ldp x25, x26, [x7], #16
    cmp x25, x1
    b.hi 38f
    cmp x26, x0
    b.lo 38f
    cmp x25, x0                           // it touches ours: ours grows by it
    csel x0, x25, x0, lo
    cmp x26, x1
    csel x1, x26, x1, hi
    b 37b
38: stp x25, x26, [x10], #16
    b 37b
39: add x2, x9, #LOST_BANK_SIZE
    cmp x10, x2
    b.lo 43f
    mov x2, #-1                           // no room: the nearest grows by ours
    mov x7, x9
40: ldp x25, x26, [x7]
    subs x25, x25, x1
    b.hs 41f
    sub x25, x0, x26
41: cmp x25, x2
    b.hs 42f
    mov x2, x25
    mov x6, x7
42: add x7, x7, #16
    cmp x7, x10
    b.lo 40b
    ldp x25, x26, [x6]
    cmp x25, x0
    csel x0, x25, x0, lo
    cmp x26, x1
    csel x1, x26, x1, hi
    stp x0, x1, [x6]
    b 44f
43: stp x0, x1, [x10], #16
44: sub x10, x10, x9
    lsr x10, x10, #4                      // ranges in the new bank
    and w2, w5, #-LOST_CHANGE
    add w2, w2, #LOST_CHANGE
    orr w2, w2, w10
    tst w5, #LOST_BANK_MASK << LOST_BANK_SHIFT
    b.ne 45f
    orr w2, w2, #1 << LOST_BANK_SHIFT
45: ldaxr w6, [x4]
    cmp w6, w5
    b.ne 36b                              // JavaScript has changed it: again
    stlxr w7, w2, [x4]
    cbnz w7, 45b
    ldp x25, x26, [sp, #COPY]
    atomic_add 1, x24, RECORD_LOST_COUNT
    atomic_add 1, x24, RECORD_FAULTS
    dmb ish                               // counted before anyone can see the new pages

// ---- A thread that reads numbers may have loaded the count already and the number not yet: on
// ---- this CPU loads may pass each other. membarrier(2) makes every running thread finish what
// ---- it has begun. A process has to ask for that once. Where there is none, what is left is a
// ---- load that would have to wait for longer than mmap(2) takes.
    mov w0, #MEMBARRIER_EXPEDITED
    mov w1, wzr
    mov w2, wzr
    system_call SYS_membarrier
    cmn w0, #EPERM
    b.ne 46f
    mov w0, #MEMBARRIER_REGISTER
    system_call SYS_membarrier
    mov w0, #MEMBARRIER_EXPEDITED
    system_call SYS_membarrier
46:
    mov x0, x11
    sub x1, x12, x11
    mov x2, #PROT_READ_WRITE
    mov w3, #MAP_OVER
    mov x4, #-1
    mov x5, #0
    system_call SYS_mmap
    cmn x0, #MAX_ERRNO
    ret
    .ltorg
