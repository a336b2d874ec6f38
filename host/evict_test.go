package host_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// evicting is a rig with fake plugins and a cache that lets go when told to.
func evicting(t *testing.T, e *fakeEngine) (*rig, *mapCache) {
	c := newMapCache()
	return newRig(t, func(r *rig) { withFake(e)(r); r.config.Cache = c }), c
}

func TestEvictAndComeBack(t *testing.T) {
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "f", "g"))
	for i := range 5 {
		cache.evictAll()
		waitFor(t, "the module is closed", func() bool { return e.open() == 0 })
		if s, _ := r.Status(host.Functions, "p"); s.State != host.StateIdle || s.Module != nil {
			t.Errorf("round %d: state %v", i, s.State)
		}
		r.answers("f", "x", "1:f:x")
		r.answers("g", "x", "1:g:x")
		if n := e.open(); n != 1 {
			t.Errorf("round %d: %d modules are open", i, n)
		}
		if s, _ := r.Status(host.Functions, "p"); s.State != host.StateActive || s.Module == nil {
			t.Errorf("round %d: state %v", i, s.State)
		}
	}
	r.stop()
	e.check(t)
}

// TestEvictedCallEnds: an eviction does not disturb the call inside, and the
// next call has a module of its own.
func TestEvictedCallEnds(t *testing.T) {
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "slow", "fast"))
	called := make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "slow", nil, nil)
		called <- err
	}()
	receive(t, "the call is inside", b.entered)
	cache.evictAll()
	r.answers("fast", "", "1:fast:")
	pending(t, "the call ended with the eviction", called)
	close(b.leave)
	if err := receive(t, "the call ends", called); err != nil {
		t.Error(err)
	}
	waitFor(t, "the evicted module is closed", func() bool { return e.open() == 1 })
	r.stop()
	e.check(t)
	if e.busyClose.Load() > 0 {
		t.Error("a module was closed with a call inside")
	}
}

// TestDropWaitsForEvictedCalls: a call in flight on a module that was evicted a
// moment ago is a call in flight all the same.
func TestDropWaitsForEvictedCalls(t *testing.T) {
	for _, operation := range []string{"drop", "update", "register"} {
		t.Run(operation, func(t *testing.T) {
			b := newBlocking("slow")
			e := &fakeEngine{call: b.call}
			r, cache := evicting(t, e)
			r.install("p", fakePackage(t, "1", "slow"))
			called, finished := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := r.Invoke(context.Background(), "slow", nil, nil)
				called <- err
			}()
			receive(t, "the call is inside", b.entered)
			cache.evictAll()
			update := fakePackage(t, "2", "slow")
			go func() {
				switch operation {
				case "drop":
					finished <- r.Drop(context.Background(), host.Functions, "p")
				case "update":
					_, err := r.Update(context.Background(), host.Request{Name: "p", File: update})
					finished <- err
				case "register":
					finished <- r.Register(context.Background(), host.Functions, "p", []string{"slow"})
				}
			}()
			pending(t, operation+" returned while a call was in flight", finished)
			close(b.leave)
			if err := receive(t, "the call ends", called); err != nil {
				t.Error(err)
			}
			if err := receive(t, operation+" ends", finished); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCacheRefusesAll: with a cache that keeps nothing every call is served, by
// a module that is closed afterwards.
func TestCacheRefusesAll(t *testing.T) {
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	cache.keep = func(*host.Activation) bool { return false }
	r.install("p", fakePackage(t, "1", "f"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				r.answers("f", "x", "1:f:x")
			}
		})
	}
	wg.Wait()
	waitFor(t, "every module is closed", func() bool { return e.open() == 0 })
	r.clean()
	r.stop()
	e.check(t)
}

// TestLoadOnce: however many ask for a plugin that is not loaded, it is loaded
// once; and one that gives up does not spoil it for the others.
func TestLoadOnce(t *testing.T) {
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "f"))
	cache.evictAll()
	waitFor(t, "the module is closed", func() bool { return e.open() == 0 })
	loading, goOn := make(chan struct{}, 1), make(chan struct{})
	e.load = func(context.Context, *host.Package) error {
		loading <- struct{}{}
		<-goOn
		return nil
	}
	loads := e.loads.Load()
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := r.Invoke(ctx, "f", nil, nil)
		gaveUp <- err
	}()
	receive(t, "the load begins", loading)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { r.answers("f", "x", "1:f:x") })
	}
	cancel()
	enginetest.WantError(t, receive(t, "a caller gives up", gaveUp), host.CodeCanceled, "call plugin p function f")
	close(goOn)
	wg.Wait()
	if n := e.loads.Load() - loads; n != 1 {
		t.Errorf("it was loaded %d times", n)
	}
}

