;; A guest that sends whatever request its input describes, and answers with the
;; body of the response. ABI: extism.
;;
;; Hosts give it addresses that it was not granted: of other hosts, of this
;; machine, and such that lead there by a redirect.
(module
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (func (export "get") (result i32) (local $body i64)
    (local.set $body (call $http_request (call $input_offset) (i64.const 0)))
    (call $output_set (local.get $body) (call $length (local.get $body)))
    (i32.const 0)))
