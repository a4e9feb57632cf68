# The fault guard for Linux on x86-64: the handler of SIGBUS and SIGSEGV.
#
# The kernel calls it as a three-argument signal handler (SA_SIGINFO):
#
#     edi = signal    rsi = siginfo_t *    rdx = ucontext_t *    (%rsp) = the restorer
#
# `ret` goes to libc's restorer, which calls rt_sigreturn(2): every register gets its
# value back from the ucontext and the access that faulted is tried again. An access is
# mended by changing what is mapped at its address before returning. The registers that the
# C ABI calls callee-saved are saved all the same: a handler that was installed after this
# one may call it as the function it replaced, and goes on afterwards.
#
# The code uses no libc and nothing outside the table and its own stack frame. It lies in
# the table, LAYOUT.CODE bytes from its beginning: the table's address follows from the
# code's own, and the bytes are the same wherever they are.
#
# Names in capitals without a value here (CODE, RANGES, RECORD_PINS, ...) are the numbers
# of layout.ts, passed to the assembler by scripts/assemble.ts.

# Signals, their codes: signal(7), sigaction(2), <asm-generic/siginfo.h>.
    .set SIGBUS, 7
    .set SIGSEGV, 11
    .set BUS_ADRALN, 1                    # an unaligned access
    .set SEGV_ACCERR, 2                   # the page is mapped, the access not permitted
    .set SI_CODE, 8                       # siginfo_t.si_code
    .set SI_ADDR, 16                      # siginfo_t.si_addr
    .set SI_SEEN, 120                     # the end of siginfo_t, which the kernel leaves 0
    .set SIG_IGN, 1                       # SIG_DFL is 0
    .set SIG_SETMASK, 2
    .set SA_RESETHAND, 0x80000000         # <asm/signal.h>
    .set SA_NODEFER, 0x40000000
    .set NEVER_BLOCKED, 0x380040100       # SIGKILL, SIGSTOP, and 32 to 34, which are libc's own

# ucontext_t.uc_mcontext.gregs[REG_ERR], <sys/ucontext.h>: 40 + 19 * 8. The page-fault
# error code of the processor (Intel SDM volume 3, 4.7).
    .set UC_ERROR, 192
    .set UC_SIGMASK, 296                  # ucontext_t.uc_sigmask
    .set ERROR_WRITE, 0x02
    .set ERROR_FETCH, 0x10

# <asm/unistd_64.h>
    .set SYS_mmap, 9
    .set SYS_mprotect, 10
    .set SYS_munmap, 11
    .set SYS_rt_sigaction, 13
    .set SYS_rt_sigprocmask, 14
    .set SYS_sched_yield, 24
    .set SYS_mremap, 25
    .set SYS_madvise, 28
    .set SYS_nanosleep, 35
    .set SYS_getpid, 39
    .set SYS_gettid, 186
    .set SYS_rt_tgsigqueueinfo, 297
    .set SYS_rt_sigpending, 127
    .set SYS_process_vm_readv, 310

# <asm-generic/mman-common.h>, <linux/mman.h>
    .set PROT_READ, 1
    .set PROT_READ_WRITE, 3
    .set MAP_NEW, 0x4022                  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    .set MAP_OVER, 0x4032                 # the same | MAP_FIXED
    .set MAP_HOLE, 0x104022               # the same | MAP_FIXED_NOREPLACE, since Linux 4.17
    .set MREMAP_OVER, 3                   # MREMAP_MAYMOVE | MREMAP_FIXED
    .set MADV_POPULATE_READ, 22           # since Linux 5.14; MADV_POPULATE_WRITE is 23

# System calls return -4095 ... -1 on failure: syscall(2), <linux/err.h>.
    .set LAST_VALUE, -4096
    .set EPERM, 1
    .set EFAULT, 14
    .set ENOSYS, 38
    .set EHWPOISON, 133

