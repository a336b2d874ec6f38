;; Uses the memory of guest.wat.
(module
  (import "guest" "memory" (memory 1))
  (func (export "grow") (param $pages i32) (result i32) (memory.grow (local.get $pages)))
  (func (export "pages") (result i32) (memory.size))
  (func (export "load") (param $at i32) (result i32) (i32.load8_u (local.get $at)))
  (func (export "store") (param $at i32) (param $value i32)
    (i32.store8 (local.get $at) (local.get $value))))
