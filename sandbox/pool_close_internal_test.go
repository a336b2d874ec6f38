package sandbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/host"
)

func TestPoolCloseWithWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(1)
		s := mustGet(t, p)
		first, second := getLater(t.Context(), p), getLater(t.Context(), p)
		closed := make(chan error, 2)
		for range 2 {
			go func() { closed <- p.close(t.Context()) }()
		}
		for _, waiter := range []<-chan got{first, second} {
			wantCodeOf(t, (<-waiter).err, host.CodeUnavailable)
		}
		synctest.Wait()
		select {
		case err := <-closed:
			t.Errorf("close returned (%v), and a slot is in use", err)
		default:
		}
		p.put(s)
		for range 2 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		_, err := p.get(t.Context())
		wantCodeOf(t, err, host.CodeUnavailable)
		end(t, p, f)
	})
}

// TestPoolCloseWhileMaking: a slot that is being made when the pool is closed is
// waited for and closed, not handed out.
func TestPoolCloseWhileMaking(t *testing.T) {
	for name, fail := range map[string]error{"made": nil, "fails": errors.New("cannot be made")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, f := testPool(2)
				p.put(mustGet(t, p))
				busy := mustGet(t, p)
				f.hold, f.fail = make(chan struct{}), fail
				maker := getLater(t.Context(), p)
				closed := make(chan error, 1)
				go func() { closed <- p.close(t.Context()) }()
				synctest.Wait()
				p.drop(busy)
				synctest.Wait()
				wantUsage(t, p, 1, 0)
				close(f.hold)
				if r := <-maker; r.slot != nil || r.err == nil {
					t.Errorf("%+v from a closed pool", r)
				}
				if err := <-closed; err != nil {
					t.Error(err)
				}
				end(t, p, f)
			})
		})
	}
}

func TestPoolCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(2)
		a, b := mustGet(t, p), mustGet(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.close(ctx); err == nil {
			t.Error("no error, and two slots are in use")
		}
		p.put(a)
		p.drop(b)
		end(t, p, f)
	})
}

// TestPoolCloseInterrupts: every slot in use is interrupted, also one that was
// taken and whose call has not begun.
func TestPoolCloseInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(3)
		slots := []*slot{mustGet(t, p), mustGet(t, p), mustGet(t, p)}
		slots[0].run.begin(t.Context(), "f")
		p.put(slots[2])
		go func() { _ = p.close(t.Context()) }()
		synctest.Wait()
		for _, s := range slots[:2] {
			wantCodeOf(t, s.run.cause(), host.CodeUnavailable)
		}
		if slots[2].run.cause() != nil {
			t.Error("a free slot was interrupted")
		}
		if slots[0].run.end() {
			t.Error("the slot is said to be intact")
		}
		p.drop(slots[0])
		p.put(slots[1])
		end(t, p, f)
	})
}

// TestPoolTrimAfterClose: the timer does nothing to a pool that is closed.
func TestPoolTrimAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(2)
		a, b := mustGet(t, p), mustGet(t, p)
		p.put(a)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = p.close(ctx)
		p.trim()
		time.Sleep(3 * testIdle)
		p.put(b)
		end(t, p, f)
	})
}

// tally makes slots that count themselves, for tests with real concurrency.
type tally struct {
	alive, most, failed atomic.Int64

	mu   sync.Mutex // guards made
	made []*slot
}

func (c *tally) make(context.Context) (*slot, error) {
	n := c.alive.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	if n := rand.IntN(10); n == 0 {
		c.alive.Add(-1)
		c.failed.Add(1)
		return nil, errors.New("cannot be made")
	}
	s := fakeSlot()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made = append(c.made, s)
	return s, nil
}

// TestPoolHammer: everything at once, without a bubble. No slot is lost, used
// twice at a time, used after it was closed, or closed twice.
func TestPoolHammer(t *testing.T) {
	const limit, workers, rounds = 3, 12, 800
	for range 5 {
		c := &tally{}
		p := newPool(limit, 100*time.Microsecond, 50*time.Microsecond, c.make)
		var group, warm sync.WaitGroup
		for range workers {
			warm.Add(1)
			group.Go(func() { hammerPool(t, p, c, rounds, warm.Done) })
		}
		warm.Wait()
		for range 3 {
			group.Go(func() {
				if err := p.close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if u := p.usage(); u.live != 0 || u.busy != 0 {
			t.Errorf("%d live, %d busy after close", u.live, u.busy)
		}
		for _, s := range c.made {
			if n := closedTimes(s); n != 1 {
				t.Errorf("a slot was closed %d times", n)
			}
		}
	}
}

// hammerPool takes and gives slots back until the pool is closed; after some
// rounds it says that it is warm.
func hammerPool(t *testing.T, p *pool, c *tally, rounds int, warm func()) {
	for i := 0; ; i++ {
		if i == rounds {
			warm()
		}
		ctx, cancel := context.WithCancel(context.Background())
		if rand.IntN(4) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(100_000)))
		}
		s, err := p.get(ctx)
		switch {
		case err == errClosed:
			cancel()
			if i < rounds {
				t.Error("closed too early")
			}
			return
		case err != nil:
			cancel()
			continue
		}
		if u := p.usage(); u.live > p.limit {
			t.Errorf("%d slots live, over the limit of %d", u.live, p.limit)
		}
		begun := s.run.begin(ctx, "f")
		if closedTimes(s) != 0 {
			t.Error("a closed slot was given out")
		}
		s.wide = append(s.wide[:0], uint64(i)) // a race, if two own it
		if rand.IntN(3) == 0 {
			cancel()
		}
		intact := s.run.end() && begun == nil
		if intact && rand.IntN(8) != 0 {
			p.put(s)
		} else {
			p.drop(s)
		}
		cancel()
	}
}
