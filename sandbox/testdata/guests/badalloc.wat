;; badalloc: alloc gives a pointer outside of memory, so no input can be written.
;;   echo  the input back, were it ever called
(module
  (memory (export "memory") 1)

  (func (export "alloc") (param $size i32) (result i32)
    (i32.add (i32.mul (memory.size) (i32.const 65536)) (i32.const 16)))

  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len)))))
