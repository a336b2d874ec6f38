;; nomem: the numeric ABI without any memory, as small modules are.
;;   add    (i32, i32) -> i32
;;   wide   ten parameters, ten results, in the other order: more than a slot's stack holds
;;   trap   unreachable
;;   spin   never returns
(module
  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))

  (func (export "wide")
    (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.get 9) (local.get 8) (local.get 7) (local.get 6) (local.get 5)
    (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))

  (func (export "trap") unreachable)

  (func (export "spin") (loop $again (br $again))))
