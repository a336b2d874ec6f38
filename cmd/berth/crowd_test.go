package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host/enginetest"
)

// TestCrowd: while every place is taken and the queue is full, a call is answered
// with 503 and when to come again, and what needs no place as ever. When the
// crowd is gone, calls are answered again.
func TestCrowd(t *testing.T) {
	s, _ := serveWith(t, t.TempDir(), "--calls", "1", "--queue", "1", "--queue-time", "50ms", "--drain", "50ms")
	s.install("loop", map[string]string{"loop.wasm": guest(t, "loop")})
	s.install("echo", map[string]string{"echo.wasm": guest(t, "echo")})
	s.wants("echo", "before", "before")

	var crowd sync.WaitGroup
	for range 3 { // one runs and two wait: the queue is full while they take turns, too
		crowd.Go(func() {
			status := http.StatusServiceUnavailable
			for status == http.StatusServiceUnavailable { // it did not begin, or it was ended with its plugin
				status, _ = s.do("POST", "/invoke/spin", "")
			}
			if status != http.StatusNotFound {
				t.Errorf("an endless call whose plugin is gone: %d", status)
			}
		})
	}
	disperse := sync.OnceFunc(func() { s.drop("loop"); crowd.Wait() })
	defer disperse()
	const generous = 30 * time.Second
	enginetest.WaitFor(t, generous, func() bool {
		_, status := s.do("GET", "/plugins/functions/loop/status", "")
		return strings.Contains(status, `"busy":3`)
	})
	enginetest.WaitFor(t, generous, func() bool { // the last of them may have yet to queue
		status, header, answer := s.ask("POST", "/invoke/echo", "meanwhile")
		if status == http.StatusOK && answer == "meanwhile" {
			return false
		}
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" || !strings.Contains(answer, "1 calls run and 1 wait for a place") {
			t.Errorf("a call too many: %d %q, Retry-After %q", status, answer, header.Get("Retry-After"))
		}
		return true
	})

	disperse()
	s.wants("echo", "after", "after")
}
