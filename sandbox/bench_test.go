package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"berth/host"
	"berth/sandbox"
)

func loadGuest(tb testing.TB, name string, change func(*host.Package)) host.Module {
	tb.Helper()
	dir := tb.TempDir()
	wasm, err := os.ReadFile(filepath.Join("testdata", "guests", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600); err != nil {
		tb.Fatal(err)
	}
	p := &host.Package{Name: name, Dir: dir, Cache: filepath.Join(tb.TempDir(), "cache"), Files: []string{name + ".wasm"}, Limits: host.DefaultLimits()}
	if change != nil {
		change(p)
	}
	e := sandbox.New()
	if err := e.Accept(p); err != nil {
		tb.Fatal(err)
	}
	m, err := e.Load(tb.Context(), p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close(tb.Context()) })
	return m
}

func BenchmarkEcho(b *testing.B) {
	for name, timeout := range map[string]bool{"deadline": true, "none": false} {
		b.Run(name, func(b *testing.B) {
			m := loadGuest(b, "echo", func(p *host.Package) {
				if !timeout {
					p.Limits.Timeout = 0
				}
			})
			f, err := m.Function("echo")
			if err != nil {
				b.Fatal(err)
			}
			in, out := make([]byte, 64), make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				if out, err = f.Call(context.Background(), out[:0], in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
