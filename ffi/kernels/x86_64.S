# The kernels for x86-64: looking through memory as fast as it can be read.
#
# libc's bsearch(3) calls them, as the function that compares a key with an element:
#
#     rdi = the task (layout.ts)    rsi = the text
#
# They return 0 in eax. What they find out is stored in the task, which nobody else can see.
# The text may be changed by others meanwhile, and its pages may be lost: each byte is
# whatever a load finds. No register that addresses anything is made of such a byte, so
# whatever is in the text, nothing is read outside of it, and nothing stored outside of the
# task. At the text's ends there may be pages that can't be read: no load reaches over them.
#
# SSE2 is part of every x86-64. AVX2 was tried, and gains nothing where the text comes from
# memory. A CPU without tzcnt takes it for bsf, which is slower on others, and does the same
# with what isn't 0.
#
# Names in capitals (TEXT_LENGTH, NEEDLE, ...) are the numbers of layout.ts, passed to the
# assembler by scripts/assemble.ts. No kernel saves more than it changes: rbx, rbp and
# r12 to r15 are callee-saved, all of the xmm registers are not.

    .set AHEAD, 8192                      # how far ahead of a load memory is asked for: the CPU by
                                          # itself stops at the end of a page

# xmm = sixteen times the byte at an address
    .macro splat address, general, xmm
    movzbl \address, \general
    imul $0x01010101, \general, \general
    movd \general, \xmm
    pshufd $0, \xmm, \xmm
    .endm

# rax = a bit for each byte of four vectors of 0 and -1, the first byte's the lowest; clobbers rbx
    .macro bits a, b, c, d
    pmovmskb \a, %eax
    pmovmskb \b, %ebx
    shl $16, %ebx
    or %rbx, %rax
    pmovmskb \c, %ebx
    shl $32, %rbx
    or %rbx, %rax
    pmovmskb \d, %ebx
    shl $48, %rbx
    or %rbx, %rax
    .endm

# Every callee-saved register.
    .macro save
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm
    .macro restore
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    .endm

    .text

# ---- How often NEEDLE's first byte stands in the text: HITS.
# ----     rdx = bytes left   rcx = steps of 64 bytes in this block   rax = hits
    .globl count
    .balign 64
count:
    endbr64                               # may be the target of an indirect call under CET
    mov TEXT_LENGTH(%rdi), %rdx
    splat NEEDLE(%rdi), %eax, %xmm0
    pxor %xmm1, %xmm1
    pxor %xmm2, %xmm2                     # two sums of 64 bits
count_block:
    mov %rdx, %rcx
    shr $6, %rcx
    jz count_rest
    mov $255, %eax                        # a sum of 8 bits holds 255 hits: 255 steps
    cmp %rax, %rcx
    cmova %rax, %rcx
    mov %rcx, %rax
    shl $6, %rax
    sub %rax, %rdx
    pxor %xmm3, %xmm3                     # four times sixteen sums of 8 bits
    pxor %xmm4, %xmm4
    pxor %xmm5, %xmm5
    pxor %xmm6, %xmm6
count_step:
    prefetcht0 AHEAD(%rsi)
    movdqu (%rsi), %xmm7
    movdqu 16(%rsi), %xmm8
    movdqu 32(%rsi), %xmm9
    movdqu 48(%rsi), %xmm10
    pcmpeqb %xmm0, %xmm7                  # a hit is -1
    pcmpeqb %xmm0, %xmm8
    pcmpeqb %xmm0, %xmm9
    pcmpeqb %xmm0, %xmm10
    psubb %xmm7, %xmm3
    psubb %xmm8, %xmm4
    psubb %xmm9, %xmm5
    psubb %xmm10, %xmm6
    add $64, %rsi
    dec %rcx
    jnz count_step
    psadbw %xmm1, %xmm3                   # sums of eight sums each
    psadbw %xmm1, %xmm4
    psadbw %xmm1, %xmm5
    psadbw %xmm1, %xmm6
    paddq %xmm3, %xmm4
    paddq %xmm5, %xmm6
    paddq %xmm4, %xmm2
    paddq %xmm6, %xmm2
    jmp count_block
