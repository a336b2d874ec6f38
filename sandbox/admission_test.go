package sandbox_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

// admitted loads guests into one engine with so many places.
func admitted(t *testing.T, a sandbox.Admission, change func(*host.Package), guests ...string) []host.Module {
	t.Helper()
	e := sandbox.New().WithAdmission(a)
	var modules []host.Module
	for _, guest := range guests {
		p := guestPackage(t, guest)
		change(p)
		modules = append(modules, loadInto(t, e, p))
	}
	return modules
}

// spinning keeps n calls of an endless loop going until the returned function is
// called, and waits until they run.
func spinning(t *testing.T, m host.Module, n int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	spin := bind(t, m, "spin")
	for range n {
		group.Go(func() {
			for ctx.Err() == nil {
				_, err := spin.Call(ctx, nil, nil)
				if code := host.CodeOf(err); err == nil || code != host.CodeCanceled && code != host.CodeTimeout && code != host.CodeUnavailable {
					t.Errorf("spin: %v", err)
					return
				}
			}
		})
	}
	waitFor(t, func() bool { return m.Status().Busy == n })
	return func() { cancel(); group.Wait() }
}

// TestShortCallsPassLongOnes: with one place, which endless loops share, calls
// that are over at once, and calls that need a turn or two, are answered.
func TestShortCallsPassLongOnes(t *testing.T) {
	m := admitted(t, sandbox.Admission{Places: 1, Queue: 100, Wait: generous}, func(p *host.Package) {
		p.Limits.Timeout, p.Limits.Instances = generous, 8
	}, "loop", "echo")
	stop := spinning(t, m[0], 3)
	defer stop()
	for range 200 {
		if out, err := call(t, m[1], "echo", []byte("x")); err != nil || string(out) != "x" {
			t.Fatalf("%q, %v", out, err)
		}
	}
	for range 5 {
		if _, err := call(t, m[0], "spin_n", u32(1_000_000)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTooManyLongCalls: when the queue is full no call begins, and the error is
// one to try again after.
func TestTooManyLongCalls(t *testing.T) {
	m := admitted(t, sandbox.Admission{Places: 1, Queue: 1, Wait: 20 * time.Millisecond}, func(p *host.Package) {
		p.Limits.Timeout, p.Limits.Instances = generous, 8
	}, "loop", "echo")
	stop := spinning(t, m[0], 3) // one runs, two wait; they take turns
	refused := false
	waitFor(t, func() bool {
		_, err := call(t, m[1], "echo", nil)
		if err != nil {
			wantFailure(t, err, host.CodeUnavailable, "try again")
			refused = true
		}
		return refused
	})
	stop()
	if out, err := call(t, m[1], "echo", []byte("x")); err != nil || string(out) != "x" {
		t.Errorf("when they are gone: %q, %v", out, err)
	}
}

// TestSleepersGiveTheirPlaceBack: more guests sleep at one time than there are
// places, and others run meanwhile.
func TestSleepersGiveTheirPlaceBack(t *testing.T) {
	const sleepers = 4
	m := admitted(t, sandbox.Admission{Places: 1, Queue: 100, Wait: generous}, func(p *host.Package) {
		p.Limits.Timeout, p.Limits.Instances, p.Grants.Clock = generous, sleepers, true
	}, "sleep", "loop")
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range sleepers {
		group.Go(func() {
			_, err := bind(t, m[0], "sleep").Call(ctx, nil, binary.LittleEndian.AppendUint64(nil, uint64(time.Hour)))
			wantFailure(t, err, host.CodeCanceled)
		})
	}
	waitFor(t, func() bool { return m[0].Status().Busy == sleepers })
	if _, err := call(t, m[1], "spin_n", u32(1_000_000)); err != nil {
		t.Error(err)
	}
	cancel()
	group.Wait()
}
