;; add: the numeric ABI. Exports over i32, i64, f32 and f64 only, of no, one and
;; two results. Memory is exported, as compilers do, and not used.
(module
  (memory (export "memory") 1)

  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))

  (func (export "add64") (param i64 i64) (result i64)
    (i64.add (local.get 0) (local.get 1)))

  (func (export "mulf32") (param f32 f32) (result f32)
    (f32.mul (local.get 0) (local.get 1)))

  (func (export "divf64") (param f64 f64) (result f64)
    (f64.div (local.get 0) (local.get 1)))

  ;; two results, of two types, in the other order
  (func (export "swap") (param i32 i64) (result i64 i32)
    (local.get 1)
    (local.get 0))

  (func (export "nothing"))

  ;; a value that JSON cannot hold
  (func (export "const_nan") (result f64)
    (f64.const nan))

  (func (export "answer") (result i32)
    (i32.const 42)))
