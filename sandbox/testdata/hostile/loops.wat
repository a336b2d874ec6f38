;; Loops that never end. ABI: numeric.
;;
;; spin tries to keep a processor with the shortest loop there is; spin_calls
;; with calls of a function that does nothing, so small that its callers pay for
;; it; spin_host inside of a host function that costs more than it seems to;
;; spin_float and spin_exit with loops that have their only way out behind a
;; condition that never holds; nested with a loop in a loop whose inner one ends.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func $nothing)
  (func (export "spin")
    (loop $again (br $again)))
  (func (export "spin_calls")
    (loop $again (call $nothing) (br $again)))
  (func (export "spin_host")
    (loop $again
      (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 0)))
      (br $again)))
  (func (export "spin_float") (param $x f64) (result f64)
    (loop $again
      (local.set $x (f64.sqrt (f64.add (local.get $x) (f64.const 1))))
      (br_if $again (f64.lt (local.get $x) (f64.const 1e300))))
    (local.get $x))
  (func (export "spin_exit") (param $i i32)
    (block $out
      (loop $again
        (br_table $again $again $again (local.get $i)))))
  (func (export "nested") (local $i i32)
    (loop $outer
      (local.set $i (i32.const 1000))
      (loop $inner
        (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (br $outer))))
