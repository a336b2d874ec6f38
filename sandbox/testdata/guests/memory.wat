;; memory: a guest that wants all of it. Its alloc answers 0 when memory is at an end.
;;   eat     grows page by page until memory.grow says -1, then traps
;;   eat_ok  the same, then returns how many pages there are, 4 bytes little-endian
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

  ;; ok packs a result: ptr<<32 | len.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))

  (func $grow_all
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))

  (func (export "eat") (param i32 i32) (result i64)
    (call $grow_all)
    unreachable)

  (func (export "eat_ok") (param i32 i32) (result i64)
    (call $grow_all)
    (i32.store (i32.const 64) (memory.size))
    (call $ok (i32.const 64) (i32.const 4))))
