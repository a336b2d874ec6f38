;; descriptors: the numeric ABI: what a guest can do to its table of descriptors. WASI. Functions return the number of an error, 0 for none.
;;   renumber  opens the file "f" of the folder that it was granted first, and gives its descriptor the number n: both errors
;;   close     closes the descriptor n
(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "f")

  (func (export "renumber") (param $n i32) (result i32 i32)
    (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 8))
    (call $fd_renumber (i32.load (i32.const 8)) (local.get $n)))

  (func (export "close") (param $n i32) (result i32)
    (call $fd_close (local.get $n))))
