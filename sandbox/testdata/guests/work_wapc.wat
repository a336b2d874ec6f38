;; work_wapc: the waPC ABI: makes the host work, for next to no fuel of its own.
;; By the length of the operation's name:
;;   2  answers 200 times with 2 MiB, of which the last counts
;;   3  asks 200 times for the payload, up to 2 MiB, and answers with 16 bytes of it
;;   4  says that it failed, and not why
(module
  (import "wapc" "__guest_request" (func $guest_request (param $operation i32) (param $payload i32)))
  (import "wapc" "__guest_response" (func $guest_response (param $ptr i32) (param $len i32)))
  (import "wapc" "__guest_error" (func $guest_error (param $ptr i32) (param $len i32))) ;; never called
  (memory (export "memory") 48)

  (func (export "__guest_call") (param $operation_len i32) (param $payload_len i32) (result i32)
    (local $n i32)
    (if (i32.eq (local.get $operation_len) (i32.const 4)) (then (return (i32.const 0))))
    (loop $next
      (if (i32.eq (local.get $operation_len) (i32.const 2))
        (then (call $guest_response (i32.const 0x100000) (i32.const 0x200000)))
        (else (call $guest_request (i32.const 0) (i32.const 0x100000))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 200))))
    (if (i32.eq (local.get $operation_len) (i32.const 3))
      (then (call $guest_response (i32.const 0x100000) (i32.const 16))))
    (i32.const 1)))
