package host_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"berth/host"
)

// TestRefusedByTheCacheIsBounded: a cache that keeps nothing must not make every
// call that comes while others are inside load the plugin once more.
func TestRefusedByTheCacheIsBounded(t *testing.T) {
	const calls = 20
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r, cache := evicting(t, e)
	cache.keep = func(*host.Activation) bool { return false }
	r.install("p", fakePackage(t, "1", "slow"))
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if _, err := r.Invoke(context.Background(), "slow", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	receive(t, "a call is inside", b.entered)
	receive(t, "another one is, in a second module", b.entered)
	if n := e.open(); n > 2 {
		t.Errorf("%d modules are loaded at one time", n)
	}
	close(b.leave)
	wg.Wait()
	r.stop()
	e.check(t)
}

// TestLoadRetry: a plugin that cannot be loaded is not tried for every call.
func TestLoadRetry(t *testing.T) {
	e := &fakeEngine{}
	c := newMapCache()
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.Cache, r.config.LoadRetry = c, time.Hour })
	r.install("p", fakePackage(t, "1", "f"))
	c.evictAll()
	e.load = func(context.Context, *host.Package) error { return host.Fail(host.CodeInternal, "the moon is wrong") }
	before := e.loads.Load()
	for range 5 {
		r.fails("f", "", host.CodeInternal, "the moon is wrong")
	}
	if n := e.loads.Load() - before; n != 1 {
		t.Errorf("it was loaded %d times", n)
	}
	e.load = nil
	if _, err := r.Update(t.Context(), host.Request{Name: "p", File: fakePackage(t, "2", "f")}); err != nil {
		t.Fatal(err)
	}
	r.answers("f", "x", "2:f:x") // an update does not wait
}
