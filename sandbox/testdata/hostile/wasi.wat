;; A guest that passes WASI's functions what they cannot take. ABI: numeric. Most
;; of its functions give the error number that WASI answered with.
;;
;; exit exits with any code. sleep waits so many nanoseconds, sleep_many with so
;; many subscriptions at once, sleep_forever again and again. random asks for so
;; many bytes; random_forever for 1 MiB again and again. write and read pass so many
;; pieces, each of len bytes from ptr on; write_forever pieces of nothing, without
;; end; scatter so many pieces that are all of memory each, 1 GB a thousand of them in
;; one call, of bytes that can be line feeds. wild passes every function
;; that there is pointers that lie outside of memory, and counts how often that is
;; answered with success. closes closes its standard streams, and writes to them.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
  (memory (export "memory") 16)

  (func (export "exit") (param $code i32) (call $proc_exit (local.get $code)))

  ;; subscription writes the nth subscription from 1024 on: to the monotonic clock.
  (func $subscription (param $n i32) (param $ns i64) (local $at i32)
    (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $n) (i32.const 48))))
    (i64.store (local.get $at) (i64.extend_i32_u (local.get $n)))
    (i32.store8 offset=8 (local.get $at) (i32.const 0))
    (i32.store offset=16 (local.get $at) (i32.const 1))
    (i64.store offset=24 (local.get $at) (local.get $ns)))
  (func $sleep (export "sleep") (param $ns i64) (result i32)
    (call $subscription (i32.const 0) (local.get $ns))
    (call $poll_oneoff (i32.const 1024) (i32.const 64) (i32.const 1) (i32.const 0)))
  (func (export "sleep_many") (param $count i32) (param $ns i64) (result i32)
    (call $subscription (i32.const 0) (local.get $ns))
    (call $poll_oneoff (i32.const 1024) (i32.const 64) (local.get $count) (i32.const 0)))
  (func (export "sleep_filled") (param $count i32) (param $ns i64) (result i32) (local $i i32)
    (loop $again
      (call $subscription (local.get $i) (local.get $ns))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $count))))
    (call $poll_oneoff (i32.const 1024) (i32.const 524288) (local.get $count) (i32.const 0)))
  (func (export "sleep_forever") (param $ns i64)
    (loop $again (drop (call $sleep (local.get $ns))) (br $again)))
  (func (export "yield_forever")
    (loop $again (drop (call $sched_yield)) (br $again)))

  (func (export "random") (param $ptr i32) (param $len i32) (result i32)
    (call $random_get (local.get $ptr) (local.get $len)))
  (func (export "random_forever")
    (loop $again (drop (call $random_get (i32.const 0) (i32.const 0x100000))) (br $again)))

  ;; pieces writes so many pieces from 1024 on, as far as there is room.
  (func $pieces (param $count i32) (param $ptr i32) (param $len i32) (local $at i32)
    (local.set $at (i32.const 1024))
    (loop $again
      (i32.store (local.get $at) (local.get $ptr))
      (i32.store offset=4 (local.get $at) (local.get $len))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $again (i32.and (i32.ne (local.get $count) (i32.const 0)) (i32.lt_u (local.get $at) (i32.const 0xffff0))))))
  (func $write (export "write") (param $count i32) (param $ptr i32) (param $len i32) (result i32)
    (call $pieces (local.get $count) (local.get $ptr) (local.get $len))
    (call $fd_write (i32.const 1) (i32.const 1024) (local.get $count) (i32.const 0)))
  (func (export "read") (param $count i32) (param $ptr i32) (param $len i32) (result i32)
    (call $pieces (local.get $count) (local.get $ptr) (local.get $len))
    (call $fd_read (i32.const 0) (i32.const 1024) (local.get $count) (i32.const 0)))
  (func (export "write_forever")
    (loop $again
      (drop (call $write (i32.const 100000) (i32.const 0) (i32.const 0)))
      (br $again)))
  (func (export "scatter") (param $byte i32) (param $count i32)
    (memory.fill (i32.const 0) (local.get $byte) (i32.const 0x100000))
    (loop $again
      (drop (call $write (local.get $count) (i32.const 0) (i32.const 0x100000)))
      (br $again)))

  (func $ok (param $errno i32) (result i32) (i32.eqz (local.get $errno)))
  (func (export "wild") (result i32)
    (call $ok (call $poll_oneoff (i32.const -8) (i32.const -8) (i32.const 1) (i32.const -8)))
    (i32.add (call $ok (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))))
    (i32.add (call $ok (call $random_get (i32.const -8) (i32.const 16))))
    (i32.add (call $ok (call $random_get (i32.const 0) (i32.const -1))))
    (i32.add (call $ok (call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 0))))
    (i32.add (call $ok (call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0))))
    (i32.add (call $ok (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const -1))))
    (i32.add (call $ok (call $fd_read (i32.const 0) (i32.const -8) (i32.const 1) (i32.const 0))))
    (i32.add (call $ok (call $fd_read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))))
    (i32.add (call $ok (call $fd_write (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 0))))
    (i32.add (call $ok (call $args_get (i32.const -1) (i32.const -1))))
    (i32.add (call $ok (call $args_sizes_get (i32.const -1) (i32.const -1))))
    (i32.add (call $ok (call $environ_sizes_get (i32.const -1) (i32.const -1))))
    (i32.add (call $ok (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const -1))))
    (i32.add (call $ok (call $clock_time_get (i32.const -1) (i64.const 0) (i32.const 0))))
    (i32.add (call $ok (call $fd_fdstat_get (i32.const 1) (i32.const -1))))
    (i32.add (call $ok (call $fd_prestat_get (i32.const 3) (i32.const 0))))
    (i32.add (call $ok (call $fd_renumber (i32.const 3) (i32.const -1))))
    (i32.add (call $ok (call $fd_close (i32.const -1))))
    (i32.add (call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0))))
    (i32.add (call $ok (call $path_open (i32.const 3) (i32.const 0) (i32.const -1) (i32.const -1) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))))
  (func (export "closes") (result i32)
    (drop (call $fd_close (i32.const 0)))
    (drop (call $fd_close (i32.const 1)))
    (drop (call $fd_close (i32.const 2)))
    (call $pieces (i32.const 1) (i32.const 0) (i32.const 10))
    (drop (call $fd_read (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 0)))
    (call $fd_write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 0))))
