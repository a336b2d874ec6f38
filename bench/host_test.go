package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// named is an echo over the berth ABI whose one function is f<i>.
func named(tb testing.TB, i int) (function string, wasm []byte) {
	tb.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "named.wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	function = fmt.Sprintf("f%07d", i)
	return function, bytes.Replace(wasm, []byte("f0000000"), []byte(function), 1)
}

// pack zips a build as the package of a plugin, with a manifest if one is given.
func pack(tb testing.TB, dir, name string, wasm, manifest []byte) (path string) {
	tb.Helper()
	files := map[string][]byte{name + ".wasm": wasm}
	if manifest != nil {
		files[name+".json"] = manifest
	}
	path = filepath.Join(dir, name+".zip")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for file, data := range files {
		w, err := z.Create(file)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// open opens a host on a data folder until the benchmark ends.
func open(tb testing.TB, dir string, limits host.Limits) *host.Host {
	tb.Helper()
	h, end := openHost(tb, dir, limits)
	tb.Cleanup(end)
	return h
}

// openHost opens a host on a data folder, all parts real.
func openHost(tb testing.TB, dir string, limits host.Limits) (h *host.Host, end func()) {
	tb.Helper()
	s, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	cache, err := lookup.New(512<<20, lookup.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	h, err = host.New(tb.Context(), host.Config{Dir: dir, Store: s, Cache: cache, Engines: []host.Engine{sandbox.New()}, Limits: limits})
	if err != nil {
		tb.Fatal(err)
	}
	return h, func() {
		if err := h.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		cache.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	}
}

// install installs n plugins of one function each and returns the functions.
func install(tb testing.TB, h *host.Host, n int) (functions []string) {
	tb.Helper()
	dir := tb.TempDir()
	for i := range n {
		function, wasm := named(tb, i)
		name := fmt.Sprintf("plugin%d", i)
		file := "file://" + pack(tb, dir, name, wasm, nil)
		if _, err := h.Install(tb.Context(), host.Request{Kind: host.Functions, Name: name, File: file}); err != nil {
			tb.Fatal(err)
		}
		functions = append(functions, function)
	}
	return functions
}

func noDeadline() host.Limits {
	limits := host.DefaultLimits()
	limits.Timeout = 0
	return limits
}
