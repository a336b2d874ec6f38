;; noexports: nothing to call: exports only memory.
(module
  (memory (export "memory") 1))
