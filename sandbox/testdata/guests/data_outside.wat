;; data_outside: the numeric ABI: its data does not fit its memory, which is found out when it is instantiated.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "fits")
  (data (i32.const 65535) "outside")
  (func (export "f")))
