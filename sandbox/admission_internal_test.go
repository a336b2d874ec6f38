package sandbox

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/host"
)

// place takes a place or waits for one, as a call does whose first quantum is
// over.
func place(ctx context.Context, a *admission) error {
	if a.take() {
		return nil
	}
	return a.wait(ctx)
}

func wantAdmission(t *testing.T, a *admission, running, waiting int) {
	t.Helper()
	if r, w := a.usage(); r != running || w != waiting {
		t.Errorf("%d run and %d wait, want %d and %d", r, w, running, waiting)
	}
}

// TestAdmissionInTurn: places go to those who wait, in the order in which they
// came.
func TestAdmissionInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(Admission{Places: 2, Queue: 10, Wait: time.Second})
		for range 2 {
			if err := place(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		turns := make(chan int, 3)
		for i := range 3 {
			go func() {
				if err := place(t.Context(), a); err != nil {
					t.Error(err)
				}
				turns <- i
			}()
			synctest.Wait()
		}
		wantAdmission(t, a, 2, 3)
		for i := range 3 {
			a.leave()
			if got := <-turns; got != i {
				t.Errorf("turn %d went to %d", i, got)
			}
		}
		wantAdmission(t, a, 2, 0)
		a.leave()
		a.leave()
		wantAdmission(t, a, 0, 0)
	})
}

// TestAdmissionDoor: while the queue is full no call begins; the first that
// waited too long is told so, and the others begin when there is room.
func TestAdmissionDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(Admission{Places: 1, Queue: 1, Wait: time.Second})
		if err := place(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := a.enter(t.Context()); err != nil {
			t.Fatalf("nobody waits, and a call cannot begin: %v", err)
		}
		placed := make(chan error, 1)
		go func() { placed <- place(t.Context(), a) }()
		synctest.Wait()

		begun := time.Now()
		err := a.enter(t.Context())
		wantCodeOf(t, err, host.CodeUnavailable)
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("it waited %s", waited)
		}
		entered := make(chan error, 1)
		go func() { entered <- a.enter(t.Context()) }()
		synctest.Wait()
		if err := a.enter(t.Context()); host.CodeOf(err) != host.CodeUnavailable || time.Since(begun) != time.Second {
			t.Errorf("one over the bound of those who wait to begin: %v after %s", err, time.Since(begun))
		}
		a.leave() // to the one in the queue, so there is room in it
		if err := <-placed; err != nil {
			t.Error(err)
		}
		if err := <-entered; err != nil {
			t.Error(err)
		}
		a.leave()
		wantAdmission(t, a, 0, 0)
		if a.full.Load() || a.waited() {
			t.Error("nobody waits, and it is said to be full")
		}
	})
}

// TestAdmissionGivingUp: who gives up is out of the queue, and a place that it
// was given at that moment goes to the next.
func TestAdmissionGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(Admission{Places: 1, Queue: 1, Wait: time.Hour})
		if err := place(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 2)
		go func() { left <- place(ctx, a) }()
		synctest.Wait()
		go func() { left <- a.enter(ctx) }()
		synctest.Wait()
		wantAdmission(t, a, 1, 2)
		cancel()
		for range 2 {
			if err := <-left; err == nil {
				t.Error("no error, and it gave up")
			}
		}
		wantAdmission(t, a, 1, 0)
		a.leave()
		wantAdmission(t, a, 0, 0)
	})
}

// TestAdmissionWithoutQueue: however short the queue is said to be, it is full
// only while somebody is in it.
func TestAdmissionWithoutQueue(t *testing.T) {
	for _, queue := range []int{0, -1} {
		a := newAdmission(Admission{Places: 1, Queue: queue, Wait: time.Millisecond})
		if !a.take() {
			t.Fatal("no place")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := a.wait(ctx); err == nil {
			t.Error("no error, and it gave up")
		}
		a.leave()
		if err := a.enter(t.Context()); err != nil {
			t.Errorf("queue %d: nobody runs, and a call cannot begin: %v", queue, err)
		}
		wantAdmission(t, a, 0, 0)
	}
}

// TestAdmissionHammer: never more at one time than there are places, and none is
// lost.
func TestAdmissionHammer(t *testing.T) {
	const places, workers, rounds = 3, 16, 500
	a := newAdmission(Admission{Places: places, Queue: 4, Wait: time.Millisecond})
	var group sync.WaitGroup
	var mu sync.Mutex
	inside, most, refused := 0, 0, 0
	for w := range workers {
		group.Go(func() {
			for i := range rounds {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration((w+i)%7+1)*100*time.Microsecond)
				err := a.enter(ctx)
				if err == nil {
					err = place(ctx, a)
				}
				mu.Lock()
				if err != nil {
					refused++
				} else if inside++; inside > most {
					most = inside
				}
				mu.Unlock()
				if err == nil {
					mu.Lock()
					inside--
					mu.Unlock()
					a.leave()
				}
				cancel()
			}
		})
	}
	group.Wait()
	wantAdmission(t, a, 0, 0)
	if most > places {
		t.Errorf("%d at one time, and there are %d places", most, places)
	}
	if refused == workers*rounds {
		t.Error("nobody got a place")
	}
	if a.full.Load() {
		t.Error("it is said to be full, and nobody is there")
	}
}