# The stack frame, below the saved registers.
    .set START, 0                         # of the range the fault lies in
    .set END, 8
    .set COPY, 16                         # struct iovec: the private copy ...
    .set SOURCE, 32                       # struct iovec: ... and what is copied
    .set ACTION, 16                       # struct kernel_sigaction, 32 bytes: used after them
    .set TIME, 16                         # struct timespec: used before them
    .set FIRST, 48                        # of the pages that are lost
    .set LAST, 56                         # behind the last of them
    .set STATE, 64                        # of the lost ranges, when they were read
    .set MASK, 72                         # a signal mask
    .set BEFORE, 80                       # struct kernel_sigaction: what is installed
    .set FRAME, 120                       # a multiple of 16 with what is pushed

# Registers that are kept throughout; a system call changes rax, rcx and r11 only.
#     ebx = signal   rbp = siginfo_t *   r12 = ucontext_t *
#     r15 = table    r14 = record        r13 = address of the fault, later of its page

    .macro restore_registers
    add $FRAME, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    .endm

    .text
guard:
    endbr64                               # may be the target of an indirect call under CET
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $FRAME, %rsp
    lea guard - CODE(%rip), %r15
    mov %edi, %ebx
    mov %rsi, %rbp
    mov %rdx, %r12

# ---- Is this a fault that a mapping can cause?
    mov SI_CODE(%rbp), %eax
    test %eax, %eax                       # <= 0: sent by kill(2), tgkill(2), sigqueue(3)
    jle chain
    cmp $SIGSEGV, %ebx
    je 1f
    cmp $BUS_ADRALN, %eax
    je chain
    jmp search
1:  cmp $SEGV_ACCERR, %eax
    jne chain
    testb $ERROR_FETCH, UC_ERROR(%r12)    # jumped into data: no mapping of ours mends that
    jnz chain

# ---- Which region does it lie in? An index knows: a region of up to 2^k pages lies in one or two
# ---- blocks of 2^k pages, and is noted in a bucket for each. So it takes one bucket for
# ---- each size that regions have. (index.ts has JavaScript's half.) What is found here is
# ---- a candidate only: the slot may be changing. The end of a slot that isn't live is 0,
# ---- and no address is below it.
search:
    mov SI_ADDR(%rbp), %r13
    mov HEADER_SHOWN(%r15), %r11d         # for "missed"
    mov HEADER_CLASSES(%r15), %r8         # r8 = sizes that are left
next_class:
    bsf %r8, %rdx                         # edx = k
    jz not_indexed
    lea -1(%r8), %rax
    and %rax, %r8
    lea INDEX_PAGE_SHIFT(%rdx), %ecx
    mov %r13, %rax
    shr %cl, %rax                         # rax = number of the block
    mov %rax, %rdi
    shr $32, %rdi
    shl $6, %edi
    add %edx, %edi
    imul $INDEX_MIX_HIGH, %edi, %edi
    xor %edi, %eax
    imul $INDEX_MIX, %eax, %eax
    shr $INDEX_HASH_SHIFT, %eax
    shl $INDEX_BUCKET_SHIFT, %rax
    lea INDEX(%r15, %rax), %r9            # r9 = entry
    lea 1 << INDEX_BUCKET_SHIFT(%r9), %r10          # r10 = end of the bucket, or 0
2:  mov (%r9), %eax                       # index of a slot + 1
    test %eax, %eax
    jz 3f
    shl $4, %rax
    lea RANGES - 16(%r15, %rax), %rsi
    cmp 8(%rsi), %r13
    jae 3f
    cmp (%rsi), %r13
    jae pin
3:  add $4, %r9
    cmp %r10, %r9
    jb 2b
    jmp next_class

# ---- Where a bucket is full, slots are left out: then all are looked through.
not_indexed:
    cmpl $0, HEADER_UNINDEXED(%r15)
    je missed
    xor %r10d, %r10d
    lea RANGES(%r15), %rsi
    mov HEADER_USED(%r15), %edi
    shl $4, %rdi
    add %rsi, %rdi
