;; link_mid: a library of a plugin of several modules, "mid", which imports from "base" (link_base). It adds "m" (start) and
;; "M" (_initialize) to the trace.
;;   twice   calls base.work two times
;;   eat     grows its own memory until that fails, then gives its pages
;;   note    of another type than base.note, for a main module that is linked with the wrong library
(module
  (import "base" "note" (func $note (param i32)))
  (import "base" "work" (func $work (param i64) (result i64)))
  (memory (export "memory") 1)
  (start $begin)

  (func $begin (call $note (i32.const 109)))
  (func (export "_initialize") (call $note (i32.const 77)))

  (func (export "twice") (param $n i64) (result i64)
    (i64.add (call $work (local.get $n)) (call $work (local.get $n))))

  (func (export "eat") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (memory.size))

  (func (export "note") (param i64)))
