;; A guest whose initialisation recurses without end: no instance of it can be made.
;; ABI: numeric.
(module
  (start $start)
  (func $deep (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $start (drop (call $deep (i32.const 0))))
  (func (export "f") (result i32) (i32.const 0)))
