;; A plugin as its host sees it: functions without parameters.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "length_unsafe" (func $length_unsafe (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))

  (func (export "noop") (result i32) (i32.const 0))
  (func (export "nothing"))
  (func (export "seven") (result i32) (i32.const 7))
  (func (export "minus") (result i32) (i32.const -1))
  (func (export "trap") (result i32) unreachable)

  ;; The ways in which a function may not be called.
  (func (export "takes") (param i64) (result i32) (i32.const 0))
  (func (export "gives") (result i64) (i64.const 0))
  (func (export "gives_two") (result i32 i32) (i32.const 0) (i32.const 0))

  ;; The input again, moved as PDKs move it: eight bytes at a time, then one.
  (func $echo (export "echo") (result i32)
    (local $n i64) (local $i i64) (local $out i64)
    (local.set $n (call $input_length))
    (local.set $out (call $alloc (local.get $n)))
    (block $bytes
      (loop $words
        (br_if $bytes (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
        (call $store_u64 (i64.add (local.get $out) (local.get $i)) (call $input_load_u64 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $words)))
    (block $done
      (loop $tail
        (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
        (call $store_u8 (i64.add (local.get $out) (local.get $i)) (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $tail)))
    (call $output_set (local.get $out) (local.get $n))
    (i32.const 0))

  ;; The input with ASCII letters in capitals, always in words of eight bytes:
  ;; the last load and the last store hang over the tails of their blocks.
  (func (export "upper") (result i32)
    (local $n i64) (local $i i64) (local $in i64) (local $out i64) (local $neighbour i64)
    (local.set $in (call $input_offset))
    (local.set $n (call $length_unsafe (local.get $in)))
    (local.set $out (call $alloc (local.get $n)))
    (local.set $neighbour (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $neighbour) (i64.const 0x1122334455667788))
    (block $done
      (loop $words
        (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
        ;; Letters only: take bit 5 from each byte.
        (call $store_u64 (i64.add (local.get $out) (local.get $i))
          (i64.and (call $load_u64 (i64.add (local.get $in) (local.get $i))) (i64.const 0xdfdfdfdfdfdfdfdf)))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $words)))
    (call $output_set (local.get $out) (local.get $n))
    ;; Nobody else's bytes were hit.
    (i64.ne (call $load_u64 (local.get $neighbour)) (i64.const 0x1122334455667788)))

  ;; A block of the text "no luck".
  (func $luck (result i64)
    (local $h i64)
    (local.set $h (call $alloc (i64.const 7)))
    (call $store_u64 (local.get $h) (i64.const 0x006b63756c206f6e))
    (local.get $h))

  (func (export "fail") (result i32) (call $error_set (call $luck)) (i32.const 3))
  (func (export "fail_quietly") (result i32) (call $error_set (call $luck)) (i32.const 0))
  (func (export "recover") (result i32)
    (call $error_set (call $luck))
    (call $error_set (i64.const 0))
    (i32.const 0))
  (func (export "fail_freed") (result i32) (local $h i64)
    (local.set $h (call $luck))
    (call $error_set (local.get $h))
    (call $free (local.get $h))
    (i32.const 0))
  (func (export "fail_inside") (result i32)
    (call $error_set (i64.add (call $luck) (i64.const 3)))
    (i32.const 0))
  (func (export "fail_with_output") (result i32)
    (drop (call $echo))
    (call $error_set (call $luck))
    (i32.const 1))

  ;; Part of a block, then the block is freed twice.
  (func (export "sub_output") (result i32) (local $h i64)
    (local.set $h (call $luck))
    (call $output_set (i64.add (local.get $h) (i64.const 3)) (i64.const 4))
    (call $free (local.get $h))
    (call $free (local.get $h))
    (i32.const 0))
  ;; The input itself as output, as a host function that returns its argument does.
  (func (export "identity") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (call $free (call $input_offset))
    (i32.const 0))

  ;; Allocates blocks of one byte until there is no room; the output is their number.
  (func (export "block_flood") (result i32) (local $n i64) (local $h i64)
    (local.set $h (call $alloc (i64.const 8)))
    (block $full
      (loop $more
        (br_if $full (i64.eqz (call $alloc (i64.const 1))))
        (local.set $n (i64.add (local.get $n) (i64.const 1)))
        (br $more)))
    (call $store_u64 (local.get $h) (local.get $n))
    (call $output_set (local.get $h) (i64.const 8))
    (i32.const 0))

  ;; Stores at 0 what it found no room for: the result of a failed alloc.
  (func (export "careless") (result i32) (local $i i64)
    (if (i64.ne (call $alloc (i64.const 0xffffffffffff)) (i64.const 0)) (then (return (i32.const 1))))
    (loop $more
      (call $store_u64 (local.get $i) (i64.const -1))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br_if $more (i64.lt_u (local.get $i) (i64.const 65536))))
    (drop (call $echo))
    (i32.const 0))

  ;; Leaves a secret in all of the arena that it can address, blocks or not.
  (func (export "hide") (result i32) (local $p i64)
    (local.set $p (call $alloc (i64.const 8)))
    (loop $more
      (call $store_u64 (local.get $p) (i64.const 0x5345435245545345))
      (local.set $p (i64.add (local.get $p) (i64.const 8)))
      (br_if $more (i64.ne (call $load_u64 (i64.sub (local.get $p) (i64.const 8))) (i64.const 0))))
    (i32.const 0))
  ;; Looks for anything that a call before left; the result is how many bytes.
  (func (export "seek") (result i32) (local $p i64) (local $n i32) (local $end i64)
    (local.set $p (call $alloc (i64.const 40000)))
    (local.set $end (i64.add (local.get $p) (i64.const 50000)))
    (loop $more
      (local.set $n (i32.add (local.get $n) (i32.ne (call $load_u8 (local.get $p)) (i32.const 0))))
      (local.set $p (i64.add (local.get $p) (i64.const 1)))
      (br_if $more (i64.lt_u (local.get $p) (local.get $end))))
    (local.get $n))

  ;; Counts its calls in the variable "no luck"; the output is the count, as u64.
  (func (export "count") (result i32) (local $v i64) (local $n i64)
    (local.set $v (call $var_get (call $luck)))
    (local.set $n (i64.const 1))
    (if (i64.ne (local.get $v) (i64.const 0))
      (then (local.set $n (i64.add (call $load_u64 (local.get $v)) (i64.const 1)))))
    (local.set $v (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $v) (local.get $n))
    (call $output_set (local.get $v) (i64.const 8))
    (call $var_set (call $luck) (local.get $v))
    (i32.const 0))
)
