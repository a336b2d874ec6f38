//go:build !race

package sandbox_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// residentSize is how much memory the process has in use, with what is not of the
// heap; 0 where the system does not tell.
func residentSize(tb testing.TB) int64 {
	tb.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
