package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

// generous bounds what ought to happen at once.
const generous = 30 * time.Second

// guestPackage unpacks a guest of testdata as a package of its name.
func guestPackage(tb testing.TB, name string) *host.Package {
	tb.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "guests", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasmPackage(tb, name, wasm)
}

// wasmPackage unpacks any bytes as the build of a package.
func wasmPackage(tb testing.TB, name string, wasm []byte) *host.Package {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600); err != nil {
		tb.Fatal(err)
	}
	return &host.Package{
		Name:   name,
		Dir:    dir,
		Cache:  filepath.Join(tb.TempDir(), "cache"),
		Files:  []string{name + ".wasm"},
		Limits: host.DefaultLimits(),
	}
}

// load loads a package; the module is closed when the test ends.
func load(tb testing.TB, p *host.Package) host.Module {
	tb.Helper()
	e := sandbox.New()
	if err := e.Accept(p); err != nil {
		tb.Fatal(err)
	}
	return loadInto(tb, e, p)
}

// loadInto is load, into an engine that others use, too.
func loadInto(tb testing.TB, e *sandbox.Engine, p *host.Package) host.Module {
	tb.Helper()
	m, err := e.Load(tb.Context(), p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// loadGuest loads a guest of testdata in a package that change may change.
func loadGuest(tb testing.TB, name string, change func(*host.Package)) host.Module {
	tb.Helper()
	p := guestPackage(tb, name)
	if change != nil {
		change(p)
	}
	return load(tb, p)
}

// call calls a function that must be there.
func call(tb testing.TB, m host.Module, function string, in []byte) ([]byte, error) {
	tb.Helper()
	return bind(tb, m, function).Call(tb.Context(), nil, in)
}

func bind(tb testing.TB, m host.Module, function string) host.Function {
	tb.Helper()
	f, err := m.Function(function)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// wantFailure checks the code of an error and what its message says.
func wantFailure(tb testing.TB, err error, code host.Code, says ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want code %s", code)
		return
	}
	if got := host.CodeOf(err); got != code {
		tb.Errorf("code %s of %q, want %s", got, err, code)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("%q does not say %q", err, text)
		}
	}
}

func waitFor(tb testing.TB, cond func() bool) {
	tb.Helper()
	enginetest.WaitFor(tb, generous, cond)
}

func interpreted(p *host.Package) { p.Manifest.Wasm.Compiler = "interpreter" }
