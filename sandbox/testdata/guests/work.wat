;; work: the numeric ABI: makes the host work, for next to no fuel of its own. WASI.
;; A piece is 2 MiB of lines of one letter, at 1 MiB; a list of n pieces names that n times. "f" is a file of the folder that
;; the guest was granted first. Functions return how much the last host function moved, or minus its error.
;;   log     a write of n pieces to standard error
;;   write   a write of n pieces to f
;;   read    a read of n pieces of f, from its beginning
;;   pread   the same by fd_pread
;;   sync    n times a letter to f, which is to be on the disk before the next
;;   random  n times 2 MiB of random numbers
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 48)
  (data (i32.const 0) "f")
  (data (i32.const 16) "\00\00\00\00\01\00\00\00") ;; a list of one letter
  ;; 4: the descriptor of f, 8: what was moved, 1024: 1,000 pieces

  (func (export "_initialize") (local $i i32)
    (loop $next
      (i32.store offset=1024 (local.get $i) (i32.const 0x100000))
      (i32.store offset=1028 (local.get $i) (i32.const 0x200000))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 8000))))
    (i32.store (i32.const 0x100000) (i32.const 0x0a610a61))
    (local.set $i (i32.const 4))
    (loop $double
      (memory.copy (i32.add (i32.const 0x100000) (local.get $i)) (i32.const 0x100000) (local.get $i))
      (local.set $i (i32.shl (local.get $i) (i32.const 1)))
      (br_if $double (i32.lt_u (local.get $i) (i32.const 0x200000)))))

  (func $open (result i32)
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1) (i64.const 66) (i64.const 66) (i32.const 0) (i32.const 4)))
    (i32.load (i32.const 4)))

  (func $moved (param $errno i32) (result i32)
    (select (i32.load (i32.const 8)) (i32.sub (i32.const 0) (local.get $errno)) (i32.eqz (local.get $errno))))

  (func (export "log") (param $n i32) (result i32)
    (call $moved (call $fd_write (i32.const 2) (i32.const 1024) (local.get $n) (i32.const 8))))
  (func (export "write") (param $n i32) (result i32)
    (call $moved (call $fd_write (call $open) (i32.const 1024) (local.get $n) (i32.const 8))))
  (func (export "read") (param $n i32) (result i32)
    (call $moved (call $fd_read (call $open) (i32.const 1024) (local.get $n) (i32.const 8))))
  (func (export "pread") (param $n i32) (result i32)
    (call $moved (call $fd_pread (call $open) (i32.const 1024) (local.get $n) (i64.const 0) (i32.const 8))))

  (func (export "sync") (param $n i32) (result i32)
    (drop (call $open))
    (loop $next
      (drop (call $fd_write (i32.load (i32.const 4)) (i32.const 16) (i32.const 1) (i32.const 8)))
      (drop (call $fd_sync (i32.load (i32.const 4))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (i32.load (i32.const 8)))

  (func (export "random") (param $n i32) (result i32) (local $errno i32)
    (loop $next
      (local.set $errno (call $random_get (i32.const 0x100000) (i32.const 0x200000)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $next (local.get $n)))
    (i32.store (i32.const 8) (i32.const 0x200000))
    (call $moved (local.get $errno))))
