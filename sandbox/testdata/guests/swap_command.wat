;; swap_command: the command ABI: answers with the eight bytes that the last run in this instance read, if there was one.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\08\00\00\00") ;; the vector of fd_write: 8 bytes at 16
  (data (i32.const 8) "\18\00\00\00\08\00\00\00") ;; that of fd_read: 8 bytes at 24

  (func (export "_start")
    (i64.store (i32.const 16) (i64.load (i32.const 24)))
    (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 32)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
