package peers

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// openBerth installs a plugin in a host, all parts real. A timeout of 0 is none.
func openBerth(tb testing.TB, wasm []byte, timeout time.Duration) caller {
	tb.Helper()
	dir, limits := tb.TempDir(), host.DefaultLimits()
	limits.Timeout = timeout
	records, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	cache, err := lookup.New(512<<20, lookup.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	h, err := host.New(tb.Context(), host.Config{Dir: dir, Store: records, Cache: cache, Engines: []host.Engine{sandbox.New()}, Limits: limits})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		cache.Close()
		if err := records.Close(); err != nil {
			tb.Error(err)
		}
	})
	request := host.Request{Kind: host.Functions, Name: "peer", File: "file://" + pack(tb, "peer", wasm)}
	if _, err := h.Install(tb.Context(), request); err != nil {
		tb.Fatal(err)
	}
	ctx, out := context.Background(), []byte(nil)
	return func(function string, in []byte) ([]byte, error) {
		var err error
		out, err = h.Invoke(ctx, function, out[:0], in)
		return out, err
	}
}

// pack zips a build as the package of a plugin without a manifest.
func pack(tb testing.TB, name string, wasm []byte) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), name+".zip")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create(name + ".wasm")
	if err == nil {
		_, err = w.Write(wasm)
	}
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		tb.Fatal(err)
	}
	return path
}
