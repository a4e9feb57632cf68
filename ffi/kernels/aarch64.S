// The kernels for arm64: looking through memory as fast as it can be read.
//
// A twin of x86_64.S: the same steps under the same labels, so that the two can be read
// side by side. That file explains them; the comments here are about what differs.
//
//     x0 = the task (layout.ts)    x1 = the text
//
// They return 0 in w0, and use only registers that a function may change: x2 to x17, v0 to
// v7, v16 to v31. NEON is part of every arm64.

    .set AHEAD, 4096                      // how far ahead of a load memory is asked for

// v31 = 1, 2, 4 ... 128, twice: what the bytes of a vector count in `bits`; clobbers x9
    .macro load_weights
    movz x9, #0x0201
    movk x9, #0x0804, lsl #16
    movk x9, #0x2010, lsl #32
    movk x9, #0x8040, lsl #48
    dup v31.2d, x9
    .endm

// x9 = a bit for each byte of four vectors of 0 and -1, the first byte's the lowest; clobbers
// the vectors
    .macro bits a, b, c, d
    and v\a\().16b, v\a\().16b, v31.16b
    and v\b\().16b, v\b\().16b, v31.16b
    and v\c\().16b, v\c\().16b, v31.16b
    and v\d\().16b, v\d\().16b, v31.16b
    addp v\a\().16b, v\a\().16b, v\b\().16b
    addp v\c\().16b, v\c\().16b, v\d\().16b
    addp v\a\().16b, v\a\().16b, v\c\().16b
    addp v\a\().16b, v\a\().16b, v\a\().16b
    fmov x9, d\a
    .endm

    .text

// ---- How often NEEDLE's first byte stands in the text: HITS.
// ----     x2 = bytes left   x3 = steps of 64 bytes in this block   x4 = hits
    .globl count
    .balign 64
