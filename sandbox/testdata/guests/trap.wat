;; trap: each way a guest commonly dies, and one good function beside them.
;;   trap     unreachable
;;   divzero  integer division by zero
;;   oob      load beyond memory
;;   badcall  indirect call of a function of another type
;;   fine     the input back: shows that the plugin still serves
(module
  (memory (export "memory") 1)
  (type $other (func (param f64) (result f64)))
  (table 1 funcref)
  (elem (i32.const 0) $plain)
  (func $plain)

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

  (func (export "trap") (param i32 i32) (result i64)
    unreachable)

  (func (export "divzero") (param i32) (param $len i32) (result i64)
    (i64.extend_i32_u (i32.div_u
      (i32.const 1)
      (i32.sub (local.get $len) (local.get $len)))))

  (func (export "oob") (param i32 i32) (result i64)
    (i64.load (i32.const 0xfffffff0)))

  (func (export "badcall") (param i32 i32) (result i64)
    (drop (call_indirect (type $other) (f64.const 1) (i32.const 0)))
    (i64.const 0))

  (func (export "fine") (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (local.get $len))))
