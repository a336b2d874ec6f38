;; sleep: a guest that waits in the host, where no fuel is burnt. WASI.
;;   sleep  input begins with 8-byte little-endian nanoseconds: waits that long on the monotonic clock
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param $in i32) (param $out i32) (param $n i32) (param $nevents i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "want 8-byte nanoseconds")
  (data (i32.const 48) "poll_oneoff failed")

  ;; alloc marks the start of a call: the arena begins anew at 1024. Memory
  ;; grows to hold size bytes; the answer is 0 when it cannot.
  (func $alloc (export "alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.wrap_i64 (i64.shr_u
      (i64.add (i64.extend_i32_u (local.get $size)) (i64.const 66559)) ;; 1024 + 65535, to round up
      (i64.const 16))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (i32.const -1)
              (memory.grow (i32.sub (local.get $pages) (memory.size))))
          (then (return (i32.const 0))))))
    (i32.const 1024))

  ;; ok and err pack a result: ptr<<32 | len, with bit 31 of len set for an error.
  (func $ok (param $ptr i32) (param $len i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len))))
  (func $err (param $ptr i32) (param $len i32) (result i64)
    (call $ok (local.get $ptr) (i32.or (local.get $len) (i32.const 0x80000000))))

  ;; One subscription of 48 bytes at 128: userdata u64, tag u8 (0: clock), then at +16 the clock's id u32,
  ;; at +24 timeout u64, at +32 precision u64, at +40 flags u16 (0: relative). The event of 32 bytes comes
  ;; to 192, the count of events to 224.
  (func (export "sleep") (param $ptr i32) (param $len i32) (result i64)
    (if (i32.lt_u (local.get $len) (i32.const 8))
      (then (return (call $err (i32.const 16) (i32.const 23)))))
    (memory.fill (i32.const 128) (i32.const 0) (i32.const 100))
    (i32.store (i32.const 144) (i32.const 1)) ;; CLOCK_MONOTONIC
    (i64.store (i32.const 152) (i64.load (local.get $ptr)))
    (if (call $poll_oneoff (i32.const 128) (i32.const 192) (i32.const 1) (i32.const 224))
      (then (return (call $err (i32.const 48) (i32.const 18)))))
    (if (i32.load16_u (i32.const 200)) ;; the event's own errno
      (then (return (call $err (i32.const 48) (i32.const 18)))))
    (i64.const 0)))
