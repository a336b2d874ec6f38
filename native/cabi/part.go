package cabi

import (
	"context"
	"errors"
	"maps"
	"slices"

	"berth/host"
)

// part is a source or a sink that is open: an object of its own within an object
// of the library.
type part struct {
	library *Library
	slot    *slot // its own; nil in a serial library, where each call takes the only one
	address uintptr
	shut    uintptr // the library's close of it

	turn   chan struct{}   // holds one: who has put it there may call, and look at closed
	closed bool            // close was called
	life   context.Context // ends with Close, and with that of the library
	end    context.CancelFunc
}

// openPart opens a source or a sink with a configuration, a JSON object.
func (l *Library) openPart(ctx context.Context, open, shut uintptr, config []byte) (*part, error) {
	if err := l.pool.open(); err != nil {
		return nil, err
	}
	s, err := l.pool.get(ctx)
	if err != nil {
		l.pool.shut()
		return nil, err
	}
	s.begin(ctx, 0, 0)
	_, err = s.result(s.frame.openPart(open, s.self, config), nil)
	p := &part{library: l, address: s.frame.made, shut: shut, turn: make(chan struct{}, 1)}
	s.finish()
	if err != nil || l.about.concurrency == serial {
		l.pool.put(s)
	} else {
		p.slot = s
	}
	if err != nil {
		l.pool.shut()
		return nil, err
	}
	p.life, p.end = context.WithCancel(l.life)
	return p, nil
}

// enter waits for the turn to call, and for what that takes.
func (p *part) enter(ctx context.Context) (*slot, error) {
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	if p.closed {
		<-p.turn
		return nil, p.gone(ctx)
	}
	if p.slot != nil {
		return p.slot, nil
	}
	s, err := p.library.pool.get(ctx)
	if err != nil {
		<-p.turn
	}
	return s, err
}

func (p *part) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return callerError(ctx.Err())
	}
}

// leave gives back what enter took.
func (p *part) leave(s *slot) {
	if s != p.slot {
		p.library.pool.put(s)
	}
	<-p.turn
}

// Close ends the source or sink, once nothing is inside it any more. If that is
// not before ctx ends, it stays open, and Close can be called again. It is
// idempotent.
func (p *part) Close(ctx context.Context) error {
	p.end()
	if err := p.take(ctx); err != nil {
		return err
	}
	defer func() { <-p.turn }()
	if p.closed {
		return nil
	}
	l, s := p.library, p.slot
	if s == nil {
		var err error
		if s, err = l.pool.getLast(ctx); err != nil {
			return err
		}
	}
	closeObject(p.shut, p.address)
	p.closed = true
	l.pool.put(s)
	l.pool.shut()
	return nil
}

var errShut = host.Fail(host.CodeUnavailable, "it is closed")

// gone is why a part does no more for a caller.
func (p *part) gone(ctx context.Context) error {
	switch {
	case p.library.life.Err() != nil:
		return errClosed
	case p.life.Err() != nil:
		return errShut
	}
	return callerError(ctx.Err())
}

// merged is a context that ends with ctx, and with the part.
func (p *part) merged(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(p.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// lookup finds an entry of a table, or says what is there instead.
func lookup[T any](l *Library, table map[string]T, kind, name string) (T, error) {
	e, ok := table[name]
	if !ok {
		return e, host.Fail(host.CodeInvalid, "%s has no %s %s; its %ss are: %s", l.file, kind, name, kind, list(slices.Sorted(maps.Keys(table))))
	}
	return e, nil
}

// ended tells whether an error is that a source has no more.
func ended(err error) bool { return errors.Is(err, errEnd) }
