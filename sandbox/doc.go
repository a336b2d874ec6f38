// Package sandbox runs plugins as WebAssembly, with wazero: the host's engine
// "wasm".
//
//	Engine.Load ── compile (cached on disk) ── find the ABI ── one instance
//	                                                              │
//	Module ── pool of slots (LIFO, bounded) ◄─────────────────────┘
//	             slot = instance + its functions, stack and buffers,
//	                    owned by one goroutine for the length of a call
//
// # ABIs
//
// berth: the guest exports "memory", "alloc" (size i32) → ptr i32, and
// functions (ptr i32, len i32) → i64 that return ptr<<32 | len, with the top
// bit of len set when the bytes are the text of an error. alloc is called once
// before each call, also for empty input: it begins the call, and whatever the
// guest handed out before may be used again. docs/plugins.md is the author's
// guide.
//
// numeric: any export over i32, i64, f32 and f64, called with a JSON array of
// numbers.
//
// # What a guest can do
//
// Compute, within its memory limit and its deadline. WASI functions are there
// for toolchains that import them, but grant nothing: no files, no arguments or
// environment, a clock that stands still, no real randomness; what is written
// to standard output and error is kept to explain a trap. A slot whose guest
// trapped, exited or broke the ABI is thrown away.
//
// # Deadlines
//
// A limits.timeout is enforced by wazero's close-on-context-done, which checks in
// loops only. Plain recursion ends by the depth of the stack; a guest that calls
// itself again and again without a loop and without depth (Fibonacci, the slow
// way) is not interrupted, and holds up the garbage collector meanwhile. With a
// timeout of 0 nothing is checked, and a call is ten times cheaper; that is for
// trusted guests only.
package sandbox
