package enginetest

import (
	"context"
	"sync"
	"testing"

	"berth/host"
)

func lifeCases() []testCase {
	return []testCase{
		{name: "close", run: testClose},
		{name: "close during a call", needs: interruptible, run: testCloseDuringCall},
		{name: "close with waiting callers", needs: func(s Subject) bool { return s.Traits.Bounded && interruptible(s) }, run: testCloseWaiters},
		{name: "close by many while called", run: testCloseConcurrently},
		{name: "update under load", run: testUpdate},
		{name: "load is given up", run: testLoadCanceled},
	}
}

func testClose(t *testing.T, s Subject) {
	m := s.load(t, limits())
	echo := bind(t, m, s.Functions.Echo)
	s.wantEcho(t, m)
	for range 3 {
		if err := m.Close(t.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		out, err := echo.Call(t.Context(), []byte("kept"), []byte("in"))
		wantCode(t, err, host.CodeUnavailable)
		if string(out) != "kept" {
			t.Errorf("dst is %q, want it as it was", out)
		}
	}
	if status := m.Status(); status.Busy != 0 || status.Instances != 0 {
		t.Errorf("%+v: want no instances after Close", status)
	}
}

func testCloseDuringCall(t *testing.T, s Subject) {
	m := s.load(t, limits())
	spin := begin(t.Context(), t, m, bind(t, m, s.Functions.Spin), nil)
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if busy := m.Status().Busy; busy != 0 {
		t.Errorf("%d calls inside after Close", busy)
	}
	wantCode(t, receive(t, spin).err, host.CodeUnavailable)
}

func testCloseWaiters(t *testing.T, s Subject) {
	l := limits()
	l.Instances = 1
	m := s.load(t, l)
	spin := begin(t.Context(), t, m, bind(t, m, s.Functions.Spin), nil)
	echo := bind(t, m, s.Functions.Echo)
	waiting := make(chan result, 8)
	for range cap(waiting) {
		go func() {
			out, err := echo.Call(t.Context(), nil, []byte("in"))
			waiting <- result{out, err}
		}()
	}
	if err := m.Close(t.Context()); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantCode(t, receive(t, spin).err, host.CodeUnavailable)
	for range cap(waiting) {
		wantCode(t, receive(t, waiting).err, host.CodeUnavailable)
	}
}

func testCloseConcurrently(t *testing.T, s Subject) {
	for range 10 {
		m := s.load(t, limits())
		echo := bind(t, m, s.Functions.Echo)
		var group sync.WaitGroup
		for range 8 {
			called := make(chan struct{})
			group.Go(func() {
				for i := 0; ; i++ {
					_, err := echo.Call(t.Context(), nil, []byte("in"))
					if i == 0 {
						close(called)
					}
					if err == nil {
						continue
					}
					if code := host.CodeOf(err); code != host.CodeUnavailable {
						t.Errorf("a call while closing: code %s of %v, want %s", code, err, host.CodeUnavailable)
					}
					return
				}
			})
			group.Go(func() {
				<-called
				if err := m.Close(t.Context()); err != nil {
					t.Errorf("Close: %v", err)
				}
				if status := m.Status(); status.Instances != 0 {
					t.Errorf("%+v after Close", status)
				}
			})
		}
		group.Wait()
	}
}

// testUpdate is what an update does: the new version is loaded while the old is
// called, then the old is closed.
func testUpdate(t *testing.T, s Subject) {
	engine, p := s.Engine(t), s.Package(t, limits())
	load := func() host.Module {
		m, err := engine.Load(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	old := load()
	for range 5 {
		stop := make(chan struct{})
		var group sync.WaitGroup
		group.Go(func() {
			echo := bind(t, old, s.Functions.Echo)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if out, err := echo.Call(t.Context(), nil, []byte("old")); err != nil || string(out) != "old" {
					t.Errorf("the old version while the new one is loaded: %q, %v", out, err)
					return
				}
			}
		})
		next := load()
		close(stop)
		group.Wait()
		if err := old.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantEcho(t, next)
		old = next
	}
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func testLoadCanceled(t *testing.T, s Subject) {
	engine, p := s.Engine(t), s.Package(t, limits())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		m, err := engine.Load(ctx, p)
		if err == nil {
			_ = m.Close(t.Context())
			t.Fatal("Load succeeded, and its context had ended before")
		}
		if code := host.CodeOf(err); code != host.CodeCanceled && code != host.CodeTimeout {
			t.Errorf("code %s of %v, want %s or %s", code, err, host.CodeCanceled, host.CodeTimeout)
		}
	}
	m, err := engine.Load(t.Context(), p) // nothing is left behind
	if err != nil {
		t.Fatal(err)
	}
	s.wantEcho(t, m)
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
