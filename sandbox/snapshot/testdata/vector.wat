;; Has mutable globals whose state wazero does not show.
(module
  (global (export "v128") (mut v128) (v128.const i64x2 1 2))
  (global (export "funcref") (mut funcref) (ref.null func)))
