;; recurse: time and stack spent in calls, with no loop anywhere.
;;   recurse  calls itself for ever (not a tail call): ends in stack overflow, or in the limit on fuel or time
;;   fib      input begins with a 4-byte little-endian n: the nth Fibonacci number the exponential way, 8 bytes little-endian
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "want a 4-byte n")

  ;; alloc marks the start of a call: the arena begins anew at 1024. Memory
  ;; grows to hold size bytes; the answer is 0 when it cannot.
  (func $alloc (export "alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.wrap_i64 (i64.shr_u
      (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 66559)) ;; 1024 + 65535, to round up
      (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (i32.const -1)
              (memory.grow (i32.sub (local.get $pages) (memory.size))))
          (then (return (i32.const 0))))))
    (i32.const 1024))

  ;; ok and err pack a result: ptr<<32 | len, with bit 31 of len set for an error.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))
  (func $err (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (i32.or (local.get $len) (i32.const 0x80000000))))

  (func $deeper (param $n i64) (result i64)
    (i64.add (i64.const 1) (call $deeper (i64.add (local.get $n) (i64.const 1)))))

  (func (export "recurse") (param i32 i32) (result i64)
    (call $deeper (i64.const 0)))

  (func $fib (param $n i32) (result i64)
    (if (i32.lt_u (local.get $n) (i32.const 2))
      (then (return (i64.extend_i32_u (local.get $n)))))
    (i64.add
      (call $fib (i32.sub (local.get $n) (i32.const 1)))
      (call $fib (i32.sub (local.get $n) (i32.const 2)))))

  (func (export "fib") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.lt_u (local.get $len) (i32.const 4))
      (then (return (call $err (i32.const 16) (i32.const 15)))))
    (i64.store (i32.const 64) (call $fib (i32.load (local.get $ptr))))
    (call $ok (i32.const 64) (i32.const 8))))