44: cmp %rdi, %rsi
    jae missed
    cmp 8(%rsi), %r13
    jae 45f
    cmp (%rsi), %r13
    jae pin
45: add $16, %rsi
    jmp 44b

# ---- None. But there may have been one when the access faulted, which was closed, moved or
# ---- made shorter while we came here or searched; what is there now may be accessed. So the
# ---- access is tried again. It isn't ours if it faults again, with the same mark as below,
# ---- and no region was shown to us since before the first search: in another region at the
# ---- same address it may have come too late once more. Threads have a mark each, as far as
# ---- 16 go.
missed:
    mov %r13, %rax
    xor %r12, %rax
    mov %r12, %rcx
    shr $MISSED_SHIFT, %rcx
    and $MISSED_MARKS - 1, %ecx
    mov HEADER_SHOWN(%r15), %edx
    shl $32, %rdx
    xor %rax, %rdx                        # the mark, if none was shown since
    shl $32, %r11
    xor %r11, %rax                        # the mark, for the next time
    mov HEADER_MISSED(%r15, %rcx, 8), %rdi
    mov %rax, HEADER_MISSED(%r15, %rcx, 8)
    cmp %rdx, %rdi
    jne return
    jmp chain

# ---- Pin the slot, then look again. JavaScript takes a slot out by storing end = 0 and
# ---- waiting for the pins to be gone, and sets the start of its next tenant only after
# ---- that; `lock` orders our pin before our loads. So either JavaScript sees the pin and
# ---- waits (and neither the slot nor its mapping changes under us), or we see its end =
# ---- 0, or the end of the next tenant, which was stored after its start.
pin:
    lea RANGES(%r15), %rax
    neg %rax
    add %rsi, %rax                        # 16 x index; a record is 8 times as large
    lea RECORDS(%r15), %r14
    lea (%r14, %rax, 8), %r14
    lock incl RECORD_PINS(%r14)
    mov 8(%rsi), %rax
    cmp %rax, %r13
    jae 4f
    mov (%rsi), %rcx
    cmp %rcx, %r13
    jae 5f
4:  lock decl RECORD_PINS(%r14)
    test %r10, %r10
    jz 45b
    jmp 3b
5:  mov %rcx, START(%rsp)
    mov %rax, END(%rsp)
    cmp $SIGBUS, %ebx
    je claim
    testl $FLAG_STRAYS, RECORD_FLAGS(%r14)
    jz unpin_and_chain

# ---- One thread at a time changes the pages of a slot, or the page that one of them has
# ---- just stored to would be replaced by the next. Nobody waits in here for the claim:
# ---- who finds it taken returns, faults again, and can be interrupted in between. The
# ---- thread that has it is in here, where no signal interrupts it, and gives it back,
# ---- though storage may keep it waiting; a child of fork(2) starts without claims.
claim:
    mov $1, %eax
    xchg %eax, RECORD_CLAIM(%r14)
    test %eax, %eax
    jz 6f
    mov $1, %eax
    lock xadd %eax, RECORD_WAITS(%r14)
    lock decl RECORD_PINS(%r14)
    cmp $YIELD_LIMIT, %eax
    jae 22f
    mov $SYS_sched_yield, %eax            # let the other thread finish, if it has no CPU
    syscall
    jmp return
22: movq $0, TIME(%rsp)                   # it is waiting for something itself
    movq $1000000, TIME+8(%rsp)
    lea TIME(%rsp), %rdi
    xor %esi, %esi
    mov $SYS_nanosleep, %eax
    syscall
    jmp return
6:  movl $0, RECORD_WAITS(%r14)

# ---- Have we met this fault before? Its mark is the page and the address of the ucontext:
# ---- an access that is tried again finds the stack as it was, so it has the same frame;
# ---- another thread has another. Both have their lowest bits clear. The mark itself
# ---- stands for "found nothing wrong", with its lowest bit set for "mended".
    mov RECORD_PAGE_SIZE(%r14), %rsi
    mov %rsi, %rax
    neg %rax
    and %rax, %r13
    mov %r13, %r8
    xor %r12, %r8                         # r8 = mark
    mov RECORD_MARK(%r14), %rax
    cmp %rax, %r8
    je mend                               # nothing was wrong, and still it faults: act
    xor %r8, %rax
    cmp $1, %rax
    je 7f
    movl $0, RECORD_REPEATS(%r14)
    jmp 8f
