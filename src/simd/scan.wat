;; Looking through memory sixteen bytes at a time. What is looked through is copied into the module's memory first, in
;; chunks that a CPU's second cache holds: that costs a fraction of what a call of libc for each hit does.
;;
;;   0x00000  the text, and at least 16 bytes behind it that may hold anything
;;   0x20000  the needle, and at least 8 bytes behind it
;;   0x20100  what `search` and `find` tell besides their result
;;   0x30000  offsets in the text that were found, 4 bytes each
(module
  (memory (export "memory") 8) ;; of 64 KiB each

  ;; How often `byte` stands in the first `length` bytes of the text. The bytes up to the next multiple of 16 must not be
  ;; `byte`.
  (func (export "count") (param $byte i32) (param $length i32) (result i32)
    (local $at i32)
    (local $block i32) ;; where the sums of this block of vectors must be taken
    (local $needle v128)
    (local $sums v128) ;; sixteen of 8 bits
    (local $total v128) ;; four of 32 bits
    (local.set $needle (i8x16.splat (local.get $byte)))
    (block $done
      (loop $blocks
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        ;; A sum of 8 bits holds 255 hits: 255 vectors.
        (local.set $block (i32.add (local.get $at) (i32.const 4080)))
        (if (i32.gt_u (local.get $block) (local.get $length))
          (then (local.set $block (local.get $length))))
        (local.set $sums (v128.const i64x2 0 0))
        (loop $vectors
          ;; A hit is -1.
          (local.set $sums
            (i8x16.sub
              (local.get $sums)
              (i8x16.eq (v128.load (local.get $at)) (local.get $needle))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $vectors (i32.lt_u (local.get $at) (local.get $block))))
        (local.set $total
          (i32x4.add
            (local.get $total)
            (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (local.get $sums)))))
        (br $blocks)))
    (i32.add
      (i32.add
        (i32x4.extract_lane 0 (local.get $total))
        (i32x4.extract_lane 1 (local.get $total)))
      (i32.add
        (i32x4.extract_lane 2 (local.get $total))
        (i32x4.extract_lane 3 (local.get $total)))))

  ;; Writes down where `byte` stands in the first `length` bytes of the text; returns how often. The bytes up to the next
  ;; multiple of 16 must be zeros, and `byte` must not. Tells besides whether all of the text is ASCII: 0 if it is.
  (func (export "find") (param $byte i32) (param $length i32) (result i32)
    (local $at i32)
    (local $out i32)
    (local $hits i32) ;; a bit for each
    (local $needle v128)
    (local $text v128)
    (local $all v128) ;; the bits that are set in any byte
    (local.set $needle (i8x16.splat (local.get $byte)))
    (local.set $out (i32.const 0x30000))
    (block $done
      (loop $vectors
        (br_if $done (i32.ge_u (local.get $at) (local.get $length)))
        (local.set $text (v128.load (local.get $at)))
        (local.set $all (v128.or (local.get $all) (local.get $text)))
        (local.set $hits (i8x16.bitmask (i8x16.eq (local.get $text) (local.get $needle))))
        (if (local.get $hits)
          (then
            (loop $bits
              (i32.store (local.get $out) (i32.add (local.get $at) (i32.ctz (local.get $hits))))
              (local.set $out (i32.add (local.get $out) (i32.const 4)))
              (local.set $hits (i32.and (local.get $hits) (i32.sub (local.get $hits) (i32.const 1))))
              (br_if $bits (local.get $hits)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $vectors)))
    (i32.store (i32.const 0x20100) (i8x16.bitmask (local.get $all)))
    (i32.shr_u (i32.sub (local.get $out) (i32.const 0x30000)) (i32.const 2)))

  ;; Writes down where the needle of `size` bytes stands in the first `length` bytes of the text, from offset `next` on,
  ;; less those that overlap with the one before; returns how many. Tells besides where the last one ends, or `next`.
  (func (export "search") (param $length i32) (param $size i32) (param $next i32) (result i32)
    (local $at i32)
    (local $out i32)
    (local $hits i32) ;; where the needle's first and last byte stand as they should: a bit for each
    (local $hit i32)
    (local $byte i32) ;; of the needle
    (local $rest i32) ;; bytes of it to be compared
    (local $to_last i32)
    (local $end i32) ;; the last offset at which there is room for it
    (local $first v128)
    (local $last v128)
    (local.set $out (i32.const 0x30000))
    (local.set $to_last (i32.sub (local.get $size) (i32.const 1)))
    (local.set $end (i32.sub (local.get $length) (local.get $size)))
    (local.set $first (v128.load8_splat (i32.const 0x20000)))
    (local.set $last (v128.load8_splat (i32.add (i32.const 0x20000) (local.get $to_last))))
    (block $done
      (loop $vectors
        (br_if $done (i32.gt_s (local.get $at) (local.get $end)))
        (local.set $hits
          (i8x16.bitmask
            (v128.and
              (i8x16.eq (v128.load (local.get $at)) (local.get $first))
              (i8x16.eq
                (v128.load (i32.add (local.get $at) (local.get $to_last)))
                (local.get $last)))))
        (if (local.get $hits)
          (then
            (loop $bits
              (block $different
                (local.set $hit (i32.add (local.get $at) (i32.ctz (local.get $hits))))
                (br_if $different (i32.lt_s (local.get $hit) (local.get $next)))
                (br_if $done (i32.gt_s (local.get $hit) (local.get $end)))
                ;; What lies between the first and the last byte, eight at a time.
                (local.set $byte (i32.const 1))
                (block $same
                  (loop $words
                    (local.set $rest (i32.sub (local.get $to_last) (local.get $byte)))
                    (br_if $same (i32.le_s (local.get $rest) (i32.const 0)))
                    (br_if $different
                      (i64.ne
                        (i64.const 0)
                        (i64.shl ;; out go the bytes that are not to be compared
                          (i64.xor
                            (i64.load (i32.add (local.get $hit) (local.get $byte)))
                            (i64.load (i32.add (i32.const 0x20000) (local.get $byte))))
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
              (local.set $hits (i32.and (local.get $hits) (i32.sub (local.get $hits) (i32.const 1))))
              (br_if $bits (local.get $hits)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $vectors)))
    (i32.store (i32.const 0x20100) (local.get $next))
    (i32.shr_u (i32.sub (local.get $out) (i32.const 0x30000)) (i32.const 2))))
