package sandbox

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"berth/host"
)

// deadline ends the calls of a slot whose guest is not metered. It is a context
// made once and used for each call: it is done when the plugin's timeout passed,
// when the caller gave up, or when the module is closed. A slot whose deadline
// fired is not used again, so it fires at most once.
type deadline struct {
	context.Context               // for Value and Deadline: none
	timeout         time.Duration // 0: none
	timer           *time.Timer
	done            chan struct{}

	mu  sync.Mutex // guards why
	why error
}

func newDeadline(timeout time.Duration) *deadline {
	d := &deadline{Context: context.Background(), timeout: timeout, done: make(chan struct{})}
	d.timer = time.AfterFunc(math.MaxInt64, d.expire) // begin sets the time
	d.timer.Stop()
	return d
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.done }

// Err implements context.Context, in the terms that wazero knows.
func (d *deadline) Err() error {
	switch why := d.cause(); {
	case why == nil:
		return nil
	case host.CodeOf(why) == host.CodeTimeout:
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// cause is why the deadline fired; nil if it did not.
func (d *deadline) cause() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.why
}

func (d *deadline) expire() {
	d.fire(timeoutError(d.timeout))
}

// fire ends the call under way with err.
func (d *deadline) fire(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.why == nil {
		d.why = err
		close(d.done)
	}
}

// begin starts the time of a call. end must be called when it is over.
func (d *deadline) begin(caller context.Context) (stop func() bool) {
	if d.timeout > 0 {
		d.timer.Reset(d.timeout)
	}
	if caller.Done() == nil {
		return nil
	}
	return context.AfterFunc(caller, func() { d.fire(callerError(caller.Err())) })
}

// end stops the time. It returns false if the deadline fired or is about to:
// then the slot must not be used again.
func (d *deadline) end(stop func() bool) bool {
	stopped := d.timer.Stop() || d.timeout == 0
	if stop != nil {
		stopped = stop() && stopped
	}
	return stopped && d.cause() == nil
}

// callerError says that the caller's context ended.
func callerError(err error) *host.Error {
	if errors.Is(err, context.DeadlineExceeded) {
		return host.Fail(host.CodeTimeout, "the caller's deadline passed: %w", err)
	}
	return host.Fail(host.CodeCanceled, "the caller gave up: %w", err)
}