count_rest:                               # fewer than 64 bytes
    movq %xmm2, %rax
    punpckhqdq %xmm2, %xmm2
    movq %xmm2, %rcx
    add %rcx, %rax
    movzbl NEEDLE(%rdi), %r8d
    add %rsi, %rdx                        # the text's end
1:  cmp %rdx, %rsi
    je 2f
    xor %ecx, %ecx
    cmp %r8b, (%rsi)
    sete %cl
    add %rcx, %rax
    inc %rsi
    jmp 1b
2:  mov %rax, HITS(%rdi)
    xor %eax, %eax
    ret

# Where 64 needles may begin at r8: eax is not 0 where both bytes stand as they should at one of these
# places, and ZF is clear; xmm2 to xmm5 say at which. Clobbers xmm6 to xmm9.
    .macro pairs
    movdqu (%r8, %r10), %xmm2
    movdqu 16(%r8, %r10), %xmm3
    movdqu 32(%r8, %r10), %xmm4
    movdqu 48(%r8, %r10), %xmm5
    movdqu (%r8, %r11), %xmm6
    movdqu 16(%r8, %r11), %xmm7
    movdqu 32(%r8, %r11), %xmm8
    movdqu 48(%r8, %r11), %xmm9
    pcmpeqb %xmm0, %xmm2
    pcmpeqb %xmm0, %xmm3
    pcmpeqb %xmm0, %xmm4
    pcmpeqb %xmm0, %xmm5
    pcmpeqb %xmm1, %xmm6
    pcmpeqb %xmm1, %xmm7
    pcmpeqb %xmm1, %xmm8
    pcmpeqb %xmm1, %xmm9
    pand %xmm6, %xmm2
    pand %xmm7, %xmm3
    pand %xmm8, %xmm4
    pand %xmm9, %xmm5
    movdqa %xmm2, %xmm6
    movdqa %xmm4, %xmm7
    por %xmm3, %xmm6
    por %xmm5, %xmm7
    por %xmm7, %xmm6
    pmovmskb %xmm6, %eax
    test %eax, %eax
    .endm

# Compares all of the needle with what stands at rbx: goes to one of two labels, or on behind it if the
# needle isn't there. The first and the last bytes of a needle are compared, which overlap if it is
# short; then what is between them, which adds to r13. Clobbers r12 and r14.
    .macro compare yes, no
    cmp $8, %rbp
    jae .Llong\@
    cmp $4, %rbp
    jae .Lfour\@
    cmp $2, %rbp
    jae .Ltwo\@
    movzbl (%rbx), %r12d
    cmp NEEDLE(%rdi), %r12b
    jne \no
    jmp \yes
.Ltwo\@:
    movzwl (%rbx), %r12d
    cmp NEEDLE(%rdi), %r12w
    jne \no
    movzwl -2(%rbx, %rbp), %r12d
    cmp NEEDLE - 2(%rdi, %rbp), %r12w
    jne \no
    jmp \yes
.Lfour\@:
    mov (%rbx), %r12d
    cmp NEEDLE(%rdi), %r12d
    jne \no
    mov -4(%rbx, %rbp), %r12d
    cmp NEEDLE - 4(%rdi, %rbp), %r12d
    jne \no
    jmp \yes
.Llong\@:
    mov (%rbx), %r12
    cmp NEEDLE(%rdi), %r12
    jne \no
    mov -8(%rbx, %rbp), %r12
    cmp NEEDLE - 8(%rdi, %rbp), %r12
    jne \no
    mov $8, %r12d
