;; Calls without end. ABI: numeric.
;;
;; fib tries to run for ever without a loop and without depth; deep to use up the
;; stack with the smallest frames; wide with large ones, of values that must live
;; across the call; even and odd by calling each other; indirect through a table;
;; twice by growing the stack with each of its two calls, so that a stack that was
;; used up once would be again and again.
(module
  (type $t (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $indirect)
  (func $fib (export "fib") (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add
        (call $fib (i32.sub (local.get $n) (i32.const 1)))
        (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func $deep (export "deep") (param $n i32) (result i32)
    (i32.add (call $deep (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
  (func $wide (export "wide") (param $n i64) (result i64)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64)
    (local $g i64) (local $h i64) (local $i i64) (local $j i64) (local $k i64) (local $l i64)
    (local.set $a (i64.mul (local.get $n) (i64.const 3)))
    (local.set $b (i64.mul (local.get $n) (i64.const 5)))
    (local.set $c (i64.mul (local.get $n) (i64.const 7)))
    (local.set $d (i64.mul (local.get $n) (i64.const 11)))
    (local.set $e (i64.mul (local.get $n) (i64.const 13)))
    (local.set $f (i64.mul (local.get $n) (i64.const 17)))
    (local.set $g (i64.mul (local.get $n) (i64.const 19)))
    (local.set $h (i64.mul (local.get $n) (i64.const 23)))
    (local.set $i (i64.mul (local.get $n) (i64.const 29)))
    (local.set $j (i64.mul (local.get $n) (i64.const 31)))
    (local.set $k (i64.mul (local.get $n) (i64.const 37)))
    (local.set $l (i64.mul (local.get $n) (i64.const 41)))
    (call $wide (i64.add (local.get $n) (i64.const 1)))
    (i64.add (local.get $a)) (i64.add (local.get $b)) (i64.add (local.get $c)) (i64.add (local.get $d))
    (i64.add (local.get $e)) (i64.add (local.get $f)) (i64.add (local.get $g)) (i64.add (local.get $h))
    (i64.add (local.get $i)) (i64.add (local.get $j)) (i64.add (local.get $k)) (i64.add (local.get $l)))
  (func $even (export "even") (param $n i32) (result i32)
    (i32.xor (call $odd (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
  (func $odd (export "odd") (param $n i32) (result i32)
    (i32.xor (call $even (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))
  (func $indirect (export "indirect") (param $n i32) (result i32)
    (i32.add (call_indirect (type $t) (i32.add (local.get $n) (i32.const 1)) (i32.const 0)) (i32.const 1)))
  (func $twice (export "twice") (param $n i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $n) (i32.const 1000))
      (then (local.get $n))
      (else (i32.add
        (call $twice (i32.add (local.get $n) (i32.const 1)))
        (call $twice (i32.add (local.get $n) (i32.const 1))))))))
