package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// unpack unpacks the zip into a new folder and returns what was written, the folder's path, and the error, whose form it
// checks.
func unpack(t testing.TB, b []byte, limits Limits) (Contents, string, error) {
	t.Helper()
	root, path := newRoot(t)
	contents, err := Unpack(t.Context(), bytes.NewReader(b), int64(len(b)), root, limits)
	var typed *Error
	if err != nil && !errors.As(err, &typed) {
		t.Errorf("%v is a %T", err, err)
	}
	if err != nil && !reflect.DeepEqual(contents, Contents{}) {
		t.Errorf("got %v beside the error %v", contents, err)
	}
	if sum, most := written(t, path), limits.WithDefaults().Unpacked; sum > most {
		t.Errorf("wrote %d bytes, the limit is %d", sum, most)
	}
	return contents, path, err
}

func TestUnpack(t *testing.T) {
	body := noise(200 << 10)
	b := makeZip(t,
		item{name: "p.json", body: "{}", mode: 0o600},
		item{name: "run", body: "#!/bin/sh", mode: 0o4711 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky},
		item{name: "empty", mode: 0o644},
		item{name: "full/", mode: fs.ModeDir | 0o777},
		item{name: "full/deep/big.so", body: body},
		item{name: "hollow/"},
		item{name: "./dot", body: "dot"},
		item{name: "./"},
		item{name: "stored", body: body, mode: 0o444, edit: func(h *zip.FileHeader) {
			h.Method, h.CompressedSize64 = zip.Store, h.UncompressedSize64
		}},
		item{name: "zeroes", body: strings.Repeat("\x00", int(ratioFloor))},
		item{name: "Ünïcode/文件", body: "x"},
		item{name: "__MACOSX/._p.json", body: "junk"},
		item{name: "full/.DS_Store", body: "junk"},
	)
	contents, path, err := unpack(t, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := Contents{Entries: []Entry{
		{"dot", 3, false},
		{"empty", 0, false},
		{"full/deep/big.so", int64(len(body)), false},
		{"p.json", 2, false},
		{"run", 9, true},
		{"stored", int64(len(body)), false},
		{"zeroes", ratioFloor, false},
		{"Ünïcode/文件", 1, false},
	}}
	if !reflect.DeepEqual(contents, want) {
		t.Errorf("got  %v\nwant %v", contents, want)
	}
	for name, mode := range map[string]fs.FileMode{
		"p.json": 0o644, "run": 0o755, "stored": 0o644, "full": fs.ModeDir | 0o755, "full/deep": fs.ModeDir | 0o755,
		"full/deep/big.so": 0o644, "hollow": fs.ModeDir | 0o755,
	} {
		info, err := os.Lstat(filepath.Join(path, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: got %v, %v, want the mode %v", name, info, err, mode)
		}
	}
	for _, name := range []string{"full/deep/big.so", "stored"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != body {
			t.Errorf("%s has other content, %v", name, err)
		}
	}
	for _, name := range []string{"__MACOSX", "full/.DS_Store"} {
		if _, err := os.Lstat(filepath.Join(path, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEnclosing(t *testing.T) {
	for names, want := range map[string]string{
		"x/p.json x/sub/a":                  "x",
		"x/ x/p.json":                       "x",
		"x/p.json __MACOSX/x/._p .DS_Store": "x",
		"x/y/p.json":                        "x",
		"x/etc/a":                           "x",
		"linux-box/a":                       "linux-box",
		"my-arm64/a":                        "my-arm64",
		"x/p.json y":                        "",
		"x/p.json y/":                       "",
		"x":                                 "",
		"x/":                                "",
		"":                                  "",
		"etc/a":                             "",
		"sources/a":                         "",
		"sinks/a":                           "",
		"functions/a functions/b":           "",
		"linux-arm64/a.so":                  "",
		"linux-arm/a.so":                    "",
		"darwin-amd64/a.so":                 "",
	} {
		var items []item
		for _, name := range strings.Fields(names) {
			items = append(items, item{name: name})
		}
		contents, path, err := unpack(t, makeZip(t, items...), Limits{})
		if err != nil || contents.Enclosing != want {
			t.Errorf("%q: got %q, %v; want %q", names, contents.Enclosing, err, want)
		}
		for _, entry := range contents.Entries {
			if want != "" && strings.HasPrefix(entry.Path, want+"/") {
				t.Errorf("%q: not stripped: %v", names, entry)
			}
			if _, err := os.Stat(filepath.Join(path, entry.Path)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestForms unpacks zips of unusual but good forms.
func TestForms(t *testing.T) {
	good := makeZip(t, item{name: "a", body: "hello"}, item{name: "b/c", body: "there"})
	comment := append(bytes.Clone(good), "a comment"...)
	binary.LittleEndian.PutUint16(comment[endAt(t, good)+20:], 9)
	before := append([]byte(strings.Repeat("#!/bin/sh\n", 500)), good...)
	var many bytes.Buffer // more entries than the plain end record can count
	w := zip.NewWriter(&many)
	for i := range 1 << 16 {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"comment": comment, "bytes before": before} {
		if contents, _, err := unpack(t, b, Limits{}); err != nil || len(contents.Entries) != 2 {
			t.Errorf("%s: got %v, %v", name, contents, err)
		}
	}
	got, err := readDirectory(bytes.NewReader(many.Bytes()), int64(many.Len()), 1<<16)
	if err != nil || got.count != 1<<16 {
		t.Errorf("zip64: got %v, %v", got, err)
	}
	if _, _, err := unpack(t, many.Bytes(), Limits{Files: 1<<16 - 1}); !errors.Is(err, ErrTooMany) {
		t.Errorf("zip64: got %v", err)
	}
}

// TestUnpackRefused is every reason to refuse an archive. Only those that only the content shows may write anything.
func TestUnpackRefused(t *testing.T) {
	raw := func(edit func(*zip.FileHeader)) item { return item{name: "bad", body: "hello hello hello", edit: edit} }
	mode := func(m fs.FileMode) item { return item{name: "bad", body: "/etc/passwd", mode: m | 0o777} }
	big := strings.Repeat("\x00", 10<<20)
	late := func(edit func(*zip.FileHeader)) []item { return []item{{name: "bad", body: big[:2<<20], edit: edit}} }
	for name, test := range map[string]struct {
		items  []item
		limits Limits
		kind   error
		text   string
		writes bool
	}{
		"symlink":     {items: []item{mode(fs.ModeSymlink)}, kind: ErrUnsafe, text: "symbolic link"},
		"symlink dir": {items: []item{{name: "bad/", mode: fs.ModeSymlink | 0o777}}, kind: ErrUnsafe, text: "symbolic link"},
		"fifo":        {items: []item{mode(fs.ModeNamedPipe)}, kind: ErrUnsafe, text: "named pipe"},
		"socket":      {items: []item{mode(fs.ModeSocket)}, kind: ErrUnsafe, text: "socket"},
		"block":       {items: []item{mode(fs.ModeDevice)}, kind: ErrUnsafe, text: "device"},
		"char":        {items: []item{mode(fs.ModeDevice | fs.ModeCharDevice)}, kind: ErrUnsafe, text: "device"},
		"folder mode": {items: []item{mode(fs.ModeDir)}, kind: ErrUnsafe, text: "a folder by its mode"},
		"hard link": {items: []item{raw(func(h *zip.FileHeader) {
			h.Extra = append([]byte{0x55, 0x54, 1, 0, 0, 0x0d, 0, 13, 0}, "twelve bytes/"...)
		})}, kind: ErrUnsafe, text: "is a link"},
		"encrypted":    {items: []item{raw(func(h *zip.FileHeader) { h.Flags |= 1 })}, kind: ErrUnsupported, text: "encrypted"},
		"strong":       {items: []item{raw(func(h *zip.FileHeader) { h.Flags |= 0x41 })}, kind: ErrUnsupported, text: "encrypted"},
		"patch":        {items: []item{raw(func(h *zip.FileHeader) { h.Flags |= 0x20 })}, kind: ErrUnsupported, text: "patch"},
		"bzip2":        {items: []item{raw(func(h *zip.FileHeader) { h.Method = 12 })}, kind: ErrUnsupported, text: "method 12"},
		"aes":          {items: []item{raw(func(h *zip.FileHeader) { h.Method = 99 })}, kind: ErrUnsupported, text: "method 99"},
		"twice":        {items: []item{{name: "bad"}, {name: "bad"}}, kind: ErrDuplicate, text: "twice"},
		"folder twice": {items: []item{{name: "bad/"}, {name: "bad/"}}, kind: ErrDuplicate, text: "twice"},
		"dot twice":    {items: []item{{name: "bad"}, {name: "./bad"}}, kind: ErrDuplicate, text: "twice"},
		"case":         {items: []item{{name: "a.txt"}, {name: "A.txt"}}, kind: ErrDuplicate, text: `in case from "a.txt"`},
		"folder case":  {items: []item{{name: "a/x"}, {name: "A/y"}}, kind: ErrDuplicate, text: `in case from "a"`},
		"fold":         {items: []item{{name: "ſ"}, {name: "S"}}, kind: ErrDuplicate, text: "in case"},
		"file, folder": {items: []item{{name: "a"}, {name: "a/b"}}, kind: ErrDuplicate, text: `"a" is a file and also`},
		"folder, file": {items: []item{{name: "a/b"}, {name: "a"}}, kind: ErrDuplicate, text: `"a" is a file and also`},
		"file, named":  {items: []item{{name: "a"}, {name: "a/"}}, kind: ErrDuplicate, text: `"a" is a file and also`},
		"too many": {items: []item{{name: "a"}, {name: "b"}, {name: "c"}}, limits: Limits{Files: 2},
			kind: ErrTooMany, text: "claims 3 entries, the limit is 2"},
		"too deep": {items: []item{{name: strings.Repeat("d/", 500) + "f"}}, limits: Limits{Files: 400},
			kind: ErrTooMany, text: "limit of 400 files and folders"},
		"large": {items: []item{{name: "a", body: "0123456789"}}, limits: Limits{Unpacked: 9},
			kind: ErrTooLarge, text: "unpacks to 10 bytes"},
		"large sum": {items: []item{{name: "a", body: "01234"}, {name: "b", body: "01234"}}, limits: Limits{Unpacked: 9},
			kind: ErrTooLarge, text: "to 10 bytes unpacked, the limit is 9"},
		"absurd": {items: late(func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 1 }), kind: ErrTooLarge,
			text: "18446744073709551615"},
		"absurd packed": {items: late(func(h *zip.FileHeader) { h.CompressedSize64 = 1<<64 - 1 }), kind: ErrCorrupt,
			text: "18446744073709551615"},
		"ratio":     {items: []item{{name: "bomb", body: big}}, kind: ErrRatio, text: "200-fold"},
		"ratio sum": {items: manyItems("bomb", 20, big[:1<<20]), kind: ErrRatio, text: "200-fold"},
		"lies low": {items: late(func(h *zip.FileHeader) { h.UncompressedSize64 = 100 }), kind: ErrCorrupt,
			text: "more content than it declares", writes: true},
		"lies none": {items: late(func(h *zip.FileHeader) { h.UncompressedSize64 = 0 }), kind: ErrCorrupt,
			text: "more content than it declares", writes: true},
		"lies high": {items: []item{raw(func(h *zip.FileHeader) { h.UncompressedSize64++ })}, kind: ErrCorrupt,
			text: "less content than it declares", writes: true},
		"sum":      {items: []item{raw(func(h *zip.FileHeader) { h.CRC32++ })}, kind: ErrCorrupt, text: "checksum", writes: true},
		"sum zero": {items: []item{raw(func(h *zip.FileHeader) { h.CRC32 = 0 })}, kind: ErrCorrupt, text: "checksum", writes: true},
		"cut off": {items: []item{raw(func(h *zip.FileHeader) { h.CompressedSize64 -= 3 })}, kind: ErrCorrupt,
			text: "cut off", writes: true},
		"not deflate": {items: []item{raw(func(h *zip.FileHeader) { h.Method = zip.Store })}, kind: ErrCorrupt,
			text: "content than it declares", writes: true},
		"folder with content": {items: []item{{name: "bad/", body: "x", edit: func(*zip.FileHeader) {}}}, kind: ErrCorrupt,
			text: "a folder that declares"},
	} {
		t.Run(name, func(t *testing.T) {
			items := append([]item{{name: "good", body: ""}}, test.items...)
			if test.limits.Files != 0 {
				items = test.items
			}
			_, path, err := unpack(t, makeZip(t, items...), test.limits)
			if !errors.Is(err, test.kind) || !strings.Contains(fmt.Sprint(err), test.text) || errors.Is(err, ErrNotZip) {
				t.Fatalf("got %v, want %v with %q", err, test.kind, test.text)
			}
			t.Log(err)
			if left, err := os.ReadDir(path); err != nil || !test.writes && len(left) > 0 {
				t.Errorf("wrote %v, %v", left, err)
			}
		})
	}
}

func manyItems(name string, n int, body string) []item {
	items := make([]item, n)
	for i := range items {
		items[i] = item{name: fmt.Sprint(name, i), body: body}
	}
	return items
}

// TestNotZip: all that is no zip gives the one text that clients know.
func TestNotZip(t *testing.T) {
	good := makeZip(t, item{name: "a", body: "hello"}, item{name: "b", body: "there"})
	end := endAt(t, good)
	patch := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	locator := append(bytes.Clone(good[:end]), locator64Sig+"\x00\x00\x00\x00\xf0\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00"...)
	locator = append(locator, good[end:]...)
	binary.LittleEndian.PutUint16(locator[len(locator)-endLen+10:], 0xffff)
	for name, b := range map[string][]byte{
		"empty":             {},
		"text":              []byte("<html>404</html>"),
		"no end":            good[:end],
		"end cut":           good[:len(good)-1],
		"first half":        good[:len(good)/2],
		"one entry less":    patch(end+10, 1),
		"one entry more":    patch(end+10, 3),
		"signature":         patch(headerAt(t, good, 1), 'X'),
		"size beyond start": patch(end+12, 0xff, 0xff, 0xff),
		"comment cut":       patch(end+20, 1),
		"zip64 nowhere":     locator,
	} {
		_, _, err := unpack(t, b, Limits{})
		if !errors.Is(err, ErrNotZip) || !errors.Is(err, zip.ErrFormat) || fmt.Sprint(err) != "zip: not a valid zip file" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	root, _ := newRoot(t)
	if _, err := Unpack(t.Context(), bytes.NewReader(good), -1, root, Limits{}); !errors.Is(err, ErrNotZip) {
		t.Errorf("negative size: got %v", err)
	}
}

// TestDirectoryBomb has central directories that archive/zip alone would read whole, making objects of every header.
func TestDirectoryBomb(t *testing.T) {
	const headers = 1<<17 + 3 // the count in the end record is modulo 65536 to archive/zip
	two := append(directoryOf(headers, 3), directoryOf(3, 3)...)
	binary.LittleEndian.PutUint32(two[len(two)-endLen+12:], 3*headerLen) // offset 0: the many are where it says
	claimed := directoryOf(10, 0xffff)
	stuffed := bytes.Clone(directoryOf(0, 60))
	for range 60 { // names and comments as long as can be
		header := make([]byte, headerLen+2*0xffff)
		copy(header, headerSig)
		copy(header[28:], "\xff\xff\x00\x00\xff\xff")
		stuffed = append(header, stuffed...)
	}
	binary.LittleEndian.PutUint32(stuffed[len(stuffed)-endLen+12:], uint32(len(stuffed)-endLen))
	for name, b := range map[string][]byte{
		"counted":    directoryOf(headers, 3),
		"some":       directoryOf(150, 50),
		"two places": two,
		"claimed":    claimed,
		"stuffed":    stuffed,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := newPlan(t.Context(), bytes.NewReader(b), int64(len(b)), Limits{Files: 100}.WithDefaults())
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooMany) {
				t.Errorf("got %v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("it took %d bytes of memory to find out", used)
			}
		})
	}
}

// TestOverlap has entries that share the same packed bytes, so that a small zip unpacks to much while each entry looks well.
func TestOverlap(t *testing.T) {
	const n = 50
	b := makeZip(t, manyItems("bomb", n, strings.Repeat("\x00", 1<<20))...)
	first := binary.LittleEndian.Uint32(b[headerAt(t, b, 0)+42:])
	for i := range n {
		binary.LittleEndian.PutUint32(b[headerAt(t, b, i)+42:], first)
	}
	_, path, err := unpack(t, b, Limits{Ratio: 1100})
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "shares its data") {
		t.Errorf("got %v", err)
	}
	if sum := written(t, path); sum != 0 {
		t.Errorf("wrote %d bytes", sum)
	}

	// The data of the first entry holds the whole of the second, as in "A better zip bomb".
	b = makeZip(t, item{name: "a", body: noise(100)}, item{name: "b", body: noise(100)})
	packed := binary.LittleEndian.Uint32(b[headerAt(t, b, 0)+20:])
	binary.LittleEndian.PutUint32(b[headerAt(t, b, 0)+20:], 2*packed)
	if _, _, err := unpack(t, b, Limits{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "shares its data") {
		t.Errorf("got %v", err)
	}

	// The data reaches into the directory, though its stream ends before.
	b = makeZip(t, item{name: "a", body: noise(100)}, item{name: "b", body: noise(100)})
	binary.LittleEndian.PutUint32(b[headerAt(t, b, 1)+20:], packed+17)
	if _, _, err := unpack(t, b, Limits{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "into the zip's directory") {
		t.Errorf("got %v", err)
	}

	// The header lies nowhere, or is none.
	for _, offset := range []uint32{uint32(headerAt(t, b, 0)), uint32(len(b)) + 1000, 0xfffffffe} {
		bad := bytes.Clone(b)
		binary.LittleEndian.PutUint32(bad[headerAt(t, b, 1)+42:], offset)
		if _, _, err := unpack(t, bad, Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("offset %d: got %v", offset, err)
		}
	}
}

// countingContext ends after it has been asked some number of times.
type countingContext struct {
	context.Context
	left int
}

func (c *countingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestUnpackCancelled ends the context at every place where it is looked at.
func TestUnpackCancelled(t *testing.T) {
	b := makeZip(t, item{name: "a", body: noise(3 * chunkLen)}, item{name: "d/b", body: "x"})
	for asked := 0; ; asked++ {
		if asked > 100 {
			t.Fatal("it never ends")
		}
		root, path := newRoot(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("the operator said stop")
		cancel(reason)
		_, err := Unpack(&countingContext{ctx, asked}, bytes.NewReader(b), int64(len(b)), root, Limits{})
		if err == nil {
			if asked < 8 {
				t.Errorf("the context was looked at %d times only", asked)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
			t.Errorf("got %v", err)
		}
		written(t, path)
	}
}
