package host

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	g := newGate()
	if n := len(g.stripes); n&(n-1) != 0 || n < 8 {
		t.Fatalf("%d stripes: a power of two is needed", n)
	}
	first, ok := g.enter()
	second, ok2 := g.enter()
	if !ok || !ok2 || g.inside() != 2 {
		t.Fatalf("two enter: %v, %v, inside %d", ok, ok2, g.inside())
	}
	g.leave(first)
	g.close()
	g.close()
	if _, ok := g.enter(); ok {
		t.Fatal("a shut gate let somebody in")
	}
	if g.inside() != 1 {
		t.Fatalf("inside %d after a refusal, want 1", g.inside())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("wait with somebody inside and no patience: %v", err)
	}
	g.leave(second)
	if err := g.wait(ctx); err != nil {
		t.Fatalf("wait for nobody: %v", err)
	}
}

// TestGateDrain hammers a gate that is shut while calls come and go. Nobody is
// inside after wait returned, and no wake-up is lost: a lost one would make wait
// sit until its context ends.
func TestGateDrain(t *testing.T) {
	workers := 4 * runtime.GOMAXPROCS(0)
	for round := range 1000 {
		g := newGate()
		var drained atomic.Bool
		var entered atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					stripe, ok := g.enter()
					if !ok {
						return
					}
					if drained.Load() {
						t.Error("somebody is inside a drained gate")
					}
					entered.Add(1)
					if round%20 != 0 { // without it a round lasts until the scheduler preempts
						runtime.Gosched()
					}
					g.leave(stripe)
				}
			})
		}
		if round%2 == 0 {
			for entered.Load() < int64(round%50) {
				runtime.Gosched()
			}
		}
		g.close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := g.wait(ctx)
		drained.Store(true)
		cancel()
		if err != nil {
			t.Fatalf("round %d: a wake-up was lost: %d inside", round, g.inside())
		}
		wg.Wait()
	}
}

// TestGateLastLeaver has calls that only leave once the gate is being waited
// for, with refused callers coming and going on the same stripes.
func TestGateLastLeaver(t *testing.T) {
	for round := range 500 {
		g := newGate()
		const callers = 8
		leave := make(chan struct{})
		var inside, wg sync.WaitGroup
		inside.Add(callers)
		for range callers {
			wg.Go(func() {
				stripe, _ := g.enter()
				inside.Done()
				<-leave
				g.leave(stripe)
				for range 20 { // knocking at the shut gate
					if _, ok := g.enter(); ok {
						t.Error("a shut gate let somebody in")
					}
				}
			})
		}
		inside.Wait()
		g.close()
		close(leave)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := g.wait(ctx); err != nil {
			t.Fatalf("round %d: a wake-up was lost", round)
		}
		cancel()
		wg.Wait()
	}
}

func TestOwnStripe(t *testing.T) {
	const n = 64
	var hit [n]atomic.Int32
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 * n {
		wg.Go(func() {
			<-start
			stripe := OwnStripe(n)
			if stripe >= n {
				t.Errorf("stripe %d of %d", stripe, n)
				return
			}
			hit[stripe].Add(1)
		})
	}
	close(start)
	wg.Wait()
	used := 0
	for i := range hit {
		if hit[i].Load() > 0 {
			used++
		}
	}
	if used < n/4 {
		t.Errorf("%d goroutines share %d of %d stripes: they are to be spread", 4*n, used, n)
	}
}
