package host_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// jobVariable makes the test binary, run again, do one job in a process of its
// own instead of testing.
const jobVariable = "BERTH_HOST_JOB"

// TestMain runs a job if one is asked for. Otherwise it fails the run if
// goroutines are left over: each host, store and cache must have ended its own.
func TestMain(m *testing.M) {
	switch job := os.Getenv(jobVariable); job {
	case "":
	case "kill":
		os.Exit(runKillChild(os.Args[len(os.Args)-2:]))
	case "diskfull":
		os.Exit(runDiskFullChild(os.Args[len(os.Args)-2:]))
	case "script":
		os.Exit(runScriptChild(os.Args[len(os.Args)-2:]))
	default:
		fmt.Fprintln(os.Stderr, "no such job:", job)
		os.Exit(2)
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	if code == 0 && !fuzzing && !becomes(func() bool { return runtime.NumGoroutine() <= before }) {
		fmt.Fprintln(os.Stderr, "goroutines left over:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// patience is how long a condition may take to become true: long enough that a
// busy machine is no failure.
const patience = 30 * time.Second

// becomes waits until the condition holds, and tells whether it came to that.
func becomes(condition func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}

// waitFor waits until the condition holds; that it does not fails the test.
func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !becomes(condition) {
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
	panic("not reached")
}
