package host

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzBackup: whatever a backup holds, reading it ends, and nothing is written
// outside of the folder that it is unpacked to.
func FuzzBackup(f *testing.F) {
	record := `{"kind":"functions","name":"x","digest":"` + strings.Repeat("ab", 32) + `"}`
	add := func(pairs ...string) {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for i := 0; i < len(pairs); i += 2 {
			header := &zip.FileHeader{Name: pairs[i]}
			header.SetMode(0o644)
			if strings.HasSuffix(pairs[i], "link") {
				header.SetMode(os.ModeSymlink | 0o777)
			}
			entry, err := w.CreateHeader(header)
			if err == nil {
				_, err = entry.Write([]byte(pairs[i+1]))
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	add("backup.json", `{"format":1}`)
	add("plugins/functions/x/record.json", record, "plugins/functions/x/files/a/b", "x", "plugins/functions/x/state/c", "y", "uploads/u", "z", "backup.json", `{"format":1,"plugins":1}`)
	add("plugins/functions/x/record.json", record, "plugins/functions/x/files/link", "../../../..", "plugins/functions/x/files/link/x", "y", "backup.json", `{"format":1,"plugins":1}`)
	h := &Host{}
	h.config.Archive.Unpacked, h.config.Archive.Files = 1<<20, 100
	f.Fuzz(func(t *testing.T, data []byte) {
		plugins, _, err := readBackup(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, p := range plugins {
			top := t.TempDir()
			work := filepath.Join(top, "work")
			left := int64(1 << 20)
			if p.left = &left; p.fault != nil {
				continue
			}
			_ = h.unpackRestored(context.Background(), p, work)
			outside, err := os.ReadDir(top)
			if err != nil || len(outside) > 1 {
				t.Fatalf("written outside: %v, %v", outside, err)
			}
		}
	})
}
