;; link_main: the main module of a plugin of three, of the extism ABI: with link_base as "base" and link_mid as "mid". It uses
;; base's memory, has none of its own, and adds "x" (start) and "X" (_initialize) to the trace.
;;   trace      the trace
;;   work       u64 n: 2n rounds in base, called by mid; the output is 2n, u64
;;   spin       a loop for ever in base
;;   eat        both libraries grow their memories until that fails; the output is their pages together, u32
;;   remember   u64, kept in a global of base's and at 4096 of its memory
;;   recall     both of them
(module
  (import "base" "note" (func $note (param i32)))
  (import "base" "give" (func $give (param i32 i32)))
  (import "base" "spin" (func $spin))
  (import "base" "eat" (func $eat_base (result i32)))
  (import "base" "keep" (func $keep (param i64)))
  (import "base" "kept" (func $kept (result i64)))
  (import "base" "memory" (memory 1))
  (import "mid" "twice" (func $twice (param i64) (result i64)))
  (import "mid" "eat" (func $eat_mid (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (start $begin)

  (func $begin (call $note (i32.const 120)))
  (func (export "_initialize") (call $note (i32.const 88)))

  (func (export "trace") (result i32)
    (call $give (i32.const 4) (i32.load (i32.const 0)))
    (i32.const 0))

  (func (export "work") (result i32)
    (i64.store (i32.const 2048) (call $twice (call $input_load_u64 (i64.const 0))))
    (call $give (i32.const 2048) (i32.const 8))
    (i32.const 0))

  (func (export "spin") (result i32) (call $spin) (i32.const 0))

  (func (export "eat") (result i32)
    (i32.store (i32.const 2048) (i32.add (call $eat_base) (call $eat_mid)))
    (call $give (i32.const 2048) (i32.const 4))
    (i32.const 0))

  (func (export "remember") (result i32)
    (call $keep (call $input_load_u64 (i64.const 0)))
    (i64.store (i32.const 4096) (call $input_load_u64 (i64.const 0)))
    (i32.const 0))

  (func (export "recall") (result i32)
    (i64.store (i32.const 4104) (call $kept))
    (call $give (i32.const 4096) (i32.const 16))
    (i32.const 0)))
