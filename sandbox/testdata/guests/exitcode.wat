;; exitcode: leaves in the midst of a call with any code, also with those that wazero uses itself. WASI.
;;   exit_with  proc_exit(the argument), over the numeric ABI
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (func (export "exit_with") (param i32)
    (call $proc_exit (local.get 0))))
