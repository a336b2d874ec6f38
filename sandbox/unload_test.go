package sandbox_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"berth/host/enginetest"
)

// TestCloseUnmapsCode: machine code is mapped outside of the heap, where no
// count of the heap sees it.
func TestCloseUnmapsCode(t *testing.T) {
	skipWithoutCompiler(t)
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/maps")
	}
	executable := func() int {
		enginetest.HeapInUse() // wazero frees some by finalizers
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(maps), "r-xp 00000000 00:00 0")
	}
	p := guestPackage(t, "echo")
	echoOnce(t, p)
	before := executable()
	for range 50 {
		echoOnce(t, p)
	}
	waitFor(t, func() bool { return executable() <= before+5 })
}

// TestFailedLoadsUnmapMemory: the memory of instances that are reset is mapped
// outside of the heap, too. wazero leaves that of an instance which it could not
// make to nobody.
func TestFailedLoadsUnmapMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/statm")
	}
	const limit = 1 << 30
	failToLoad := func() {
		for _, guest := range []string{"start_trap", "init_trap", "data_outside"} {
			p := guestPackage(t, guest)
			p.Manifest.Wasm.Isolation, p.Limits.Memory = "fresh", limit
			refused(t, p, guest+".wasm")
		}
	}
	failToLoad()
	before := memoryUse(t, addressSpace)
	for range 4 {
		failToLoad()
	}
	if grown := memoryUse(t, addressSpace) - before; grown > limit {
		t.Errorf("%d MiB of address space are taken", grown>>20)
	}
}

// What Linux tells of a process's memory, by the order in /proc/self/statm.
const (
	addressSpace = iota
	residentSet
)

// memoryUse is how much of it this process has, in bytes.
func memoryUse(tb testing.TB, which int) int64 {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[which], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
