package host_test

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

// fakePackage is a zip of a fake build of "p".
func fakePackage(t testing.TB, version string, functions ...string) string {
	t.Helper()
	return packed(t, files{"p.wasm": fakeBuild{Version: version, Functions: functions}.String()})
}

func TestUpdate(t *testing.T) {
	r := newRig(t, nil)
	first := r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"version":"v1"}`}))
	uri := packed(t, files{"echo.wasm": guest(t, "counter"), "echo.json": `{"version":"v2"}`})
	second := r.update("echo", uri)
	if second.Version != "v2" || second.Digest == first.Digest || second.Revision <= first.Revision || second.Source != uri {
		t.Errorf("updated to %+v", second)
	}
	if want := []string{"count", "inited"}; !slices.Equal(second.Functions, want) || !slices.Equal(r.FunctionNames(), want) {
		t.Errorf("functions %v, want %v", r.FunctionNames(), want)
	}
	r.answers("count", "", "1")
	r.answers("count", "", "2")
	r.fails("echo", "x", host.CodeNotFound)
	if described, err := r.Describe(host.Functions, "echo"); err != nil || described.Digest != second.Digest {
		t.Errorf("described as %+v, %v", described, err)
	}
	r.clean()
	r.restart()
	r.answers("count", "", "1")
	r.fails("echo", "x", host.CodeNotFound)
}

// TestUpdateSame: the same zip once more is a version of its own, whose files
// stay where they are.
func TestUpdateSame(t *testing.T) {
	r := newRig(t, nil)
	uri := packed(t, files{"p.wasm": guest(t, "counter")})
	first := r.install("p", uri)
	r.answers("count", "", "1")
	r.answers("count", "", "2")
	second := r.update("p", uri)
	if second.Digest != first.Digest || second.Revision <= first.Revision {
		t.Errorf("revision %d after %d, digest %s after %s", second.Revision, first.Revision, second.Digest, first.Digest)
	}
	r.answers("count", "", "1")
	r.clean()
	r.restart()
	r.answers("count", "", "1")
	if got, _ := r.Describe(host.Functions, "p"); got.Revision != second.Revision {
		t.Errorf("revision %d after a restart, want %d", got.Revision, second.Revision)
	}
}

func TestUpdateFunctionNames(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "a", "b"))
	r.install("q", packed(t, files{"q.wasm": fakeBuild{Version: "1", Functions: []string{"c"}}.String()}))
	before := r.snapshot()
	_, err := r.Update(t.Context(), host.Request{Name: "p", File: fakePackage(t, "2", "b", "c")})
	enginetest.WantError(t, err, host.CodeConflict, "function name c already exists")
	r.unchanged(before)
	r.answers("a", "", "1:a:")
	r.update("p", fakePackage(t, "3", "b", "d"))
	r.fails("a", "", host.CodeNotFound)
	r.answers("b", "", "3:b:")
	r.answers("d", "", "3:d:")
	// The name that was given up is free.
	r.update("q", packed(t, files{"q.wasm": fakeBuild{Version: "2", Functions: []string{"a", "c"}}.String()}))
	r.answers("a", "", "2:a:")
	r.clean()
	r.stop()
	e.check(t)
}

// blockedUpdate updates p while a call of "slow" is inside its old version, and
// returns when the new version serves.
func blockedUpdate(t *testing.T, r *rig, b *blocking) (called, updated chan error) {
	t.Helper()
	called, updated = make(chan error, 1), make(chan error, 1)
	go func() {
		out, err := r.Invoke(context.Background(), "slow", nil, []byte("x"))
		if err == nil && string(out) != "1:slow:x" {
			err = host.Fail(host.CodeInternal, "the old version answered %s", out)
		}
		called <- err
	}()
	receive(t, "the call is inside", b.entered)
	go func() {
		_, err := r.Update(context.Background(), host.Request{Name: "p", File: fakePackage(t, "2", "slow", "fast")})
		updated <- err
	}()
	waitFor(t, "the new version serves", func() bool {
		out, err := r.Invoke(context.Background(), "fast", nil, nil)
		return err == nil && string(out) == "2:fast:"
	})
	return called, updated
}

// pending fails the test if something came that must not have come yet. It
// gives what might be wrong the time to happen.
func pending(t *testing.T, what string, c chan error) {
	t.Helper()
	select {
	case err := <-c:
		t.Errorf("%s (%v)", what, err)
		c <- err // for who receives it
	case <-time.After(short):
	}
}

// TestUpdateWaitsForCalls: a call in flight ends well on the old version, new
// calls see the new one, and Update returns after the old one is closed.
func TestUpdateWaitsForCalls(t *testing.T) {
	for _, cache := range []string{"map", "real"} {
		t.Run(cache, func(t *testing.T) {
			b := newBlocking("slow")
			e := &fakeEngine{call: b.call}
			r := newRig(t, func(r *rig) {
				withFake(e)(r)
				if cache == "map" {
					r.config.Cache = newMapCache()
				}
			})
			r.install("p", fakePackage(t, "1", "slow", "fast"))
			called, updated := blockedUpdate(t, r, b)
			pending(t, "Update returned while a call was in flight on the old version", updated)
			close(b.leave)
			if err := receive(t, "the old call ends", called); err != nil {
				t.Errorf("the call in flight: %v", err)
			}
			if err := receive(t, "the update ends", updated); err != nil {
				t.Error(err)
			}
			if n := e.open(); n != 1 {
				t.Errorf("%d modules are open after the update, want 1", n)
			}
			if e.busyClose.Load() > 0 {
				t.Error("the old module was closed with a call inside")
			}
			r.clean()
		})
	}
}

// TestUpdateInterruptsAfterDrain: a call that does not end does not hold an
// update for ever.
func TestUpdateInterruptsAfterDrain(t *testing.T) {
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.Drain = short })
	r.install("p", fakePackage(t, "1", "slow", "fast"))
	called, updated := blockedUpdate(t, r, b)
	enginetest.WantError(t, receive(t, "the old call is interrupted", called), host.CodeUnavailable, "being closed")
	if err := receive(t, "the update ends", updated); err != nil {
		t.Error(err)
	}
	r.logged("calls still run after the drain time", "plugin=functions/p")
	r.clean()
}

// TestUpdateWhileGuestRuns is the same with a guest that goes round a loop.
func TestUpdateWhileGuestRuns(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Limits = host.DefaultLimits(); r.config.Limits.Timeout = patience })
	r.install("loop", packed(t, files{"loop.wasm": guest(t, "loop")}), "spin_n")
	in := binary.LittleEndian.AppendUint32(nil, 500_000_000)
	called := make(chan error, 1)
	go func() {
		out, err := r.Invoke(context.Background(), "spin_n", nil, in)
		if err == nil && !slices.Equal(out, in) {
			err = host.Fail(host.CodeInternal, "the guest answered %q", out)
		}
		called <- err
	}()
	waitFor(t, "the guest runs", func() bool {
		s, err := r.Status(host.Functions, "loop")
		return err == nil && s.InFlight == 1
	})
	r.update("loop", packed(t, files{"loop.wasm": guest(t, "loop"), "loop.json": `{"version":"v2","functions":["spin_n"]}`}))
	select {
	case err := <-called:
		if err != nil {
			t.Errorf("the call in flight: %v", err)
		}
	default:
		t.Error("Update returned before the call on the old version")
		<-called
	}
	r.answers("spin_n", "\x01\x00\x00\x00", "\x01\x00\x00\x00")
	r.clean()
}

// TestUpdateWhileLoading: callers that wait for the old version to be loaded
// get the new one.
func TestUpdateWhileLoading(t *testing.T) {
	loading := make(chan struct{}, 8)
	var slow string
	e := &fakeEngine{}
	e.load = func(ctx context.Context, p *host.Package) error {
		if p.Digest != slow {
			return nil
		}
		loading <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	r := newRig(t, withFake(e))
	first := r.install("p", fakePackage(t, "1", "f"))
	r.restart()
	slow = first.Digest
	called := make(chan error, 3)
	for range cap(called) {
		go func() {
			out, err := r.Invoke(context.Background(), "f", nil, []byte("x"))
			if err == nil && string(out) != "2:f:x" {
				err = host.Fail(host.CodeInternal, "answered %s", out)
			}
			called <- err
		}()
	}
	receive(t, "the old version is being loaded", loading)
	if s, err := r.Status(host.Functions, "p"); err != nil || s.State != host.StateLoading {
		t.Errorf("state %v, %v", s.State, err)
	}
	r.update("p", fakePackage(t, "2", "f"))
	for range cap(called) {
		if err := receive(t, "a caller is answered", called); err != nil {
			t.Errorf("a caller that waited for the old version: %v", err)
		}
	}
}

// TestUpdateCached: after an update the warm path is warm again, not left
// pointing at what was replaced.
func TestUpdateCached(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "f"))
	r.update("p", fakePackage(t, "2", "f"))
	b, ok := r.cache.Get("f")
	if !ok {
		t.Fatal("the new version is not in the cache")
	}
	a, err := r.Acquire(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	if a.Encoding() != host.EncodingRaw {
		t.Error("encoding")
	}
	if n := e.loads.Load(); n != 2 || b == nil {
		t.Errorf("%d loads for an install and an update", n)
	}
}

func TestDrop(t *testing.T) {
	r := newRig(t, nil)
	empty := r.snapshot()
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}))
	r.answers("echo", "x", "x")
	if err := r.Drop(t.Context(), host.Functions, "echo"); err != nil {
		t.Fatal(err)
	}
	r.fails("echo", "x", host.CodeNotFound)
	r.unchanged(empty)
	r.restart()
	r.fails("echo", "x", host.CodeNotFound)
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}))
	r.answers("echo", "again", "again")
}

// TestDropWaitsForCalls: the call in flight completes; afterwards there is
// nothing to call.
func TestDropWaitsForCalls(t *testing.T) {
	b := newBlocking("slow")
	e := &fakeEngine{call: b.call}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "slow"))
	called, dropped := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "slow", nil, nil)
		called <- err
	}()
	receive(t, "the call is inside", b.entered)
	go func() { dropped <- r.Drop(context.Background(), host.Functions, "p") }()
	waitFor(t, "the plugin is gone from the lists", func() bool { return len(r.List(host.Functions)) == 0 })
	r.fails("slow", "", host.CodeNotFound)
	pending(t, "Drop returned while a call was in flight", dropped)
	close(b.leave)
	for what, c := range map[string]chan error{"the call in flight": called, "the drop": dropped} {
		if err := receive(t, what, c); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.clean()
	r.stop()
	e.check(t)
}

// TestDropInterruptsGuest drops a plugin whose guest never returns.
func TestDropInterruptsGuest(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Drain = short })
	r.install("loop", packed(t, files{"loop.wasm": guest(t, "loop")}), "spin")
	called := make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "spin", nil, nil)
		called <- err
	}()
	waitFor(t, "the guest runs", func() bool {
		s, err := r.Status(host.Functions, "loop")
		return err == nil && s.InFlight == 1
	})
	begun := time.Now()
	if err := r.Drop(t.Context(), host.Functions, "loop"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the drop took %v", took)
	}
	err := receive(t, "the call is interrupted", called)
	enginetest.WantError(t, err, host.CodeUnavailable, "function spin")
	r.clean()
	if !strings.Contains(r.log.String(), "drain") {
		t.Error("the log does not say that calls were interrupted")
	}
}

// TestDropDeafCall: a call that cannot be interrupted holds a drop for no
// longer than the drain time and a moment.
func TestDropDeafCall(t *testing.T) {
	b := newBlocking("slow")
	b.deaf = true
	e := &fakeEngine{call: b.call}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.Drain = short })
	r.install("p", fakePackage(t, "1", "slow"))
	called := make(chan error, 1)
	go func() {
		_, err := r.Invoke(context.Background(), "slow", nil, nil)
		called <- err
	}()
	receive(t, "the call is inside", b.entered)
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	r.logged("closing a plugin's module failed", "1 calls still run")
	r.fails("slow", "", host.CodeNotFound)
	r.clean()
	close(b.leave)
	receive(t, "the call ends", called)
}
