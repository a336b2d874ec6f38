;; link_base: a library of a plugin of several modules, which the others import as "base". It keeps a trace of what was
;; initialised: the length as u32 at 0 of its memory, the letters behind it. Its own are "b" (start) and "B" (_initialize).
;;   note   adds a letter to the trace
;;   give   makes bytes of its memory the output of the call
;;   work   n rounds, then n
;;   spin   a loop for ever
;;   eat    grows its memory until that fails, then gives its pages
;;   keep   puts a number into a global, kept gives it
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 1)
  (global $kept (mut i64) (i64.const 0))
  (start $begin)

  (func $begin (call $note (i32.const 98)))
  (func (export "_initialize") (call $note (i32.const 66)))

  (func $note (export "note") (param $letter i32)
    (i32.store8 offset=4 (i32.load (i32.const 0)) (local.get $letter))
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))

  (func (export "give") (param $ptr i32) (param $len i32)
    (local $block i64) (local $i i32)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $len))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
        (call $store_u8
          (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
          (i32.load8_u (i32.add (local.get $ptr) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $output_set (local.get $block) (i64.extend_i32_u (local.get $len))))

  (func (export "work") (param $n i64) (result i64)
    (local $i i64)
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    (local.get $i))

  (func (export "spin") (loop $for_ever (br $for_ever)))

  (func (export "eat") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (memory.size))

  (func (export "keep") (param i64) (global.set $kept (local.get 0)))
  (func (export "kept") (result i64) (global.get $kept)))
