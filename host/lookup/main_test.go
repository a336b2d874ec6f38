package lookup

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
)

// TestMain fails the run if goroutines are left over.
func TestMain(m *testing.M) {
	flag.Parse()
	before := runtime.NumGoroutine()
	code := m.Run()
	if code == 0 && !becomes(func() bool { return runtime.NumGoroutine() <= before }) {
		fmt.Fprintln(os.Stderr, "goroutines left over:")
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		code = 1
	}
	os.Exit(code)
}

// becomes waits for the condition, at most 10 s.
func becomes(condition func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}

// engine runs packages that hold nothing: a function answers with its module's
// number.
type engine struct {
	t      testing.TB
	memory func(plugin string) int64

	mu      sync.Mutex
	modules []*module
}

func (e *engine) Name() string               { return "fake" }
func (e *engine) Accept(*host.Package) error { return nil }

func (e *engine) Load(_ context.Context, p *host.Package) (host.Module, error) {
	m := &module{t: e.t, plugin: p.Name, functions: p.Manifest.Functions}
	m.memory.Store(e.memory(p.Name))
	e.mu.Lock()
	e.modules = append(e.modules, m)
	e.mu.Unlock()
	return m, nil
}

func (e *engine) all() []*module {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*module(nil), e.modules...)
}

// loads counts how often a plugin was loaded.
func (e *engine) loads(plugin string) (n int) {
	for _, m := range e.all() {
		if m.plugin == plugin {
			n++
		}
	}
	return n
}

// live sums the memory of the modules that are not closed.
func (e *engine) live() (modules int, bytes int64) {
	for _, m := range e.all() {
		if m.closes.Load() == 0 {
			modules++
			bytes += m.memory.Load()
		}
	}
	return modules, bytes
}

type module struct {
	t         testing.TB
	plugin    string
	functions []string
	memory    atomic.Int64
	inside    atomic.Int64
	closes    atomic.Int64
}

func (m *module) Functions() []string { return m.functions }
func (m *module) Status() host.ModuleStatus {
	return host.ModuleStatus{Form: "fake", Memory: m.memory.Load()}
}

func (m *module) Function(string) (host.Function, error) { return function{m}, nil }

func (m *module) Close(context.Context) error {
	if n := m.inside.Load(); n > 0 {
		m.t.Errorf("plugin %s: its module is closed with %d calls inside", m.plugin, n)
	}
	if m.closes.Add(1) > 1 {
		m.t.Errorf("plugin %s: its module is closed twice", m.plugin)
	}
	return nil
}

type function struct{ m *module }

func (f function) Encoding() host.Encoding { return host.EncodingRaw }

func (f function) Call(_ context.Context, dst, in []byte) ([]byte, error) {
	f.m.inside.Add(1)
	defer f.m.inside.Add(-1)
	if f.m.closes.Load() > 0 {
		f.m.t.Errorf("plugin %s: a call to a closed module", f.m.plugin)
	}
	return append(dst, in...), nil
}

// memoryStore is a host.Store without a disk.
type memoryStore struct {
	mu      sync.Mutex
	records map[string]host.Record
}

func (s *memoryStore) Load() ([]host.Record, error) { return nil, nil }
func (s *memoryStore) Fresh() bool                  { return true }
func (s *memoryStore) Settle() error                { return nil }

func (s *memoryStore) Put(records ...host.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		s.records[r.Kind.String()+"/"+r.Name] = r
	}
	return nil
}

func (s *memoryStore) Delete(kind host.Kind, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, kind.String()+"/"+name)
	return nil
}

// world is a real host with a Table for its cache.
type world struct {
	t      testing.TB
	dir    string
	host   *host.Host
	table  *Table
	engine *engine
	closed bool
}

// wrap lets a test stand between the host and the table.
func newWorld(t testing.TB, budget int64, memory func(plugin string) int64, wrap func(host.Cache) host.Cache) *world {
	t.Helper()
	table, err := New(budget, Options{Weigh: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), table: table, engine: &engine{t: t, memory: memory}}
	var cache host.Cache = table
	if wrap != nil {
		cache = wrap(table)
	}
	w.host, err = host.New(context.Background(), host.Config{
		Dir: filepath.Join(w.dir, "data"), Store: &memoryStore{records: map[string]host.Record{}}, Cache: cache, Engines: []host.Engine{w.engine},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// close ends the host and the table, and checks that every module was closed,
// which each checks to be once.
func (w *world) close() {
	if w.closed {
		return
	}
	w.closed = true
	if err := w.host.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
	if n, bytes := w.table.Usage(); n != 0 || bytes != 0 {
		w.t.Errorf("after the host closed, the table holds %d activations of %d bytes", n, bytes)
	}
	w.table.Close()
	if n, _ := w.engine.live(); n != 0 {
		w.t.Errorf("%d of %d modules are not closed", n, len(w.engine.all()))
	}
}

// request makes a package and the request for it. version makes packages of
// one plugin differ.
func (w *world) request(plugin, version string, functions ...string) host.Request {
	w.t.Helper()
	var buf bytes.Buffer
	archive := zip.NewWriter(&buf)
	manifest, err := json.Marshal(map[string]any{"version": version, "functions": functions})
	if err != nil {
		w.t.Fatal(err)
	}
	for name, data := range map[string][]byte{plugin + ".json": manifest, plugin + ".wasm": []byte(version)} {
		f, err := archive.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, plugin+"-"+version+".zip")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return host.Request{Kind: host.Functions, Name: plugin, File: "file://" + path}
}

func (w *world) install(plugin string, functions ...string) {
	w.t.Helper()
	if _, err := w.host.Install(context.Background(), w.request(plugin, "v1", functions...)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) call(function string) {
	w.t.Helper()
	out, err := w.host.Invoke(context.Background(), function, nil, []byte("x"))
	if err != nil || string(out) != "x" {
		w.t.Errorf("%s: %q, %v", function, out, err)
	}
}

// settle waits until the policy has decided about everything, and the modules
// of what it let go are closed.
func (w *world) settle() {
	w.t.Helper()
	w.table.policy.Wait()
	held, bytes := w.table.Usage()
	if !becomes(func() bool {
		n, sum := w.engine.live()
		return n == held && sum == bytes
	}) {
		n, sum := w.engine.live()
		w.t.Errorf("the table holds %d activations of %d bytes, alive are %d of %d", held, bytes, n, sum)
	}
}
