;; bigmem: wants 65536 pages (4 GiB) from the start, more than any limit: to be refused, not tried.
;;   echo  the input back, were it ever loaded
(module
  (memory (export "memory") 65536)

  (func (export "alloc") (param $size i32) (result i32)
    (i32.const 1024))

  ;; ok packs a result: ptr<<32 | len.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))

  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (local.get $len))))
