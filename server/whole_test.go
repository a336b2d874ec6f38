package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/native"
	"berth/portable"
	"berth/sandbox"
	"berth/server"
)

// generous is how long anything may take that ought to be quick.
const generous = time.Minute

// whole is a server with all that is below it as it is in the daemon: the host,
// its store, its cache, and every engine.
type whole struct {
	testing.TB
	dir    string // of all files
	host   *host.Host
	server *server.Server
	log    *safeLog
	base   string // its URL; empty until serve
	client *http.Client
}

// data is the data folder, dropIn the drop-in folder.
func (w *whole) data() string   { return filepath.Join(w.dir, "data") }
func (w *whole) dropIn() string { return filepath.Join(w.dir, "dropin") }

// newWhole makes a server that listens nowhere. change may change the
// configuration of the host.
func newWhole(t testing.TB, change func(*host.Config)) *whole {
	t.Helper()
	w := &whole{TB: t, dir: memoryDir(t), log: &safeLog{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	if err := errors.Join(os.Mkdir(w.data(), 0o700), os.Mkdir(w.dropIn(), 0o700)); err != nil {
		t.Fatal(err)
	}
	records, err := store.Open(filepath.Join(w.data(), "berth.db"), store.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := lookup.New(1<<30, lookup.Options{Log: log})
	if err != nil {
		t.Fatal(errors.Join(err, records.Close()))
	}
	config := host.Config{Dir: w.data(), DropIn: w.dropIn(), Store: records, Cache: cache, Policy: host.DefaultPolicy(), Log: log,
		Engines: []host.Engine{sandbox.New(), native.New(), portable.New()}}
	if change != nil {
		change(&config)
	}
	if w.host, err = host.New(t.Context(), config); err != nil {
		cache.Close()
		t.Fatal(errors.Join(err, records.Close()))
	}
	if w.server, err = server.New(server.Config{Host: w.host, Log: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		err := errors.Join(w.server.Shutdown(ctx), w.host.Close(ctx))
		cache.Close()
		if err := errors.Join(err, records.Close()); err != nil {
			t.Errorf("closing the server and the host: %v", err)
		}
	})
	return w
}

// memoryDir is a folder in memory, if there is such a thing: these tests are about
// what happens between two writes, not about the disk's time.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "berth-server-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// serve serves on the loopback.
func (w *whole) serve() {
	w.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.base = "http://" + ln.Addr().String()
	w.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: generous}
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(ln) }()
	w.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := errors.Join(w.server.Shutdown(ctx), <-done); err != nil {
			w.Errorf("closing the server: %v", err)
		}
	})
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request. Any goroutine of the test may call it.
func (w *whole) ask(method, path, contentType string, body []byte) answer {
	req, err := http.NewRequest(method, w.base+path, bytes.NewReader(body))
	if err != nil {
		w.Error(err)
		return answer{}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.Errorf("%s %s: %v", method, path, err)
		return answer{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Errorf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// leftovers lists what lies in the data folder that is of no plugin that is
// installed and is no upload.
func (w *whole) leftovers() (strange []string) {
	own := map[string]bool{"berth.db": true} // files
	below := map[string]bool{}               // folders with all that is in them
	for _, s := range w.host.Statuses() {
		plugin := filepath.Join(s.Kind.String(), s.Name)
		folder := filepath.Base(w.host.File(s.Record, ""))
		own[filepath.Join("plugins", plugin, folder+".json")] = true
		for _, dir := range []string{filepath.Join("plugins", plugin, folder), filepath.Join("cache", plugin, folder), filepath.Join("state", plugin), filepath.Join("etc", plugin)} {
			below[dir] = true
		}
	}
	uploads, err := w.host.Uploads()
	if err != nil {
		w.Error(err)
	}
	for _, file := range uploads {
		own[filepath.Join("uploads", filepath.Base(file))] = true
	}
	// Folders of plugins go with them, those of all and of kinds stay.
	tops := map[string]bool{"plugins": true, "cache": true, "state": true, "etc": true, "uploads": false, "staging": false}
	err = filepath.WalkDir(w.data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(w.data(), path)
		top, rest, _ := strings.Cut(name, string(filepath.Separator))
		_, known := tops[top]
		switch {
		case err != nil || own[name] || name == ".":
			return err
		case below[name]:
			return fs.SkipDir
		case entry.IsDir() && (rest == "" && known || tops[top] && !strings.Contains(rest, string(filepath.Separator))):
			return nil
		case entry.IsDir() && hasBelow(below, name):
			return nil
		}
		strange = append(strange, name)
		return nil
	})
	if err != nil {
		w.Error(err)
	}
	return strange
}

// hasBelow tells whether one of the folders lies in dir.
func hasBelow(folders map[string]bool, dir string) bool {
	for folder := range folders {
		if strings.HasPrefix(folder, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// clean fails the test if anything is left over, or a panic was recovered from.
func (w *whole) clean() {
	w.Helper()
	if strange := w.leftovers(); len(strange) > 0 {
		w.Errorf("left over in the data folder: %q", strange)
	}
	if panics := w.log.panicked(); panics != "" {
		w.Errorf("a panic: %s", panics)
	}
}

// safeLog keeps the end of a log, and what was logged of panics.
type safeLog struct {
	mu     sync.Mutex // guards what follows
	text   bytes.Buffer
	panics bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	const most = 256 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(p, []byte("PANIC")) {
		l.panics.Write(p)
	}
	if l.text.Len() > most {
		l.text.Next(most / 2)
	}
	return l.text.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *safeLog) panicked() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.panics.String()
}
