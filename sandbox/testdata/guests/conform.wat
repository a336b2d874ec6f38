;; conform: the plugin of the suite that every engine runs (host/enginetest), built for the sandbox.
;;   echo   the input, in place
;;   fail   the input as the text of an error
;;   crash  unreachable
;;   spin   never returns
(module
  (memory (export "memory") 1)

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

  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (local.get $len)))

  (func (export "fail") (param $ptr i32) (param $len i32) (result i64)
    (call $err (local.get $ptr) (local.get $len)))

  (func (export "crash") (param i32 i32) (result i64)
    unreachable)

  (func (export "spin") (param i32 i32) (result i64)
    (loop $again (br $again))
    unreachable))
