package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newOpLocks() *opLocks { return &opLocks{locks: map[id]*opLock{}} }

// users waits until n operations run on a plugin or wait for it.
func (o *opLocks) awaitUsers(t *testing.T, i id, n int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		o.mu.Lock()
		got := 0
		if l := o.locks[i]; l != nil {
			got = l.users
		}
		o.mu.Unlock()
		if got == n {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%d use the lock of %v, want %d", got, i, n)
		}
	}
}

func TestOpLocksSerialise(t *testing.T) {
	o := newOpLocks()
	ids := []id{{Functions, "a"}, {Functions, "b"}, {Sources, "a"}}
	inside := make([]atomic.Int32, len(ids))
	count := make([]int, len(ids)) // the race detector's bait
	var wg sync.WaitGroup
	for i := range ids {
		for range 8 {
			wg.Go(func() {
				for range 200 {
					unlock, err := o.lock(t.Context(), ids[i])
					if err != nil {
						t.Error(err)
						return
					}
					if inside[i].Add(1) != 1 {
						t.Error("two operations at once on one plugin")
					}
					count[i]++
					inside[i].Add(-1)
					unlock()
				}
			})
		}
	}
	wg.Wait()
	for i, n := range count {
		if n != 8*200 {
			t.Errorf("%v: %d operations, want %d", ids[i], n, 8*200)
		}
	}
	if len(o.locks) != 0 {
		t.Errorf("%d locks are kept for nobody", len(o.locks))
	}
}

func TestOpLocksOthersDoNotWait(t *testing.T) {
	o := newOpLocks()
	unlock, err := o.lock(t.Context(), id{Functions, "slow"})
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []id{{Functions, "fast"}, {Sinks, "slow"}} {
		unlock, err := o.lock(t.Context(), other) // hangs if it waits
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	unlock()
}

func TestOpLocksContextEndsWaiting(t *testing.T) {
	o := newOpLocks()
	i := id{Functions, "a"}
	unlock, err := o.lock(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := o.lock(ctx, i)
		gaveUp <- err
	}()
	o.awaitUsers(t, i, 2)
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ended with %v", err)
	}
	unlock()
	unlock, err = o.lock(t.Context(), i)
	if err != nil {
		t.Fatalf("who gave up holds the lock: %v", err)
	}
	unlock()
}

func TestOpLocksCloseWaits(t *testing.T) {
	o := newOpLocks()
	i := id{Functions, "a"}
	unlock, err := o.lock(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	closed := make(chan struct{})
	go func() {
		o.close()
		if !over.Load() {
			t.Error("close did not wait for the operation under way")
		}
		close(closed)
	}()
	for {
		unlock, err := o.lock(t.Context(), id{Functions, "b"})
		if errors.Is(err, errClosing) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		unlock()
	}
	over.Store(true)
	unlock()
	<-closed
}