.Lword\@:
    lea 8(%r12), %r14
    cmp %rbp, %r14
    jae \yes
    mov (%rbx, %r12), %r14
    cmp NEEDLE(%rdi, %r12), %r14
    lea 8(%r12), %r12
    je .Lword\@
    add %r12, %r13
    .endm

# ---- Where the needle stands in the text, less where it overlaps with the hit before: OFFSETS,
# ---- HITS and NEXT. A place is a candidate where two bytes of the needle, at FIRST and SECOND
# ---- in it, stand as they should; then all of the needle is compared.
# ----     rsi = text   r8 = where 64 needles may begin   r9 = behind the last place for one
# ----     r10, r11 = FIRST, SECOND      rbp = NEEDLE_LENGTH   rdx = behind the last hit
# ----     rcx = where the next offset goes   r15 = behind the last one   r13 = work for nothing
# ----     rax = candidates, a bit for each   rbx = one of them
    .globl search
    .balign 64
search:
    endbr64
    save
    lea COPY(%rdi), %rax                  # the text is in the task if it is nowhere else
    test %rsi, %rsi
    cmovz %rax, %rsi
    mov NEEDLE_LENGTH(%rdi), %rbp
    mov FIRST(%rdi), %r10
    mov SECOND(%rdi), %r11
    lea OFFSETS(%rdi), %rcx
    mov LIMIT(%rdi), %r15
    lea (%rcx, %r15, 4), %r15
    mov %rsi, %rdx
    mov %rsi, %r8
    xor %r13d, %r13d
    movq $0, BESIDES(%rdi)
    mov TEXT_LENGTH(%rdi), %r9
    sub %rbp, %r9
    jb search_done                        # the text is shorter than the needle
    lea 1(%rsi, %r9), %r9
    splat "NEEDLE(%rdi, %r10)", %eax, %xmm0
    splat "NEEDLE(%rdi, %r11)", %eax, %xmm1
    jmp search_step
search_next:
    add $64, %r8
search_step:
    mov %r9, %rax
    sub %r8, %rax
    cmp $64, %rax
    jl search_rest
    prefetcht0 AHEAD(%r8)
    pairs
    jz search_next
    bits %xmm2, %xmm3, %xmm4, %xmm5
search_candidate:
    tzcnt %rax, %rbx
    add %r8, %rbx
    lea -1(%rax), %r12                    # the next time without this one
    and %r12, %rax
    cmp %rdx, %rbx
    jb search_other                       # it overlaps with the last hit
    compare search_hit, search_not
    # A text can be made of candidates that are none. Somebody else shall go on where they are
    # more work than the search.
search_not:
    add $CANDIDATE, %r13
    mov %rbx, %r12
    sub %rsi, %r12
    add PATIENCE(%rdi), %r12
    cmp %r12, %r13
    jbe search_other
    movq $1, BESIDES(%rdi)
    lea 1(%rbx), %rdx
    jmp search_done
search_hit:
    mov %rbx, %r12
    sub %rsi, %r12
    mov %r12d, (%rcx)
    lea (%rbx, %rbp), %rdx
    add $4, %rcx
    cmp %r15, %rcx
    je search_done
search_other:
    test %rax, %rax
    jnz search_candidate
    jmp search_next
search_rest:                              # rax = places that are left, or less than 0: all are candidates
    test %rax, %rax
    jle search_done
    xor %r12d, %r12d
    bts %rax, %r12
    lea -1(%r12), %rax
    jmp search_candidate
search_done:
    sub %rsi, %rdx
    mov %rdx, NEXT(%rdi)
    lea OFFSETS(%rdi), %rax
    sub %rax, %rcx
    shr $2, %rcx
    mov %rcx, HITS(%rdi)
    restore
    xor %eax, %eax
    ret

