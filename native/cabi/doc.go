// Package cabi runs libraries of Berth's C ABI, sdk/c/berth_plugin.h, inside the
// host's process. Open loads one; the Library is a host.Module.
//
// # In process
//
// A call runs on the caller's goroutine, and the host cannot stop it: one that is
// over its deadline answers when it returns, with what it returns. A library
// learns from berth_host.remaining that nobody waits any more. What crashes in a
// library crashes the host.
//
// # Two builds
//
// With cgo, calls go through trampolines in C (trampoline.c) and cost what a call
// of C costs; without (CGO_ENABLED=0), through purego, which is two to three
// times slower and needs no C compiler. Everything else is the same code, and the
// tests are the same: what the loader and the trampolines are is in machine_*.go.
//
// Whatever a library knows of the host is C memory, or what a call lends it: the
// call's input, and the room behind the caller's own buffer, into which a result
// that fits is written at once.
package cabi
