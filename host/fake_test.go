package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"berth/host"
)

// fakeEngine is the engine "wasm" whose builds are JSON: see fakeBuild. Its
// modules know when they are used wrongly.
type fakeEngine struct {
	name string
	load func(ctx context.Context, p *host.Package) error // nil: at once
	call func(ctx context.Context, c fakeCall) error      // nil: at once

	afterClose atomic.Int64 // calls that reached a closed module
	busyClose  atomic.Int64 // modules closed with calls inside
	loads      atomic.Int64
	closes     atomic.Int64
}

// fakeBuild is the content of <name>.wasm.
type fakeBuild struct {
	Version   string
	Functions []string
	Fault     string // why it does not load
	Memory    int64  // what Status says
}

func (b fakeBuild) String() string {
	data, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(data)
}

type fakeCall struct {
	version, function string
	in                []byte
	closing           <-chan struct{} // closed when the module is
}

func (e *fakeEngine) Name() string {
	if e.name == "" {
		return "wasm"
	}
	return e.name
}

func (e *fakeEngine) Accept(p *host.Package) error {
	if !p.Has(p.Wasm()) {
		return host.Fail(host.CodeInvalid, "the package has no %s", p.Wasm())
	}
	return nil
}

func (e *fakeEngine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	e.loads.Add(1)
	if e.load != nil {
		if err := e.load(ctx, p); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(p.Path(p.Wasm()))
	if err != nil {
		return nil, err
	}
	m := &fakeModule{engine: e, closing: make(chan struct{})}
	if err := json.Unmarshal(data, &m.build); err != nil {
		return nil, host.Fail(host.CodeInvalid, "no fake build: %w", err)
	}
	if m.build.Fault != "" {
		return nil, host.Fail(host.CodeInvalid, "%s", m.build.Fault)
	}
	return m, nil
}

// open is how many modules are loaded and not closed.
func (e *fakeEngine) open() int64 { return e.loads.Load() - e.closes.Load() }

type fakeModule struct {
	engine  *fakeEngine
	build   fakeBuild
	inside  atomic.Int64
	fuel    atomic.Uint64 // one a call
	closed  atomic.Bool
	once    sync.Once
	closing chan struct{}
}

func (m *fakeModule) Functions() []string { return m.build.Functions }

func (m *fakeModule) Function(name string) (host.Function, error) {
	if !slices.Contains(m.build.Functions, name) {
		return nil, host.Fail(host.CodeInvalid, "it is not there; there are %q", m.build.Functions)
	}
	return &fakeFunction{m, name}, nil
}

func (m *fakeModule) Status() host.ModuleStatus {
	return host.ModuleStatus{Form: "fake", Instances: 1, Memory: m.build.Memory, Fuel: m.fuel.Load()}
}

// Close interrupts the calls that a hook of the engine lets be interrupted, and
// waits for them until ctx ends.
func (m *fakeModule) Close(ctx context.Context) error {
	m.once.Do(func() {
		if m.inside.Load() > 0 {
			m.engine.busyClose.Add(1)
		}
		m.closed.Store(true)
		m.engine.closes.Add(1)
		close(m.closing)
	})
	for m.inside.Load() > 0 {
		if ctx.Err() != nil {
			return fmt.Errorf("%d calls still run", m.inside.Load())
		}
		runtime.Gosched()
	}
	return nil
}

type fakeFunction struct {
	module *fakeModule
	name   string
}

func (f *fakeFunction) Encoding() host.Encoding { return host.EncodingRaw }

// Call answers "<version>:<function>:<in>".
func (f *fakeFunction) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	m := f.module
	m.inside.Add(1)
	m.fuel.Add(1)
	defer m.inside.Add(-1)
	if m.closed.Load() {
		m.engine.afterClose.Add(1)
		return dst, host.Fail(host.CodeInternal, "A CALL REACHED A CLOSED MODULE")
	}
	if hook := m.engine.call; hook != nil {
		if err := hook(ctx, fakeCall{m.build.Version, f.name, in, m.closing}); err != nil {
			return dst, err
		}
	}
	dst = append(append(dst, m.build.Version...), ':')
	dst = append(append(dst, f.name...), ':')
	return append(dst, in...), nil
}

// check fails the test if a module was used wrongly or left open.
func (e *fakeEngine) check(t *testing.T) {
	t.Helper()
	if n := e.afterClose.Load(); n > 0 {
		t.Errorf("%d calls reached a closed module", n)
	}
	waitFor(t, "every module is closed", func() bool { return e.open() == 0 })
}

// blocking is a hook for calls that end when the test says so.
type blocking struct {
	function string        // only this one blocks
	entered  chan fakeCall // gets each that does
	leave    chan struct{} // close to let them go on
	deaf     bool          // closing the module does not interrupt
}

func newBlocking(function string) *blocking {
	return &blocking{function: function, entered: make(chan fakeCall, 64), leave: make(chan struct{})}
}

func (b *blocking) call(ctx context.Context, c fakeCall) error {
	if c.function != b.function {
		return nil
	}
	interrupted := c.closing
	if b.deaf {
		interrupted = nil
	}
	b.entered <- c
	select {
	case <-b.leave:
		return nil
	case <-ctx.Done():
		return host.Fail(host.CodeCanceled, "%w", ctx.Err())
	case <-interrupted:
		return host.Fail(host.CodeUnavailable, "the module is being closed")
	}
}

// memStore is a host.Store that can be made to fail.
type memStore struct {
	host.Store
	put    func(host.Record) error // nil: ask the Store
	delete func() error
}

func (s *memStore) Put(records ...host.Record) error {
	if s.put != nil {
		if err := s.put(records[0]); err != nil {
			return err
		}
	}
	return s.Store.Put(records...)
}

func (s *memStore) Settle() error { return nil }

func (s *memStore) Delete(kind host.Kind, name string) error {
	if s.delete != nil {
		if err := s.delete(); err != nil {
			return err
		}
	}
	return s.Store.Delete(kind, name)
}

// mapCache is a host.Cache without a budget, for tests that say themselves when
// an activation is let go.
type mapCache struct {
	mu    sync.Mutex // guards what follows
	names map[string]*host.Bound
	all   map[*host.Activation]bool
	keep  func(*host.Activation) bool // nil: all
}

func newMapCache() *mapCache {
	return &mapCache{names: map[string]*host.Bound{}, all: map[*host.Activation]bool{}}
}

func (c *mapCache) Get(name string) (*host.Bound, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.names[name]
	return b, ok
}

func (c *mapCache) Put(a *host.Activation) {
	if c.keep != nil && !c.keep(a) {
		a.Evict()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.names, a.Bound())
	c.all[a] = true
}

func (c *mapCache) Remove(a *host.Activation) { c.take(a) }

func (c *mapCache) take(a *host.Activation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := c.all[a]
	delete(c.all, a)
	maps.DeleteFunc(c.names, func(_ string, b *host.Bound) bool { return b.Activation() == a })
	return there
}

// evictAll lets everything go.
func (c *mapCache) evictAll() {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.all))
	c.mu.Unlock()
	for _, a := range all {
		if c.take(a) {
			a.Evict()
		}
	}
}

func (c *mapCache) Close() {}
