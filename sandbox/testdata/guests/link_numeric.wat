;; link_numeric: the numeric ABI, with the guest counter as its library "counter": inited is how often that was initialised.
(module
  (import "counter" "inited" (func $inited (param i32 i32) (result i64)))
  (import "counter" "memory" (memory 1))

  (func (export "inited") (result i32)
    ;; counter answers with one decimal digit, as ptr << 32 | len
    (i32.sub
      (i32.load8_u (i32.wrap_i64 (i64.shr_u (call $inited (i32.const 0) (i32.const 0)) (i64.const 32))))
      (i32.const 48))))
