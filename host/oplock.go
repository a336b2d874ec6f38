package host

import (
	"context"
	"sync"
)

// opLocks serialises operations on one plugin. Unlike a mutex, waiting for one
// ends with the context, and close waits for the operations under way. Which
// plugins are locked is all that mu guards, so no plugin waits for another.
type opLocks struct {
	mu     sync.Mutex
	locks  map[id]*opLock
	closed bool
	active sync.WaitGroup
}

type opLock struct {
	turn  chan struct{} // capacity 1: full while an operation runs
	users int           // running and waiting; guarded by opLocks.mu
}

// lock waits for the plugin's turn. The caller calls unlock when its operation
// is over.
func (o *opLocks) lock(ctx context.Context, id id) (unlock func(), err error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, errClosing
	}
	l := o.locks[id]
	if l == nil {
		l = &opLock{turn: make(chan struct{}, 1)}
		o.locks[id] = l
	}
	l.users++
	o.active.Add(1)
	o.mu.Unlock()

	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; o.release(id, l) }, nil
	case <-ctx.Done():
		o.release(id, l)
		return nil, ctx.Err()
	}
}

func (o *opLocks) release(id id, l *opLock) {
	o.mu.Lock()
	if l.users--; l.users == 0 {
		delete(o.locks, id)
	}
	o.mu.Unlock()
	o.active.Done()
}

// close refuses further operations and waits for those under way.
func (o *opLocks) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.active.Wait()
}
