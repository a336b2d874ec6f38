;; A guest that calls Extism's host functions for ever. ABI: extism.
;;
;; blocks makes blocks of a byte until there is room for no more, and goes on
;; asking; churn makes and frees them; grow makes blocks of 1 MiB; vars gives new
;; variables values of 1 KiB, until that is denied; var gives one the value of all
;; others in turn; configs reads a configuration that is not there; logs writes
;; lines of 4 KiB; errors sets errors; resets forgets everything each time; loads
;; reads bytes; requests asks for hosts. error_big says no with a text of 8 MiB,
;; and error_wild with one that is not UTF-8. output answers with a block of 32 MiB.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "reset" (func $reset))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (global $n (mut i64) (i64.const 0))

  ;; name makes a block with a name of 8 bytes that was not there before.
  (func $name (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.const 8)))
    (global.set $n (i64.add (global.get $n) (i64.const 1)))
    (call $store_u64 (local.get $block) (global.get $n))
    (local.get $block))

  (func (export "blocks") (result i32)
    (loop $again (drop (call $alloc (i64.const 1))) (br $again)) (i32.const 0))
  (func (export "churn") (result i32)
    (loop $again (call $free (call $alloc (i64.const 1))) (br $again)) (i32.const 0))
  (func (export "grow") (result i32)
    (loop $again (drop (call $alloc (i64.const 0x100000))) (br $again)) (i32.const 0))
  (func (export "vars") (result i32)
    (loop $again
      (call $var_set (call $name) (call $alloc (i64.const 1024)))
      (br $again)) (i32.const 0))
  (func (export "var") (result i32) (local $key i64)
    (loop $again
      (call $reset)
      (local.set $key (call $alloc (i64.const 1)))
      (call $var_set (local.get $key) (call $alloc (i64.const 0x40000)))
      (drop (call $var_get (call $alloc (i64.const 1))))
      (br $again)) (i32.const 0))
  (func (export "configs") (result i32)
    (loop $again
      (call $reset)
      (drop (call $config_get (call $name)))
      (br $again)) (i32.const 0))
  (func (export "logs") (result i32)
    (loop $again
      (call $reset)
      (call $log_info (call $alloc (i64.const 4096)))
      (br $again)) (i32.const 0))
  (func (export "errors") (result i32)
    (loop $again
      (call $reset)
      (call $error_set (call $alloc (i64.const 0x10000)))
      (br $again)) (i32.const 0))
  (func (export "resets") (result i32)
    (loop $again
      (call $store_u8 (i64.add (call $alloc (i64.const 0x100000)) (i64.const 0xfffff)) (i32.const 1))
      (call $reset)
      (br $again)) (i32.const 0))
  (func (export "loads") (result i32)
    (loop $again (drop (call $load_u8 (i64.const 0x40000000))) (br $again)) (i32.const 0))
  (func (export "requests") (result i32)
    (loop $again (drop (call $http_request (call $name) (i64.const 0))) (br $again)) (i32.const 0))
  (func (export "error_big") (result i32)
    (call $error_set (call $alloc (i64.const 0x800000))) (i32.const 1))
  (func (export "error_wild") (result i32) (local $block i64)
    (local.set $block (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $block) (i64.const 0xfffe0a0dc3c30aff))
    (call $error_set (local.get $block)) (i32.const -1))
  (func (export "output") (result i32)
    (call $output_set (call $alloc (i64.const 0x2000000)) (i64.const 0x2000000)) (i32.const 0)))
