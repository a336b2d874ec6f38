package host

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Acquired is a function held in place: its plugin is not closed before
// Release. It is for one goroutine, and for a short time: dropping and updating
// the plugin wait for it.
type Acquired struct {
	bound  *Bound
	stripe uint32
}

// Acquire finds the function and holds it, loading its plugin if it is not
// loaded; ctx bounds the waiting for that. The caller calls Release, once. name
// is not kept.
//
// # Errors
//
// CodeNotFound: nothing of that name is installed. CodeUnavailable: the host is
// shutting down. Otherwise why the plugin could not be loaded.
func (h *Host) Acquire(ctx context.Context, name string) (Acquired, error) {
	if b, ok := h.cache.Get(name); ok {
		if stripe, ok := b.activation.gate.enter(); ok {
			return Acquired{b, stripe}, nil
		}
	}
	return h.acquireSlow(ctx, name)
}

func (h *Host) acquireSlow(ctx context.Context, name string) (Acquired, error) {
	for {
		p, ok := h.index.Load().functions[name]
		if !ok {
			return Acquired{}, &Error{Code: CodeNotFound, Op: "call", Function: strings.Clone(clip(name)), Err: errors.New("no installed plugin has this function")}
		}
		if h.life.Err() != nil {
			return Acquired{}, at(errClosing, "call", p.record.Name, strings.Clone(name))
		}
		a, stripe, err := p.enter(ctx, h)
		if err == errRetired {
			continue // the index has the successor, or nothing
		}
		if err != nil {
			return Acquired{}, at(err, "call", p.record.Name, strings.Clone(name))
		}
		return Acquired{a.bound[name], stripe}, nil
	}
}

// Release lets the function go.
func (a Acquired) Release() { a.bound.activation.gate.leave(a.stripe) }

// Encoding tells what the function takes and gives.
func (a Acquired) Encoding() Encoding { return a.bound.function.Encoding() }

// Call calls the function: see Function.Call. Errors are *Error and say which
// plugin and function.
func (a Acquired) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	b := a.bound
	if int64(len(in)) > b.input {
		b.stats.stripe(a.stripe).calls.Add(1)
		return dst, b.failed(Fail(CodeTooLarge, "the input has %d bytes: at most %s are allowed", len(in), Bytes(b.input)))
	}
	weight := b.stats.begin(a.stripe)
	if weight == 0 {
		out, err := b.function.Call(ctx, dst, in)
		if err != nil {
			return out, b.failed(err)
		}
		return out, nil
	}
	start := time.Now()
	out, err := b.function.Call(ctx, dst, in)
	b.stats.observe(a.stripe, weight, time.Since(start))
	if err != nil {
		return out, b.failed(err)
	}
	return out, nil
}

// CallError is the last call of a plugin that failed.
type CallError struct {
	Time     time.Time `json:"time"`
	Function string    `json:"function"`
	Code     Code      `json:"code"`
	Message  string    `json:"message"`
}

// failed counts a failed call, remembers it, and says where it happened.
func (b *Bound) failed(err error) error {
	p := b.activation.plugin
	err = at(err, "call", p.record.Name, b.name)
	code := CodeOf(err)
	b.stats.errors[code].Add(1)
	last := &CallError{Time: time.Now(), Function: b.name, Code: code, Message: Cause(err)}
	p.mu.Lock()
	p.lastCall = last
	p.mu.Unlock()
	return err
}

// Invoke calls a function: Acquire, Call, Release. The result for in is
// appended to dst, which may be nil; a warm call that fits dst allocates
// nothing. in is only read.
func (h *Host) Invoke(ctx context.Context, name string, dst, in []byte) ([]byte, error) {
	f, err := h.Acquire(ctx, name)
	if err != nil {
		return dst, err
	}
	defer f.Release()
	return f.Call(ctx, dst, in)
}
