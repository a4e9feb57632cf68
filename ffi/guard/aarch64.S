// The fault guard for Linux on arm64: the handler of SIGBUS and SIGSEGV.
//
// A twin of x86_64.S: the same steps under the same labels, so that the two can be read
// side by side. That file explains them; the comments here are about what differs.
//
//     w0 = signal    x1 = siginfo_t *    x2 = ucontext_t *    x30 = the restorer, in the vDSO
//
// `ret` goes to rt_sigreturn(2), which gives every register its value back: all may be
// clobbered here, but x30 is needed to return. Only instructions of ARMv8.0 are used (no
// atomics of ARMv8.1), and barriers where x86-64 needs none.
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
    .set SIG_IGN, 1

// ucontext_t.uc_mcontext.__reserved, <asm/sigcontext.h>: a list of records { u32 magic, u32
// size, ... } that ends with one of magic 0. That of ESR_MAGIC holds the syndrome of the
// fault: bits 31 to 26 its class, bit 6 whether it was a write (Arm ARM, ESR_EL1).
    .set UC_RESERVED, 464
    .set UC_RESERVED_SIZE, 4096
    .set ESR_MAGIC, 0x45535201
    .set ESR_EC_SHIFT, 26
    .set ESR_EC_BITS, 6
    .set ESR_EC_INSTRUCTION_ABORT, 0x20
    .set ESR_WRITE, 6

// <asm-generic/unistd.h>
    .set SYS_sched_yield, 124
    .set SYS_rt_sigaction, 134
    .set SYS_getpid, 172
    .set SYS_gettid, 178
    .set SYS_munmap, 215
    .set SYS_mremap, 216
    .set SYS_mmap, 222
    .set SYS_mprotect, 226
    .set SYS_madvise, 233
    .set SYS_rt_tgsigqueueinfo, 240
    .set SYS_process_vm_readv, 270

    .set PROT_READ, 1
    .set PROT_READ_WRITE, 3
    .set MAP_NEW, 0x4022
    .set MAP_OVER, 0x4032
    .set MAP_HOLE, 0x104022
    .set MREMAP_OVER, 3
    .set MADV_POPULATE_READ, 22

    .set MAX_ERRNO, 4095                  // `cmn x0, #4095` is "higher or same" on failure
    .set EPERM, 1
    .set EFAULT, 14
    .set ENOSYS, 38

// The stack frame.
    .set COPY, 0                          // struct iovec
    .set SOURCE, 16                       // struct iovec
    .set ACTION, 0                        // struct kernel_sigaction, 32 bytes
    .set FRAME, 32

// Registers that are kept throughout; a system call changes x0 only.
//     w20 = signal   x21 = siginfo_t *   x22 = ucontext_t *   w27 = 1: write, 0: read
//     x19 = table    x24 = record        x23 = address of the fault, later of its page
//     x25 = start    x26 = end           x28 = mark

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
    add x14, x24, #RECORD_CLAIM
    stlr wzr, [x14]
    .endm

    .macro unpin
    atomic_add -1, x24, RECORD_PINS
    .endm

    .macro system_call number
    mov x8, #\number
    svc #0
    .endm

    .text
guard:
    hint #34                              // bti c: may be the target of an indirect call
    sub sp, sp, #FRAME
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

