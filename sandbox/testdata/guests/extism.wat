;; extism: the Extism ABI: offsets of the host's memory are i64, a function is ()->i32 and 0 is success.
;;   run   the input, copied byte by byte to a block of the host's, as output
;;   oops  the error "oops", return code 1
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (memory (export "memory") 1)

  (func (export "run") (result i32)
    (local $block i64) (local $len i64) (local $i i64)
    (local.set $len (call $input_length))
    (local.set $block (call $alloc (local.get $len)))
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $i) (local.get $len)))
        (call $store_u8
          (i64.add (local.get $block) (local.get $i))
          (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    ;; the block's length as the host knows it; an empty input may have no block
    (if (i64.ne (local.get $len) (i64.const 0))
      (then (local.set $len (call $length (local.get $block)))))
    (call $output_set (local.get $block) (local.get $len))
    (i32.const 0))

  (func (export "oops") (result i32)
    (local $block i64)
    (local.set $block (call $alloc (i64.const 4)))
    (call $store_u8 (local.get $block) (i32.const 111))
    (call $store_u8 (i64.add (local.get $block) (i64.const 1)) (i32.const 111))
    (call $store_u8 (i64.add (local.get $block) (i64.const 2)) (i32.const 112))
    (call $store_u8 (i64.add (local.get $block) (i64.const 3)) (i32.const 115))
    (call $error_set (local.get $block))
    (i32.const 1)))
