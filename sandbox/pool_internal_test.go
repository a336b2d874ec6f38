package sandbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// fakeInstance counts how often it is closed.
type fakeInstance struct {
	api.Module
	closed atomic.Int32
}

func (f *fakeInstance) Close(context.Context) error {
	f.closed.Add(1)
	return nil
}

// fakeMaker makes slots without a guest. hold, when set, keeps make until it is
// closed; fail makes it fail.
type fakeMaker struct {
	mu   sync.Mutex // guards made
	made []*slot
	fail error
	hold chan struct{}
}

func (f *fakeMaker) make(ctx context.Context) (*slot, error) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
			return nil, callerError(ctx.Err())
		}
	}
	if f.fail != nil {
		return nil, f.fail
	}
	s := fakeSlot()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = append(f.made, s)
	return s, nil
}

// fakeSlot is a slot without a guest.
func fakeSlot() *slot {
	return &slot{instance: &fakeInstance{}, run: newRun(time.Hour, newAdmission(DefaultAdmission()), false)}
}

func closedTimes(s *slot) int32 { return s.instance.(*fakeInstance).closed.Load() }

const (
	testWait = time.Second
	testIdle = time.Minute
)

func testPool(limit int) (*pool, *fakeMaker) {
	f := &fakeMaker{}
	return newPool(limit, testWait, testIdle, f.make), f
}

func mustGet(t *testing.T, p *pool) *slot {
	t.Helper()
	s, err := p.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// got is what a get in the background came to.
type got struct {
	slot *slot
	err  error
}

// getLater begins a get that has to wait, and returns when it does.
func getLater(ctx context.Context, p *pool) <-chan got {
	done := make(chan got, 1)
	go func() {
		s, err := p.get(ctx)
		done <- got{s, err}
	}()
	synctest.Wait()
	return done
}

func wantUsage(t *testing.T, p *pool, live, busy int) {
	t.Helper()
	if u := p.usage(); u.live != live || u.busy != busy {
		t.Errorf("%d live, %d busy; want %d and %d", u.live, u.busy, live, busy)
	}
}

func wantCodeOf(t *testing.T, err error, want host.Code) {
	t.Helper()
	if err == nil || host.CodeOf(err) != want {
		t.Errorf("%v; want code %s", err, want)
	}
}

// end closes a pool that nobody uses any more and checks that each slot was
// closed once.
func end(t *testing.T, p *pool, f *fakeMaker) {
	t.Helper()
	if err := p.close(t.Context()); err != nil {
		t.Error(err)
	}
	wantUsage(t, p, 0, 0)
	for i, s := range f.made {
		if n := closedTimes(s); n != 1 {
			t.Errorf("slot %d was closed %d times", i, n)
		}
	}
	if len(p.all) != 0 || len(p.free) != 0 || len(p.waiters) != 0 {
		t.Errorf("%d slots, %d free, %d waiters are left", len(p.all), len(p.free), len(p.waiters))
	}
}

func TestPoolLastInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(3)
		a, b, c := mustGet(t, p), mustGet(t, p), mustGet(t, p)
		wantUsage(t, p, 3, 3)
		p.put(b)
		p.put(a)
		p.put(c)
		wantUsage(t, p, 3, 0)
		for i, want := range []*slot{c, a, b} {
			if s := mustGet(t, p); s != want {
				t.Errorf("get %d is not the slot put last", i)
			}
		}
		if len(f.made) != 3 {
			t.Errorf("%d slots made", len(f.made))
		}
		p.put(a)
		p.put(b)
		p.put(c)
		end(t, p, f)
	})
}

func TestPoolQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(1)
		s := mustGet(t, p)
		first, second := getLater(t.Context(), p), getLater(t.Context(), p)
		time.Sleep(testWait - 1)
		p.put(s)
		if r := <-first; r.slot != s || r.err != nil {
			t.Errorf("the first in the queue: %+v", r)
		}
		r := <-second // it has waited long enough, in the bubble's time
		wantCodeOf(t, r.err, host.CodeUnavailable)
		for _, text := range []string{"all 1 instances", "1s", "limits.instances"} {
			if !strings.Contains(r.err.Error(), text) {
				t.Errorf("%q does not say %q", r.err, text)
			}
		}
		p.put(s)
		wantUsage(t, p, 1, 0)
		end(t, p, f)
	})
}

func TestPoolWaiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(1)
		s := mustGet(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := getLater(ctx, p), getLater(t.Context(), p)
		cancel()
		wantCodeOf(t, (<-first).err, host.CodeCanceled)
		p.put(s)
		if r := <-second; r.slot != s {
			t.Errorf("the next in the queue: %+v", r)
		}
		p.put(s)
		end(t, p, f)
	})
}

