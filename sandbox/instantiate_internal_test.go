package sandbox

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"berth/host"
)

// bareModule compiles a guest over the berth ABI, without making an instance.
func bareModule(tb testing.TB, guest, compiler string) *module {
	tb.Helper()
	p := &host.Package{Name: guest, Cache: filepath.Join(tb.TempDir(), "cache"), Limits: host.DefaultLimits()}
	p.Manifest.Wasm.Compiler = compiler
	p.Dir, p.Files = filepath.Join("testdata", "guests"), []string{guest + ".wasm"}
	c, err := compilePackage(tb.Context(), p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.close(context.Background()) })
	if err := c.provide(tb.Context(), berthABI{}, isolationKeep); err != nil {
		tb.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	tb.Cleanup(end)
	return &module{compiled: c, abi: berthABI{}, pkg: p, admission: newAdmission(DefaultAdmission()), world: &world{pkg: p}, initTime: initTime, life: life, end: end}
}

// TestInitTime: a guest whose initialisation never ends is stopped.
func TestInitTime(t *testing.T) {
	for _, guest := range []string{"init_loop", "start_loop"} {
		for _, compiler := range []string{"compiler", "interpreter"} {
			t.Run(guest+"/"+compiler, func(t *testing.T) {
				m := bareModule(t, guest, compiler)
				m.initTime = 50 * time.Millisecond
				_, err := m.instantiate(t.Context())
				wantCodeOf(t, err, host.CodeTimeout)
				m.initTime = time.Hour // the caller gives up first
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				_, err = m.instantiate(ctx)
				wantCodeOf(t, err, host.CodeTimeout)
				m.end() // the module is closed
				_, err = m.instantiate(t.Context())
				wantCodeOf(t, err, host.CodeUnavailable)
			})
		}
	}
}

// TestInstantiateMeetsGivingUp: the caller gives up while an instance is made,
// most of all when that is just done. An instance that comes of it works.
func TestInstantiateMeetsGivingUp(t *testing.T) {
	m := bareModule(t, "counter", "compiler")
	made, failed := 0, 0
	for range 4000 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20_000+rand.IntN(60_000)))
		s, err := m.instantiate(ctx)
		cancel()
		if err != nil {
			failed++
			if code := host.CodeOf(err); code != host.CodeTimeout && code != host.CodeCanceled {
				t.Fatalf("code %s of %v", code, err)
			}
			continue
		}
		made++
		_ = s.run.begin(context.Background(), "f")
		for range 20 {
			if _, err := s.instance.ExportedFunction("alloc").Call(s.run, 8); err != nil {
				t.Fatalf("the instance was closed under its owner, after %d made and %d failed: %v", made, failed, err)
			}
		}
		if !s.run.end() {
			t.Fatal("it was interrupted after it was made")
		}
		s.close()
	}
	t.Logf("%d made, %d failed", made, failed)
}
