;; invalid: a good header, and a function body that does not validate: an i64 where an i32 is promised.
;; Built with --no-check.
(module
  (memory (export "memory") 1)

  (func (export "alloc") (param $size i32) (result i32)
    (i64.const 1024))

  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (i64.const 0)))
