;; swap_wapc: the waPC ABI: any operation answers with the eight bytes that the last call in this instance had as its payload.
(module
  (import "wapc" "__guest_request" (func $guest_request (param $operation i32) (param $payload i32)))
  (import "wapc" "__guest_response" (func $guest_response (param $ptr i32) (param $len i32)))
  (memory (export "memory") 1)

  (func (export "__guest_call") (param $operation_len i32) (param $payload_len i32) (result i32)
    (if (i32.or (i32.gt_u (local.get $operation_len) (i32.const 64)) (i32.ne (local.get $payload_len) (i32.const 8)))
      (then unreachable))
    (i64.store (i32.const 16) (i64.load (i32.const 24)))
    (call $guest_request (i32.const 64) (i32.const 24))
    (call $guest_response (i32.const 16) (i32.const 8))
    (i32.const 1)))
