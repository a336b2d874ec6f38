//go:build !race

package sandbox_test

import (
	"runtime"
	"testing"
)

// residentSize is how much memory the process has in use, with what is not of the
// heap; 0 where the system does not tell.
func residentSize(tb testing.TB) int64 {
	tb.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	return memoryUse(tb, residentSet)
}
