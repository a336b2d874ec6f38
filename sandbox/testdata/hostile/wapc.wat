;; A guest that breaks the wapc ABI. ABI: wapc.
;;
;; The length of the request says how: 1, 2: it wants its request where it does
;; not fit, or nothing is; 3, 4: it answers with 4 GiB, and with bytes that lie
;; outside; 5: with all of its memory; 6: says no with 4 GiB; 7: calls the host with
;; names that lie outside; 8: with 4 GiB of names; 9: without end, with a name of all
;; its memory; 10: takes the host's answers where nothing is; 11: logs outside; 12:
;; logs all of its memory without end; 13: answers without end; 14: returns what is
;; neither yes nor no; 15: says no with all of its memory, which is not UTF-8.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (import "wapc" "__guest_error" (func $error (param i32 i32)))
  (import "wapc" "__host_call" (func $host (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 16)
  (func $names (param $ptr i32) (param $len i32)
    (drop (call $host (local.get $ptr) (local.get $len) (local.get $ptr) (local.get $len)
      (local.get $ptr) (local.get $len) (local.get $ptr) (local.get $len))))
  (func $case (param $case i32) (param $length i32) (result i32)
    (i32.eq (local.get $case) (local.get $length)))
  (func (export "__guest_call") (param $operation i32) (param $length i32) (result i32)
    (if (call $case (i32.const 1) (local.get $length)) (then (call $request (i32.const 0) (i32.const 0x100000))))
    (if (call $case (i32.const 2) (local.get $length)) (then (call $request (i32.const -1) (i32.const -1))))
    (if (call $case (i32.const 3) (local.get $length)) (then (call $response (i32.const 0) (i32.const -1))))
    (if (call $case (i32.const 4) (local.get $length)) (then (call $response (i32.const 0xfffff) (i32.const 2))))
    (if (call $case (i32.const 5) (local.get $length)) (then (call $response (i32.const 0) (i32.const 0x100000))))
    (if (call $case (i32.const 6) (local.get $length)) (then (call $error (i32.const 1) (i32.const -1))))
    (if (call $case (i32.const 7) (local.get $length)) (then (call $names (i32.const -8) (i32.const 16))))
    (if (call $case (i32.const 8) (local.get $length)) (then (call $names (i32.const 0) (i32.const -1))))
    (if (call $case (i32.const 9) (local.get $length))
      (then (loop $again (call $names (i32.const 0) (i32.const 0x100000)) (br $again))))
    (if (call $case (i32.const 10) (local.get $length))
      (then
        (call $names (i32.const 0) (i32.const 100))
        (call $host_error (i32.sub (i32.const 0x100000) (i32.const 4)))))
    (if (call $case (i32.const 11) (local.get $length)) (then (call $log (i32.const 0xfffff) (i32.const 2))))
    (if (call $case (i32.const 12) (local.get $length))
      (then (loop $again (call $log (i32.const 0) (i32.const 0x100000)) (br $again))))
    (if (call $case (i32.const 13) (local.get $length))
      (then (loop $again (call $response (i32.const 0) (i32.const 0x10000)) (br $again))))
    (if (call $case (i32.const 14) (local.get $length)) (then (return (i32.const 0xffff))))
    (if (call $case (i32.const 15) (local.get $length))
      (then
        (memory.fill (i32.const 0) (i32.const 255) (i32.const 0x100000))
        (call $error (i32.const 0) (i32.const 0x100000))
        (return (i32.const 0))))
    (i32.const 1)))