# Stores where the first of the hits is, counts it, and leaves the others in `rest`; ZF is set if
# there are none. If there is no hit, it counts none. It takes no branch, which would often go where
# the CPU doesn't expect it.
    .macro lines_hit hits, rest
    tzcnt \hits, %rbx                     # ebx is anything if there is no hit
    add %r8d, %ebx
    mov %ebx, OFFSETS(%rdi, %rcx, 4)
    cmp $1, \hits
    sbb $-1, %rcx
    lea -1(\hits), \rest
    and \hits, \rest
    .endm

# ---- Where NEEDLE's first byte stands in the text: OFFSETS and HITS. Whether any byte is not
# ---- ASCII: NEXT. Whether NEEDLE's second byte is among them: BESIDES. If COPIES is not 0, the
# ---- text is copied on the way: COPY.
# ----     rsi = text   r8 = offset in it   rdx = bytes left   rcx = HITS so far
# ----     rax = hits, a bit for each      xmm2 = all bits that are set in any byte
# ----     r11 = where the copy goes; 0 if none is made
    .globl lines
    .balign 64
lines:
    endbr64
    push %rbx
    mov TEXT_LENGTH(%rdi), %rdx
    xor %ecx, %ecx
    xor %r8d, %r8d
    lea COPY(%rdi), %rax
    xor %r11d, %r11d
    cmpq $0, COPIES(%rdi)
    cmovne %rax, %r11
    splat NEEDLE(%rdi), %eax, %xmm0
    splat NEEDLE + 1(%rdi), %eax, %xmm1
    pxor %xmm2, %xmm2
    pxor %xmm3, %xmm3
    jmp 3f
1:  prefetcht0 AHEAD(%rsi, %r8)
    movdqu (%rsi, %r8), %xmm4
    movdqu 16(%rsi, %r8), %xmm5
    movdqu 32(%rsi, %r8), %xmm6
    movdqu 48(%rsi, %r8), %xmm7
    test %r11, %r11
    jz 2f
    movdqu %xmm4, (%r11, %r8)
    movdqu %xmm5, 16(%r11, %r8)
    movdqu %xmm6, 32(%r11, %r8)
    movdqu %xmm7, 48(%r11, %r8)
2:  movdqa %xmm4, %xmm8
    movdqa %xmm5, %xmm9
    movdqa %xmm6, %xmm10
    movdqa %xmm7, %xmm11
    por %xmm4, %xmm2
    por %xmm5, %xmm2
    por %xmm6, %xmm2
    por %xmm7, %xmm2
    pcmpeqb %xmm1, %xmm8
    pcmpeqb %xmm1, %xmm9
    pcmpeqb %xmm1, %xmm10
    pcmpeqb %xmm1, %xmm11
    por %xmm8, %xmm3
    por %xmm9, %xmm3
    por %xmm10, %xmm3
    por %xmm11, %xmm3
    pcmpeqb %xmm0, %xmm4
    pcmpeqb %xmm0, %xmm5
    pcmpeqb %xmm0, %xmm6
    pcmpeqb %xmm0, %xmm7
    bits %xmm4, %xmm5, %xmm6, %xmm7
    lines_hit %rax, %r9
    lines_hit %r9, %rax
    jz lines_next
lines_more:
    lines_hit %rax, %r9
    mov %r9, %rax
    jnz lines_more
lines_next:
    add $64, %r8
3:  sub $64, %rdx
    jae 1b
    add $64, %rdx                         # fewer than 64 bytes
    pmovmskb %xmm2, %r9d
    pmovmskb %xmm3, %r10d
lines_rest:
    jz lines_done                         # rdx is 0
    movzbl (%rsi, %r8), %eax
    test %r11, %r11
    jz 4f
    mov %al, (%r11, %r8)
4:  mov %eax, %ebx
    and $0x80, %ebx
    or %ebx, %r9d
    xor %ebx, %ebx
    cmp NEEDLE + 1(%rdi), %al
    sete %bl
    or %ebx, %r10d
    mov %r8d, OFFSETS(%rdi, %rcx, 4)
    xor %ebx, %ebx
    cmp NEEDLE(%rdi), %al
    sete %bl
    add %rbx, %rcx
    inc %r8
    dec %rdx
    jmp lines_rest
