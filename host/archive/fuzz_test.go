package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzUnpack(f *testing.F) {
	for _, items := range [][]item{
		nil,
		{{name: "a", body: "hello", mode: 0o755}, {name: "b/", mode: fs.ModeDir | 0o755}, {name: "b/c", body: noise(100)}},
		{{name: "x/p.json", body: "{}"}, {name: "x/sub/p.so", body: "ELF"}, {name: "__MACOSX/x", body: "junk"}},
		{{name: "stored", body: "hello", edit: func(h *zip.FileHeader) { h.Method, h.CompressedSize64 = zip.Store, 5 }}},
		{{name: "../../x", body: "out"}},
		{{name: "/etc/x", body: "out"}},
		{{name: `..\x`, body: "out"}},
		{{name: "link", body: "/etc/passwd", mode: fs.ModeSymlink | 0o777}, {name: "link/x", body: "out"}},
		{{name: "a", body: "1"}, {name: "A", body: "2"}, {name: "a/b", body: "3"}},
		{{name: "bomb", body: strings.Repeat("\x00", 2<<20)}},
		{{name: "lie", body: strings.Repeat("\x00", 2<<20), edit: func(h *zip.FileHeader) { h.UncompressedSize64 = 10 }}},
		{{name: "sum", body: "hello", edit: func(h *zip.FileHeader) { h.CRC32 = 0 }}},
		{{name: "big", body: "x", edit: func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }}},
		{{name: "secret", body: "x", edit: func(h *zip.FileHeader) { h.Flags |= 1 }}},
	} {
		b := makeZip(f, items...)
		f.Add(b)
		f.Add(b[:len(b)/2])
		f.Add(append([]byte("#!/bin/sh\n"), b...))
	}
	f.Add([]byte{})
	f.Add(directoryOf(200, 200))
	f.Add(directoryOf(20, 0xffff))
	limits := Limits{Unpacked: 1 << 20, Files: 100}
	f.Fuzz(func(t *testing.T, b []byte) {
		contents, path, err := unpack(t, b, limits) // it checks what was written, and where
		if err != nil {
			if text := err.Error(); text == "" || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x00") {
				t.Errorf("unfit for a message: %q", text)
			}
			return
		}
		reader, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(reader.File) > limits.Files {
			t.Errorf("accepted what archive/zip sees as %v, %v", reader, err)
		}
		folded := map[string]bool{}
		for _, entry := range contents.Entries {
			info, err := os.Lstat(filepath.Join(path, entry.Path))
			if err != nil || !info.Mode().IsRegular() || info.Size() != entry.Size ||
				entry.Executable != (info.Mode().Perm() == 0o755) {
				t.Errorf("%v is %v, %v", entry, info, err)
			}
			if !filepath.IsLocal(entry.Path) || folded[fold(entry.Path)] {
				t.Errorf("%v is not local or there twice", entry)
			}
			folded[fold(entry.Path)] = true
		}
		files := 0
		err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files++
			}
			return err
		})
		if err != nil || files != len(contents.Entries) {
			t.Errorf("wrote %d files, listed %d, %v", files, len(contents.Entries), err)
		}
	})
}

func FuzzCheckURI(f *testing.F) {
	for _, uri := range []string{
		"", "http://h/x.zip", "https://u:p@h:1/x.zip", "file:///x.zip", "file:///a%20b.zip", "file://h/x.zip", "file:/x.zip",
		"x.zip", "ftp://h/x.zip", "http:///x.zip", "http://h/x.zip?y=1", "file:///x?.zip", "http://[::1]/x.zip", "HTTP://h/.zip",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		err := CheckURI(uri)
		if err != nil {
			if !errors.Is(err, ErrInvalidURI) || err.Error() != "invalid uri "+Redacted(uri) {
				t.Errorf("unexpected error %q", err)
			}
			return
		}
		u, err := parseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		web := (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
		file := u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path)
		if !strings.HasSuffix(uri, ".zip") || !web && !(file && strings.HasSuffix(u.Path, ".zip")) {
			t.Errorf("accepted %q: %+v", uri, u)
		}
	})
}