7:  incl RECORD_REPEATS(%r14)             # mended, and it faults again: somebody undid it,
    cmpl $REPEAT_LIMIT, RECORD_REPEATS(%r14)        # or nobody can mend it
    jae give_up

# ---- Is the page good by now? The file may have grown again, another thread have mended
# ---- it. A kernel before 5.14 says EINVAL, which reads as "no"; QEMU's user mode says
# ---- "yes" to everything, which the mark finds out.
8:  mov %r13, %rdi
    mov $MADV_POPULATE_READ, %edx
    testb $ERROR_WRITE, UC_ERROR(%r12)
    setnz %al
    movzbl %al, %eax
    add %eax, %edx
    mov $SYS_madvise, %eax
    syscall
    test %eax, %eax
    jnz mend
    mov %r8, RECORD_MARK(%r14)
    jmp release

mend:
    cmp $SIGSEGV, %ebx
    je stray

# ---- SIGBUS: the file has no such page. Put an empty private one in its place. Each can cost
# ---- two mappings, and vm.max_map_count is 65,530: after SINGLE_LIMIT of them, the pages
# ---- around it that are lost too are replaced with it, more and more of them.
lose:
    mov RECORD_PAGE_SIZE(%r14), %rsi
    mov %r13, FIRST(%rsp)
    lea (%r13, %rsi), %rax
    mov %rax, LAST(%rsp)
    mov RECORD_SINGLES(%r14), %ecx
    sub $SINGLE_LIMIT, %ecx
    jb replace
    cmp $REST_LIMIT - SINGLE_LIMIT, %ecx
    jae replace_rest
    shr $GROWTH_SHIFT, %ecx
    add $BLOCK_SHIFT, %ecx
    mov $1, %r8d
    shl %cl, %r8                          # r8 = so many pages in each direction
    mov $MADV_POPULATE_READ, %edx
    testb $ERROR_WRITE, UC_ERROR(%r12)    # a full disk loses pages for stores only; but of a
    jz 23f                                # private page that is there, a copy would be made
    testl $FLAG_PRIVATE, RECORD_FLAGS(%r14)
    jnz 23f
    inc %edx
23: mov %r8, %r9
24: mov LAST(%rsp), %rdi
    cmp END(%rsp), %rdi
    jae 25f
    mov $SYS_madvise, %eax
    syscall
    cmp $-EFAULT, %eax
    je 26f
    cmp $-EHWPOISON, %eax
    jne 25f
26: add %rsi, LAST(%rsp)
    dec %r9
    jnz 24b
25: mov %r8, %r9
27: mov FIRST(%rsp), %rdi
    cmp START(%rsp), %rdi
    jbe replace
    sub %rsi, %rdi
    mov $SYS_madvise, %eax
    syscall
    cmp $-EFAULT, %eax
    je 28f
    cmp $-EHWPOISON, %eax
    jne replace
28: mov %rdi, FIRST(%rsp)
    dec %r9
    jnz 27b
replace:
    call replace_range
    jbe mended

# ---- Where the kernel refuses, or REST_LIMIT is reached, everything up to the end, or all of
# ---- it. Good pages are lost with it, and are told to be.
replace_rest:
    mov %r13, FIRST(%rsp)
    mov END(%rsp), %rax
    mov %rax, LAST(%rsp)
    call replace_range
    jbe mended
    mov START(%rsp), %rax
    mov %rax, FIRST(%rsp)
    call replace_range
    jbe mended
    # With more mappings than it grants, Linux maps nothing at all, but unmaps. What comes
    # into the gap before us stays there: then this fault is the end.
    mov $SYS_munmap, %eax                 # rdi, rsi, rdx, r10, r8, r9 are as they were
    syscall
    mov $MAP_HOLE, %r10d
    mov $SYS_mmap, %eax
    syscall
    cmp %rdi, %rax
    je mended
    jmp give_up

