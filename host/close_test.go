package host_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

func TestCloseRefuses(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "f"))
	if !becomes(r.Ready) {
		t.Error("never ready")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := r.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if n := e.open(); n != 0 {
				t.Errorf("Close returned with %d modules open", n)
			}
		})
	}
	wg.Wait()
	const closing = "the host is shutting down"
	r.fails("f", "", host.CodeUnavailable, closing)
	r.fails("g", "", host.CodeNotFound)
	uri := fakePackage(t, "2", "f")
	_, err := r.Install(t.Context(), host.Request{Name: "q", File: uri})
	enginetest.WantError(t, err, host.CodeUnavailable, closing)
	_, err = r.Update(t.Context(), host.Request{Name: "p", File: uri})
	enginetest.WantError(t, err, host.CodeUnavailable, closing)
	enginetest.WantError(t, r.Drop(t.Context(), host.Functions, "p"), host.CodeUnavailable, closing)
	enginetest.WantError(t, r.Register(t.Context(), host.Functions, "p", []string{"f"}), host.CodeUnavailable, closing)
	if r.Ready() {
		t.Error("a closed host is ready")
	}
	r.stop()
	e.check(t)
}

// blockedCall calls "slow" of p, and returns when it is inside.
func blockedCall(t *testing.T, r *rig, b *blocking) chan error {
	t.Helper()
	r.install("p", fakePackage(t, "1", "slow"))
	called := make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "slow", nil, nil)
		called <- err
	}()
	receive(t, "the call is inside", b.entered)
	return called
}

func TestCloseWaitsForCalls(t *testing.T) {
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r := newRig(t, withFake(e))
	called := blockedCall(t, r, b)
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	pending(t, "Close returned while a call was in flight", closed)
	close(b.leave)
	for what, c := range map[string]chan error{"the call": called, "Close": closed} {
		if err := receive(t, what, c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	e.check(t)
}

// TestCloseInterrupts: the context's end interrupts the calls that still run,
// long before the drain time, whatever is under way.
func TestCloseInterrupts(t *testing.T) {
	for _, under := range []string{"call", "evicted call", "drop"} {
		t.Run(under, func(t *testing.T) {
			b := newBlocking("slow")
			e := &fakeEngine{call: b.call}
			r, cache := evicting(t, e)
			called := blockedCall(t, r, b)
			switch under {
			case "evicted call":
				cache.evictAll()
			case "drop":
				go r.Drop(context.Background(), host.Functions, "p")
				waitFor(t, "the drop drains", func() bool { return len(r.List(host.Functions)) == 0 })
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			begun := time.Now()
			if err := r.Close(ctx); err == nil {
				t.Error("Close does not say that its context ended first")
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("Close took %v with a context that had ended: it waits for the drain time", took)
			}
			enginetest.WantError(t, receive(t, "the call", called), host.CodeUnavailable)
			r.open = false
			if err := r.store.Close(); err != nil {
				t.Error(err)
			}
			e.check(t)
		})
	}
}

// TestCloseWhileLoading: whoever waits for a plugin to be loaded, or installed,
// learns that the host goes, not that he gave up himself.
func TestCloseWhileLoading(t *testing.T) {
	loading := make(chan struct{}, 2)
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "f"))
	cache.evictAll()
	e.load = func(ctx context.Context, p *host.Package) error {
		loading <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	called, installed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "f", nil, nil)
		called <- err
	}()
	uri := packed(t, files{"q.wasm": fakeBuild{Version: "1", Functions: []string{"g"}}.String()})
	go func() {
		_, err := r.Install(context.Background(), host.Request{Name: "q", File: uri})
		installed <- err
	}()
	for range cap(loading) {
		receive(t, "a load begins", loading)
	}
	r.stop()
	enginetest.WantError(t, receive(t, "the call ends", called), host.CodeUnavailable, "the host is shutting down")
	enginetest.WantError(t, receive(t, "the install ends", installed), host.CodeUnavailable, "the host is shutting down")
}

// TestEvictWhileClosing: a module that the cache lets go while the host closes
// is closed like any other.
func TestEvictWhileClosing(t *testing.T) {
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r, cache := evicting(t, e)
	called := blockedCall(t, r, b)
	r.install("q", packed(t, files{"q.wasm": fakeBuild{Version: "1", Functions: []string{"g"}}.String()}))
	// A drop under way holds Close before it gets to the modules.
	dropped := make(chan error, 1)
	go func() { dropped <- r.Drop(context.Background(), host.Functions, "p") }()
	waitFor(t, "the drop drains", func() bool { return len(r.List(host.Functions)) == 1 })
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	waitFor(t, "the host closes", func() bool {
		_, err := r.Install(context.Background(), host.Request{Name: "z", File: "file:///none.zip"})
		return err != nil && strings.Contains(err.Error(), "shutting down")
	})
	cache.evictAll()
	close(b.leave)
	for what, c := range map[string]chan error{"the call": called, "the drop": dropped, "Close": closed} {
		if err := receive(t, what, c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := e.open(); n != 0 {
		t.Errorf("Close returned with %d modules open", n)
	}
}

// TestNewNeeds: what a host cannot do without, and what makes no sense.
func TestNewNeeds(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	good := host.Config{Dir: t.TempDir(), Store: r.store, Cache: newMapCache(), Engines: r.config.Engines}
	for name, change := range map[string]func(*host.Config){
		"no store":             func(c *host.Config) { c.Store = nil },
		"no cache":             func(c *host.Config) { c.Cache = nil },
		"no engine":            func(c *host.Config) { c.Engines = nil },
		"negative drain":       func(c *host.Config) { c.Drain = -1 },
		"negative load time":   func(c *host.Config) { c.LoadTimeout = -1 },
		"negative figures":     func(c *host.Config) { c.FunctionFigures = -1 },
		"limits without input": func(c *host.Config) { c.Limits.Timeout = time.Second },
	} {
		config := good
		change(&config)
		if h, err := host.New(t.Context(), config); err == nil {
			t.Errorf("%s: it is taken", name)
			_ = h.Close(t.Context())
		}
	}
}
