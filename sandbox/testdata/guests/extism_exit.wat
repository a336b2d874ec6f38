;; extism_exit: the extism ABI: leaves in the midst of a call. WASI.
;;   leave  proc_exit with the input's first byte as the code, after error_set("no sensor")
;;   quiet  proc_exit as leave, and says nothing
;;   work   calls a function of WASI, and answers with four bytes
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)

  (func (export "leave") (result i32) (local $block i64)
    (local.set $block (call $alloc (i64.const 9)))
    (call $store_u64 (local.get $block) (i64.const 0x6f736e6573206f6e)) ;; "no senso"
    (call $store_u8 (i64.add (local.get $block) (i64.const 8)) (i32.const 0x72))
    (call $error_set (local.get $block))
    (call $proc_exit (call $input_load_u8 (i64.const 0)))
    (i32.const 0))

  (func (export "quiet") (result i32)
    (call $proc_exit (call $input_load_u8 (i64.const 0)))
    (i32.const 0))

  (func (export "work") (result i32)
    (drop (call $random_get (i32.const 0) (i32.const 8)))
    (call $output_set (call $alloc (i64.const 4)) (i64.const 4))
    (i32.const 0)))
