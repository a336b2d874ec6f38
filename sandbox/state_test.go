package sandbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

func oneInstance(p *host.Package) { p.Limits.Instances = 1 }

// TestIsolationKeep documents what isolation "keep" means: an instance keeps its
// memory and globals from call to call, so what one caller put there another
// caller can get. Each instance has its own.
func TestIsolationKeep(t *testing.T) {
	m := loadGuest(t, "leak", oneInstance)
	if out, err := call(t, m, "get", nil); err != nil || len(out) != 0 {
		t.Fatalf("get at first: %q, %v", out, err)
	}
	if _, err := call(t, m, "put", []byte("password")); err != nil {
		t.Fatal(err)
	}
	for function, want := range map[string]string{"get": "password", "get_head": "password"} {
		if out, err := call(t, m, function, nil); err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", function, out, err, want)
		}
	}
	other := loadGuest(t, "leak", oneInstance)
	if out, err := call(t, other, "get", nil); err != nil || len(out) != 0 {
		t.Errorf("another module of the same build: %q, %v; want nothing", out, err)
	}
}

// TestStateAfterFailure: a guest that failed its own way is kept, one that
// broke is thrown away with its state.
func TestStateAfterFailure(t *testing.T) {
	counts := func(m host.Module, want string) {
		t.Helper()
		if out, err := call(t, m, "count", nil); err != nil || string(out) != want {
			t.Errorf("count: %q, %v; want %q", out, err, want)
		}
	}
	m := loadGuest(t, "counter", oneInstance)
	counts(m, "1")
	counts(m, "2")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bind(t, m, "count").Call(canceled, nil, nil); err == nil {
		t.Error("no error, and the caller had given up")
	}
	counts(m, "3") // the call that was given up before it began cost nothing

	m = loadGuest(t, "memory", func(p *host.Package) { p.Limits.Instances, p.Limits.Memory = 1, 4<<20 })
	fresh := m.Status().Memory
	if _, err := call(t, m, "eat_ok", nil); err != nil {
		t.Fatal(err)
	}
	if m.Status().Memory <= fresh {
		t.Errorf("memory %d after it grew, %d before", m.Status().Memory, fresh)
	}
	_, err := call(t, m, "eat", nil)
	wantFailure(t, err, host.CodeTrap)
	if status := m.Status(); status.Instances != 0 || status.Memory >= fresh {
		t.Errorf("%+v: the instance that trapped should be gone, with its memory", status)
	}
}

// TestInstancesAreMadeOnDemand: one after the other needs one instance.
func TestInstancesAreMadeOnDemand(t *testing.T) {
	m := loadGuest(t, "counter", nil)
	for i := range 50 {
		if out, err := call(t, m, "count", nil); err != nil || string(out) != fmt.Sprint(i+1) {
			t.Fatalf("call %d went to another instance: %q, %v", i, out, err)
		}
	}
	if n := m.Status().Instances; n != 1 {
		t.Errorf("%d instances, want 1", n)
	}
}

// TestWithoutDeadline: with limits.timeout 0 a call takes as long as it likes,
// and Close interrupts it all the same.
func TestWithoutDeadline(t *testing.T) {
	m := loadGuest(t, "loop", func(p *host.Package) { p.Limits.Timeout, p.Limits.Instances = 0, 1 })
	done := make(chan error, 1)
	go func() {
		_, err := call(t, m, "spin", nil)
		done <- err
	}()
	waitFor(t, func() bool { return m.Status().Busy == 1 })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bind(t, m, "spin_n").Call(ended, nil, nil)
	wantFailure(t, err, host.CodeCanceled)
	go func() { _ = m.Close(t.Context()) }()
	wantFailure(t, <-done, host.CodeUnavailable, "unloaded")
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if status := m.Status(); status.Instances != 0 {
		t.Errorf("%+v after Close", status)
	}
}

// TestHammer mixes everything that can happen to a call, and then a Close.
func TestHammer(t *testing.T) {
	for round := range 4 {
		m := loadGuest(t, "conform", func(p *host.Package) {
			p.Limits.Instances, p.Limits.Timeout = 3, 40*time.Millisecond
			if round%2 == 1 {
				interpreted(p)
			}
		})
		var group sync.WaitGroup
		enough := make(chan struct{}, 12)
		for worker := range cap(enough) {
			group.Go(func() { hammer(t, m, rand.New(rand.NewPCG(uint64(round), uint64(worker))), enough) })
		}
		for range cap(enough) {
			<-enough
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		group.Wait()
		if status := m.Status(); status.Instances != 0 || status.Busy != 0 {
			t.Errorf("%+v after Close", status)
		}
	}
}

// hammer calls until the module is closed; after some calls it says enough.
func hammer(t *testing.T, m host.Module, random *rand.Rand, enough chan<- struct{}) {
	functions := map[string][]host.Code{ // what may come of each, without an error first
		"echo":  {host.CodeInternal, host.CodeCanceled, host.CodeTimeout, host.CodeUnavailable},
		"fail":  {host.CodeRejected, host.CodeCanceled, host.CodeTimeout, host.CodeUnavailable},
		"crash": {host.CodeTrap, host.CodeCanceled, host.CodeTimeout, host.CodeUnavailable},
		"spin":  {host.CodeTimeout, host.CodeCanceled, host.CodeTimeout, host.CodeUnavailable},
	}
	for i := 0; ; i++ {
		name := []string{"echo", "echo", "echo", "fail", "crash", "spin"}[random.IntN(6)]
		ctx, cancel := context.WithCancel(context.Background())
		if random.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(3_000_000)))
		}
		in := fmt.Sprintf("%d %d", i, random.Int64())
		out, err := bind(t, m, name).Call(ctx, nil, []byte(in))
		cancel()
		switch code := host.CodeOf(err); {
		case err == nil && (name != "echo" || string(out) != in):
			t.Errorf("%s(%q): %q", name, in, out)
		case err == nil:
		case code == functions[name][0] && code != host.CodeInternal, code == functions[name][1], code == functions[name][2]:
		case code == host.CodeUnavailable && strings.Contains(err.Error(), "unloaded"):
			return
		case code == host.CodeUnavailable:
		default:
			t.Errorf("%s(%q): code %s of %v", name, in, code, err)
		}
		if i == 25 {
			enough <- struct{}{}
		}
	}
}

// TestInterruptedManyTimes: what each interruption leaves behind is freed.
func TestInterruptedManyTimes(t *testing.T) {
	m := loadGuest(t, "loop", func(p *host.Package) { p.Limits.Timeout, p.Limits.Instances = time.Millisecond, 1 })
	spin := bind(t, m, "spin")
	interrupt := func(times int) {
		for range times {
			if _, err := spin.Call(t.Context(), nil, nil); host.CodeOf(err) != host.CodeTimeout {
				t.Errorf("want a timeout, got %v", err)
			}
		}
	}
	interrupt(20)
	before := enginetest.HeapInUse()
	interrupt(300)
	if grown := enginetest.HeapInUse() - before; grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}
