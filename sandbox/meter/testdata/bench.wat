;; Built with: wat2wasm bench.wat
(module
  (memory (export "memory") 4)
  (func (export "empty"))
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "loop") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31)) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))
  (func (export "count") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))
  ;; sums 256 KiB by bytes, n times
  (func (export "sum") (param $n i32) (result i32) (local $p i32) (local $s i32)
    (loop $outer
      (local.set $p (i32.const 0))
      (loop $inner
        (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $p))))
        (br_if $inner (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 262144))))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))
  ;; the sieve of Eratosthenes below 262144
  (func (export "sieve") (result i32) (local $i i32) (local $j i32) (local $n i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 262144))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (local.get $i)))
        (then
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (local.set $j (i32.mul (local.get $i) (local.get $i)))
          (if (i32.lt_u (local.get $i) (i32.const 512))
            (then
              (block $done
                (loop $strike
                  (br_if $done (i32.ge_u (local.get $j) (i32.const 262144)))
                  (i32.store8 (local.get $j) (i32.const 1))
                  (local.set $j (i32.add (local.get $j) (local.get $i)))
                  (br $strike)))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 262144))))
    (local.get $n))
)
