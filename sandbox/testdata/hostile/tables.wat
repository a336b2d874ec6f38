;; Table bombs. ABI: numeric.
;;
;; grow tries to take all memory there is for a table, and gives the number of its
;; entries; grow_two for two tables in turn. fill and copy move all of a table, for
;; ever; init with the entries of a segment. outside writes beyond the end.
(module
  (table $a 1 funcref)
  (table $b 1 externref)
  (elem $entries func $grow $grow $grow $grow)
  (func $grow (export "grow") (result i32)
    (loop $again
      (br_if $again (i32.ne (table.grow $a (ref.func $grow) (i32.const 1000)) (i32.const -1))))
    (loop $again
      (br_if $again (i32.ne (table.grow $a (ref.func $grow) (i32.const 1)) (i32.const -1))))
    (table.size $a))
  (func (export "grow_two") (result i32)
    (drop (call $grow))
    (loop $again
      (br_if $again (i32.ne (table.grow $b (ref.null extern) (i32.const 1000)) (i32.const -1))))
    (i32.add (table.size $a) (table.size $b)))
  (func (export "leap") (param $n i32) (result i32)
    (table.grow $a (ref.null func) (local.get $n)))
  (func (export "grow_forever")
    (loop $again
      (drop (table.grow $a (ref.null func) (i32.const 1)))
      (br $again)))
  (func (export "fill")
    (drop (call $grow))
    (loop $again
      (table.fill $a (i32.const 0) (ref.func $grow) (table.size $a))
      (br $again)))
  (func (export "copy")
    (drop (call $grow))
    (loop $again
      (table.copy $a $a (i32.const 1) (i32.const 0) (i32.sub (table.size $a) (i32.const 1)))
      (br $again)))
  (func (export "init")
    (drop (call $grow))
    (loop $again
      (table.init $a $entries (i32.const 0) (i32.const 0) (i32.const 4))
      (br $again)))
  (func (export "outside")
    (table.fill $a (i32.const 0) (ref.null func) (i32.const -1)))
  (func (export "wild") (param $i i32)
    (call_indirect $a (local.get $i))))