# ---- SIGSEGV: the page is there, the access isn't permitted. Give the permission where
# ---- that can't reach the file: to read, and to write if the mapping is private.
stray:
    mov RECORD_FLAGS(%r14), %edx
    and $FLAG_EXECUTABLE, %edx            # = PROT_EXEC
    testb $ERROR_WRITE, UC_ERROR(%r12)
    jnz 9f
    or $PROT_READ, %edx
    jmp 10f
9:  or $PROT_READ_WRITE, %edx
    testl $FLAG_PRIVATE, RECORD_FLAGS(%r14)
    jz copy
10: cmpl $SINGLE_LIMIT, RECORD_SINGLES(%r14)
    jae 11f
    mov %r13, %rdi
    mov RECORD_PAGE_SIZE(%r14), %rsi
    mov $SYS_mprotect, %eax
    syscall
    test %eax, %eax
    jz mended_stray
11: mov %r13, %rdi
    mov END(%rsp), %rsi
    sub %rdi, %rsi
    mov $SYS_mprotect, %eax
    syscall
    test %eax, %eax
    jz mended_stray
    mov START(%rsp), %rdi
    mov END(%rsp), %rsi
    sub %rdi, %rsi
    mov $SYS_mprotect, %eax
    syscall
    test %eax, %eax
    jz mended_stray
    jmp give_up

# ---- A store to a read-only page of a shared mapping: a private copy takes the page's
# ---- place, moved over it in one step, so that nobody sees it half filled. After
# ---- SINGLE_LIMIT copies of a page, a block of 2^BLOCK_SHIFT pages is copied each time.
copy:
    mov %r13, %rdi                        # rdi, rsi = what is copied
    mov RECORD_PAGE_SIZE(%r14), %rsi
    cmpl $SINGLE_LIMIT, RECORD_SINGLES(%r14)
    jb 13f
    shl $BLOCK_SHIFT, %rsi
    mov %rsi, %rax
    neg %rax
    and %rax, %rdi
    cmp START(%rsp), %rdi
    jae 12f
    mov START(%rsp), %rdi
12: mov END(%rsp), %rax
    sub %rdi, %rax
    cmp %rax, %rsi
    jbe 13f
    mov %rax, %rsi
13: mov %rdi, SOURCE(%rsp)
    mov %rsi, SOURCE+8(%rsp)
    mov %rsi, COPY+8(%rsp)
    mov %edx, %r8d
    mov $PROT_READ, %edx                  # PROT_NONE can't be copied; and pages of the block that
    mov $SYS_mprotect, %eax               # are writable copies already must not change meanwhile
    syscall
    mov %r8d, %edx
    xor %edi, %edi
    mov $MAP_NEW, %r10d
    mov $-1, %r8
    xor %r9d, %r9d
    mov $SYS_mmap, %eax                   # edx = protection, of the stray access
    syscall
    cmp $LAST_VALUE, %rax
    ja replace_rest                       # no room for a copy: the page is lost
    mov %rax, COPY(%rsp)
    # The kernel copies, because it stops at a page that is lost, where we would fault. If a
    # sandbox forbids that, ask whether all pages are there, and copy.
    mov $SYS_getpid, %eax
    syscall
    mov %eax, %edi
    lea COPY(%rsp), %rsi
    mov $1, %edx
    lea SOURCE(%rsp), %r10
    mov $1, %r8d
    xor %r9d, %r9d
    mov $SYS_process_vm_readv, %eax
    syscall
    cmp $-ENOSYS, %rax
    je 14f
    cmp $-EPERM, %rax
    jne 15f
