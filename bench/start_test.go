package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart starts the real binary on a data folder with 1,000 installed
// plugins and reports the time until it is ready, and its resident memory then.
func BenchmarkStart(b *testing.B) {
	const plugins = 1000
	dir := b.TempDir()
	b.Run(fmt.Sprintf("plugins=%d", plugins), func(b *testing.B) {
		binary := build(b)
		if entries, _ := os.ReadDir(dir); len(entries) == 0 {
			fill(b, dir, plugins)
		}
		var ready time.Duration
		var resident int64
		for b.Loop() {
			start := time.Now()
			cmd, base := serve(b, binary, dir)
			awaitReady(b, base)
			ready += time.Since(start)
			resident = max(resident, rss(b, cmd.Process.Pid))
			stop(b, cmd)
		}
		b.ReportMetric(float64(ready.Milliseconds())/float64(b.N), "ms-to-ready")
		b.ReportMetric(float64(resident)/1e6, "MB-resident")
	})
}

// fill installs plugins and closes the host, so that the binary can open it.
func fill(b *testing.B, dir string, plugins int) {
	b.Helper()
	h, end := openHost(b, dir, noDeadline())
	defer end()
	install(b, h, plugins)
}

func build(b *testing.B) (binary string) {
	b.Helper()
	binary = filepath.Join(b.TempDir(), "berth")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/berth").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return binary
}

var address = regexp.MustCompile(`addr=(127\.0\.0\.1:\d+)`)

// serve starts the binary on a port of its choice.
func serve(b *testing.B, binary, dir string) (cmd *exec.Cmd, base string) {
	b.Helper()
	cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			go func() {
				for lines.Scan() {
				}
			}()
			return cmd, "http://" + m[1]
		}
	}
	b.Fatalf("the host ended without listening: %v", cmd.Wait())
	return nil, ""
}

func awaitReady(b *testing.B, base string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if ctx.Err() != nil {
			b.Fatal("not ready in time: ", err)
		}
	}
}

// rss is the resident memory of a process in bytes.
func rss(b *testing.B, pid int) (bytes_ int64) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

func stop(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
}
