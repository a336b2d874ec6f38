package sandbox_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"berth/host/enginetest"
)

// TestCloseUnmapsCode: machine code is mapped outside of the heap, where no
// count of the heap sees it.
func TestCloseUnmapsCode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/maps")
	}
	executable := func() int {
		enginetest.HeapInUse() // wazero frees some by finalizers
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip(err)
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
	before := addressSpace(t)
	for range 4 {
		failToLoad()
	}
	if grown := addressSpace(t) - before; grown > limit {
		t.Errorf("%d MiB of address space are taken", grown>>20)
	}
}

// addressSpace is how much of it the process has, in bytes.
func addressSpace(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var pages int64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