// ---- Which region does it lie in?
search:
    ldr x23, [x21, #SI_ADDR]
    add x0, x19, #RANGES
    add x1, x19, #HEADER_USED
    ldar w1, [x1]
    add x1, x0, x1, lsl #4
4:  cmp x0, x1
    b.hs chain
    ldp x2, x3, [x0]
    cmp x23, x3
    b.hs 5f
    cmp x23, x2
    b.hs pin
5:  add x0, x0, #16
    b 4b

// ---- Pin the slot, then look again: the barrier orders our pin before our loads, the
// ---- acquiring load that of the end before that of the start.
pin:
    add x2, x19, #RANGES
    sub x2, x0, x2
    add x24, x19, #RECORDS
    add x24, x24, x2, lsl #3
    atomic_add 1, x24, RECORD_PINS
    dmb ish
    add x2, x0, #8
    ldar x26, [x2]
    cmp x23, x26
    b.hs 6f
    ldr x25, [x0]
    cmp x23, x25
    b.hs 7f
6:  unpin
    b 5b
7:  cmp w20, #SIGBUS
    b.eq claim
    ldr w0, [x24, #RECORD_FLAGS]
    tst w0, #FLAG_STRAYS
    b.eq unpin_and_chain

// ---- One thread at a time changes the pages of a slot.
claim:
    add x0, x24, #RECORD_CLAIM
    mov w1, #1
8:  ldaxr w2, [x0]
    cbnz w2, 9f
    stlxr w3, w1, [x0]
    cbnz w3, 8b
    b 10f
9:  clrex
    atomic_add 1, x24, RECORD_WAITS
    mov w0, #WAIT_LIMIT
    cmp w15, w0
    b.hs 10f
    system_call SYS_sched_yield
    b unpin_and_return
10: str wzr, [x24, #RECORD_WAITS]

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

// ---- SIGBUS: one empty page, or all up to the end, or all.
    mov x2, #PROT_READ_WRITE
    mov w3, #MAP_OVER
    mov x4, #-1
    mov x5, #0
    ldr w0, [x24, #RECORD_SINGLES]
    cmp w0, #SINGLE_LIMIT
    b.hs replace_many
    mov x0, x23
    ldr x1, [x24, #RECORD_PAGE_SIZE]
    system_call SYS_mmap
    cmn x0, #MAX_ERRNO
    b.lo mended
replace_many:
    mov x2, #PROT_READ_WRITE
    mov w3, #MAP_OVER
    mov x4, #-1
    mov x5, #0
    mov x0, x23
    sub x1, x26, x23
    system_call SYS_mmap
    cmn x0, #MAX_ERRNO
    b.lo mended
    mov x0, x25
    sub x1, x26, x25
    system_call SYS_mmap
    cmn x0, #MAX_ERRNO
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
    b.hs replace_many
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
19: mov x0, x9
    mov x1, x7
    mov x2, x7
    mov x3, #MREMAP_OVER
    mov x4, x6
    system_call SYS_mremap
    cmn x0, #MAX_ERRNO
    b.lo mended_stray
    mov x0, x9
    mov x1, x7
    system_call SYS_munmap
    b replace_many

mended_stray:
    atomic_add 1, x24, RECORD_STRAYS
mended:
    ldr w0, [x24, #RECORD_SINGLES]
    add w0, w0, #1
    str w0, [x24, #RECORD_SINGLES]
    orr x28, x28, #1
    str x28, [x24, #RECORD_MARK]
    ldr x0, [x21, #SI_ADDR]
    str x0, [x24, #RECORD_LAST]
    atomic_add 1, x24, RECORD_FAULTS
release:
    release_claim
unpin_and_return:
    unpin
    add sp, sp, #FRAME
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
    add x0, x19, #HEADER_FORMER_SIGBUS
    cmp w20, #SIGBUS
    b.eq 21f
    add x0, x19, #HEADER_FORMER_SIGSEGV
21: ldr x3, [x0]
    ldr w1, [x0, #8]
    tbz w1, #31, 23f                      // SA_RESETHAND is bit 31
22: ldaxr x3, [x0]
    stlxr w2, xzr, [x0]
    cbnz w2, 22b
23: cmp x3, #SIG_IGN
    b.ls 24f
    mov w0, w20
    mov x1, x21
    mov x2, x22
    add sp, sp, #FRAME
    mov x16, x3                           // through x16, `br` may land on `bti c`
    br x16

// ---- SIG_DFL or SIG_IGN.
24: ldr w28, [x21, #SI_CODE]
    b.lo 25f
    cmp w28, #0
    b.le 26f
25: stp xzr, xzr, [sp, #ACTION]
    stp xzr, xzr, [sp, #ACTION + 16]
    mov w0, w20
    add x1, sp, #ACTION
    mov x2, #0
    mov x3, #8
    system_call SYS_rt_sigaction
    cmp w28, #0
    b.gt 26f
    system_call SYS_gettid
    mov w23, w0
    system_call SYS_getpid
    mov w1, w23
    mov w2, w20
    mov x3, x21
    system_call SYS_rt_tgsigqueueinfo
26: add sp, sp, #FRAME
    ret
    .ltorg
