package goplugin

import (
	"context"
	"sync/atomic"

	"berth/host"
)

// calls counts the calls that run, and lets none begin after close. Make it with
// newCalls. It is safe for concurrent use.
type calls struct {
	count  atomic.Int64
	closed atomic.Bool
	ended  chan struct{} // has one value when a call ended and none runs, after close
}

func newCalls() calls { return calls{ended: make(chan struct{}, 1)} }

var errClosed = host.Fail(host.CodeUnavailable, "the plugin is being unloaded")

// begin counts a call. If it returns nil the caller ends the call with end.
func (c *calls) begin() error {
	c.count.Add(1)
	if c.closed.Load() {
		c.end()
		return errClosed
	}
	return nil
}

func (c *calls) end() {
	if c.count.Add(-1) == 0 && c.closed.Load() {
		c.signal()
	}
}

func (c *calls) signal() {
	select {
	case c.ended <- struct{}{}:
	default:
	}
}

func (c *calls) running() int64 { return c.count.Load() }

func (c *calls) close(ctx context.Context) error {
	c.closed.Store(true)
	for c.count.Load() > 0 {
		select {
		case <-c.ended:
		case <-ctx.Done():
			return host.Fail(host.CodeOf(ctx.Err()), "%d calls still run, which cannot be interrupted: %w", c.count.Load(), ctx.Err())
		}
	}
	c.signal() // for others that wait
	return nil
}
