;; A guest that breaks the berth ABI. ABI: berth.
;;
;; What alloc does depends on the size that it is asked for: at 1 it traps, at 2
;; it never returns, at 3 it points outside of memory, at 4 at the last byte, at 5
;; it takes all memory first, at 6 it recurses without end, at 7 it gives nothing;
;; else it gives 1024. packed answers with the eight bytes of its input as pointer
;; and length, whatever they are. overwrite fills all of its memory, and so its
;; input, before it answers with that.
(module
  (memory (export "memory") 1)
  (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))
  (func (export "alloc") (param $size i32) (result i32)
    (if (i32.eq (local.get $size) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $size) (i32.const 2)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $size) (i32.const 3)) (then (return (i32.const -1))))
    (if (i32.eq (local.get $size) (i32.const 4)) (then (return (i32.const 65535))))
    (if (i32.eq (local.get $size) (i32.const 5))
      (then (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
    (if (i32.eq (local.get $size) (i32.const 6)) (then (return (call $deep))))
    (if (i32.eq (local.get $size) (i32.const 7)) (then (return (i32.const 0))))
    (i32.const 1024))
  (func (export "echo") (param $ptr i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))
  (func (export "packed") (param $ptr i32) (param $len i32) (result i64)
    (i64.load (local.get $ptr)))
  (func (export "overwrite") (param $ptr i32) (param $len i32) (result i64)
    (memory.fill (i32.const 0) (i32.const 120) (i32.const 65536))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len)))))
