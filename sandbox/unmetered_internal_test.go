package sandbox

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// TestUnmetered: a build that the meter does not know runs all the same; wazero
// interrupts its loops, the status says so, and it holds its place all the time.
func TestUnmetered(t *testing.T) {
	for _, compiler := range []string{"compiler", "interpreter"} {
		t.Run(compiler, func(t *testing.T) {
			p := &host.Package{Name: "loop", Dir: filepath.Join("testdata", "guests"), Cache: filepath.Join(t.TempDir(), "cache"), Files: []string{"loop.wasm"}, Limits: host.DefaultLimits()}
			p.Limits.Timeout = 50 * time.Millisecond
			p.Manifest.Wasm.Compiler = compiler
			b, err := readBuild(p)
			if err != nil {
				t.Fatal(err)
			}
			b.unmetered = "loop.wasm: unknown opcode 0xff"
			b.parts[0].wasm = b.parts[0].raw
			c, err := compile(t.Context(), p, b)
			if err != nil {
				t.Fatal(err)
			}
			a := newAdmission(Admission{Places: 1, Queue: 1, Wait: time.Second})
			m, err := newModule(t.Context(), p, c, a)
			if err != nil {
				t.Fatal(err)
			}
			if how := m.Status().Interruption; !strings.HasPrefix(how, "close-on-context-done: ") || !strings.HasSuffix(how, "0xff") {
				t.Errorf("interrupted by %q", how)
			}
			spin, err := m.Function("spin")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err = spin.Call(t.Context(), nil, nil)
				wantCodeOf(t, err, host.CodeTimeout)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err = spin.Call(ctx, nil, nil)
			cancel()
			wantCodeOf(t, err, host.CodeTimeout)
			wantAdmission(t, a, 0, 0)
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			p.Manifest.Wasm.Isolation = "fresh"
			if _, err := isolation(p, c, m.abi); err == nil || !strings.Contains(err.Error(), "0xff") {
				t.Errorf("fresh is not refused: %v", err)
			}
		})
	}
}
