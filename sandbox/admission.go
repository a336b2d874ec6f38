package sandbox

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"berth/host"
)

// Admission bounds how many guests run at one time. A call that is over within
// a quantum of fuel, some ten microseconds, needs no place: there are never more
// of those than processors. A call that goes on takes a place or waits for one,
// and lets the next have it when its turn is over or when it waits for something
// else.
type Admission struct {
	Places int           // calls that run at one time; at least 1
	Queue  int           // calls that wait for a place; while it is full, no other call begins; at least 1
	Wait   time.Duration // how long a call waits to begin
}

// DefaultAdmission is a place for each processor, 1,024 waiting calls and one
// second.
func DefaultAdmission() Admission {
	return Admission{Places: runtime.GOMAXPROCS(0), Queue: 1024, Wait: time.Second}
}

// admission shares the places out, first come, first served. It is safe for
// concurrent use.
type admission struct {
	limits Admission
	length atomic.Int32 // of queue, for who need not lock mu
	full   atomic.Bool  // queue is full, or somebody is at the door

	mu    sync.Mutex // guards what follows; never held while waiting
	free  int
	queue []chan struct{} // closed when it is their turn
	door  []chan struct{} // calls that did not begin yet; closed when they may
}

func newAdmission(limits Admission) *admission {
	limits.Places, limits.Queue = max(limits.Places, 1), max(limits.Queue, 1)
	return &admission{limits: limits, free: limits.Places}
}

// enter lets a call begin.
func (a *admission) enter(caller context.Context) error {
	if !a.full.Load() {
		return nil
	}
	return a.atDoor(caller)
}

func (a *admission) atDoor(caller context.Context) error {
	a.mu.Lock()
	if len(a.queue) < a.limits.Queue && len(a.door) == 0 {
		a.mu.Unlock()
		return nil
	}
	if len(a.door) >= a.limits.Queue {
		a.mu.Unlock()
		return a.crowded()
	}
	turn := make(chan struct{})
	a.door = append(a.door, turn)
	a.mu.Unlock()
	timer := time.NewTimer(a.limits.Wait)
	defer timer.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-caller.Done():
		err = callerError(caller.Err())
	case <-timer.C:
		err = a.crowded()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if remove(&a.door, turn) {
		a.settle()
		return err
	}
	a.settle() // let in meanwhile, but it does not come
	return err
}

func (a *admission) crowded() error {
	return host.Fail(host.CodeUnavailable, "%d calls run and %d wait for a place, and none came free in %s: try again later", a.limits.Places, a.limits.Queue, a.limits.Wait)
}

// take takes a free place.
func (a *admission) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.free == 0 {
		return false
	}
	a.free--
	return true
}

// wait waits for a place until ctx ends.
func (a *admission) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.free > 0 {
		a.free--
		a.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	a.queue = append(a.queue, turn)
	a.settle()
	a.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if remove(&a.queue, turn) {
		a.settle()
	} else {
		a.next() // it was given a place meanwhile
	}
	return ctx.Err()
}

// leave gives a place back.
func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next()
}

// waited tells whether somebody waits for a place.
func (a *admission) waited() bool { return a.length.Load() > 0 }

// next gives a place to the first in the queue. The caller holds mu.
func (a *admission) next() {
	if len(a.queue) == 0 {
		a.free++
		return
	}
	close(a.queue[0])
	a.queue = append(a.queue[:0], a.queue[1:]...)
	a.settle()
}

// settle lets calls begin that the queue has room for. The caller holds mu.
func (a *admission) settle() {
	for room := a.limits.Queue - len(a.queue); room > 0 && len(a.door) > 0; room-- {
		close(a.door[0])
		a.door = append(a.door[:0], a.door[1:]...)
	}
	a.length.Store(int32(len(a.queue)))
	a.full.Store(len(a.queue) >= a.limits.Queue || len(a.door) > 0)
}

// usage counts the calls that have a place, and those that wait.
func (a *admission) usage() (running, waiting int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limits.Places - a.free, len(a.queue) + len(a.door)
}

func remove(queue *[]chan struct{}, turn chan struct{}) bool {
	for i, t := range *queue {
		if t == turn {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			return true
		}
	}
	return false
}
