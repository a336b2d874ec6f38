package enginetest

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// WaitFor waits until cond holds, and fails the test if that takes longer than
// limit.
func WaitFor(t testing.TB, limit time.Duration, cond func() bool) {
	t.Helper()
	if !holdsWithin(limit, cond) {
		t.Fatalf("what the test waits for did not come about within %s", limit)
	}
}

func holdsWithin(limit time.Duration, cond func() bool) bool {
	if cond() {
		return true
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		select {
		case <-tick.C:
			if cond() {
				return true
			}
		case <-end.C:
			return cond()
		}
	}
}

// TimeFrom is how long a test is to take: what the variable of the environment
// says, or else standard.
func TimeFrom(t testing.TB, variable string, standard time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return standard
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return d
}

// NoGoroutines checks, when the test and the cleanups that it registers later
// are over, that no goroutine is left that was not there before: those that are
// about to end are waited for. The test must not be parallel to others.
func NoGoroutines(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		var left []string
		ended := holdsWithin(generous, func() bool {
			left = left[:0]
			for id, stack := range goroutines() {
				if _, old := before[id]; !old {
					left = append(left, stack)
				}
			}
			return len(left) == 0
		})
		if !ended {
			t.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// goroutines returns the stack of each goroutine but the caller's, by its
// number.
func goroutines() map[string]string {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for i, stack := range bytes.Split(buf, []byte("\n\n")) {
		header, _, _ := strings.Cut(string(stack), " [")
		if id, ok := strings.CutPrefix(header, "goroutine "); ok && i > 0 { // the first is the caller
			all[id] = string(stack)
		}
	}
	return all
}

// HeapInUse is how many bytes of the heap are in use after garbage was
// collected.
func HeapInUse() int64 {
	for range 3 { // what has a finalizer takes more than one round
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
