package archive

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// item is one entry of a zip that a test makes.
type item struct {
	name string
	body string
	mode fs.FileMode           // 0 stands for no Unix mode at all
	edit func(*zip.FileHeader) // if set, the entry is written raw, with whatever this makes of its header
}

// makeZip builds a zip as archive/zip's writer does; it is trusted to be well formed where an item does not say otherwise.
func makeZip(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, it := range items {
		h := &zip.FileHeader{Name: it.name, Method: zip.Deflate}
		if it.mode != 0 {
			h.SetMode(it.mode)
		}
		body := []byte(it.body)
		create := w.CreateHeader
		if it.edit != nil {
			packed := deflate(t, body)
			h.CRC32 = crc32.ChecksumIEEE(body)
			h.UncompressedSize64, h.CompressedSize64 = uint64(len(body)), uint64(len(packed))
			it.edit(h)
			if h.Method == zip.Deflate {
				body = packed
			}
			create = w.CreateRaw
		}
		f, err := create(h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(it.name, "/") {
			continue
		}
		if _, err := f.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func deflate(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise returns n bytes that do not compress, the same every time.
func noise(n int) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return string(b)
}

// headerAt returns where the i-th header of the central directory lies.
func headerAt(t testing.TB, zip []byte, i int) int {
	t.Helper()
	at := int(binary.LittleEndian.Uint32(zip[endAt(t, zip)+16:]))
	for ; i > 0; i-- {
		next := at + headerLen
		for _, field := range []int{28, 30, 32} {
			next += int(binary.LittleEndian.Uint16(zip[at+field:]))
		}
		at = next
	}
	return at
}

// endAt returns where the end record lies.
func endAt(t testing.TB, zip []byte) int {
	t.Helper()
	at := bytes.LastIndex(zip, []byte(endSig))
	if at < 0 {
		t.Fatal("no end record")
	}
	return at
}

// directoryOf returns a zip that is nothing but a central directory of n headers without names, and an end record that
// claims a number of them.
func directoryOf(n int, claim uint16) []byte {
	header := make([]byte, headerLen)
	copy(header, headerSig)
	b := bytes.Repeat(header, n)
	end := make([]byte, endLen)
	copy(end, endSig)
	binary.LittleEndian.PutUint16(end[10:], claim)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(b)))
	return append(b, end...)
}

// newRoot returns an empty folder, opened, and its path. It is the only thing in the folder it lies in.
func newRoot(t testing.TB) (*os.Root, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, path
}

// written returns the sum of the sizes of the files below path, and fails if anything lies beside it.
func written(t testing.TB, path string) int64 {
	t.Helper()
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(beside) != 1 || beside[0].Name() != filepath.Base(path) {
		t.Fatalf("something was written outside of the root: %v", beside)
	}
	var sum int64
	err = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return nil
		}
		if !d.Type().IsRegular() {
			t.Errorf("%s is a %v", path, d.Type())
		}
		info, err := d.Info()
		sum += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
