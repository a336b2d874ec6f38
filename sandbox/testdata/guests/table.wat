;; table: grows a table that has no maximum. Bytes of linear memory are not what
;; it takes.
;;   grow   n entries more: the size before, or -1 (numeric)
(module
  (table $t 1 funcref)
  (elem (i32.const 0) $grow)
  (func $grow (export "grow") (param $n i32) (result i32)
    (table.grow $t (ref.func $grow) (local.get $n))))
