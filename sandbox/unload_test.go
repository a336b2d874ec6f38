package sandbox_test

import (
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
