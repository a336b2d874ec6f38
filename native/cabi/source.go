package cabi

import (
	"context"
	"maps"
	"slices"
	"time"

	"berth/host"
)

const (
	// pollTime is how long a source is asked to wait for a message at most: it
	// looks after that whether it is still wanted.
	pollTime = time.Second
	// pauseTime is between two questions to a source that does not wait.
	pauseTime = 10 * time.Millisecond
)

// Source gives messages. It is safe for concurrent use.
type Source interface {
	// Encoding tells what a message is: bytes, or a JSON value.
	Encoding() host.Encoding

	// Run hands each message to deliver, one at a time and in order, until ctx
	// ends, the source is closed, or deliver fails: that is the error then. It is
	// nil when the source has no more. A message is only good until deliver
	// returns; a source that pushes calls deliver on a thread of its own. A
	// source that pushes runs once.
	Run(ctx context.Context, deliver func(message []byte) error) error

	// Close ends Run, and waits for it, at most until ctx ends.
	Close(ctx context.Context) error
}

// Sources lists the names of the library's sources, sorted.
func (l *Library) Sources() []string { return slices.Sorted(maps.Keys(l.about.sources)) }

// Source opens a source with a configuration, a JSON object. The caller closes
// it, before the library.
func (l *Library) Source(ctx context.Context, name string, config []byte) (Source, error) {
	e, err := lookup(l, l.about.sources, "source", name)
	if err != nil {
		return nil, err
	}
	p, err := l.openPart(ctx, e.open, e.close, config)
	if err != nil {
		return nil, err
	}
	if e.start != 0 {
		return newPushed(p, e)
	}
	return &pulled{p, e}, nil
}

// pulled is a source that is asked.
type pulled struct {
	*part
	entry sourceEntry
}

// Encoding implements Source.
func (s *pulled) Encoding() host.Encoding { return host.Encoding(s.entry.flags) }

// Run implements Source.
func (s *pulled) Run(ctx context.Context, deliver func([]byte) error) error {
	merged, cancel := s.merged(ctx)
	defer cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var buffer []byte
	for merged.Err() == nil {
		begun := time.Now()
		message, err := s.next(merged, buffer[:0])
		buffer = message
		switch {
		case err == nil:
			if err := deliver(message); err != nil {
				return err
			}
		case ended(err):
			return nil
		case err == errNone:
			if time.Since(begun) >= pauseTime {
				continue
			}
			pause.Reset(pauseTime)
			select {
			case <-pause.C:
			case <-merged.Done():
			}
		case merged.Err() != nil:
		default:
			return err
		}
	}
	return s.gone(ctx)
}

// next asks once.
func (s *pulled) next(ctx context.Context, buffer []byte) ([]byte, error) {
	slot, err := s.enter(ctx)
	if err != nil {
		return buffer, err
	}
	defer s.leave(slot)
	out, err := slot.callPart(ctx, s.entry.next, s.address, pollTime, buffer, nil)
	if why := host.CodeOf(err); err != nil && why == host.CodeTimeout && ctx.Err() == nil {
		err = errNone // it says BERTH_STOPPED at the end of the time that it was given
	}
	return out, err
}
