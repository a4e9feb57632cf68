;; What the kernels of machine code (ffi/kernels) do, for processes that have none: looking through memory 64 bytes at a
;; time, by four vectors. What is looked through is copied into the module's memory first, in chunks that a CPU's second
;; cache holds: that costs a fraction of what a call of libc for each hit does.
;;
;;   0x00000  the text, and at least 64 bytes behind it that may hold anything
;;   0x50000  the needle, and at least 8 bytes behind it
;;   0x50100  what `search` and `find` tell besides their result
;;   0x60000  offsets in the text that were found, 4 bytes each
(module
  (memory (export "memory") 22) ;; of 64 KiB each

  ;; How often `byte` stands in the first `length` bytes of the text. The bytes up to the next multiple of 64 must not be
  ;; `byte`.
  (func (export "count") (param $byte i32) (param $length i32) (result i32)
    (local $at i32)
    (local $block i32) ;; where the sums of this block of vectors must be taken
    (local $needle v128)
    (local $a v128) ;; sixteen sums of 8 bits each
    (local $b v128)
    (local $c v128)
    (local $d v128)
    (local $total v128) ;; four of 32 bits
    (local.set $needle (i8x16.splat (local.get $byte)))
    (block $done
      (loop $blocks
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        ;; A sum of 8 bits holds 255 hits: 255 steps.
        (local.set $block (i32.add (local.get $at) (i32.const 16320)))
        (if (i32.gt_u (local.get $block) (local.get $length))
          (then (local.set $block (local.get $length))))
        (local.set $a (v128.const i64x2 0 0))
        (local.set $b (v128.const i64x2 0 0))
        (local.set $c (v128.const i64x2 0 0))
        (local.set $d (v128.const i64x2 0 0))
        (loop $steps
          ;; A hit is -1.
          (local.set $a
            (i8x16.sub (local.get $a) (i8x16.eq (v128.load (local.get $at)) (local.get $needle))))
          (local.set $b
            (i8x16.sub (local.get $b) (i8x16.eq (v128.load offset=16 (local.get $at)) (local.get $needle))))
          (local.set $c
            (i8x16.sub (local.get $c) (i8x16.eq (v128.load offset=32 (local.get $at)) (local.get $needle))))
          (local.set $d
            (i8x16.sub (local.get $d) (i8x16.eq (v128.load offset=48 (local.get $at)) (local.get $needle))))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br_if $steps (i32.lt_u (local.get $at) (local.get $block))))
        (local.set $total
          (i32x4.add
            (i32x4.add
              (local.get $total)
              (i32x4.add
                (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $a)))
                (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $b)))))
            (i32x4.add
              (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $c)))
              (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $d))))))
        (br $blocks)))
    (i32.add
      (i32.add
        (i32x4.extract_lane 0 (local.get $total))
        (i32x4.extract_lane 1 (local.get $total)))
      (i32.add
        (i32x4.extract_lane 2 (local.get $total))
        (i32x4.extract_lane 3 (local.get $total)))))

  ;; The four vectors' bits in one number: the first byte's is the lowest.
  (func $bits (param $a v128) (param $b v128) (param $c v128) (param $d v128) (result i64)
    (i64.or
      (i64.or
        (i64.extend_i32_u (i8x16.bitmask (local.get $a)))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $b))) (i64.const 16)))
      (i64.or
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $c))) (i64.const 32))
        (i64.shl (i64.extend_i32_u (i8x16.bitmask (local.get $d))) (i64.const 48)))))

  ;; Writes down where `byte` stands in the first `length` bytes of the text; returns how often. The bytes up to the next
  ;; multiple of 64 must be zeros, and `byte` must not. Tells besides whether all of the text is ASCII: 0 if it is; and
  ;; behind that whether `other` stands in it: 0 if it doesn't.
  (func (export "find") (param $byte i32) (param $other i32) (param $length i32) (result i32)
    (local $at i32)
    (local $out i32)
    (local $hits i64) ;; a bit for each
    (local $needle v128)
    (local $second v128)
    (local $a v128)
    (local $b v128)
    (local $c v128)
    (local $d v128)
    (local $all v128) ;; the bits that are set in any byte
    (local $others v128)
    (local.set $needle (i8x16.splat (local.get $byte)))
    (local.set $second (i8x16.splat (local.get $other)))
    (local.set $out (i32.const 0x60000))
    (block $done
      (loop $steps
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        (local.set $a (v128.load (local.get $at)))
        (local.set $b (v128.load offset=16 (local.get $at)))
        (local.set $c (v128.load offset=32 (local.get $at)))
        (local.set $d (v128.load offset=48 (local.get $at)))
        (local.set $all
          (v128.or
            (local.get $all)
            (v128.or
              (v128.or (local.get $a) (local.get $b))
              (v128.or (local.get $c) (local.get $d)))))
        (local.set $others
          (v128.or
            (local.get $others)
            (v128.or
              (v128.or
                (i8x16.eq (local.get $a) (local.get $second))
                (i8x16.eq (local.get $b) (local.get $second)))
              (v128.or
                (i8x16.eq (local.get $c) (local.get $second))
                (i8x16.eq (local.get $d) (local.get $second))))))
        (local.set $hits
          (call $bits
            (i8x16.eq (local.get $a) (local.get $needle))
            (i8x16.eq (local.get $b) (local.get $needle))
            (i8x16.eq (local.get $c) (local.get $needle))
            (i8x16.eq (local.get $d) (local.get $needle))))
        (if (i64.ne (local.get $hits) (i64.const 0))
          (then
            (loop $each
              (i32.store
                (local.get $out)
                (i32.add (local.get $at) (i32.wrap_i64 (i64.ctz (local.get $hits)))))
              (local.set $out (i32.add (local.get $out) (i32.const 4)))
              (local.set $hits (i64.and (local.get $hits) (i64.sub (local.get $hits) (i64.const 1))))
              (br_if $each (i64.ne (local.get $hits) (i64.const 0))))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $steps)))
    (i32.store (i32.const 0x50100) (i8x16.bitmask (local.get $all)))
    (i32.store (i32.const 0x50104) (v128.any_true (local.get $others)))
    (i32.shr_u (i32.sub (local.get $out) (i32.const 0x60000)) (i32.const 2)))

  ;; Writes down where the needle of `size` bytes stands in the first `length` bytes of the text, less those that
  ;; overlap with the one before; returns how many. Tells besides where the last one ends.
  ;; A place is a candidate where two bytes of the needle, at `one` and `two` in it, stand as they should.
  (func (export "search")
    (param $length i32) (param $size i32) (param $one i32) (param $two i32) (result i32)
    (local $at i32)
    (local $out i32)
    (local $next i32) ;; behind the last one
    (local $hits i64) ;; candidates: a bit for each
    (local $hit i32)
    (local $byte i32) ;; of the needle
    (local $rest i32) ;; bytes of it to be compared
    (local $end i32) ;; the last offset at which there is room for it
    (local $x i32) ;; where its two bytes would have to stand
    (local $y i32)
    (local $first v128)
    (local $second v128)
    (local $a v128)
    (local $b v128)
    (local $c v128)
    (local $d v128)
    (local.set $out (i32.const 0x60000))
    (local.set $end (i32.sub (local.get $length) (local.get $size)))
    (local.set $first (v128.load8_splat (i32.add (i32.const 0x50000) (local.get $one))))
    (local.set $second (v128.load8_splat (i32.add (i32.const 0x50000) (local.get $two))))
    (block $done
      (loop $steps
        (br_if $done (i32.gt_s (local.get $at) (local.get $end)))
        (local.set $x (i32.add (local.get $at) (local.get $one)))
        (local.set $y (i32.add (local.get $at) (local.get $two)))
        (local.set $a
          (v128.and
            (i8x16.eq (v128.load (local.get $x)) (local.get $first))
            (i8x16.eq (v128.load (local.get $y)) (local.get $second))))
        (local.set $b
          (v128.and
            (i8x16.eq (v128.load offset=16 (local.get $x)) (local.get $first))
            (i8x16.eq (v128.load offset=16 (local.get $y)) (local.get $second))))
        (local.set $c
          (v128.and
            (i8x16.eq (v128.load offset=32 (local.get $x)) (local.get $first))
            (i8x16.eq (v128.load offset=32 (local.get $y)) (local.get $second))))
        (local.set $d
          (v128.and
            (i8x16.eq (v128.load offset=48 (local.get $x)) (local.get $first))
            (i8x16.eq (v128.load offset=48 (local.get $y)) (local.get $second))))
        (if
          (v128.any_true
            (v128.or
              (v128.or (local.get $a) (local.get $b))
              (v128.or (local.get $c) (local.get $d))))
          (then
            (local.set $hits
              (call $bits (local.get $a) (local.get $b) (local.get $c) (local.get $d)))
            (loop $each
              (block $different
                (local.set $hit (i32.add (local.get $at) (i32.wrap_i64 (i64.ctz (local.get $hits)))))
                (br_if $different (i32.lt_s (local.get $hit) (local.get $next)))
                (br_if $done (i32.gt_s (local.get $hit) (local.get $end)))
                ;; All of it, eight bytes at a time.
                (local.set $byte (i32.const 0))
                (block $same
                  (loop $words
                    (local.set $rest (i32.sub (local.get $size) (local.get $byte)))
                    (br_if $same (i32.le_s (local.get $rest) (i32.const 0)))
                    (br_if $different
                      (i64.ne
                        (i64.const 0)
                        (i64.shl ;; out go the bytes that are not to be compared
                          (i64.xor
                            (i64.load (i32.add (local.get $hit) (local.get $byte)))
                            (i64.load (i32.add (i32.const 0x50000) (local.get $byte))))
                          (i64.extend_i32_u
                            (select
                              (i32.const 0)
                              (i32.sub (i32.const 64) (i32.shl (local.get $rest) (i32.const 3)))
                              (i32.ge_s (local.get $rest) (i32.const 8)))))))
                    (local.set $byte (i32.add (local.get $byte) (i32.const 8)))
                    (br $words)))
                (i32.store (local.get $out) (local.get $hit))
                (local.set $out (i32.add (local.get $out) (i32.const 4)))
                (local.set $next (i32.add (local.get $hit) (local.get $size))))
              (local.set $hits (i64.and (local.get $hits) (i64.sub (local.get $hits) (i64.const 1))))
              (br_if $each (i64.ne (local.get $hits) (i64.const 0))))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (br $steps)))
    (i32.store (i32.const 0x50100) (local.get $next))
    (i32.shr_u (i32.sub (local.get $out) (i32.const 0x60000)) (i32.const 2))))
