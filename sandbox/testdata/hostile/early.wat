;; A guest that calls host functions from its start function, before the host has
;; attached anything to it. ABI: extism.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (start $start)
  (func $start (call $log_info (call $alloc (i64.const 10))))
  (func (export "f") (result i32) (i32.const 0)))