// TestLoadForNobody: when all who waited gave up, what was loaded is offered to
// the cache all the same, and not lost.
func TestLoadForNobody(t *testing.T) {
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "f"))
	cache.evictAll()
	loading, goOn := make(chan struct{}, 1), make(chan struct{})
	e.load = func(context.Context, *host.Package) error {
		loading <- struct{}{}
		<-goOn
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := r.Invoke(ctx, "f", nil, nil)
		gaveUp <- err
	}()
	receive(t, "the load begins", loading)
	cancel()
	receive(t, "the caller gives up", gaveUp)
	close(goOn)
	waitFor(t, "the cache has it", func() bool { _, ok := cache.Get("f"); return ok })
	r.stop()
	e.check(t)
}

// TestLoadFails: the reason is told to the caller, kept for the status, and
// gone after the next load that succeeds.
func TestLoadFails(t *testing.T) {
	e := &fakeEngine{}
	r, cache := evicting(t, e)
	r.install("p", fakePackage(t, "1", "f"))
	cache.evictAll()
	e.load = func(context.Context, *host.Package) error { return host.Fail(host.CodeInternal, "the moon is wrong") }
	r.fails("f", "", host.CodeInternal, "call plugin p function f: the moon is wrong")
	s, err := r.Status(host.Functions, "p")
	if err != nil || s.State != host.StateFailed || s.LoadError == nil || s.Module != nil {
		t.Errorf("status %+v, %v", s, err)
	}
	e.load = nil
	r.answers("f", "", "1:f:")
	if s, err = r.Status(host.Functions, "p"); err != nil || s.State != host.StateActive || s.LoadError != nil {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestLoadTimeout: a load that hangs ends with Config.LoadTimeout.
func TestLoadTimeout(t *testing.T) {
	e := &fakeEngine{load: func(ctx context.Context, _ *host.Package) error { <-ctx.Done(); return ctx.Err() }}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.LoadTimeout = short })
	before := r.snapshot()
	_, err := r.Install(t.Context(), host.Request{Name: "p", File: fakePackage(t, "1", "f")})
	enginetest.WantError(t, err, host.CodeTimeout, "install plugin p: ")
	r.unchanged(before)
}

// TestDropLeavesNothingLoaded drops a plugin while it is called and evicted all
// the time: when the drop is answered, each of its modules is closed.
func TestDropLeavesNothingLoaded(t *testing.T) {
	e := &fakeEngine{call: func(context.Context, fakeCall) error { runtime.Gosched(); return nil }}
	cache := newMapCache()
	r := newRig(t, func(r *rig) { withFake(e)(r); inMemory(t, r); r.config.Cache = cache })
	uri := fakePackage(t, "1", "f")
	for round := range 150 {
		r.install("p", uri)
		var stop atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for !stop.Load() {
					_, _ = r.Invoke(context.Background(), "f", nil, nil)
				}
			})
		}
		wg.Go(func() {
			for !stop.Load() {
				cache.evictAll()
			}
		})
		loads := e.loads.Load()
		waitFor(t, "it comes and goes", func() bool { return e.loads.Load() > loads+20 })
		if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
			t.Fatal(err)
		}
		if n := e.open(); n != 0 {
			t.Errorf("round %d: Drop returned with %d modules open", round, n)
		}
		stop.Store(true)
		wg.Wait()
		if t.Failed() {
			break
		}
	}
	r.stop()
	e.check(t)
}
