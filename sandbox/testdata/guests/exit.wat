;; exit: a guest that leaves in the midst of a call. WASI.
;;   exit   proc_exit(3)
;;   exit0  proc_exit(0)
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
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

  (func (export "exit") (param i32 i32) (result i64)
    (call $proc_exit (i32.const 3))
    unreachable)

  (func (export "exit0") (param i32 i32) (result i64)
    (call $proc_exit (i32.const 0))
    unreachable))