count:
    hint #34                              // bti c: may be the target of an indirect call
    ldr x2, [x0, #TEXT_LENGTH]
    add x9, x0, #NEEDLE
    ld1r {v0.16b}, [x9]
    movi v1.2d, #0                        // two sums of 64 bits
count_block:
    lsr x3, x2, #6
    cbz x3, count_rest
    mov x4, #255                          // a sum of 8 bits holds 255 hits: 255 steps
    cmp x3, x4
    csel x3, x3, x4, lo
    sub x2, x2, x3, lsl #6
    movi v2.2d, #0                        // four times sixteen sums of 8 bits
    movi v3.2d, #0
    movi v4.2d, #0
    movi v5.2d, #0
count_step:
    prfm pldl1keep, [x1, #AHEAD]
    ldp q16, q17, [x1]
    ldp q18, q19, [x1, #32]
    cmeq v16.16b, v16.16b, v0.16b         // a hit is -1
    cmeq v17.16b, v17.16b, v0.16b
    cmeq v18.16b, v18.16b, v0.16b
    cmeq v19.16b, v19.16b, v0.16b
    sub v2.16b, v2.16b, v16.16b
    sub v3.16b, v3.16b, v17.16b
    sub v4.16b, v4.16b, v18.16b
    sub v5.16b, v5.16b, v19.16b
    add x1, x1, #64
    subs x3, x3, #1
    b.ne count_step
    uaddlp v2.8h, v2.16b                  // sums of two sums each
    uaddlp v3.8h, v3.16b
    uaddlp v4.8h, v4.16b
    uaddlp v5.8h, v5.16b
    add v2.8h, v2.8h, v3.8h
    add v4.8h, v4.8h, v5.8h
    add v2.8h, v2.8h, v4.8h
    uaddlp v2.4s, v2.8h
    uadalp v1.2d, v2.4s
    b count_block
count_rest:                               // fewer than 64 bytes
    addp d1, v1.2d
    fmov x4, d1
    ldrb w5, [x0, #NEEDLE]
    add x2, x2, x1                        // the text's end
1:  cmp x1, x2
    b.eq 2f
    ldrb w6, [x1], #1
    cmp w6, w5
    cinc x4, x4, eq
    b 1b
2:  str x4, [x0, #HITS]
    mov w0, #0
    ret

// Where 64 needles may begin at x5: x9 is not 0 where both bytes stand as they should at one of these
// places; v16 to v19 say at which. Clobbers x16, x17 and v20 to v23.
    .macro pairs
    add x16, x5, x7
    add x17, x5, x8
    ldp q16, q17, [x16]
    ldp q18, q19, [x16, #32]
    ldp q20, q21, [x17]
    ldp q22, q23, [x17, #32]
    cmeq v16.16b, v16.16b, v0.16b
    cmeq v17.16b, v17.16b, v0.16b
    cmeq v18.16b, v18.16b, v0.16b
    cmeq v19.16b, v19.16b, v0.16b
    cmeq v20.16b, v20.16b, v1.16b
    cmeq v21.16b, v21.16b, v1.16b
    cmeq v22.16b, v22.16b, v1.16b
    cmeq v23.16b, v23.16b, v1.16b
    and v16.16b, v16.16b, v20.16b
    and v17.16b, v17.16b, v21.16b
    and v18.16b, v18.16b, v22.16b
    and v19.16b, v19.16b, v23.16b
    orr v20.16b, v16.16b, v17.16b
    orr v21.16b, v18.16b, v19.16b
    orr v20.16b, v20.16b, v21.16b
    umaxp v20.4s, v20.4s, v20.4s
    fmov x9, d20
    .endm

// Compares all of the needle with what stands at x10: goes to one of two labels, or on behind it if the
// needle isn't there. Clobbers x13 and x15 to x17.
    .macro compare yes, no
    add x16, x10, x4                      // where the candidate and the needle end
    add x17, x14, x4
    cmp x4, #8
    b.hs .Llong\@
    cmp x4, #4
    b.hs .Lfour\@
    cmp x4, #2
    b.hs .Ltwo\@
    ldrb w13, [x10]
    ldrb w15, [x14]
    cmp w13, w15
    b.eq \yes
    b \no
.Ltwo\@:
    ldrh w13, [x10]
    ldrh w15, [x14]
    cmp w13, w15
    b.ne \no
    ldurh w13, [x16, #-2]
    ldurh w15, [x17, #-2]
    cmp w13, w15
    b.eq \yes
    b \no
.Lfour\@:
    ldr w13, [x10]
    ldr w15, [x14]
    cmp w13, w15
    b.ne \no
    ldur w13, [x16, #-4]
    ldur w15, [x17, #-4]
    cmp w13, w15
    b.eq \yes
    b \no
.Llong\@:
    ldr x13, [x10]
    ldr x15, [x14]
    cmp x13, x15
    b.ne \no
    ldur x13, [x16, #-8]
    ldur x15, [x17, #-8]
    cmp x13, x15
    b.ne \no
    mov x13, #8
.Lword\@:
    add x15, x13, #8
    cmp x15, x4
    b.hs \yes
    ldr x15, [x10, x13]
    ldr x16, [x14, x13]
    add x13, x13, #8
    cmp x15, x16
    b.eq .Lword\@
    add x11, x11, x13
    .endm

// ---- Where the needle stands in the text, less where it overlaps with the hit before: OFFSETS,
// ---- HITS and NEXT.
// ----     x1 = text   x5 = where 64 needles may begin   x6 = behind the last place for one
// ----     x7, x8 = FIRST, SECOND      x4 = NEEDLE_LENGTH, x14 = NEEDLE   x2 = behind the last hit
// ----     x3 = where the next offset goes   x12 = behind the last one   x11 = work for nothing
// ----     x9 = candidates, a bit for each   x10 = one of them
    .globl search
    .balign 64
search:
    hint #34
    add x14, x0, #COPY                    // the text is in the task if it is nowhere else
    cmp x1, #0
    csel x1, x14, x1, eq
    ldr x4, [x0, #NEEDLE_LENGTH]
    ldr x7, [x0, #FIRST]
    ldr x8, [x0, #SECOND]
    add x3, x0, #OFFSETS
    ldr x12, [x0, #LIMIT]
    add x12, x3, x12, lsl #2
    add x14, x0, #NEEDLE
    mov x2, x1
    mov x5, x1
    mov x11, #0
    str xzr, [x0, #BESIDES]
    ldr x6, [x0, #TEXT_LENGTH]
    subs x6, x6, x4
    b.lo search_done                      // the text is shorter than the needle
    add x6, x6, x1
    add x6, x6, #1
    add x13, x14, x7
    ld1r {v0.16b}, [x13]
    add x13, x14, x8
    ld1r {v1.16b}, [x13]
    load_weights
    b search_step
search_next:
    add x5, x5, #64
search_step:
    sub x9, x6, x5
    cmp x9, #64
    b.lt search_rest
    prfm pldl1keep, [x5, #AHEAD]
    pairs
    cbz x9, search_next
    bits 16, 17, 18, 19
search_candidate:
    rbit x10, x9
    clz x10, x10
    add x10, x10, x5
    sub x13, x9, #1                       // the next time without this one
    and x9, x9, x13
    cmp x10, x2
    b.lo search_other                     // it overlaps with the last hit
    compare search_hit, search_not
search_not:
    add x11, x11, #CANDIDATE
    ldr x13, [x0, #PATIENCE]
    add x13, x13, x10
    sub x13, x13, x1
    cmp x11, x13
    b.ls search_other
    mov x13, #1
    str x13, [x0, #BESIDES]
    add x2, x10, #1
    b search_done
search_hit:
    sub x13, x10, x1
    str w13, [x3], #4
    add x2, x10, x4
    cmp x3, x12
    b.eq search_done
search_other:
    cbnz x9, search_candidate
    b search_next
search_rest:                              // x9 = places that are left, or less than 0: all are candidates
    cmp x9, #0
    b.le search_done
    mov x13, #1
    lsl x13, x13, x9
    sub x9, x13, #1
    b search_candidate
search_done:
    sub x2, x2, x1
    str x2, [x0, #NEXT]
    add x13, x0, #OFFSETS
    sub x3, x3, x13
    lsr x3, x3, #2
    str x3, [x0, #HITS]
    mov w0, #0
    ret

// Stores where the first of the hits in x9 is, if there is one, and takes it out of them.
    .macro lines_hit
    rbit x13, x9
    clz x13, x13
    add w13, w13, w4
    str w13, [x3]
    cmp x9, #0
    cset x13, ne
    add x3, x3, x13, lsl #2
    sub x13, x9, #1
    and x9, x9, x13
    .endm

// ---- Where NEEDLE's first byte stands in the text: OFFSETS and HITS. Whether any byte is not
// ---- ASCII: NEXT. Whether NEEDLE's second byte is among them: BESIDES. If COPIES is not 0, the
// ---- text is copied on the way: COPY.
// ----     x1 = text   x4 = offset in it   x2 = bytes left   x3 = where the next offset goes
// ----     x9 = hits, a bit for each      v2 = all bits that are set in any byte
// ----     x7 = how far the copy is from the text; 0 if none is made
    .globl lines
    .balign 64
lines:
    hint #34
    ldr x2, [x0, #TEXT_LENGTH]
    add x3, x0, #OFFSETS
    mov x4, #0
    add x9, x0, #NEEDLE
    ld1r {v0.16b}, [x9], #1
    ld1r {v1.16b}, [x9]
    load_weights
    movi v2.2d, #0
    movi v3.2d, #0
    ldr x9, [x0, #COPIES]
    add x7, x0, #COPY
    sub x7, x7, x1
    cmp x9, #0
    csel x7, x7, xzr, ne
    b 3f
1:  prfm pldl1keep, [x1, #AHEAD]
    ldp q4, q5, [x1]
    ldp q6, q7, [x1, #32]
    cbz x7, 2f
    add x9, x1, x7
    stp q4, q5, [x9]
    stp q6, q7, [x9, #32]
2:  orr v2.16b, v2.16b, v4.16b
    orr v2.16b, v2.16b, v5.16b
    orr v2.16b, v2.16b, v6.16b
    orr v2.16b, v2.16b, v7.16b
    cmeq v16.16b, v4.16b, v1.16b
    cmeq v17.16b, v5.16b, v1.16b
    cmeq v18.16b, v6.16b, v1.16b
    cmeq v19.16b, v7.16b, v1.16b
    orr v3.16b, v3.16b, v16.16b
    orr v3.16b, v3.16b, v17.16b
    orr v3.16b, v3.16b, v18.16b
    orr v3.16b, v3.16b, v19.16b
    cmeq v4.16b, v4.16b, v0.16b
    cmeq v5.16b, v5.16b, v0.16b
    cmeq v6.16b, v6.16b, v0.16b
    cmeq v7.16b, v7.16b, v0.16b
    bits 4, 5, 6, 7
    lines_hit
    lines_hit
    cbz x9, lines_next
lines_more:
    rbit x13, x9
    clz x13, x13
    add w13, w13, w4
    str w13, [x3], #4
    sub x13, x9, #1
    and x9, x9, x13
    cbnz x9, lines_more
lines_next:
    add x1, x1, #64
    add x4, x4, #64
3:  subs x2, x2, #64
    b.hs 1b
    adds x2, x2, #64                      // fewer than 64 bytes
    umaxv b2, v2.16b
    umov w10, v2.b[0]
    and w10, w10, #0x80
    umaxv b3, v3.16b
    umov w11, v3.b[0]
    ldrb w5, [x0, #NEEDLE]
    ldrb w6, [x0, #NEEDLE + 1]
lines_rest:
    cbz x2, lines_done
    ldrb w12, [x1]
    cbz x7, 4f
    strb w12, [x1, x7]
4:  and w13, w12, #0x80
    orr w10, w10, w13
    cmp w12, w6
    cset w13, eq
    orr w11, w11, w13
    str w4, [x3]
    cmp w12, w5
    cset x13, eq
    add x3, x3, x13, lsl #2
    add x1, x1, #1
    add x4, x4, #1
    sub x2, x2, #1
    b lines_rest
lines_done:
    str x10, [x0, #NEXT]
    str x11, [x0, #BESIDES]
    add x13, x0, #OFFSETS
    sub x3, x3, x13
    lsr x3, x3, #2
    str x3, [x0, #HITS]
    mov w0, #0
    ret

// Writes down a line: from x13 to x10, with x15 newlines before it.
    .macro containing_store
    sub x16, x13, x1
    str w16, [x3], #4
    sub x16, x10, x1
    str w16, [x3], #4
    str w15, [x3], #4
    .endm

// ---- Which lines of the text contain the needle, which has no newline in it: OFFSETS and HITS.
// ---- The text begins where a line does. NEXT, NEWLINES and BESIDES.
// ----     x2 = where a line begins, behind the last one that was found; NEWLINES of it
// ----     v24 = newlines from x2 to x5, four sums   v25 = of the 64 bytes at x5, eight
// ----     v26 = sixteen newlines        the rest as in `search`
    .globl containing
    .balign 64
containing:
    hint #34
    stp x29, x30, [sp, #-16]!
    ldr x4, [x0, #NEEDLE_LENGTH]
    ldr x7, [x0, #FIRST]
    ldr x8, [x0, #SECOND]
    add x3, x0, #OFFSETS
    ldr x12, [x0, #LIMIT]
    add x12, x12, x12, lsl #1
    add x12, x3, x12, lsl #2
    add x14, x0, #NEEDLE
    mov x2, x1
    mov x5, x1
    mov x11, #0
    str xzr, [x0, #BESIDES]
    str xzr, [x0, #NEWLINES]
    movi v26.16b, #10
    movi v24.2d, #0
    ldr x6, [x0, #TEXT_LENGTH]
    subs x6, x6, x4
    add x6, x6, x1
    add x6, x6, #1
    b.lo containing_end                   // the text is shorter than the needle
    add x13, x14, x7
    ld1r {v0.16b}, [x13]
    add x13, x14, x8
    ld1r {v1.16b}, [x13]
    load_weights
    b containing_step
containing_next:
    uadalp v24.4s, v25.8h
    add x5, x5, #64
containing_step:
    sub x9, x6, x5
    cmp x9, #64
    b.lt containing_rest
    prfm pldl1keep, [x5, #AHEAD]
    ldp q16, q17, [x5]
    ldp q18, q19, [x5, #32]
    cmeq v16.16b, v16.16b, v26.16b        // a newline is -1
    cmeq v17.16b, v17.16b, v26.16b
    cmeq v18.16b, v18.16b, v26.16b
    cmeq v19.16b, v19.16b, v26.16b
    add v16.16b, v16.16b, v17.16b
    add v18.16b, v18.16b, v19.16b
    add v16.16b, v16.16b, v18.16b
    neg v16.16b, v16.16b                  // sixteen sums, of up to 4
    uaddlp v25.8h, v16.16b
    pairs
    cbz x9, containing_next
    bits 16, 17, 18, 19
containing_candidate:
    rbit x10, x9
    clz x10, x10
    add x10, x10, x5
    sub x13, x9, #1                       // the next time without this one
    and x9, x9, x13
    compare containing_hit, containing_not
containing_not:
    add x11, x11, #CANDIDATE
    ldr x13, [x0, #PATIENCE]
    add x13, x13, x10
    sub x13, x13, x1
    cmp x11, x13
    b.hi containing_given_up
    cbnz x9, containing_candidate
    b containing_next
containing_hit:
    bl locate
    ldr x9, [x0, #TEXT_LENGTH]
    add x9, x9, x1                        // x9 = the text's end
    add x10, x10, x4                      // x10 = behind the needle: where does the line end?
1:  add x16, x10, #16
    cmp x16, x9
    b.hi 2f
    ldr q2, [x10]
    cmeq v2.16b, v2.16b, v26.16b
    shrn v2.8b, v2.8h, #4                 // four bits for each byte
    fmov x17, d2
    cbnz x17, 3f
    mov x10, x16
    b 1b
2:  cmp x10, x9
    b.eq containing_unended
    ldrb w17, [x10]
    cmp w17, #10
    b.eq 4f
    add x10, x10, #1
    b 2b
3:  rbit x17, x17
    clz x17, x17
    add x10, x10, x17, lsr #2
4:  add x2, x10, #1                       // where the next line begins
    add x16, x15, #1
    str x16, [x0, #NEWLINES]
    cmp x10, x13
    b.eq 5f
    ldurb w17, [x10, #-1]
    cmp w17, #13
    b.ne 5f
    sub x10, x10, #1                      // its end is \r\n
5:  containing_store
    sub x6, x9, x4
    add x6, x6, #1
    mov x5, x2
    movi v24.2d, #0
    cmp x3, x12
    b.ne containing_step
    mov x13, x2                           // enough of them
    ldr x15, [x0, #NEWLINES]
    b containing_done
containing_unended:
    containing_store
    mov x16, #2
    str x16, [x0, #BESIDES]
    b containing_done
containing_rest:                          // x9 = places that are left, or less than 0: all are candidates
    cmp x9, #0
    b.le containing_end
    movi v25.2d, #0
    mov x13, #1
    lsl x13, x13, x9
    sub x9, x13, #1
    b containing_candidate
containing_given_up:
    mov x13, #1
    str x13, [x0, #BESIDES]
    bl locate
    b containing_done
containing_end:                           // no line more: where does the last one begin?
    ldr x10, [x0, #TEXT_LENGTH]
    add x10, x10, x1
    cmp x5, x6
    b.ls 1f
    sub x5, x5, #64                       // less the step that was none, if there was one
    cmp x5, x2
    csel x5, x2, x5, lo
1:  bl locate
containing_done:
    sub x13, x13, x1
    str x13, [x0, #NEXT]
    str x15, [x0, #NEWLINES]
    add x16, x0, #OFFSETS
    sub x3, x3, x16
    mov x16, #12
    udiv x3, x3, x16
    str x3, [x0, #HITS]
    ldp x29, x30, [sp], #16
    mov w0, #0
    ret

// x13 = where the line begins in which x10 lies, x15 = newlines before that; clobbers x16, x17, v2.
locate:
    mov x13, x10
1:  sub x16, x13, #16
    cmp x16, x2
    b.lo 2f
    ldr q2, [x16]
    cmeq v2.16b, v2.16b, v26.16b
    shrn v2.8b, v2.8h, #4
    fmov x17, d2
    cbnz x17, 3f
    mov x13, x16
    b 1b
2:  cmp x13, x2
    b.eq 4f
    ldurb w17, [x13, #-1]
    cmp w17, #10
    b.eq 4f
    sub x13, x13, #1
    b 2b
3:  clz x17, x17
    add x13, x16, #16
    sub x13, x13, x17, lsr #2
4:  uaddlv d2, v24.4s
    fmov x15, d2
    ldr x16, [x0, #NEWLINES]
    add x15, x15, x16
    mov x16, x5
5:  cmp x16, x13                          // those of the 64 bytes at x5
    b.hs 6f
    ldrb w17, [x16], #1
    cmp w17, #10
    cinc x15, x15, eq
    b 5b
6:  ret
