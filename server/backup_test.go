package server

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBackup: a backup that comes over HTTP can be restored over HTTP.
func TestBackup(t *testing.T) {
	r := serve(t, nil, nil)
	r.install("p", "echo", "twin")
	r.play([]step{{"GET", "/data/backup", "", 405, ""}})
	g := r.do("POST", "/data/backup", "")
	if g.status != 200 || g.header.Get("Content-Type") != "application/zip" || !strings.Contains(g.header.Get("Content-Disposition"), "berth-backup.zip") {
		t.Fatalf("%d %v", g.status, g.header)
	}
	if z, err := zip.NewReader(strings.NewReader(g.body), int64(len(g.body))); err != nil || len(z.File) < 3 {
		t.Fatal(err)
	}
	r.play([]step{{"DELETE", "/plugins/functions/p", "", 200, "functions plugin p is deleted."}})
	r.install("q", "echo-q")
	restored := r.post("/data/restore", "application/zip", g.body)
	if restored.status != 200 || restored.body != `{"restored":["functions/p"],"dropped":["functions/q"],"failed":{},"uploads":{}}` {
		t.Error(restored)
	}
	r.play([]step{
		{"POST", "/invoke/echo", "x", 200, "x"},
		{"GET", "/plugins/functions", "", 200, `["p"]`},
		{"POST", "/data/restore", "{}", 400, `~a backup is expected as the body`},
	})
	for _, body := range []string{"", "no zip", g.body[:len(g.body)/2]} {
		if got := r.post("/data/restore", "application/zip", body); got.status != 400 || !strings.Contains(got.body, "nothing was restored") {
			t.Error(got)
		}
	}
	small := serve(t, nil, func(c *Config) { c.MaxRestore = 100 })
	if got := small.post("/data/restore", "application/zip", g.body); got.status != 413 {
		t.Error(got)
	}
}

// TestRestoreTimeout: a backup has its own time, not that of a package.
func TestRestoreTimeout(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.PackageTimeout = time.Nanosecond })
	uri := r.zip("p.zip", map[string]string{"p.wasm": "echo", "noise": noise(1 << 20)}) // over what a connection's buffers hold
	r.play([]step{{"POST", "/plugins/functions", `{"name":"p","file":"` + uri + `"}`, 201, "functions plugin p is created"}})
	whole := r.do("POST", "/data/backup", "").body
	if g := r.post("/data/restore", "application/zip", whole); g.status != 200 {
		t.Error(g)
	}
	hasty := serve(t, nil, func(c *Config) { c.RestoreTimeout = time.Nanosecond })
	if g := hasty.post("/data/restore", "application/zip", whole); !strings.Contains(g.body, "did not arrive in time") {
		t.Error(g)
	}
}

// TestBackupBrokenOff: a backup that fails half way is not taken for whole.
func TestBackupBrokenOff(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.Host = failingBackup{c.Host} })
	resp, err := http.Post(r.base+"/data/backup", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err == nil || !bytes.HasPrefix(got, []byte("PK")) {
		t.Errorf("%d bytes, and the end is seen as %v", len(got), err)
	}
}

type failingBackup struct{ Host }

func (failingBackup) Backup(_ context.Context, w io.Writer) error {
	_, _ = io.WriteString(w, "PK"+strings.Repeat("x", 1<<20))
	return errors.New("the disk failed")
}
