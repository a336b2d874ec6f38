package server

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
)

// The tests run a real server over a real host. Only what lies below the host
// is made here: an engine whose functions are Go closures, a store in memory
// and a cache that is a map.

// testLimit is how long a test waits for what has to happen.
const testLimit = 10 * time.Second

type memStore struct {
	mu      sync.Mutex
	records map[string]host.Record
	fail    error // of Put and Delete
}

func (m *memStore) Load() ([]host.Record, error) { return nil, nil }
func (m *memStore) Fresh() bool                  { return false }
func (m *memStore) Settle() error                { return nil }

func (m *memStore) Put(records ...host.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, r := range records {
		m.records[r.Kind.String()+"/"+r.Name] = r
	}
	return nil
}

func (m *memStore) Delete(kind host.Kind, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	delete(m.records, kind.String()+"/"+name)
	return nil
}

func (m *memStore) failWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

type mapCache struct {
	mu    sync.RWMutex
	bound map[string]*host.Bound
}

func (c *mapCache) Get(name string) (*host.Bound, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b, ok := c.bound[name]
	return b, ok
}

func (c *mapCache) Put(a *host.Activation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, b := range a.Bound() {
		c.bound[strings.Clone(name)] = b
	}
}

func (c *mapCache) Remove(a *host.Activation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, b := range c.bound {
		if b.Activation() == a {
			delete(c.bound, name)
		}
	}
}

// call is what a function of the fake engine does.
type call func(ctx context.Context, dst, in []byte) ([]byte, error)

// fakeEngine runs packages that have a wasm build whose text lists the
// functions. A function's name says, up to a dash, what it does: see behaviours.
type fakeEngine struct {
	behaviours map[string]call
	load       func(*host.Package) error // nil: always well
}

func (*fakeEngine) Name() string { return "fake" }

func (*fakeEngine) Accept(p *host.Package) error {
	if !p.Has(p.Wasm()) {
		return host.Fail(host.CodeInvalid, "there is no %s in it", p.Wasm())
	}
	return nil
}

func (e *fakeEngine) Load(_ context.Context, p *host.Package) (host.Module, error) {
	if e.load != nil {
		if err := e.load(p); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(p.Path(p.Wasm()))
	if err != nil {
		return nil, err
	}
	return &fakeModule{e, p, strings.Fields(string(text))}, nil
}

type fakeModule struct {
	engine    *fakeEngine
	pkg       *host.Package
	functions []string
}

func (m *fakeModule) Functions() []string         { return m.functions }
func (m *fakeModule) Close(context.Context) error { return nil }
func (m *fakeModule) Status() host.ModuleStatus {
	return host.ModuleStatus{Form: "closures", Instances: 1, Memory: 1000, Fuel: 77,
		Interruption: "metered", Isolation: "fresh", Notes: []string{"a note"}}
}

func (m *fakeModule) Function(name string) (host.Function, error) {
	does, _, _ := strings.Cut(name, "-")
	run, ok := m.engine.behaviours[does]
	if !ok {
		return nil, host.Fail(host.CodeInvalid, "there is no function %s: there are %v", name, m.functions)
	}
	encoding := host.EncodingRaw
	if strings.Contains(name, "-json") {
		encoding = host.EncodingJSON
	}
	return &fakeFunction{m.pkg.Encoding(name, encoding), run}, nil
}

type fakeFunction struct {
	encoding host.Encoding
	run      call
}

func (f *fakeFunction) Encoding() host.Encoding { return f.encoding }
func (f *fakeFunction) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	return f.run(ctx, dst, in)
}

// behaviours are those of every test; a test adds its own.
func behaviours() map[string]call {
	failing := func(err error) call {
		return func(_ context.Context, dst, _ []byte) ([]byte, error) { return dst, err }
	}
	return map[string]call{
		"echo": func(_ context.Context, dst, in []byte) ([]byte, error) { return append(dst, in...), nil },
		"twin": func(_ context.Context, dst, in []byte) ([]byte, error) {
			return append(append(dst, in...), in...), nil
		},
		"internal":    failing(host.Fail(host.CodeInternal, "secret detail")),
		"invalid":     failing(host.Fail(host.CodeInvalid, "two arguments are needed")),
		"conflict":    failing(host.Fail(host.CodeConflict, "taken")),
		"not_found":   failing(host.Fail(host.CodeNotFound, "gone")),
		"forbidden":   failing(host.Fail(host.CodeForbidden, "policy")),
		"too_large":   failing(host.Fail(host.CodeTooLarge, "does not fit")),
		"rejected":    failing(host.Fail(host.CodeRejected, "no <such> \"thing\"\nat\x00all \xff")),
		"trap":        failing(host.Fail(host.CodeTrap, "unreachable")),
		"timeout":     failing(host.Fail(host.CodeTimeout, "after 5s")),
		"unavailable": failing(host.Fail(host.CodeUnavailable, "every instance is busy")),
		"canceled":    failing(context.Canceled),
		"foreign":     failing(io.ErrNoProgress),
		"panics":      func(context.Context, []byte, []byte) ([]byte, error) { panic("engine bug") },
	}
}

