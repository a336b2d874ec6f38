package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"berth/host"
)

// BenchmarkIsolation calls one guest kept, put back after each call, and made
// anew for each, in turns, and tells the least time of each, so that other work
// on the machine hardly counts. ns/op is of all together and means nothing.
func BenchmarkIsolation(b *testing.B) {
	examples := filepath.Join("..", "examples", "functions")
	toolbox := filepath.Join(b.TempDir(), "toolbox.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", toolbox, ".")
	build.Dir, build.Env = filepath.Join(examples, "go"), append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, g := range []struct{ name, file, function, in string }{
		{"C", filepath.Join(examples, "c", "tiny.wasm"), "crc32", "123456789"},
		{"Go", toolbox, "geohash", "[48.2082,16.3738,7]"},
	} {
		b.Run(g.name, func(b *testing.B) {
			wasm, err := os.ReadFile(g.file)
			if err != nil {
				b.Fatal(err)
			}
			limits := host.DefaultLimits()
			limits.Instances = 1
			calls := map[string]func() time.Duration{}
			for _, mode := range []string{"keep", "fresh", "instance"} {
				h := open(b, b.TempDir(), limits)
				file := pack(b, b.TempDir(), "guest", wasm, fmt.Appendf(nil, `{"functions": [%q], "wasm": {"isolation": %q}}`, g.function, mode))
				if _, err := h.Install(b.Context(), host.Request{Kind: host.Functions, Name: "guest", File: "file://" + file}); err != nil {
					b.Fatal(err)
				}
				in, out := []byte(g.in), make([]byte, 0, 64)
				calls[mode] = func() time.Duration {
					start := time.Now()
					if _, err := h.Invoke(b.Context(), g.function, out, in); err != nil {
						b.Fatal(err)
					}
					return time.Since(start)
				}
			}
			least := map[string]time.Duration{}
			for b.Loop() {
				for mode, call := range calls {
					took := call()
					if least[mode] == 0 || took < least[mode] {
						least[mode] = took
					}
				}
			}
			for mode, took := range least {
				b.ReportMetric(float64(took)/1e3, "µs/"+mode)
			}
		})
	}
}
