;; cstrings: the numeric ABI with strings, as eKuiper's wasm plugins took them. malloc never frees, and answers by the size that
;; is asked for: 1001 gives 0, 1002 what lies outside of memory, 1003 what ends outside of it, 1004 traps, 1005 never returns.
;;   length     a text with a zero byte after it: its length, by looking for the zero
;;   bytes      pointer and length: the sum of the bytes
;;   pick       a text and i: its byte i
;;   mixed      i64, a text, f64: the sum of the numbers and of the text's length
;;   two        two texts: 1 if they are the same
;;   fit        pointer, length, a number: for a call of three numbers, or of a text and a number
;;   real       f64: not what a text can be
;;   called     how often malloc was called in this instance
;;   where      a text: its pointer
;;   touch      counts a number as malloc counts a text: how often it was called in this instance, and malloc
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $called (mut i32) (i32.const 0))

  (func (export "malloc") (param $size i32) (result i32)
    (local $ptr i32)
    (global.set $called (i32.add (global.get $called) (i32.const 1)))
    (if (i32.eq (local.get $size) (i32.const 1001)) (then (return (i32.const 0))))
    (if (i32.eq (local.get $size) (i32.const 1002)) (then (return (i32.const -16))))
    (if (i32.eq (local.get $size) (i32.const 1003)) (then (return (i32.const 64536)))) ;; 1000 bytes before the end
    (if (i32.eq (local.get $size) (i32.const 1004)) (then unreachable))
    (if (i32.eq (local.get $size) (i32.const 1005)) (then (loop $for_ever (br $for_ever))))
    (local.set $ptr (global.get $next))
    (global.set $next (i32.add (local.get $ptr) (local.get $size)))
    (local.get $ptr))

  (func $length (export "length") (param $ptr i32) (result i32)
    (local $n i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (i32.load8_u (i32.add (local.get $ptr) (local.get $n)))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $more)))
    (local.get $n))

  (func (export "bytes") (param $ptr i32) (param $len i32) (result i32)
    (local $sum i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $len)))
        (local.set $len (i32.sub (local.get $len) (i32.const 1)))
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.add (local.get $ptr) (local.get $len)))))
        (br $more)))
    (local.get $sum))

  (func (export "pick") (param $ptr i32) (param $i i32) (result i32)
    (i32.load8_u (i32.add (local.get $ptr) (local.get $i))))

  (func (export "mixed") (param $a i64) (param $ptr i32) (param $b f64) (result f64)
    (f64.add
      (f64.add (f64.convert_i64_s (local.get $a)) (f64.convert_i32_u (call $length (local.get $ptr))))
      (local.get $b)))

  (func (export "two") (param $a i32) (param $b i32) (result i32)
    (local $c i32)
    (loop $more
      (local.set $c (i32.load8_u (local.get $a)))
      (if (i32.ne (local.get $c) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (br_if $more (local.get $c)))
    (i32.const 1))

  (func (export "fit") (param $ptr i32) (param $len i32) (param $n i32) (result i32 i32)
    (local.get $len) (local.get $n))

  (func (export "real") (param $x f64) (result f64) (local.get $x))

  (func (export "called") (result i32) (global.get $called))

  (func (export "touch") (param $n i32) (result i32)
    (global.set $called (i32.add (global.get $called) (i32.const 1)))
    (global.get $called))

  (func (export "where") (param $ptr i32) (result i32) (local.get $ptr)))
