package archive

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"
)

// TestMain fails the run if goroutines are left over: every connection of a download must be gone.
func TestMain(m *testing.M) {
	switch job := os.Getenv(jobVariable); job {
	case "":
	case "proxy":
		os.Exit(fetchThroughProxy(os.Args[len(os.Args)-1]))
	default:
		os.Exit(runJob(job, os.Args[len(os.Args)-1]))
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

// becomes waits for the condition, at most 10 s.
func becomes(condition func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}