14: mov SOURCE(%rsp), %rdi
    mov SOURCE+8(%rsp), %rsi
    mov $MADV_POPULATE_READ, %edx
    mov $SYS_madvise, %eax
    syscall
    cmp $-EFAULT, %rax
    je 15f
    mov COPY(%rsp), %rdi
    mov SOURCE(%rsp), %rsi
    mov SOURCE+8(%rsp), %rcx
    rep movsb
    mov SOURCE+8(%rsp), %rax
15: mov COPY(%rsp), %rdi
    mov COPY+8(%rsp), %rsi
    cmp %rsi, %rax
    je 29f
    mov $SYS_munmap, %eax                 # a page is lost: of a block, another one maybe
    syscall
    mov RECORD_PAGE_SIZE(%r14), %rsi
    cmp SOURCE+8(%rsp), %rsi
    je lose
    mov %r13, %rdi
    mov RECORD_FLAGS(%r14), %edx
    and $FLAG_EXECUTABLE, %edx
    or $PROT_READ_WRITE, %edx
    jmp 13b
29: mov %rsi, %rdx
    mov $MREMAP_OVER, %r10d
    mov SOURCE(%rsp), %r8
    mov $SYS_mremap, %eax
    syscall
    cmp $LAST_VALUE, %rax
    jbe mended_stray
    mov $SYS_munmap, %eax                 # rdi, rsi are still the copy
    syscall
    jmp replace_rest

mended_stray:
    mov SI_ADDR(%rbp), %rax
    mov %rax, RECORD_LAST(%r14)
    lock incl RECORD_STRAYS(%r14)
    lock incl RECORD_FAULTS(%r14)
mended:
    incl RECORD_SINGLES(%r14)
    mov %r13, %rax
    xor %r12, %rax
    or $1, %rax
    mov %rax, RECORD_MARK(%r14)
release:
    movl $0, RECORD_CLAIM(%r14)
unpin_and_return:
    lock decl RECORD_PINS(%r14)
return:
    restore_registers
    ret

# ---- Not ours: what would have happened without us.
give_up:
    movl $0, RECORD_CLAIM(%r14)
unpin_and_chain:
    lock decl RECORD_PINS(%r14)
chain:
    lock incq HEADER_CHAINED(%r15)
    lea HEADER_FORMER_SIGBUS(%r15), %r14
    cmp $SIGBUS, %ebx
    je 16f
    lea HEADER_FORMER_SIGSEGV(%r15), %r14
16: cmpl $0, SI_CODE(%rbp)                # sent: to the program's listener, if there is one,
    jg 42f                                # which may call us in turn
    cmpq $0, HEADER_LISTENER_SIGBUS - HEADER_FORMER_SIGBUS(%r14)
    je 42f
    cmp %r15, SI_SEEN(%rbp)
    je 42f
    mov %r15, SI_SEEN(%rbp)
    add $HEADER_LISTENER_SIGBUS - HEADER_FORMER_SIGBUS, %r14
42: mov %ebx, %edi
    xor %esi, %esi
    lea BEFORE(%rsp), %rdx
    mov $8, %r10d                         # sizeof(sigset_t), the kernel's
    mov $SYS_rt_sigaction, %eax
    syscall
    mov (%r14), %r11
    testl $SA_RESETHAND, 8(%r14)          # a handler that is called once, and then is
    jz 17f                                # SIG_DFL: the kernel would have reset it
    xor %r11d, %r11d
    xchg %r11, (%r14)
17: cmp $SIG_IGN, %r11
    jbe 18f

# ---- It shall find the mask that it asked for, on top of that of the code that was
# ---- interrupted. The kernel calls us with every signal blocked; who calls us as a function
# ---- with another mask has chosen it.
    mov %r11, %r13
    xor %esi, %esi
    lea MASK(%rsp), %rdx
    mov $8, %r10d
    mov $SYS_rt_sigprocmask, %eax
    syscall
    movabs $NEVER_BLOCKED, %rax
    or MASK(%rsp), %rax
    cmp $-1, %rax
    jne 21f
    mov UC_SIGMASK(%r12), %rax
    or 16(%r14), %rax
    testl $SA_NODEFER, 8(%r14)
    jnz 20f
    lea -1(%rbx), %ecx
    bts %rcx, %rax
