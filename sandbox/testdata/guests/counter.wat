;; counter: state in globals, and _initialize.
;;   count   how many calls of count this instance served, this one included, in decimal
;;   inited  how often _initialize ran in this instance, in decimal: "1" under a right host
(module
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (global $inits (mut i32) (i32.const 0))

  (func (export "_initialize")
    (global.set $inits (i32.add (global.get $inits) (i32.const 1))))

  ;; alloc marks the start of a call: the arena begins anew at 1024. Memory
  ;; grows to hold size bytes; the answer is 0 when it cannot.
  (func $alloc (export "alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.wrap_i64 (i64.shr_u
      (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 66559)) ;; 1024 + 65535, to round up
      (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (i32.const -1)
              (memory.grow (i32.sub (local.get $pages) (memory.size))))
          (then (return (i32.const 0))))))
    (i32.const 1024))

  ;; ok packs a result: ptr<<32 | len.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))

  ;; decimal writes n, digit by digit from the last, in front of address 64.
  (func $decimal (param $n i32) (result i64)
    (local $at i32)
    (local.set $at (i32.const 64))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at)
        (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $next (local.get $n)))
    (call $ok (local.get $at) (i32.sub (i32.const 64) (local.get $at))))

  (func (export "count") (param i32 i32) (result i64)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (call $decimal (global.get $calls)))

  (func (export "inited") (param i32 i32) (result i64)
    (call $decimal (global.get $inits))))
