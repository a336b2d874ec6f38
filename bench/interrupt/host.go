package main

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// openHost opens a host in a folder of its own and installs the guest. end closes
// the host and removes the folder.
func openHost(ctx context.Context, guest string, timeout time.Duration) (h *host.Host, end func() error, err error) {
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	records, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	cache, err := lookup.New(512<<20, lookup.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, records.Close(), remove())
	}
	limits := host.DefaultLimits()
	limits.Timeout = timeout
	h, err = host.New(ctx, host.Config{Dir: dir, Store: records, Cache: cache, Engines: []host.Engine{sandbox.New()}, Limits: limits})
	if err != nil {
		cache.Close()
		return nil, nil, errors.Join(err, records.Close(), remove())
	}
	end = func() error {
		err := h.Close(context.Background())
		cache.Close()
		return errors.Join(err, records.Close(), remove())
	}
	path := filepath.Join(dir, "runaway.zip")
	err = pack(path, guest)
	if err == nil {
		_, err = h.Install(ctx, host.Request{Kind: host.Functions, Name: "runaway", File: "file://" + path})
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return h, end, nil
}

// pack zips a build as the package of the plugin runaway.
func pack(path, build string) error {
	wasm, err := os.ReadFile(build)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	w, err := z.Create("runaway.wasm")
	if err == nil {
		_, err = w.Write(wasm)
	}
	return errors.Join(err, z.Close(), f.Close())
}
