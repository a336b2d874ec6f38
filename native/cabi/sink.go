package cabi

import (
	"context"
	"maps"
	"slices"

	"berth/host"
)

// Sink takes messages. It is safe for concurrent use, and takes one at a time.
type Sink interface {
	// Encoding tells what a message is: bytes, or a JSON value.
	Encoding() host.Encoding
	// Collect hands over a message, which is only read, and only until Collect
	// returns. Errors are those of host.Function.
	Collect(ctx context.Context, message []byte) error
	// Close waits for Collect to return, at most until ctx ends.
	Close(ctx context.Context) error
}

// Sinks lists the names of the library's sinks, sorted.
func (l *Library) Sinks() []string { return slices.Sorted(maps.Keys(l.about.sinks)) }

// Sink opens a sink with a configuration, a JSON object. The caller closes it,
// before the library.
func (l *Library) Sink(ctx context.Context, name string, config []byte) (Sink, error) {
	e, err := lookup(l, l.about.sinks, "sink", name)
	if err != nil {
		return nil, err
	}
	p, err := l.openPart(ctx, e.open, e.close, config)
	if err != nil {
		return nil, err
	}
	return &sink{p, e}, nil
}

type sink struct {
	*part
	entry sinkEntry
}

// Encoding implements Sink.
func (s *sink) Encoding() host.Encoding { return host.Encoding(s.entry.flags) }

// Collect implements Sink.
func (s *sink) Collect(ctx context.Context, message []byte) error {
	slot, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave(slot)
	_, err = slot.callPart(ctx, s.entry.collect, s.address, s.library.pkg.Limits.Timeout, nil, message)
	return err
}
