;; start_loop: the start section never returns.
;;   echo  the input back, were it ever reached
(module
  (memory (export "memory") 1)
  (func $start
    (loop $again (br $again)))
  (start $start)

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

  ;; ok packs a result: ptr<<32 | len.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))

  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (local.get $len))))
