;; Asks for a function that the ABI does not have (yet).
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "stream_open" (func $stream_open (param i64) (result i64)))
  (func (export "run") (result i32) (i32.wrap_i64 (call $stream_open (call $alloc (i64.const 1)))))
)
