//go:build linux && cgo

package goplugin

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

// TestOneAtATime: calls of a function wait for their turn, and not for ever.
func TestOneAtATime(t *testing.T) {
	entered, leave := waitSymbol(t, "Entered"), waitSymbol(t, "Leave")
	l := open(t, functions, []string{"wait", "echo"}, func(p *host.Package) { p.Limits.Timeout = time.Minute })
	f := bind(t, l, "wait")
	answers := make(chan error, 2)
	call := func() {
		_, err := f.Call(t.Context(), nil, []byte(`[]`))
		answers <- err
	}
	go call()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := f.Call(ctx, nil, []byte(`[]`))
	enginetest.WantError(t, err, host.CodeUnavailable, "another call of the function runs", `"concurrency": "parallel"`)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Call(canceled, nil, []byte(`[]`))
	enginetest.WantError(t, err, host.CodeCanceled, "context canceled")
	waiting, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := f.Call(waiting, nil, []byte(`[]`))
		gaveUp <- err
	}()
	enginetest.WaitFor(t, time.Minute, func() bool { return l.Status().Busy == 2 })
	cancel()
	enginetest.WantError(t, <-gaveUp, host.CodeCanceled)
	wantCall(t, bind(t, l, "echo"), `[1]`, `1`) // another function
	if s := l.Status(); s.Busy != 1 || s.Instances != 2 || s.Form != "native, Go plugin, in process" {
		t.Errorf("%+v", s)
	}
	go call()
	leave <- struct{}{}
	<-entered // the one that waited
	ended, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	enginetest.WantError(t, l.Close(ended), host.CodeTimeout, "1 calls still run, which cannot be interrupted")
	leave <- struct{}{}
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	_, err = f.Call(t.Context(), nil, []byte(`[]`))
	enginetest.WantError(t, err, host.CodeUnavailable, "is being unloaded")
}

// TestCallerGivesUp: a call that cannot be interrupted is answered when it
// returns, with why nobody waits for it.
func TestCallerGivesUp(t *testing.T) {
	f := bind(t, open(t, functions, []string{"wait"}), "wait")
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() {
		_, err := f.Call(ctx, nil, []byte(`["for the context"]`))
		answer <- err
	}()
	<-waitSymbol(t, "Entered")
	cancel()
	enginetest.WantError(t, <-answer, host.CodeCanceled, "the call went on after its caller had given up")
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := f.Call(late, nil, []byte(`["for the context"]`))
	enginetest.WantError(t, err, host.CodeTimeout, "given up")
	<-waitSymbol(t, "Entered")
}

// TestTurnIsBounded: without a deadline of the caller, the plugin's holds.
func TestTurnIsBounded(t *testing.T) {
	entered, leave := waitSymbol(t, "Entered"), waitSymbol(t, "Leave")
	f := bind(t, open(t, functions, []string{"wait"}, func(p *host.Package) { p.Limits.Timeout = time.Millisecond }), "wait")
	answer := make(chan error)
	go func() {
		_, err := f.Call(t.Context(), nil, []byte(`[]`))
		answer <- err
	}()
	<-entered
	_, err := f.Call(t.Context(), nil, []byte(`[]`))
	enginetest.WantError(t, err, host.CodeUnavailable, "did not get its turn")
	leave <- struct{}{}
	enginetest.WantError(t, <-answer, host.CodeTimeout, "at most 1ms are allowed")
}

// TestInParallel: a plugin that says that it is safe gets calls at the same time,
// and one with a constructor may have more objects.
func TestInParallel(t *testing.T) {
	entered, leave := waitSymbol(t, "Entered"), waitSymbol(t, "Leave")
	three := 3
	for name, change := range map[string]func(*host.Package){
		"parallel": func(p *host.Package) { p.Manifest.Concurrency = "parallel" },
		"objects":  func(p *host.Package) { p.Manifest.Limits.Instances, p.Limits.Instances = &three, three },
	} {
		t.Run(name, func(t *testing.T) {
			f := bind(t, open(t, functions, nil, change), "wait")
			var group sync.WaitGroup
			for range three {
				group.Go(func() {
					if out, err := f.Call(t.Context(), nil, []byte(`[]`)); err != nil || string(out) != `"left"` {
						t.Errorf("%s, %v", out, err)
					}
				})
			}
			for range three {
				<-entered
			}
			if name == "objects" {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, err := f.Call(ctx, nil, []byte(`[]`))
				enginetest.WantError(t, err, host.CodeUnavailable, "all 3 objects of the function are in calls")
			}
			for range three {
				leave <- struct{}{}
			}
			group.Wait()
		})
	}
	l := open(t, functions, nil, func(p *host.Package) { p.Manifest.Limits.Instances, p.Limits.Instances = &three, three })
	if n := bind(t, l, "add").(*function).objects(); n != 1 {
		t.Errorf("a symbol that is an object has %d", n)
	}
}

func TestManyCallers(t *testing.T) {
	for _, concurrency := range []string{"", "parallel"} {
		l := open(t, functions, []string{"echo", "accumulate"}, func(p *host.Package) { p.Manifest.Concurrency = concurrency })
		echo, accumulate := bind(t, l, "echo"), bind(t, l, "accumulate")
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 200 {
					wantCall(t, echo, `["x"]`, `"x"`)
					if _, err := accumulate.Call(t.Context(), nil, []byte(`[1]`)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		out, err := accumulate.Call(t.Context(), nil, []byte(`[1]`))
		if err != nil || !strings.HasPrefix(string(out), `[1601,`) {
			t.Errorf("%s, %v", out, err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	build(t, functions)
	enginetest.NoGoroutines(t)
	l := open(t, functions, []string{"about", "echo"})
	for range 100 {
		if _, err := bind(t, l, "about").Call(t.Context(), nil, []byte(`[]`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
