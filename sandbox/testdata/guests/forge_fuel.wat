;; forge_fuel: imports what the host adds to its library "lib", the counter of its fuel, and fills it.
;;   spin  does so, and calls spin of the library
(module
  (import "lib" "berth:fuel" (global $fuel (mut i64)))
  (import "lib" "spin" (func $spin))
  (func (export "spin")
    (global.set $fuel (i64.const 0x7fffffffffffff))
    (call $spin)))
