;; looks: the numeric ABI: looks at what can change between calls without memory and globals. WASI. It looked before, when it
;; was initialised.
;;   wall monotonic  the clocks, in nanoseconds
;;   since           nanoseconds of the monotonic clock since it was initialised
;;   random          a random number
;;   repeats         1 if a random number is the same as when it was initialised
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; 0: what it saw last; 8, 16: the monotonic clock and the random number when it was initialised

  (func $clock (param $id i32) (result i64)
    (drop (call $clock_time_get (local.get $id) (i64.const 0) (i32.const 0)))
    (i64.load (i32.const 0)))
  (func $number (result i64)
    (drop (call $random_get (i32.const 0) (i32.const 8)))
    (i64.load (i32.const 0)))

  (func (export "_initialize")
    (drop (call $clock (i32.const 1)))
    (drop (call $clock (i32.const 1)))
    (i64.store (i32.const 8) (call $clock (i32.const 1)))
    (i64.store (i32.const 16) (call $number)))

  (func (export "wall") (result i64) (call $clock (i32.const 0)))
  (func (export "monotonic") (result i64) (call $clock (i32.const 1)))
  (func (export "since") (result i64) (i64.sub (call $clock (i32.const 1)) (i64.load (i32.const 8))))
  (func (export "random") (result i64) (call $number))
  (func (export "repeats") (result i32) (i64.eq (call $number) (i64.load (i32.const 16)))))
