package host

import (
	"context"
	"sync/atomic"
)

// gate counts the calls inside an activation and lets it be drained: once
// shut, nobody enters, and wait returns when the last one has left.
//
// The count is striped so that calls on different processors do not write one
// cache line; a caller leaves by the stripe it entered by.
type gate struct {
	stripes []gateStripe // a power of two of them
	shut    atomic.Bool
	left    chan struct{} // capacity 1: somebody left a shut gate
}

type gateStripe struct {
	inside atomic.Int64
	_      [120]byte // two cache lines each: processors fetch them in pairs
}

func newGate() gate {
	return gate{stripes: make([]gateStripe, Stripes()), left: make(chan struct{}, 1)}
}

// enter counts the caller in; false when the gate is shut.
func (g *gate) enter() (stripe uint32, ok bool) {
	stripe = OwnStripe(len(g.stripes))
	g.stripes[stripe].inside.Add(1)
	// Checked after counting: wait, which looks at the counts after shutting,
	// either sees this caller or is seen by it.
	if g.shut.Load() {
		g.leave(stripe)
		return 0, false
	}
	return stripe, true
}

// leave counts the caller out.
func (g *gate) leave(stripe uint32) {
	if g.stripes[stripe].inside.Add(-1) == 0 && g.shut.Load() {
		select {
		case g.left <- struct{}{}:
		default:
		}
	}
}

// close shuts the gate. It does not wait, and is idempotent.
func (g *gate) close() { g.shut.Store(true) }

// wait returns nil when everybody has left the shut gate, or ctx's error. One
// goroutine at a time may wait.
func (g *gate) wait(ctx context.Context) error {
	for g.inside() > 0 {
		select {
		case <-g.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// inside is the number of calls inside. It is exact once the gate is shut and
// the sum is zero: no stripe can rise again.
func (g *gate) inside() (n int64) {
	for i := range g.stripes {
		n += g.stripes[i].inside.Load()
	}
	return n
}
