;; A guest that passes Extism's host functions what is no block. ABI: extism.
;;
;; wild tries every function that takes a handle, an offset or a length with each
;; of a list of values that are none: 0, the ends of 31, 32, 63 and 64 bits, what
;; lies around the arena and around a block. None may trap, give bytes, or change
;; what is in the block; it returns 1 if one does. huge asks for blocks of 4 GiB
;; and more; freed uses a block after it was freed, and frees it twice; overlap
;; takes an output and an input that reach over several blocks; lie sets an output
;; of 4 GiB; whole sets one of all the arena, of which everything can be read, and
;; it must be the guest's own. null calls with handle 0 where text is expected, and
;; succeeds.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "length_unsafe" (func $length_unsafe (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "input_set" (func $input_set (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "error_get" (func $error_get (result i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (import "extism:host/env" "memory_bytes" (func $memory_bytes (result i64)))
  (memory 1)
  ;; 14 values that are no handles, whatever blocks there are
  (data (i32.const 0)
    "\00\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00"
    "\ff\ff\ff\3f\00\00\00\00" "\ff\ff\ff\7f\00\00\00\00"
    "\00\00\00\80\00\00\00\00" "\ff\ff\ff\ff\00\00\00\00"
    "\00\00\00\00\01\00\00\00" "\00\00\00\40\01\00\00\00"
    "\ff\ff\ff\ff\ff\ff\ff\7f" "\00\00\00\00\00\00\00\80"
    "\00\00\00\40\00\00\00\80" "\f8\ff\ff\ff\ff\ff\ff\ff"
    "\ff\ff\ff\ff\ff\ff\ff\ff" "\00\00\00\c0\ff\ff\ff\ff")

  (func $try (param $v i64) (param $block i64) (result i32)
    (call $free (local.get $v))
    (if (i64.ne (call $length (local.get $v)) (i64.const 0)) (then (return (i32.const 1))))
    (if (i64.ne (call $length_unsafe (local.get $v)) (i64.const 0)) (then (return (i32.const 1))))
    (if (call $load_u8 (local.get $v)) (then (return (i32.const 1))))
    (if (i64.ne (call $load_u64 (local.get $v)) (i64.const 0)) (then (return (i32.const 1))))
    (call $store_u8 (local.get $v) (i32.const 255))
    (call $store_u64 (local.get $v) (i64.const -1))
    (drop (call $input_load_u8 (local.get $v)))
    (drop (call $input_load_u64 (local.get $v)))
    (call $input_set (local.get $v) (local.get $v))
    (call $input_set (local.get $block) (local.get $v))
    (call $input_set (local.get $v) (i64.const 1))
    (call $output_set (local.get $v) (local.get $v))
    (call $output_set (local.get $v) (i64.const 1))
    (call $error_set (local.get $v))
    (if (i64.ne (call $error_get) (i64.const 0)) (then (return (i32.const 1))))
    (drop (call $config_get (local.get $v)))
    (drop (call $var_get (local.get $v)))
    (call $log_info (local.get $v))
    (i64.ne (call $load_u64 (local.get $block)) (i64.const 0x1122334455667788)))

  (func (export "wild") (result i32) (local $block i64) (local $at i32)
    (local.set $block (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $block) (i64.const 0x1122334455667788))
    (loop $again
      (if (call $try (i64.load (local.get $at)) (local.get $block)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $again (i32.lt_u (local.get $at) (i32.const 112))))
    (call $output_set (i64.const 0) (i64.const 0))
    (i32.const 0))
  (func (export "huge") (result i32)
    (i64.ne (i64.const 0)
      (i64.or (call $alloc (i64.const 0x100000000))
      (i64.or (call $alloc (i64.const 0xffffffff))
      (i64.or (call $alloc (i64.const 0x7fffffffffffffff))
      (i64.or (call $alloc (i64.const 0x8000000000000000))
      (i64.or (call $alloc (i64.const -8))
              (call $alloc (i64.const -1)))))))))
  (func (export "freed") (result i32) (local $block i64)
    (local.set $block (call $alloc (i64.const 64)))
    (call $free (local.get $block))
    (call $free (local.get $block))
    (call $log_info (local.get $block))
    (call $log_info (local.get $block))
    (drop (call $var_get (local.get $block)))
    (i64.ne (call $length (local.get $block)) (i64.const 0)))
  (func (export "overlap") (result i32) (local $a i64) (local $b i64)
    (local.set $a (call $alloc (i64.const 16)))
    (local.set $b (call $alloc (i64.const 16)))
    (call $store_u8 (local.get $a) (i32.const 97))
    (call $store_u8 (local.get $b) (i32.const 98))
    (call $input_set (local.get $a) (i64.sub (local.get $b) (local.get $a)))
    (call $output_set (local.get $a) (i64.add (i64.sub (local.get $b) (local.get $a)) (i64.const 16)))
    (call $free (local.get $a))
    (call $free (local.get $b))
    (i32.const 0))
  (func (export "lie") (result i32)
    (call $output_set (call $alloc (i64.const 16)) (i64.const 0xffffffff))
    (call $output_set (call $alloc (i64.const 16)) (i64.const -1))
    (i32.const 0))
  (func (export "whole") (result i32)
    (drop (call $alloc (i64.const 1000)))
    (call $output_set (i64.const 0x40000000) (call $memory_bytes))
    (i32.const 0))
  (func (export "null") (result i32)
    (call $log_info (i64.const 0))
    (drop (call $config_get (i64.const 0)))
    (drop (call $var_get (i64.const 0)))
    (call $var_set (i64.const 0) (i64.const 0))
    (call $error_set (i64.const 0))
    (i32.const 0)))
