;; badptr: results that lie about where they are. See badalloc for the input.
;;   outside        begins beyond memory
;;   outside_error  the same, as an error
;;   wrap           begins just under 4 GiB, and ptr+len overflows 32 bits
;;   toolong        len 0x7fffffff
;;   longer         begins in memory, ends one byte past it
;;   edge           the last four bytes of memory: this one is right
;;   zero           0: nothing, at address 0
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

  (func $memory_end (result i32)
    (i32.mul (memory.size) (i32.const 65536)))

  (func (export "outside") (param i32 i32) (result i64)
    (call $ok (i32.add (call $memory_end) (i32.const 16)) (i32.const 4)))

  (func (export "outside_error") (param i32 i32) (result i64)
    (call $err (i32.add (call $memory_end) (i32.const 16)) (i32.const 4)))

  (func (export "wrap") (param i32 i32) (result i64)
    (call $ok (i32.const 0xfffffff0) (i32.const 0x20)))

  (func (export "toolong") (param i32 i32) (result i64)
    (call $ok (i32.const 1024) (i32.const 0x7fffffff)))

  (func (export "longer") (param i32 i32) (result i64)
    (call $ok (i32.sub (call $memory_end) (i32.const 4)) (i32.const 5)))

  (func (export "edge") (param i32 i32) (result i64)
    (i32.store (i32.sub (call $memory_end) (i32.const 4)) (i32.const 0x65676465)) ;; "edge"
    (call $ok (i32.sub (call $memory_end) (i32.const 4)) (i32.const 4)))

  (func (export "zero") (param i32 i32) (result i64)
    (i64.const 0)))
