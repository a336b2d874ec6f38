package host

import (
	"runtime"
	"unsafe"
)

// Stripes is how many stripes something striped is to have now, so that calls
// on different processors do not write one cache line: a power of two, enough
// that goroutines that run at the same time seldom share one. It changes with
// GOMAXPROCS.
func Stripes() int {
	n := 1
	for n < 8*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return min(n, 128)
}

// OwnStripe picks a stripe of n, a power of two, for the running goroutine from
// the address of its stack: goroutines that run at once have different stacks,
// and one goroutine mostly keeps its own. It costs a nanosecond where asking for
// the processor through a sync.Pool costs ten (RATIONALE.md).
func OwnStripe(n int) uint32 {
	var here byte
	address := uint64(uintptr(unsafe.Pointer(&here)))
	return uint32((address>>10)*0x9E3779B97F4A7C15>>40) & uint32(n-1)
}
