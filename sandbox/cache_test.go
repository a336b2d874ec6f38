package sandbox_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"berth/host"
	"berth/sandbox"
)

// cached returns the entries of a compilation cache.
func cached(t *testing.T, p *host.Package) []string {
	t.Helper()
	var entries []string
	err := filepath.WalkDir(p.Cache, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			entries = append(entries, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// echoOnce loads a package, calls its echo, and closes it.
func echoOnce(t *testing.T, p *host.Package) {
	t.Helper()
	m, err := sandbox.New().Load(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := call(t, m, "echo", []byte("in")); err != nil || string(out) != "in" {
		t.Errorf("echo: %q, %v", out, err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// compiles tells whether wazero has a compiler for this kind of machine.
const compiles = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

func skipWithoutCompiler(t *testing.T) {
	t.Helper()
	if !compiles {
		t.Skip("wazero has no compiler for " + runtime.GOARCH)
	}
}

func TestForm(t *testing.T) {
	if got, want := loadGuest(t, "echo", interpreted).Status().Form, "wasm, berth ABI, interpreted"; got != want {
		t.Errorf("form %q, want %q", got, want)
	}
	want := "wasm, numeric ABI, interpreted"
	if compiles {
		want = "wasm, numeric ABI, compiled"
	}
	p := guestPackage(t, "add")
	for range 2 { // the second time it is in the cache
		if got := load(t, p).Status().Form; got != want {
			t.Errorf("form %q, want %q", got, want)
		}
	}
}

// TestCache: the second load takes what the first one compiled: a file that is
// made again would be another file.
func TestCache(t *testing.T) {
	skipWithoutCompiler(t)
	p := guestPackage(t, "echo")
	echoOnce(t, p)
	entries := cached(t, p)
	if len(entries) != 1 {
		t.Fatalf("%q: want one entry", entries)
	}
	for dir := filepath.Dir(entries[0]); len(dir) >= len(p.Cache); dir = filepath.Dir(dir) {
		if mode := stat(t, dir).Mode().Perm(); mode != 0o700 {
			t.Errorf("%s has mode %o, want 700", dir, mode)
		}
	}
	first := stat(t, entries[0])
	for range 3 {
		echoOnce(t, p)
		if again := cached(t, p); len(again) != 1 || !os.SameFile(first, stat(t, again[0])) {
			t.Errorf("%q: compiled again", again)
		}
	}
	// What is reset after each call is exported: another entry.
	p.Manifest.Wasm.Isolation = "fresh"
	echoOnce(t, p)
	if again := cached(t, p); len(again) != 2 {
		t.Errorf("%q: want an entry for each", again)
	}
}

func TestInterpreterLeavesNoCache(t *testing.T) {
	p := guestPackage(t, "echo")
	interpreted(p)
	echoOnce(t, p)
	if _, err := os.Stat(p.Cache); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a cache folder was made (%v)", err)
	}
}

// TestBadCache: an entry that was cut off or overwritten is made again.
func TestBadCache(t *testing.T) {
	skipWithoutCompiler(t)
	for name, spoil := range map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut in header": func(good []byte) []byte { return good[:10] },
		"cut in code":   func(good []byte) []byte { return good[:len(good)/2] },
		"cut at end":    func(good []byte) []byte { return good[:len(good)-1] },
		"garbage":       func(good []byte) []byte { return bytes.Repeat([]byte("garbage "), len(good)/8) },
		"code changed": func(good []byte) []byte {
			good[len(good)/2] ^= 0xff
			return good
		},
		"other version": func(good []byte) []byte {
			good[7] ^= 1
			return good
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := guestPackage(t, "echo")
			echoOnce(t, p)
			entry := cached(t, p)[0]
			good, err := os.ReadFile(entry)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(entry, spoil(bytes.Clone(good)), 0o600); err != nil {
				t.Fatal(err)
			}
			echoOnce(t, p)
			if again := cached(t, p); len(again) != 1 || again[0] != entry || stat(t, entry).Size() != int64(len(good)) {
				t.Errorf("%q: the bad entry was not replaced by a good one", again)
			}
			if mode := stat(t, p.Cache).Mode().Perm(); mode != 0o700 {
				t.Errorf("the folder has mode %o, want 700", mode)
			}
			echoOnce(t, p)
		})
	}
}

// TestCacheOfBadBuild: the cache is not blamed, nor emptied, for ever.
func TestCacheOfBadBuild(t *testing.T) {
	p := guestPackage(t, "invalid")
	if err := os.MkdirAll(p.Cache, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Cache, "other"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, p, "invalid.wasm does not validate")
	refused(t, p, "invalid.wasm does not validate")
}

// TestCacheFolderCannotBeMade: a plugin runs without a cache where there can be
// none.
func TestCacheFolderCannotBeMade(t *testing.T) {
	p := guestPackage(t, "echo")
	p.Cache = filepath.Join(p.Path("echo.wasm"), "cache")
	echoOnce(t, p)
}