lines_done:
    mov %r9, NEXT(%rdi)
    mov %r10, BESIDES(%rdi)
    mov %rcx, HITS(%rdi)
    pop %rbx
    xor %eax, %eax
    ret

# Writes down a line: from r12 to rbx, with r14 newlines before it.
    .macro containing_store
    sub %rsi, %r12
    mov %r12d, (%rcx)
    add %rsi, %r12
    sub %rsi, %rbx
    mov %ebx, 4(%rcx)
    mov %r14d, 8(%rcx)
    add $12, %rcx
    .endm

# ---- Which lines of the text contain the needle, which has no newline in it: OFFSETS and HITS.
# ---- The text begins where a line does. NEXT, NEWLINES and BESIDES.
# ---- It is `search`, which counts newlines on its way, and begins anew behind each line that it
# ---- has found: a hit is the first of its line.
# ----     rdx = where a line begins, behind the last one that was found; NEWLINES of it
# ----     xmm12 = newlines from rdx to r8, two sums   xmm13 = of the 64 bytes at r8
# ----     xmm10 = sixteen newlines   xmm11 = 0       the rest as in `search`
    .globl containing
    .balign 64
containing:
    endbr64
    save
    mov NEEDLE_LENGTH(%rdi), %rbp
    mov FIRST(%rdi), %r10
    mov SECOND(%rdi), %r11
    lea OFFSETS(%rdi), %rcx
    mov LIMIT(%rdi), %r15
    lea (%r15, %r15, 2), %r15
    lea (%rcx, %r15, 4), %r15
    mov %rsi, %rdx
    mov %rsi, %r8
    xor %r13d, %r13d
    movq $0, BESIDES(%rdi)
    movq $0, NEWLINES(%rdi)
    mov $0x0a0a0a0a, %eax
    movd %eax, %xmm10
    pshufd $0, %xmm10, %xmm10
    pxor %xmm11, %xmm11
    pxor %xmm12, %xmm12
    mov TEXT_LENGTH(%rdi), %r9
    sub %rbp, %r9
    lea 1(%rsi, %r9), %r9
    jb containing_end                     # the text is shorter than the needle
    splat "NEEDLE(%rdi, %r10)", %eax, %xmm0
    splat "NEEDLE(%rdi, %r11)", %eax, %xmm1
    jmp containing_step
containing_next:
    paddq %xmm13, %xmm12
    add $64, %r8
containing_step:
    mov %r9, %rax
    sub %r8, %rax
    cmp $64, %rax
    jl containing_rest
    prefetcht0 AHEAD(%r8)
    movdqu (%r8), %xmm13
    movdqu 16(%r8), %xmm3
    movdqu 32(%r8), %xmm4
    movdqu 48(%r8), %xmm5
    pcmpeqb %xmm10, %xmm13                # a newline is -1
    pcmpeqb %xmm10, %xmm3
    pcmpeqb %xmm10, %xmm4
    pcmpeqb %xmm10, %xmm5
    paddb %xmm3, %xmm13
    paddb %xmm5, %xmm4
    paddb %xmm4, %xmm13
    movdqa %xmm11, %xmm14
    psubb %xmm13, %xmm14                  # sixteen sums, of up to 4
    psadbw %xmm11, %xmm14
    movdqa %xmm14, %xmm13
    pairs
    jz containing_next
    bits %xmm2, %xmm3, %xmm4, %xmm5
containing_candidate:
    tzcnt %rax, %rbx
    add %r8, %rbx
    lea -1(%rax), %r12                    # the next time without this one
    and %r12, %rax
    compare containing_hit, containing_not
containing_not:
    add $CANDIDATE, %r13
    mov %rbx, %r12
    sub %rsi, %r12
    add PATIENCE(%rdi), %r12
    cmp %r12, %r13
    ja containing_given_up
    test %rax, %rax
    jnz containing_candidate
    jmp containing_next
