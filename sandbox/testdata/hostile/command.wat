;; A program that misuses its standard streams. ABI: command.
;;
;; The first byte of its input says how: 'o' writes to standard output without
;; end, 'e' to standard error, 'l' lines of a byte to standard error, 'i' reads
;; standard input without end, 'x' exits with the code that the next four bytes
;; are, 's' spins, 'w' writes without ever giving more than an empty list, 'p'
;; echoes what it gets (and is good).
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  ;; lists of one piece: at 0 for reading 5 bytes to 64, at 8 for writing 64 KiB
  ;; from 65536, at 16 for writing a line of a byte, at 24 for the echo
  (data (i32.const 0) "\40\00\00\00\05\00\00\00" "\00\00\01\00\00\00\01\00" "\50\00\00\00\02\00\00\00" "\40\00\00\00\00\00\00\00")
  (data (i32.const 80) "x\0a")
  (func $is (param $c i32) (result i32) (i32.eq (i32.load8_u (i32.const 64)) (local.get $c)))
  (func (export "_start")
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))
    (memory.fill (i32.const 65536) (i32.const 121) (i32.const 65536))
    (if (call $is (i32.const 111)) (then ;; o
      (loop $again
        (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 32)))
        (br $again))))
    (if (call $is (i32.const 101)) (then ;; e
      (loop $again
        (drop (call $fd_write (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 32)))
        (br $again))))
    (if (call $is (i32.const 108)) (then ;; l
      (loop $again
        (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32)))
        (br $again))))
    (if (call $is (i32.const 105)) (then ;; i
      (loop $again
        (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 32)))
        (br $again))))
    (if (call $is (i32.const 120)) (then ;; x
      (call $proc_exit (i32.load (i32.const 65)))))
    (if (call $is (i32.const 115)) (then ;; s
      (loop $again (br $again))))
    (if (call $is (i32.const 119)) (then ;; w
      (loop $again
        (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 0) (i32.const 32)))
        (br $again))))
    (i32.store (i32.const 28) (i32.load (i32.const 32)))
    (drop (call $fd_write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 36)))))
