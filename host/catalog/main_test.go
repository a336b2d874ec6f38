package catalog

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// testLimit is how long a test waits for what has to happen.
const testLimit = 10 * time.Second

// TestMain fails when a test leaves a goroutine of this package, or a connection, behind.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

func leaked() string {
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(testLimit); ; runtime.Gosched() {
		var left []string
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			ours := strings.Contains(stack, "berth/") || strings.Contains(stack, "net/http")
			if ours && !strings.Contains(stack, "catalog.leaked") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}
