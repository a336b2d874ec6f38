package enginetest

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
)

// OpenHost opens a host with the engines, the real store and the real cache on a
// data folder. It is closed when the test ends.
func OpenHost(t testing.TB, dir string, engines ...host.Engine) *host.Host {
	t.Helper()
	records, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := lookup.New(1<<30, lookup.Options{})
	if err != nil {
		_ = records.Close()
		t.Fatal(err)
	}
	h, err := host.New(context.Background(), host.Config{Dir: dir, Store: records, Cache: cache, Engines: engines, Policy: host.DefaultPolicy()})
	if err != nil {
		cache.Close()
		_ = records.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		err := h.Close(ctx)
		cache.Close()
		if err := errors.Join(err, records.Close()); err != nil {
			t.Errorf("closing the host: %v", err)
		}
	})
	return h
}

// Files are the files of a package, by their path in it.
type Files map[string][]byte

// Pack makes a zip of the files, those named executable with the execute bit,
// and returns its URI.
func Pack(t testing.TB, files Files, executable ...string) (uri string) {
	t.Helper()
	marked := Files{}
	for name, data := range files {
		if slices.Contains(executable, name) {
			name += "*"
		}
		marked[name] = data
	}
	data, err := Zip(marked)
	path := filepath.Join(t.TempDir(), "package.zip")
	if err := errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// Zip makes a zip of files, the same bytes for the same files. Those whose names
// end in "*", which is not part of the name, have the execute bit.
func Zip[T string | []byte](files map[string]T) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		plain, executable := strings.CutSuffix(name, "*")
		header := &zip.FileHeader{Name: plain, Method: zip.Deflate}
		header.SetMode(0o644)
		if executable {
			header.SetMode(0o755)
		}
		entry, err := z.CreateHeader(header)
		if err == nil {
			_, err = entry.Write([]byte(files[name]))
		}
		if err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// Unpack makes a package of the files as the host hands it to engines, with the
// default limits.
func Unpack(t testing.TB, kind host.Kind, name string, files Files, executable ...string) *host.Package {
	t.Helper()
	p := &host.Package{Kind: kind, Name: name, Dir: t.TempDir(), Cache: filepath.Join(t.TempDir(), "cache"),
		Files: slices.Sorted(maps.Keys(files)), Limits: host.DefaultLimits()}
	for file, data := range files {
		path, mode := p.Path(file), fs.FileMode(0o644)
		if slices.Contains(executable, file) {
			mode = 0o755
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, data, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// Installed lists the files that a host keeps of its plugins in a data folder.
func Installed(t testing.TB, dir string) (files []string) {
	t.Helper()
	for _, folder := range []string{"plugins", "cache", "state", "staging"} {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err == nil && !entry.IsDir():
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
