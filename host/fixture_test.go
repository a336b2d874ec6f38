package host_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// files are what lies in a zip, by name.
type files map[string]string

// zipOf makes a zip of the files, the same bytes for the same files.
func zipOf(t testing.TB, f files) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		entry, err := w.Create(name)
		if err == nil {
			_, err = entry.Write([]byte(f[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// saved puts bytes into a file of its own and returns its URI.
func saved(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.zip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// packed saves a zip of the files and returns its URI.
func packed(t testing.TB, f files) string {
	t.Helper()
	return saved(t, zipOf(t, f))
}

// guest is one of the sandbox's test guests.
func guest(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "sandbox", "testdata", "guests", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// constant is a build whose functions give n.
func constant(n int32, functions ...string) string {
	return string(enginetest.Constant(n, functions...))
}

// rig is a host with a real store, on a data folder of its own.
type rig struct {
	*host.Host
	t      testing.TB
	dir    string
	config host.Config
	store  *store.Store
	cache  interface {
		host.Cache
		Close()
	}
	log  *safeBuffer
	open bool
}

// newRig opens a host with the sandbox and the real cache, unless change says
// otherwise. It is closed at the end of the test.
func newRig(t testing.TB, change func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &safeBuffer{}}
	r.config = host.Config{Engines: []host.Engine{sandbox.New()}, LoadRetry: 1}
	if change != nil {
		change(r)
	}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func withFake(e *fakeEngine) func(*rig) {
	return func(r *rig) { r.config.Engines = []host.Engine{e} }
}

func (r *rig) start() {
	r.t.Helper()
	if err := r.tryStart(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tryStart() (err error) {
	log := slog.New(slog.NewTextHandler(r.log, nil))
	config := r.config
	config.Dir, config.Log = r.dir, log
	if r.store, err = store.Open(filepath.Join(r.dir, "berth.db"), store.Options{Log: log}); err != nil {
		return err
	}
	if config.Store == nil {
		config.Store = r.store
	} else {
		config.Store.(*memStore).Store = r.store
	}
	if config.Cache == nil {
		if r.cache, err = lookup.New(1<<30, lookup.Options{Log: log}); err != nil {
			return err
		}
		config.Cache = r.cache
	}
	if r.Host, err = host.New(context.Background(), config); err != nil {
		if r.cache != nil {
			r.cache.Close()
		}
		_ = r.store.Close()
		return err
	}
	r.open = true
	return nil
}

func (r *rig) stop() {
	r.t.Helper()
	if !r.open {
		return
	}
	if err := r.shut(); err != nil {
		r.t.Errorf("closing the host and the store: %v", err)
	}
}

func (r *rig) shut() error {
	r.open = false
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := r.Close(ctx)
	if r.cache != nil {
		r.cache.Close()
	}
	return errors.Join(err, r.store.Close())
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

func (r *rig) install(name, uri string, functions ...string) host.Record {
	r.t.Helper()
	record, err := r.Install(context.Background(), host.Request{Name: name, File: uri, Functions: functions})
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

func (r *rig) update(name, uri string, functions ...string) host.Record {
	r.t.Helper()
	record, err := r.Update(context.Background(), host.Request{Name: name, File: uri, Functions: functions})
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

// answers fails the test unless the function gives want.
func (r *rig) answers(function, in, want string) {
	r.t.Helper()
	out, err := r.Invoke(context.Background(), function, nil, []byte(in))
	if err != nil || string(out) != want {
		r.t.Errorf("%s(%s) = %q, %v, want %q", function, in, out, err, want)
	}
}

// fails fails the test unless a call ends with the code and a message that
// holds all words.
func (r *rig) fails(function, in string, code host.Code, words ...string) {
	r.t.Helper()
	out, err := r.Invoke(context.Background(), function, nil, []byte(in))
	if err == nil {
		r.t.Errorf("%s(%s) = %q, want %v", function, in, out, code)
		return
	}
	enginetest.WantError(r.t, err, code, words...)
}

// stateDir is where a plugin's own data lies, in the data folder.
func stateDir(r host.Record) string {
	name := r.Name
	if r.Data != "" {
		name += "~" + r.Data
	}
	return filepath.Join("state", r.Kind.String(), name)
}

// leftovers lists what lies in the data folder and no record of the host names.
func (r *rig) leftovers() (strange []string, err error) {
	known := map[string]bool{".": true, "berth.db": true, "plugins": true, "cache": true, "staging": true, "state": true, "etc": true, "uploads": true}
	uploads, err := r.Uploads()
	for _, file := range uploads {
		known["uploads/"+filepath.Base(file)] = true
	}
	for _, kind := range host.Kinds() {
		for _, top := range []string{"plugins/", "cache/", "state/", "etc/"} {
			known[top+kind.String()] = true
		}
	}
	below := map[string]bool{}
	for _, s := range r.Statuses() {
		plugin, folder := s.Kind.String()+"/"+s.Name, filepath.Base(r.File(s.Record, ""))
		for _, top := range []string{"plugins/", "cache/"} {
			known[top+plugin], below[top+plugin+"/"+folder] = true, true
		}
		known["plugins/"+plugin+"/"+folder+".json"], below[filepath.ToSlash(stateDir(s.Record))], below["etc/"+plugin] = true, true, true
	}
	walked := filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.dir, path)
		name = filepath.ToSlash(name)
		switch {
		case err != nil || known[name]:
			return err
		case below[name]:
			return fs.SkipDir
		}
		strange = append(strange, name)
		return nil
	})
	return strange, errors.Join(err, walked)
}

// clean fails the test if something is left over on disk.
func (r *rig) clean() {
	r.t.Helper()
	if strange, err := r.leftovers(); err != nil || len(strange) > 0 {
		r.t.Errorf("left over in the data folder: %q, %v", strange, err)
	}
}

// snapshot is what is installed, in the index, in the store and on disk.
func (r *rig) snapshot() string {
	r.t.Helper()
	var b strings.Builder
	records, err := r.store.Load()
	if err != nil {
		r.t.Fatal(err)
	}
	slices.SortFunc(records, func(a, b host.Record) int {
		return strings.Compare(a.Kind.String()+a.Name, b.Kind.String()+b.Name)
	})
	for _, record := range records {
		stored, err := json.Marshal(record)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, "store %s\n", stored)
	}
	for _, s := range r.Statuses() {
		indexed, _ := json.Marshal(s.Record)
		fmt.Fprintf(&b, "index %s\n", indexed)
	}
	for _, function := range r.FunctionNames() {
		owner, err := r.FunctionPlugin(function)
		fmt.Fprintf(&b, "function %s of %s, %v\n", function, owner.Name, err)
	}
	_ = filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "berth.db" {
			fmt.Fprintf(&b, "file %s\n", strings.TrimPrefix(path, r.dir))
		}
		return nil
	})
	return b.String()
}

// unchanged fails the test if what is installed is not what it was.
func (r *rig) unchanged(before string) {
	r.t.Helper()
	if after := r.snapshot(); after != before {
		r.t.Errorf("something changed:\n%s\nwas\n%s", after, before)
	}
	r.clean()
}

// logged waits until the log says all words.
func (r *rig) logged(words ...string) {
	r.t.Helper()
	waitFor(r.t, fmt.Sprintf("the log says %q", words), func() bool {
		for _, word := range words {
			if !strings.Contains(r.log.String(), word) {
				return false
			}
		}
		return true
	})
}

type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// short is a drain time that tests wait for.
const short = 50 * time.Millisecond
