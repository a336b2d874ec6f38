;; extism_program: the extism ABI as a program: _start, which runs the constructors itself.
;; By the input's first byte:
;;   c  answers how often the constructors ran, in one digit
;;   v  answers with the variable "v", then sets it to "v"
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (memory (export "memory") 1)
  (global $constructed (mut i32) (i32.const 0))

  (func $constructors (export "__wasm_call_ctors")
    (global.set $constructed (i32.add (global.get $constructed) (i32.const 1))))

  (func $letter (param $letter i32) (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $block) (local.get $letter))
    (local.get $block))

  (func (export "_start") (local $value i64)
    (call $constructors)
    (if (i32.eq (call $input_load_u8 (i64.const 0)) (i32.const 0x63)) ;; "c"
      (then
        (call $output_set (call $letter (i32.add (i32.const 0x30) (global.get $constructed))) (i64.const 1))
        (return)))
    (local.set $value (call $var_get (call $letter (i32.const 0x76))))
    (call $output_set (local.get $value) (call $length (local.get $value)))
    (call $var_set (call $letter (i32.const 0x76)) (call $letter (i32.const 0x76)))))
