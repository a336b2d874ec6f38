;; As early.wat, for the wapc ABI.
(module
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (memory (export "memory") 1)
  (start $start)
  (func $start
    (call $log (i32.const 0) (i32.const 10))
    (call $request (i32.const 0) (i32.const 0)))
  (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))
