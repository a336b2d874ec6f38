package sandbox

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"berth/host"
)

// pool keeps the slots of one module: used last in, first out, so that memory
// stays warm and the rest can be closed; made on demand up to a limit.
//
// It is sharded: a slot that is put back first lies in the stripe of the
// goroutine that used it, where the next call of that goroutine, or of another
// on the same stripe, takes it with one atomic instruction. The slot that lay
// there moves to the list of free slots. A call that finds its stripe empty
// looks into the other stripes and then into that list, before it makes a slot or
// waits for one.
type pool struct {
	make  func(context.Context) (*slot, error)
	limit int
	wait  time.Duration // for a free slot, at the limit
	idle  time.Duration // how often slots that were not needed are closed

	warm []stripe // a power of two of them

	// alert is the number of waiters, and alertClosed when the pool is closed.
	// It is written with mu held. Who puts a slot into a stripe looks at it
	// afterwards, and who raises it looks into the stripes afterwards: one of
	// them sees the other.
	alert atomic.Int64

	mu      sync.Mutex // guards what follows; never held across a call or making a slot
	free    []*slot
	all     map[*slot]struct{} // warm, free and busy
	live    int                // all, and those being made
	unused  int                // shortest that free was since the last trim
	waiters []chan *slot
	ready   int         // slots to make ahead of need
	ahead   bool        // one is being made
	spent   int64       // fuel used in slots that are gone
	trimmer *time.Timer // nil while there is nothing to trim
	closed  bool
	empty   chan struct{} // closed when closed and no slot is live
	last    func()        // run when the last slot is gone
}

type stripe struct {
	slot atomic.Pointer[slot]
	_    [120]byte // two cache lines each: processors fetch them in pairs
}

const alertClosed = 1 << 32

var errClosed = host.Fail(host.CodeUnavailable, "the plugin is being unloaded")

func newPool(limit int, wait, idle time.Duration, make_ func(context.Context) (*slot, error)) *pool {
	return &pool{make: make_, limit: limit, wait: wait, idle: idle, warm: make([]stripe, host.Stripes()), all: map[*slot]struct{}{}, empty: make(chan struct{})}
}

// get takes a free slot, makes one, or waits for one. The caller gives it back
// with put or drop.
func (p *pool) get(ctx context.Context) (*slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, callerError(err)
	}
	if s := p.warm[host.OwnStripe(len(p.warm))].slot.Swap(nil); s != nil {
		return s, nil
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if s := p.takeFree(); s != nil {
		p.mu.Unlock()
		return s, nil
	}
	if p.live < p.limit {
		p.live++
		p.mu.Unlock()
		return p.grow(ctx)
	}
	p.alert.Add(1)
	if s := p.steal(); s != nil {
		p.alert.Add(-1)
		p.mu.Unlock()
		return s, nil
	}
	turn := make(chan *slot, 1)
	p.waiters = append(p.waiters, turn)
	p.mu.Unlock()
	return p.queue(ctx, turn)
}

// takeFree takes a slot from any stripe, or else from the list the one that was
// put back last: what lies in the list is not needed as long as stripes do. The
// caller holds mu.
func (p *pool) takeFree() *slot {
	if s := p.steal(); s != nil {
		return s
	}
	n := len(p.free)
	if n == 0 {
		return nil
	}
	s := p.free[n-1]
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	p.unused = min(p.unused, n-1)
	return s
}

// steal takes a slot from any stripe.
func (p *pool) steal() *slot {
	for i := range p.warm {
		if p.warm[i].slot.Load() == nil {
			continue
		}
		if s := p.warm[i].slot.Swap(nil); s != nil {
			return s
		}
	}
	return nil
}

// cool moves the slots in the stripes to the list; or to those who wait, which
// whoever put them there is about to find out. The caller holds mu.
func (p *pool) cool() {
	for i := range p.warm {
		s := p.warm[i].slot.Swap(nil)
		switch {
		case s == nil:
		case len(p.waiters) > 0:
			p.next() <- s
		default:
			p.free = append(p.free, s)
		}
	}
}

