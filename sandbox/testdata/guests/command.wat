;; command: the command ABI: exports _start and memory, nothing else. WASI.
;; It copies stdin to stdout and returns; an error of either ends it with exit code 1.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)

  ;; An iovec at 16, the count at 24, the buffer of 4096 bytes at 1024.
  (func (export "_start")
    (local $have i32) (local $sent i32)
    (block $end
      (loop $more
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (i32.const 4096))
        (if (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24))
          (then (call $proc_exit (i32.const 1)) unreachable))
        (local.set $have (i32.load (i32.const 24)))
        (br_if $end (i32.eqz (local.get $have)))
        (local.set $sent (i32.const 0))
        (loop $write
          (i32.store (i32.const 16) (i32.add (i32.const 1024) (local.get $sent)))
          (i32.store (i32.const 20) (i32.sub (local.get $have) (local.get $sent)))
          (if (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))
            (then (call $proc_exit (i32.const 1)) unreachable))
          (local.set $sent (i32.add (local.get $sent) (i32.load (i32.const 24))))
          (br_if $write (i32.lt_u (local.get $sent) (local.get $have))))
        (br $more)))))
