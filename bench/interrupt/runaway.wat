;; A guest over the numeric ABI: what runs away, what is short, and what takes as
;; long as it is told.
(module
  ;; Without end.
  (func (export "endless")
    (loop $again (br $again)))

  ;; The nth Fibonacci number, the slow way: calls without a loop and without
  ;; depth. Of 42, some seconds.
  (func $fibonacci (export "fibonacci") (param $n i32) (result i64)
    (if (result i64) (i32.lt_u (local.get $n) (i32.const 2))
      (then (i64.extend_i32_u (local.get $n)))
      (else (i64.add
        (call $fibonacci (i32.sub (local.get $n) (i32.const 1)))
        (call $fibonacci (i32.sub (local.get $n) (i32.const 2)))))))

  ;; Next to nothing.
  (func (export "short") (param $n i32) (result i32)
    (i32.add (local.get $n) (i32.const 1)))

  ;; n steps of a random number generator, in a loop of a few instructions.
  (func (export "spin") (param $n i64) (result i64)
    (local $x i64)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
    (loop $again
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $again (i64.ne (local.get $n) (i64.const 0))))
    (local.get $x)))