// rig is a server with what it stands on.
type rig struct {
	*testing.T
	server *Server
	host   *host.Host
	engine *fakeEngine
	store  *memStore
	log    *logBuffer
	dir    string // of packages
	base   string // URL; empty until serve
	addr   string
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newRig makes a server that listens nowhere. add, if not nil, adds behaviours;
// change may change the configuration.
func newRig(t testing.TB, add map[string]call, change func(*Config)) *rig {
	t.Helper()
	r := &rig{engine: &fakeEngine{behaviours: behaviours()}, store: &memStore{records: map[string]host.Record{}}, log: &logBuffer{}, dir: t.TempDir()}
	r.T, _ = t.(*testing.T)
	for name, run := range add {
		r.engine.behaviours[name] = run
	}
	h, err := host.New(t.Context(), host.Config{
		Dir: filepath.Join(r.dir, "data"), Store: r.store, Cache: &mapCache{bound: map[string]*host.Bound{}},
		Engines: []host.Engine{r.engine}, Drain: time.Second, Policy: host.DefaultPolicy(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.host = h
	config := Config{Host: h, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&config)
	}
	if r.server, err = New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testLimit)
		defer cancel()
		_ = r.server.Shutdown(ctx)
		if err := h.Close(ctx); err != nil {
			t.Errorf("closing the host: %v", err)
		}
	})
	return r
}

// serve is newRig with a listener on the loopback.
func serve(t *testing.T, add map[string]call, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, add, change)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.serveOn(ln)
	r.addr = ln.Addr().String()
	r.base = "http://" + r.addr
	return r
}

// serveOn serves on a listener until the test ends, or Shutdown.
func (r *rig) serveOn(ln net.Listener) {
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ln) }()
	r.Cleanup(func() {
		_ = r.server.Shutdown(context.Background())
		if err := <-done; err != nil {
			r.Errorf("Serve: %v", err)
		}
	})
}

// zip writes a package that says what it holds and returns its URI.
func (r *rig) zip(file string, entries map[string]string) string {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, text := range entries {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	path := filepath.Join(r.dir, file)
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		panic(err)
	}
	return "file://" + path
}

// plugin is the package of a plugin with these functions.
func (r *rig) plugin(name, version string, functions ...string) string {
	return r.zip(name+version+".zip", map[string]string{
		name + ".wasm": strings.Join(functions, " "),
		name + ".json": fmt.Sprintf(`{"version":%q}`, version),
	})
}

// install installs a plugin with these functions, past HTTP.
func (r *rig) install(name string, functions ...string) {
	if _, err := r.host.Install(context.Background(), host.Request{Name: name, File: r.plugin(name, "v1.0.0", functions...)}); err != nil {
		panic(err)
	}
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   string
}

func (g got) String() string { return fmt.Sprintf("%d %s", g.status, g.body) }

func (r *rig) do(method, path, body string) got {
	r.Helper()
	return r.send(http.DefaultClient, r.base, method, path, strings.NewReader(body))
}

func (r *rig) send(client *http.Client, base, method, path string, body io.Reader) got {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		r.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return got{resp.StatusCode, resp.Header, string(text)}
}

// read returns a file of the rig's folder.
func (r *rig) read(file string) string {
	data, err := os.ReadFile(filepath.Join(r.dir, file))
	if err != nil {
		panic(err)
	}
	return string(data)
}

// post sends a body of a type.
func (r *rig) post(path, kind, body string) got {
	r.Helper()
	return r.submit("POST", path, kind, strings.NewReader(body))
}

func (r *rig) submit(method, path, kind string, body io.Reader) got {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return got{resp.StatusCode, resp.Header, string(text)}
}

func jsonOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}