20: mov %rax, MASK(%rsp)
    mov $SIG_SETMASK, %edi
    lea MASK(%rsp), %rsi
    xor %edx, %edx
    mov $SYS_rt_sigprocmask, %eax
    syscall
21: mov %ebx, %edi
    mov %rbp, %rsi
    mov %r12, %rdx
    xor %eax, %eax                        # as the kernel calls it, for unprototyped functions
    call *%r13
    movq $0, SI_SEEN(%rbp)                # QEMU's user mode would leave it for the next signal

# ---- Some restore the default when they are called for what isn't theirs (Rust's for stack
# ---- overflow, V8's, JavaScriptCore's): of a fault, to end at the next try; or of a signal
# ---- that was sent, which V8 then raises again. That becomes the action behind ours; ours
# ---- stays, or what was put before it.
    mov %ebx, %edi
    xor %esi, %esi
    lea ACTION(%rsp), %rdx
    mov $8, %r10d
    mov $SYS_rt_sigaction, %eax
    syscall
    mov ACTION(%rsp), %rax
    cmp BEFORE(%rsp), %rax
    je return
    cmpl $0, SI_CODE(%rbp)
    jg 43f
    lea MASK(%rsp), %rdi
    mov $8, %esi
    mov $SYS_rt_sigpending, %eax
    syscall
    mov MASK(%rsp), %rax
    lea -1(%rbx), %ecx
    bt %rcx, %rax
    jnc 40f
    mov ACTION(%rsp), %rax
43: mov ACTION+24(%rsp), %rcx
    mov %rcx, 16(%r14)
    mov ACTION+8(%rsp), %ecx
    mov %ecx, 8(%r14)
    mov %rax, (%r14)
40: mov %ebx, %edi
    lea BEFORE(%rsp), %rsi
    xor %edx, %edx
    mov $8, %r10d
    mov $SYS_rt_sigaction, %eax
    syscall
    jmp return

# ---- SIG_DFL or SIG_IGN. A fault can't be ignored (force_sig_fault in the kernel's
# ---- signal.c resets SIG_IGN, too): restore the default and return, to fault again and
# ---- end. A signal that was sent is ignored, or sent again: it is blocked until we
# ---- return, and then does what it does by default, siginfo and all; unless it is somebody
# ---- else who was called for it, and called us.
18: mov SI_CODE(%rbp), %eax
    jb 41f
    test %eax, %eax
    jle return
41: test %eax, %eax
    jg 19f
    lea guard(%rip), %rax
    cmp BEFORE(%rsp), %rax
    jne return
    cmp %r15, SI_SEEN(%rbp)
    je return
19: xor %eax, %eax                        # { SIG_DFL, flags 0, no restorer, empty mask }
    mov %rax, ACTION(%rsp)
    mov %rax, ACTION+8(%rsp)
    mov %rax, ACTION+16(%rsp)
    mov %rax, ACTION+24(%rsp)
    mov %ebx, %edi
    lea ACTION(%rsp), %rsi
    xor %edx, %edx
    mov $8, %r10d                         # sizeof(sigset_t), the kernel's
    mov $SYS_rt_sigaction, %eax
    syscall
    cmpl $0, SI_CODE(%rbp)
    jg return
    mov $SYS_gettid, %eax
    syscall
    mov %eax, %r13d
    mov $SYS_getpid, %eax
    syscall
    mov %eax, %edi
    mov %r13d, %esi
    mov %ebx, %edx
    mov %rbp, %r10
    mov $SYS_rt_tgsigqueueinfo, %eax
    syscall
    jmp return

