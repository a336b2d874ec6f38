package cabi

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"berth/host"
)

// queueTime is how long a call waits when calls have no timeout of their own.
const queueTime = 5 * time.Second

// errClosed answers calls of a library that is closed, or about to be.
var errClosed = host.Fail(host.CodeUnavailable, "the plugin is being unloaded")

// pool holds the slots of a library that no call is in, and makes new ones up to
// a limit. Callers beyond it wait in line.
type pool struct {
	limit int
	wait  time.Duration
	make  func(context.Context) (*slot, error)

	mu      sync.Mutex // guards what follows; held for moments only
	free    []*slot    // the last used at the end: it is the warmest
	live    int        // slots that are there or being made
	waiters []chan *slot
	parts   int // sources and sinks that are open
	closed  bool
	idle    chan struct{} // closed when the pool is closed, and no call inside and no part open
}

func newPool(limit int, wait time.Duration, make_ func(context.Context) (*slot, error)) *pool {
	if wait == 0 {
		wait = queueTime
	}
	return &pool{limit: limit, wait: wait, make: make_, idle: make(chan struct{})}
}

// get waits for a slot, at most until ctx ends or for the pool's time. The caller
// puts it back.
func (p *pool) get(ctx context.Context) (*slot, error) { return p.take(ctx, false) }

// getLast is get, also from a pool that is closed: for what is to be closed itself.
func (p *pool) getLast(ctx context.Context) (*slot, error) {
	for {
		s, err := p.take(ctx, true)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
	}
}

func (p *pool) take(ctx context.Context, last bool) (*slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, callerError(err)
	}
	p.mu.Lock()
	if p.closed && !last {
		p.mu.Unlock()
		return nil, errClosed
	}
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return s, nil
	}
	if p.live < p.limit {
		p.live++
		p.mu.Unlock()
		return p.grow(ctx)
	}
	turn := make(chan *slot, 1)
	p.waiters = append(p.waiters, turn)
	p.mu.Unlock()
	return p.queue(ctx, turn)
}

// grow makes a slot that live counts already.
func (p *pool) grow(ctx context.Context) (*slot, error) {
	s, err := p.make(ctx)
	if err == nil {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live--
	if len(p.waiters) > 0 && !p.closed { // one of them may try
		p.live++
		p.next() <- nil
	}
	p.settle()
	return nil, err
}

// queue waits for a slot to be handed over. A nil slot is leave to make one; a
// closed channel says that the pool is closed.
func (p *pool) queue(ctx context.Context, turn chan *slot) (*slot, error) {
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	var err error
	select {
	case s, ok := <-turn:
		return p.turned(ctx, s, ok)
	case <-ctx.Done():
		err = callerError(ctx.Err())
	case <-timer.C:
		err = host.Fail(host.CodeUnavailable, "all %d objects of the plugin were busy for %s: try again, or raise \"limits.instances\"", p.limit, p.wait)
		if p.limit == 1 {
			err = host.Fail(host.CodeUnavailable, "the plugin takes one call at a time, and was busy for %s: try again", p.wait)
		}
	}
	p.mu.Lock()
	if i := slices.Index(p.waiters, turn); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		p.mu.Unlock()
		return nil, err
	}
	p.mu.Unlock()
	s, ok := <-turn // handed over meanwhile
	return p.turned(ctx, s, ok)
}

func (p *pool) turned(ctx context.Context, s *slot, ok bool) (*slot, error) {
	switch {
	case !ok:
		return nil, errClosed
	case s == nil:
		return p.grow(ctx)
	case ctx.Err() != nil: // handed over at the moment the caller gave up
		p.put(s)
		return nil, callerError(ctx.Err())
	}
	return s, nil
}

// put takes back a slot.
func (p *pool) put(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiters) > 0 {
		p.next() <- s
		return
	}
	p.free = append(p.free, s)
	p.settle()
}

// next takes the first who waits out of the line. The caller holds mu.
func (p *pool) next() chan *slot {
	first := p.waiters[0]
	p.waiters = slices.Delete(p.waiters, 0, 1)
	return first
}

// settle tells whoever closes the pool that no call is inside. The caller holds mu.
func (p *pool) settle() {
	if !p.closed || len(p.free) < p.live || p.parts > 0 {
		return
	}
	select {
	case <-p.idle:
	default:
		close(p.idle)
	}
}

// close refuses calls from now on, and those who wait; what it returns is closed
// when nothing is inside any more.
func (p *pool) close() (idle <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, turn := range p.waiters {
		close(turn)
	}
	p.waiters = nil
	p.settle()
	return p.idle
}

// open counts a source or sink that is being opened.
func (p *pool) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.parts++
	return nil
}

// shut is the end of an open.
func (p *pool) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts--
	p.settle()
}

// inside tells what keeps the pool from being idle.
func (p *pool) inside() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("calls inside: %d, sources and sinks open: %d", p.live-len(p.free), p.parts)
}

// empty takes all slots out of a closed pool that is idle.
func (p *pool) empty() []*slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	slots := p.free
	p.free, p.live = nil, 0
	return slots
}

// usage is how many slots there are, and how many of them a call is in.
func (p *pool) usage() (live, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live, p.live - len(p.free)
}
