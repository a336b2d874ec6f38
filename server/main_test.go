package server

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked waits for the goroutines of this package and its server to end.
func leaked() string {
	deadline := time.Now().Add(testLimit)
	for {
		var left []string
		buf := make([]byte, 1<<20)
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			ours := strings.Contains(stack, "berth/") || strings.Contains(stack, "fasthttp")
			// fasthttp's: the first ends up to ten seconds after its server,
			// the second writes the date for the life of the process.
			known := strings.Contains(stack, "workerPool).Start") || strings.Contains(stack, "updateServerDate") || strings.Contains(stack, "server.leaked")
			if ours && !known {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		runtime.Gosched()
	}
}
