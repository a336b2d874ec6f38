;; A guest that opens what it was not given. ABI: berth; an error is the number of
;; WASI's, as a character from A (1) on.
;;
;; open answers with the beginning of the file that its input names, below the
;; first folder that it has; list with the names in it. link makes a symbolic link
;; in it named "way", to what its input says; rename moves "way" to there. create
;; makes a file. hoard opens the file until that fails, and answers with how often
;; it could, in four bytes. churn opens and closes it without end; flood lists the
;; folder without end.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 32)
  (data (i32.const 0) "way")
  ;; a list of one piece at 16: to 8192, 4096 bytes
  (data (i32.const 16) "\00\20\00\00\00\10\00\00")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func $answer (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))
  (func $fail (param $errno i32) (result i64)
    (i32.store8 (i32.const 64) (i32.add (local.get $errno) (i32.const 64)))
    (call $answer (i32.const 64) (i32.const 0x80000001)))
  (func $try (param $ptr i32) (param $len i32) (param $flags i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 1) (local.get $ptr) (local.get $len)
      (local.get $flags) (local.get $rights) (local.get $rights) (i32.const 0) (i32.const 32)))
  (func (export "open") (param $ptr i32) (param $len i32) (result i64) (local $errno i32)
    (if (local.tee $errno (call $try (local.get $ptr) (local.get $len) (i32.const 0) (i64.const 2)))
      (then (return (call $fail (local.get $errno)))))
    (local.set $errno (call $fd_read (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 40)))
    (drop (call $fd_close (i32.load (i32.const 32))))
    (if (local.get $errno) (then (return (call $fail (local.get $errno)))))
    (call $answer (i32.const 8192) (i32.load (i32.const 40))))
  (func (export "list") (param $ptr i32) (param $len i32) (result i64) (local $errno i32)
    (if (local.tee $errno (call $try (local.get $ptr) (local.get $len) (i32.const 2) (i64.const 0x4000)))
      (then (return (call $fail (local.get $errno)))))
    (local.set $errno (call $fd_readdir (i32.load (i32.const 32)) (i32.const 8192) (i32.const 4096) (i64.const 0) (i32.const 40)))
    (drop (call $fd_close (i32.load (i32.const 32))))
    (if (local.get $errno) (then (return (call $fail (local.get $errno)))))
    (call $answer (i32.const 8192) (i32.load (i32.const 40))))
  (func (export "create") (param $ptr i32) (param $len i32) (result i64) (local $errno i32)
    (if (local.tee $errno (call $try (local.get $ptr) (local.get $len) (i32.const 1) (i64.const 66)))
      (then (return (call $fail (local.get $errno)))))
    (drop (call $fd_close (i32.load (i32.const 32))))
    (call $answer (i32.const 0) (i32.const 0)))
  (func (export "link") (param $ptr i32) (param $len i32) (result i64) (local $errno i32)
    (if (local.tee $errno (call $path_symlink (local.get $ptr) (local.get $len) (i32.const 3) (i32.const 0) (i32.const 3)))
      (then (return (call $fail (local.get $errno)))))
    (call $answer (i32.const 0) (i32.const 3)))
  (func (export "rename") (param $ptr i32) (param $len i32) (result i64) (local $errno i32)
    (if (local.tee $errno (call $path_rename (i32.const 3) (i32.const 0) (i32.const 3) (i32.const 3) (local.get $ptr) (local.get $len)))
      (then (return (call $fail (local.get $errno)))))
    (call $answer (i32.const 0) (i32.const 3)))
  (func (export "hoard") (param $ptr i32) (param $len i32) (result i64) (local $n i32)
    (loop $again
      (if (i32.eqz (call $try (local.get $ptr) (local.get $len) (i32.const 0) (i64.const 2)))
        (then
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br $again))))
    (i32.store (i32.const 64) (local.get $n))
    (call $answer (i32.const 64) (i32.const 4)))
  (func (export "churn") (param $ptr i32) (param $len i32) (result i64)
    (loop $again
      (if (i32.eqz (call $try (local.get $ptr) (local.get $len) (i32.const 0) (i64.const 2)))
        (then (drop (call $fd_close (i32.load (i32.const 32))))))
      (br $again))
    (i64.const 0))
  (func (export "flood") (param $ptr i32) (param $len i32) (result i64)
    (drop (call $try (local.get $ptr) (local.get $len) (i32.const 2) (i64.const 0x4000)))
    (loop $again
      (drop (call $fd_readdir (i32.load (i32.const 32)) (i32.const 65536) (i32.const 0x1f0000) (i64.const 0) (i32.const 40)))
      (br $again))
    (i64.const 0)))