containing_hit:
    call locate
    mov TEXT_LENGTH(%rdi), %rax
    add %rsi, %rax                        # rax = the text's end
    add %rbp, %rbx                        # rbx = behind the needle: where does the line end?
1:  lea 16(%rbx), %r8
    cmp %rax, %r8
    ja 2f
    movdqu (%rbx), %xmm2
    pcmpeqb %xmm10, %xmm2
    pmovmskb %xmm2, %r9d
    test %r9d, %r9d
    jnz 3f
    mov %r8, %rbx
    jmp 1b
2:  cmp %rax, %rbx
    je containing_unended
    cmpb $10, (%rbx)
    je 4f
    inc %rbx
    jmp 2b
3:  tzcnt %r9d, %r9d
    add %r9, %rbx
4:  lea 1(%rbx), %rdx                     # where the next line begins
    lea 1(%r14), %r8
    mov %r8, NEWLINES(%rdi)
    cmp %r12, %rbx
    je 5f
    cmpb $13, -1(%rbx)
    jne 5f
    dec %rbx                              # its end is \r\n
5:  containing_store
    mov %rax, %r9
    sub %rbp, %r9
    inc %r9
    mov %rdx, %r8
    pxor %xmm12, %xmm12
    cmp %r15, %rcx
    jne containing_step
    mov %rdx, %r12                        # enough of them
    mov NEWLINES(%rdi), %r14
    jmp containing_done
containing_unended:
    containing_store
    movq $2, BESIDES(%rdi)
    jmp containing_done
containing_rest:                          # rax = places that are left, or less than 0: all are candidates
    test %rax, %rax
    jle containing_end
    pxor %xmm13, %xmm13
    xor %r12d, %r12d
    bts %rax, %r12
    lea -1(%r12), %rax
    jmp containing_candidate
containing_given_up:
    movq $1, BESIDES(%rdi)
    call locate
    jmp containing_done
containing_end:                           # no line more: where does the last one begin?
    mov TEXT_LENGTH(%rdi), %rbx
    add %rsi, %rbx
    cmp %r9, %r8
    jbe 1f
    sub $64, %r8                          # less the step that was none, if there was one
    cmp %rdx, %r8
    cmovb %rdx, %r8
1:  call locate
containing_done:
    sub %rsi, %r12
    mov %r12, NEXT(%rdi)
    mov %r14, NEWLINES(%rdi)
    lea OFFSETS(%rdi), %rax
    sub %rax, %rcx
    mov $0xaaaaaaab, %eax                 # a third of it, of 4 bytes each
    imul %rcx, %rax
    shr $35, %rax
    mov %rax, HITS(%rdi)
    restore
    xor %eax, %eax
    ret

# r12 = where the line begins in which rbx lies, r14 = newlines before that; clobbers rax, xmm2.
locate:
    mov %rbx, %r12
1:  lea -16(%r12), %rax
    cmp %rdx, %rax
    jb 2f
    movdqu (%rax), %xmm2
    pcmpeqb %xmm10, %xmm2
    pmovmskb %xmm2, %r14d
    test %r14d, %r14d
    jnz 3f
    mov %rax, %r12
    jmp 1b
2:  cmp %rdx, %r12
    je 4f
    cmpb $10, -1(%r12)
    je 4f
    dec %r12
    jmp 2b
3:  bsr %r14d, %r14d
    lea 1(%rax, %r14), %r12
4:  movq %xmm12, %r14
    movhlps %xmm12, %xmm2
    movq %xmm2, %rax
    add %rax, %r14
    add NEWLINES(%rdi), %r14
    mov %r8, %rax
5:  cmp %r12, %rax                        # those of the 64 bytes at r8
    jae 7f
    cmpb $10, (%rax)
    jne 6f
    inc %r14
6:  inc %rax
    jmp 5b
7:  ret
