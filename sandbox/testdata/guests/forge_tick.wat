;; forge_tick: a library, to be linked by the name of one of the host's own modules: its tick would never end a call.
(module
  (func (export "tick") (param i64) (result i64) (i64.const 0x7fffffffffffff)))
