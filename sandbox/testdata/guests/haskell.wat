;; haskell: the extism ABI as Haskell's PDK builds it: hs_init starts the runtime, after _initialize.
;; _initialize ends in a way that the configuration's "i" tells: "t" traps, "l" loops for ever.
;;   trace  answers with what ran in the instance so far: i for _initialize, h for hs_init(0, 0),
;;          H for hs_init with anything else
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (memory (export "memory") 1)
  (global $ran (mut i32) (i32.const 0)) ;; so many letters, at 0

  (func $note (param $letter i32)
    (i32.store8 (global.get $ran) (local.get $letter))
    (global.set $ran (i32.add (global.get $ran) (i32.const 1))))

  (func (export "_initialize") (local $key i64) (local $way i32)
    (call $note (i32.const 0x69)) ;; "i"
    (local.set $key (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $key) (i32.const 0x69))
    (local.set $way (call $load_u8 (call $config_get (local.get $key))))
    (if (i32.eq (local.get $way) (i32.const 0x74)) ;; "t"
      (then (unreachable)))
    (if (i32.eq (local.get $way) (i32.const 0x6c)) ;; "l"
      (then (loop $again (br $again)))))

  (func (export "hs_init") (param $argc i32) (param $argv i32)
    (call $note (select (i32.const 0x48) (i32.const 0x68) (i32.or (local.get $argc) (local.get $argv)))))

  (func (export "trace") (result i32) (local $block i64) (local $i i32)
    (local.set $block (call $alloc (i64.extend_i32_u (global.get $ran))))
    (loop $next
      (call $store_u8 (i64.add (local.get $block) (i64.extend_i32_u (local.get $i))) (i32.load8_u (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (global.get $ran))))
    (call $output_set (local.get $block) (i64.extend_i32_u (global.get $ran)))
    (i32.const 0)))
