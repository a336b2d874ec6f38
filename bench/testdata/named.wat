;; An echo over the berth ABI whose function has a name of eight letters, so
;; that a benchmark can make plugins of it with names of their own by writing
;; over the name in the binary.
;;
;;   wat2wasm named.wat -o named.wasm
(module
  (memory (export "memory") 1)
  ;; The input lies at 1024; more than a page is not taken.
  (func (export "alloc") (param $size i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get $size) (i32.const 64512))))
  (func (export "f0000000") (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len)))))
