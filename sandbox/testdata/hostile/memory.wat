;; Memory bombs. ABI: numeric.
;;
;; grow tries to take all memory there is, page by page, writing to each; it gives
;; the number of pages. leap asks for n pages at once and writes to the last.
;; grow_forever asks again and again when there is no more. fill and copy move all
;; of a memory of the limit's size, for ever, with one instruction that takes long;
;; init does it with bytes of a segment. outside and wrap fill beyond the end.
(module
  (memory (export "memory") 1)
  (data $bytes "0123456789abcdef0123456789abcdef")
  (func $grow (export "grow") (result i32) (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.ne (local.get $page) (i32.const -1))
        (then
          (i64.store (i32.shl (local.get $page) (i32.const 16)) (i64.const -1))
          (i64.store offset=65528 (i32.shl (local.get $page) (i32.const 16)) (i64.const -1))
          (br $again))))
    (memory.size))
  (func (export "leap") (param $n i32) (result i32) (local $page i32)
    (local.set $page (memory.grow (local.get $n)))
    (if (i32.ne (local.get $page) (i32.const -1))
      (then (i64.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8)) (i64.const -1))))
    (local.get $page))
  (func (export "grow_forever")
    (loop $again
      (drop (memory.grow (i32.const 1)))
      (br $again)))
  (func (export "fill")
    (drop (call $grow))
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.shl (memory.size) (i32.const 16)))
      (br $again)))
  (func (export "copy")
    (drop (call $grow))
    (loop $again
      (memory.copy (i32.const 1) (i32.const 0) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)))
      (br $again)))
  (func (export "init")
    (loop $again
      (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 32))
      (br $again)))
  (func (export "outside")
    (memory.fill (i32.const 0) (i32.const 7) (i32.const -1)))
  (func (export "wrap")
    (memory.copy (i32.const -16) (i32.const 0) (i32.const 32))))
