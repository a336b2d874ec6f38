;; Built with: wat2wasm --enable-all loops.wat
;; Small loops of all shapes. Each goes round n times, at least once, and adds up
;; the rounds that are left.
(module
  (memory (export "memory") 1)
  (global $rounds (export "rounds") (mut i32) (i32.const 0))

  (func $until (export "until") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))

  (func $while (export "while") (param $n i32) (result i32) (local $s i32)
    (block $done
      (loop $l
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $s (i32.add (local.get $s) (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
    (local.get $s))

  (func $if (export "if") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (if (local.get $n)
        (then
          (local.set $s (i32.add (local.get $s) (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $l))))
    (local.get $s))

  (func $result (export "result") (param $n i32) (result i32) (local $s i32)
    (loop $l (result i32)
      (local.tee $s (i32.add (local.get $s) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

  ;; It is left with a value.
  (func $value (export "value") (param $n i32) (result i32) (local $s i32)
    (block $done (result i32)
      (loop $l
        (local.get $s)
        (br_if $done (i32.eqz (local.get $n)))
        (drop)
        (local.set $s (i32.add (local.get $s) (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l))
      (unreachable)))

  ;; Every second round ends early.
  (func $continue (export "continue") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (i32.and (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n)))
    (local.get $s))

  (func $table (export "table") (param $n i32) (result i32) (local $s i32)
    (block $done
      (loop $l
        (local.set $s (i32.add (local.get $s) (local.get $n)))
        (block $last
          (block $other
            (br_table $last $other (local.get $n)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_table $done $l (local.get $n)))
        (unreachable)))
    (local.get $s))

  (func $return (export "return") (param $n i32) (result i32) (local $s i32)
    (loop $l
      (if (i32.eqz (local.get $n)) (then (return (local.get $s))))
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $l))
    (unreachable))

  ;; Another loop is around it.
  (func $nested (export "nested") (param $n i32) (result i32) (local $s i32) (local $i i32)
    (loop $outer
      (local.set $i (i32.const 3))
      (loop $inner
        (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (local.set $s (i32.add (local.get $s) (local.get $n)))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))

  ;; Traps in the round after the nth.
  (func (export "trap") (param $n i32) (result i32)
    (local.set $n (i32.sub (i32.const 0x10000) (i32.shl (local.get $n) (i32.const 8))))
    (loop $l
      (global.set $rounds (i32.add (global.get $rounds) (i32.const 1)))
      (i32.store (local.get $n) (global.get $rounds))
      (local.set $n (i32.add (local.get $n) (i32.const 256)))
      (br $l))
    (unreachable))

  (func (export "all") (result i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (call $until (i32.const 5)) (call $while (i32.const 6)) (call $if (i32.const 7))
    (call $result (i32.const 8)) (call $value (i32.const 9)) (call $continue (i32.const 10))
    (call $table (i32.const 11)) (call $return (i32.const 12)) (call $nested (i32.const 13))))