# ---- Replaces the pages from FIRST to LAST by empty ones; "below or equal" says that it did.
# ---- First they are added to the slot's lost ranges and counted: who can see the new pages
# ---- can see that they are lost.
# ----
# ---- The ranges lie in one of four banks, which the slot's state names, with how many they
# ---- are and how often they have changed. A change is written to a bank that is not in
# ---- use, and takes effect with the state: nobody sees it half done. We write to the first
# ---- two banks, one thread at a time; JavaScript to the others.
    .set HERE, 8                          # the return address lies below the frame
replace_range:
    mov SI_ADDR(%rbp), %rax
    mov %rax, RECORD_LAST(%r14)
    mov %r14, %r10
    sub %r15, %r10
    sub $RECORDS, %r10                    # 128 x index; its banks are 4 times as large
    lea LOST(%r15, %r10, 4), %r10
30: mov RECORD_LOST_STATE(%r14), %eax
    mov %eax, HERE+STATE(%rsp)
    mov HERE+FIRST(%rsp), %rdi
    mov HERE+LAST(%rsp), %rsi
    mov %eax, %ecx
    and $LOST_USED_MASK, %ecx             # ecx = ranges to look at
    mov %eax, %edx
    shr $LOST_BANK_SHIFT, %edx
    and $LOST_BANK_MASK, %edx
    xor %r9d, %r9d
    test %edx, %edx
    setz %r9b
    imul $LOST_BANK_SIZE, %rdx, %rdx
    add %r10, %rdx                        # rdx = the next of them
    imul $LOST_BANK_SIZE, %r9, %r9
    add %r10, %r9                         # r9 = the other bank
    mov %r9, %r11                         # r11 = its next range
31: dec %ecx
    js 33f
    mov (%rdx), %rax
    mov 8(%rdx), %r8
    add $16, %rdx
    cmp %rsi, %rax
    ja 32f
    cmp %rdi, %r8
    jb 32f
    cmp %rdi, %rax                        # it touches ours: ours grows by it
    cmovb %rax, %rdi
    cmp %rsi, %r8
    cmova %r8, %rsi
    jmp 31b
32: mov %rax, (%r11)
    mov %r8, 8(%r11)
    add $16, %r11
    jmp 31b
33: lea LOST_BANK_SIZE(%r9), %rax
    cmp %rax, %r11
    jb 37f
    mov $-1, %rcx                         # no room: the nearest grows by ours
    mov %r9, %rdx
34: mov (%rdx), %rax
    sub %rsi, %rax
    jae 35f
    mov %rdi, %rax
    sub 8(%rdx), %rax
35: cmp %rcx, %rax
    jae 36f
    mov %rax, %rcx
    mov %rdx, %r8
36: add $16, %rdx
    cmp %r11, %rdx
    jb 34b
    cmp %rdi, (%r8)
    cmovb (%r8), %rdi
    cmp %rsi, 8(%r8)
    cmova 8(%r8), %rsi
    mov %rdi, (%r8)
    mov %rsi, 8(%r8)
    jmp 38f
37: mov %rdi, (%r11)
    mov %rsi, 8(%r11)
    add $16, %r11
38: sub %r9, %r11
    shr $4, %r11                          # ranges in the new bank
    mov HERE+STATE(%rsp), %eax
    mov %eax, %edx
    and $-LOST_CHANGE, %edx
    lea LOST_CHANGE(%rdx, %r11), %edx
    testl $LOST_BANK_MASK << LOST_BANK_SHIFT, %eax
    jnz 39f
    or $1 << LOST_BANK_SHIFT, %edx
39: lock cmpxchg %edx, RECORD_LOST_STATE(%r14)
    jne 30b                               # JavaScript has changed it: again
    lock incl RECORD_LOST_COUNT(%r14)
    lock incl RECORD_FAULTS(%r14)
    mov HERE+FIRST(%rsp), %rdi
    mov HERE+LAST(%rsp), %rsi
    sub %rdi, %rsi
    mov $PROT_READ_WRITE, %edx
    mov $MAP_OVER, %r10d
    mov $-1, %r8
    xor %r9d, %r9d
    mov $SYS_mmap, %eax
    syscall
    cmp $LAST_VALUE, %rax
    ret