// TestPoolHandOverMeetsGivingUp: a slot is handed to a waiter at the moment that
// it gives up. Whatever the waiter makes of it, the slot must not be lost.
func TestPoolHandOverMeetsGivingUp(t *testing.T) {
	for round := range 400 {
		synctest.Test(t, func(t *testing.T) {
			p, f := testPool(1)
			s := mustGet(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			waiter := getLater(ctx, p)
			next := getLater(t.Context(), p)
			give := func() {
				if round&2 == 0 {
					p.put(s)
				} else {
					p.drop(s)
				}
			}
			if round&1 == 0 {
				go cancel()
				give()
			} else {
				go give()
				cancel()
			}
			if r := <-waiter; r.err == nil {
				p.put(r.slot)
			} else if code := host.CodeOf(r.err); code != host.CodeCanceled {
				t.Errorf("code %s of %v", code, r.err)
			}
			r := <-next
			if r.err != nil {
				t.Fatalf("the slot was lost: %v", r.err)
			}
			p.put(r.slot)
			wantUsage(t, p, 1, 0)
			end(t, p, f)
		})
	}
}

// TestPoolDropWithWaiters: a slot that is thrown away makes room: the first
// waiter makes another. When that fails, the next one tries.
func TestPoolDropWithWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(1)
		s := mustGet(t, p)
		first, second, third := getLater(t.Context(), p), getLater(t.Context(), p), getLater(t.Context(), p)
		f.hold = make(chan struct{})
		p.drop(s)
		synctest.Wait()
		wantUsage(t, p, 1, 0) // being made
		f.fail = errors.New("cannot be made")
		close(f.hold)
		for i, waiter := range []<-chan got{first, second, third} {
			if r := <-waiter; !errors.Is(r.err, f.fail) {
				t.Errorf("waiter %d: %+v", i, r)
			}
		}
		wantUsage(t, p, 0, 0)
		f.fail = nil
		p.put(mustGet(t, p))
		wantUsage(t, p, 1, 0)
		end(t, p, f)
	})
}

func TestPoolMakeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(2)
		f.fail = errors.New("cannot be made")
		for range 5 { // more often than there is room
			if _, err := p.get(t.Context()); !errors.Is(err, f.fail) {
				t.Errorf("%v", err)
			}
		}
		wantUsage(t, p, 0, 0)
		end(t, p, f)
	})
}

// TestPoolMakePanics: a slot that could not be made because of a bug is not
// counted.
func TestPoolMakePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(1)
		good := p.make
		p.make = func(context.Context) (*slot, error) { panic("a bug") }
		for range 2 { // more often than there is room
			if fault := panicOf(func() { _, _ = p.get(t.Context()) }); fault != "a bug" {
				t.Errorf("get panicked with %v", fault)
			}
			wantUsage(t, p, 0, 0)
		}
		p.make = good
		p.put(mustGet(t, p))
		end(t, p, f)
	})
}

// TestPoolTrim: what was not needed for a whole period is closed, the coldest
// first, but one; what is in use is not touched.
func TestPoolTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(4)
		var slots []*slot
		for range 4 {
			slots = append(slots, mustGet(t, p))
		}
		for _, s := range slots {
			p.put(s)
		}
		time.Sleep(testIdle + 1) // all four were in use during the first period
		wantUsage(t, p, 4, 0)
		warm := mustGet(t, p)
		other := mustGet(t, p)
		p.put(other)
		p.put(warm)
		time.Sleep(testIdle + 1) // two were in use at one time during the second
		wantUsage(t, p, 2, 0)
		if closedTimes(slots[0]) != 1 || closedTimes(slots[1]) != 1 || closedTimes(warm) != 0 {
			t.Error("the coldest should be closed")
		}
		if s := mustGet(t, p); s != warm {
			t.Error("the warmest should be next")
		}
		time.Sleep(3 * testIdle) // one is in use all the time
		wantUsage(t, p, 1, 1)
		p.put(warm)
		time.Sleep(5 * testIdle)
		wantUsage(t, p, 1, 0) // the last one stays
		if p.trimmer != nil {
			t.Error("there is nothing to trim, and the timer is on")
		}
		a, b := mustGet(t, p), mustGet(t, p)
		p.put(a)
		p.put(b)
		time.Sleep(3 * testIdle) // it begins again
		wantUsage(t, p, 1, 0)
		end(t, p, f)
	})
}

// TestPoolTrimMeetsGet: gets, puts and trims at the same instants.
func TestPoolTrimMeetsGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := testPool(3)
		done := make(chan struct{})
		for range 3 {
			go func() {
				defer func() { done <- struct{}{} }()
				for range 100 {
					s, err := p.get(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					if closedTimes(s) != 0 {
						t.Error("a slot that was trimmed is used")
					}
					time.Sleep(testIdle / 2)
					p.put(s)
					time.Sleep(testIdle / 2)
				}
			}()
		}
		for range 3 {
			<-done
		}
		end(t, p, f)
	})
}
