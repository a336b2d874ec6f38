package sandbox

import (
	"testing"
	"testing/synctest"
	"time"

	"berth/host"
)

// TestRunTurnBeginsWithThePlace: a guest that waited for its place has a whole
// turn when it gets it.
func TestRunTurnBeginsWithThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(Admission{Places: 1, Queue: 10, Wait: time.Second})
		a.take()
		r := newRun(0, a, false)
		if err := r.begin(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
		placed := make(chan struct{})
		go func() {
			r.tick(-1)
			close(placed)
		}()
		synctest.Wait()
		wantAdmission(t, a, 1, 1)
		time.Sleep(5 * turnTime)
		a.leave()
		<-placed
		if since := time.Since(r.turn); since != 0 {
			t.Errorf("its turn began %s before it had a place", since)
		}
		if !r.end() {
			t.Error("it was interrupted")
		}
		wantAdmission(t, a, 0, 0)
	})
}

// TestRunWorkNeedsAPlace: a guest that lets host functions do its work needs a
// place as one that works itself does, and waits for it no longer than it may.
func TestRunWorkNeedsAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(Admission{Places: 1, Queue: 10, Wait: time.Second})
		first, second := newRun(time.Minute, a, false), newRun(time.Minute, a, false)
		for _, r := range []*run{first, second} {
			if err := r.begin(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}
		}
		first.spend(workStep - 1)
		wantAdmission(t, a, 0, 0)
		first.spend(0)
		wantAdmission(t, a, 1, 0)
		begun := time.Now()
		why, _ := panicOf(func() { second.spend(workStep) }).(*host.Error)
		if waited := time.Since(begun); waited != time.Minute || why == nil || why.Code != host.CodeTimeout {
			t.Errorf("without a place it goes on after %s: %v", waited, why)
		}
		if second.end() || !first.end() {
			t.Error("only the second was interrupted")
		}
		wantAdmission(t, a, 0, 0)
	})
}