// queue waits for a slot to be handed over. A nil slot is leave to make one.
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
		err = host.Fail(host.CodeUnavailable, "all %d instances of the plugin were busy for %s: try again, or raise \"limits.instances\"", p.limit, p.wait)
	}
	p.mu.Lock()
	for i, w := range p.waiters {
		if w == turn {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			p.alert.Add(-1)
			p.mu.Unlock()
			return nil, err
		}
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

// grow makes a slot that live counts already.
func (p *pool) grow(ctx context.Context) (*slot, error) {
	made := false
	defer func() {
		if !made { // make panicked
			p.mu.Lock()
			defer p.mu.Unlock()
			p.gone(nil)
		}
	}()
	s, err := p.make(ctx)
	made = true
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.closed {
		s.close()
		err = errClosed
	}
	if err != nil {
		p.gone(nil)
		return nil, err
	}
	p.all[s] = struct{}{}
	if p.live > 1 && p.trimmer == nil && p.ready == 0 {
		p.unused = len(p.free)
		p.trimmer = time.AfterFunc(p.idle, p.trim)
	}
	return s, nil
}

// keepReady makes slots ahead of need from now on, so that n are free: for slots
// that are good for one call only.
func (p *pool) keepReady(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = min(n, p.limit)
}

// prepare makes a slot ahead of need, if one is missing. The pool's close waits
// for it, as for any that is being made. The caller holds mu.
func (p *pool) prepare() {
	if p.closed || p.ahead || len(p.free) >= p.ready || p.live >= p.limit {
		return
	}
	p.ahead = true
	p.live++
	go func() {
		s, err := p.grow(context.Background())
		p.mu.Lock()
		p.ahead = false
		p.mu.Unlock()
		if err == nil { // else the next call meets the error
			p.putBack(s)
		}
	}()
}

// put gives a slot back.
func (p *pool) put(s *slot) {
	if p.alert.Load() == 0 {
		own := &p.warm[host.OwnStripe(len(p.warm))].slot
		s = own.Swap(s)
		if p.alert.Load() != 0 {
			p.putBack(own.Swap(nil)) // somebody waits, or closes the pool
		}
	}
	p.putBack(s)
}

// putBack gives a slot, or none, to the first waiter, or puts it into the list.
func (p *pool) putBack(s *slot) {
	if s == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		p.forget(s)
		s.close()
		p.gone(s)
	case len(p.waiters) > 0:
		p.next() <- s
	default:
		p.free = append(p.free, s)
		p.prepare()
	}
}

// drop throws a slot away that is not to be used again.
func (p *pool) drop(s *slot) {
	p.mu.Lock()
	p.forget(s)
	p.mu.Unlock()
	s.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone(s)
	p.prepare()
}

// forget takes a slot off the list. The caller holds mu, and owns the slot.
func (p *pool) forget(s *slot) {
	if _, ok := p.all[s]; ok {
		delete(p.all, s)
		p.spent += s.run.total()
	}
}

// gone counts a slot out and lets the first waiter make another. The caller
// holds mu.
func (p *pool) gone(s *slot) {
	p.forget(s)
	p.live--
	if p.closed {
		if p.live == 0 {
			close(p.empty)
			if p.last != nil {
				p.last() // nobody waits for mu any more but to find the pool closed
			}
		}
		return
	}
	if len(p.waiters) > 0 {
		p.live++
		p.next() <- nil
	}
}

// next takes the first waiter off the queue. The caller holds mu.
func (p *pool) next() chan *slot {
	w := p.waiters[0]
	p.waiters = append(p.waiters[:0], p.waiters[1:]...)
	p.alert.Add(-1)
	return w
}

// trim closes the slots that were not needed since the last time, but one.
func (p *pool) trim() {
	p.mu.Lock()
	n := min(p.unused, len(p.free))
	if p.live == n {
		n = max(n-1, 0)
	}
	var idle []*slot
	if !p.closed && n > 0 {
		idle = append(idle, p.free[:n]...)
		p.free = append(p.free[:0], p.free[n:]...)
		for _, s := range idle {
			p.forget(s)
		}
	}
	if !p.closed {
		p.cool() // taking a slot out of the list again is what tells that it is needed
	}
	p.unused = len(p.free)
	if p.live-len(idle) > 1 && !p.closed {
		p.trimmer.Reset(p.idle)
	} else {
		p.trimmer = nil
	}
	p.mu.Unlock()
	for _, s := range idle {
		s.close()
		p.mu.Lock()
		p.gone(s)
		p.mu.Unlock()
	}
}

// close closes the free slots, interrupts the busy ones where that can be done,
// and waits for them until ctx ends. What is still busy then is closed when its
// call returns.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.alert.Add(alertClosed)
		if p.trimmer != nil {
			p.trimmer.Stop()
		}
		for _, w := range p.waiters {
			close(w)
		}
		p.waiters = nil
		p.cool()
		for _, s := range p.free {
			p.forget(s)
			s.close()
		}
		p.live -= len(p.free)
		p.free = nil
		for s := range p.all {
			s.run.interrupt(errClosed)
		}
		if p.live == 0 {
			close(p.empty)
		}
	}
	p.mu.Unlock()
	select {
	case <-p.empty:
		return nil
	case <-ctx.Done():
		return errors.New("a guest is still running and cannot be interrupted")
	}
}

// whenEmpty runs f when the last slot of a closed pool is gone.
func (p *pool) whenEmpty(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == 0 {
		f()
		return
	}
	p.last = f
}

// usage is what a pool holds.
type usage struct {
	live, busy int   // slots
	bytes      int64 // of memory
	fuel       int64 // used ever
}

func (p *pool) usage() usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := usage{live: p.live, busy: len(p.all) - len(p.free), fuel: p.spent}
	for i := range p.warm {
		if p.warm[i].slot.Load() != nil {
			u.busy--
		}
	}
	u.busy = max(u.busy, 0)
	for s := range p.all {
		u.bytes += s.bytes.Load()
		u.fuel += s.run.used.Load()
	}
	return u
}
