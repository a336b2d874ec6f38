;; wapc: the waPC ABI: the host calls __guest_call(operation's length, payload's length), the guest asks
;; for both, and answers 1 for success, 0 for an error it has told with __guest_error.
;; The operation "fail" gives the payload back as an error, any other gives it back as the answer.
(module
  (import "wapc" "__guest_request" (func $guest_request (param $operation i32) (param $payload i32)))
  (import "wapc" "__guest_response" (func $guest_response (param $ptr i32) (param $len i32)))
  (import "wapc" "__guest_error" (func $guest_error (param $ptr i32) (param $len i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "payload too large")

  ;; The operation (up to 64 bytes) at 64, the payload (up to 60 KiB) at 4096.
  (func (export "__guest_call") (param $operation_len i32) (param $payload_len i32) (result i32)
    (if (i32.or
          (i32.gt_u (local.get $operation_len) (i32.const 64))
          (i32.gt_u (local.get $payload_len) (i32.const 61440)))
      (then
        (call $guest_error (i32.const 16) (i32.const 17))
        (return (i32.const 0))))
    (call $guest_request (i32.const 64) (i32.const 4096))
    (if (i32.and
          (i32.eq (local.get $operation_len) (i32.const 4))
          (i32.eq (i32.load (i32.const 64)) (i32.const 0x6c696166))) ;; "fail"
      (then
        (call $guest_error (i32.const 4096) (local.get $payload_len))
        (return (i32.const 0))))
    (call $guest_response (i32.const 4096) (local.get $payload_len))
    (i32.const 1)))
