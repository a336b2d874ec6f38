;; A guest that changes everything that a snapshot restores.
(module
  (memory (export "memory") 1)
  (data (i32.const 1024) "after initialisation")
  (data $passive "from a passive segment")

  (global $i32 (export "i32") (mut i32) (i32.const -7))
  (global $i64 (export "i64") (mut i64) (i64.const 0x8000000000000001))
  (global $f32 (export "f32") (mut f32) (f32.const -0.0))
  (global $f64 (export "f64") (mut f64) (f64.const nan:0x8000000000001))

  (func (export "set globals") (param i32 i64 f32 f64)
    (global.set $i32 (local.get 0))
    (global.set $i64 (local.get 1))
    (global.set $f32 (local.get 2))
    (global.set $f64 (local.get 3)))
  (func (export "sum globals") (result i64)
    (i64.add
      (i64.xor (i64.extend_i32_u (global.get $i32)) (global.get $i64))
      (i64.xor
        (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f32)))
        (i64.reinterpret_f64 (global.get $f64)))))

  (func (export "grow") (param $pages i32) (result i32) (memory.grow (local.get $pages)))
  (func (export "pages") (result i32) (memory.size))
  (func (export "load") (param $at i32) (result i32) (i32.load8_u (local.get $at)))
  (func (export "store") (param $at i32) (param $value i32)
    (i32.store8 (local.get $at) (local.get $value)))
  (func (export "fill") (param $at i32) (param $value i32) (param $size i32)
    (memory.fill (local.get $at) (local.get $value) (local.get $size)))
  (func (export "copy") (param $to i32) (param $from i32) (param $size i32)
    (memory.copy (local.get $to) (local.get $from) (local.get $size)))
  (func (export "init") (param $to i32)
    (memory.init $passive (local.get $to) (i32.const 0) (i32.const 22)))

  ;; touch adds one to count bytes, each stride from the one before.
  (func (export "touch") (param $at i32) (param $stride i32) (param $count i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (local.get $stride)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))))
