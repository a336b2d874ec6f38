// Package sandbox runs plugins as WebAssembly, with wazero: the host's engine
// "wasm".
//
//	Engine.Load ── read, check, meter, compile (cached on disk) ── find the ABI
//	                                                                   │
//	Module ── pool of slots (LIFO, bounded) ◄── instance, initialised ─┘
//	             slot = instance(s) + guest (the ABI's view) + run (the call
//	                    under way), owned by one goroutine for a call's length
//
//	build.go, bounds*.go, tables.go, meter/   a build, made safe to compile
//	compile.go, link.go                       compiled, and what it imports
//	abi*.go, extism/                          how its functions are called
//	run.go, admission.go, deadline.go         a call: fuel, deadline, its turn
//	isolation.go, snapshot/                   what callers share
//	wasi.go, jail/, egress/                   what a guest sees of the machine
//
// # ABIs
//
// berth: the guest exports "memory", "alloc" (size i32) → ptr i32, and
// functions (ptr i32, len i32) → i64 that return ptr<<32 | len, with the top
// bit of len set when the bytes are the text of an error. alloc is called once
// before each call, also for empty input: it begins the call, and whatever the
// guest handed out before may be used again.
//
// numeric: any export over i32, i64, f32 and f64, called with a JSON array of
// numbers, and of strings where the guest exports malloc.
//
// extism: plugins of Extism, unmodified: see package extism.
//
// command: a WASI program; the input is its standard input, what it writes to
// standard output the result.
//
// wapc: guests of waPC; a function is an operation.
//
// docs/plugins.md is the author's guide, docs/sandbox.md the operator's.
//
// # Calls
//
// Every build is metered (package meter): its code counts fuel at function
// entries and loop headers, and calls tick when a quantum of it, some ten
// microseconds of work, is used up. tick looks at the deadline, at the caller's
// context and at limits.fuel, takes or hands over the guest's place (Admission),
// and lets other goroutines run. A call that ends within a quantum pays for none
// of this. A build with instructions that the meter does not know runs with
// wazero's close-on-context-done instead, which its status says.
//
// # What a guest can do
//
// Compute, within its memory and its deadline. WASI functions are there for
// toolchains that import them, and show what was granted (host.Grants), nothing
// else. A slot whose guest trapped, exited, was interrupted or broke its ABI is
// thrown away.
package sandbox
