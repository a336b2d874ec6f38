;; leak: keeps what one caller gave it, for the next to ask for. A host that resets instances shows nothing.
;;   put       stores the input (up to 4096 bytes) at a fixed place, its length and first 8 bytes in globals;
;;             returns nothing
;;   get       what is stored in memory, nothing at first
;;   get_head  what is stored in the global: 8 bytes, zeros at first
(module
  (memory (export "memory") 1)
  (global $len (mut i32) (i32.const 0))
  (global $head (mut i64) (i64.const 0))
  (data (i32.const 16) "longer than 4096 bytes")

  ;; alloc marks the start of a call: the arena begins anew at 8192. Memory
  ;; grows to hold size bytes; the answer is 0 when it cannot.
  (func $alloc (export "alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.wrap_i64 (i64.shr_u
      (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 73727)) ;; 8192 + 65535, to round up
      (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (i32.const -1)
              (memory.grow (i32.sub (local.get $pages) (memory.size))))
          (then (return (i32.const 0))))))
    (i32.const 8192))

  ;; ok and err pack a result: ptr<<32 | len, with bit 31 of len set for an error.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))
  (func $err (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (i32.or (local.get $len) (i32.const 0x80000000))))

  ;; The store: 4096 bytes at 1024. The global's bytes go out by way of address 64.
  (func (export "put") (param $ptr i32) (param $n i32) (result i64)
    (if (i32.gt_u (local.get $n) (i32.const 4096))
      (then (return (call $err (i32.const 16) (i32.const 22)))))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 4096))
    (memory.copy (i32.const 1024) (local.get $ptr) (local.get $n))
    (global.set $len (local.get $n))
    (global.set $head (i64.load (i32.const 1024)))
    (i64.const 0))

  (func (export "get") (param i32 i32) (result i64)
    (call $ok (i32.const 1024) (global.get $len)))

  (func (export "get_head") (param i32 i32) (result i64)
    (i64.store (i32.const 64) (global.get $head))
    (call $ok (i32.const 64) (i32.const 8))))
