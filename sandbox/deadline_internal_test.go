package sandbox

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/host"
)

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeadline(time.Second)
		time.Sleep(time.Hour) // it does not run before it was begun
		for range 3 {
			stop := d.begin(t.Context())
			time.Sleep(time.Second - 1)
			if d.Err() != nil || !d.end(stop) {
				t.Fatalf("it fired early: %v", d.cause())
			}
			time.Sleep(time.Hour) // nor after it ended
		}
		stop := d.begin(context.Background())
		<-d.Done()
		wantCodeOf(t, d.cause(), host.CodeTimeout)
		if d.Err() != context.DeadlineExceeded {
			t.Errorf("%v", d.Err())
		}
		if d.end(stop) {
			t.Error("it fired, and the slot is said to be intact")
		}
		d.fire(errClosed) // the first cause stays
		wantCodeOf(t, d.cause(), host.CodeTimeout)
	})
}

func TestDeadlineOfCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, caller := range map[host.Code]func() (context.Context, context.CancelFunc){
			host.CodeTimeout:  func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Minute) },
			host.CodeCanceled: func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
		} {
			d := newDeadline(time.Hour)
			ctx, cancel := caller()
			stop := d.begin(ctx)
			if want == host.CodeCanceled {
				cancel()
			}
			<-d.Done()
			wantCodeOf(t, d.cause(), want)
			if d.end(stop) {
				t.Error("it fired, and the slot is said to be intact")
			}
			cancel()
		}
	})
}

// TestDeadlineMeetsEnd: the deadline fires, the caller gives up and the call
// ends, all at about the same time. When end says that the slot is intact,
// nothing may fire after it.
func TestDeadlineMeetsEnd(t *testing.T) {
	const rounds = 5000
	intact, fired := 0, 0
	for i := range rounds {
		d := newDeadline(time.Duration(i%50) * time.Microsecond)
		ctx, cancel := context.WithCancel(context.Background())
		var group sync.WaitGroup
		stop := d.begin(ctx)
		if i%3 == 0 {
			group.Go(cancel)
		}
		for range i % 700 { // some time
			_ = d.Err()
		}
		if d.end(stop) {
			intact++
			group.Wait()
			cancel()
			if err := d.cause(); err != nil {
				t.Fatalf("round %d: fired after end: %v", i, err)
			}
			// And it can be used again.
			d.timeout = time.Hour
			if stop := d.begin(context.Background()); !d.end(stop) {
				t.Fatalf("round %d: the next call is said to be interrupted", i)
			}
		} else {
			fired++
		}
		group.Wait()
		cancel()
	}
	t.Logf("%d intact, %d fired", intact, fired)
}

// TestDeadlineAboutToFire: the caller gave up before the call ended, and what
// follows from it may not have happened yet.
func TestDeadlineAboutToFire(t *testing.T) {
	for range 1000 {
		d := newDeadline(time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		stop := d.begin(ctx)
		cancel()
		if d.end(stop) {
			t.Fatal("the slot is said to be intact")
		}
		<-d.Done()
	}
}

// TestDeadlineIsNotOverBeforeItBegins: not even the shortest.
func TestDeadlineIsNotOverBeforeItBegins(t *testing.T) {
	for range 2000 {
		if d := newDeadline(0); d.Err() != nil {
			t.Fatal("it fired before it was begun")
		}
	}
}
