;; echo: the plain good guest. Its arena lies after a static area and grows.
;;   echo   the input, in place
;;   upper  the input with a-z made A-Z, in place
;;   fail   the input as the text of an error
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "static area: a guest that writes here is broken")

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

  (func (export "upper") (param $ptr i32) (param $len i32) (result i64)
    (local $at i32) (local $end i32) (local $byte i32)
    (local.set $at (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26)) ;; 'a'..'z'
          (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $ok (local.get $ptr) (local.get $len)))

  (func (export "fail") (param $ptr i32) (param $len i32) (result i64)
    (call $err (local.get $ptr) (local.get $len))))
