;; Tail calls without end: neither a loop nor a growing stack. ABI: numeric.
;;
;; ping and pong try to run for ever by calling each other; self by calling
;; itself; table through a table; swap with more arguments than fit registers,
;; in another order each time.
(module
  (type $t (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $table)
  (func $ping (export "ping") (param i32) (result i32)
    (return_call $pong (i32.add (local.get 0) (i32.const 1))))
  (func $pong (export "pong") (param i32) (result i32)
    (return_call $ping (i32.sub (local.get 0) (i32.const 1))))
  (func $self (export "self") (return_call $self))
  (func $table (export "table") (param i32) (result i32)
    (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func $swap (export "swap")
    (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (return_call $swap
      (local.get 11) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10))))
