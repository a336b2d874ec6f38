;; stderr: a guest that writes to its log. WASI.
;;   shout  writes the input to fd 2, then traps
;;   print  writes the input to fd 1, and returns nothing
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $iovs i32) (param $iovs_len i32) (param $nwritten i32) (result i32)))
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

  ;; write puts one iovec at 16 and the count written at 24.
  (func $write (param $fd i32) (param $ptr i32) (param $len i32)
    (i32.store (i32.const 16) (local.get $ptr))
    (i32.store (i32.const 20) (local.get $len))
    (drop (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))

  (func (export "shout") (param $ptr i32) (param $len i32) (result i64)
    (call $write (i32.const 2) (local.get $ptr) (local.get $len))
    unreachable)

  (func (export "print") (param $ptr i32) (param $len i32) (result i64)
    (call $write (i32.const 1) (local.get $ptr) (local.get $len))
    (i64.const 0)))
