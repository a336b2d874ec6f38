package cabi

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"berth/host"
)

// pushed is a source that pushes, from threads of its own.
type pushed struct {
	*part
	entry  sourceEntry
	stream uintptr // a berth_stream, in C memory
	handle uintptr // of this, which stream has

	mu      sync.Mutex // held while a message is delivered: one at a time
	deliver func([]byte) error
	err     error         // why deliver is called no more
	failed  chan struct{} // closed with err
	started bool
	freed   bool
}

func newPushed(p *part, e sourceEntry) (Source, error) {
	s := &pushed{part: p, entry: e, failed: make(chan struct{})}
	s.handle = theProcess().handles.add(s)
	if s.stream = newStream(s.handle); s.stream == 0 {
		return nil, errors.Join(errNoMemory, s.Close(context.Background()))
	}
	return s, nil
}

// Encoding implements Source.
func (s *pushed) Encoding() host.Encoding { return host.Encoding(s.entry.flags) }

// Run implements Source.
func (s *pushed) Run(ctx context.Context, deliver func([]byte) error) error {
	merged, cancel := s.merged(ctx)
	defer cancel()
	if s.life.Err() != nil {
		return s.gone(ctx)
	}
	s.mu.Lock()
	again := s.started
	s.started, s.deliver = true, deliver
	s.mu.Unlock()
	if again {
		return host.Fail(host.CodeInvalid, "a source that pushes runs once: open another")
	}
	if err := s.start(merged); err != nil {
		s.stop(err)
		return err
	}
	select {
	case <-merged.Done():
		s.stop(s.gone(ctx))
	case <-s.failed:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// start has the library begin.
func (s *pushed) start(ctx context.Context) error {
	slot, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.leave(slot)
	slot.begin(ctx, 0, s.library.pkg.Limits.Timeout)
	_, err = slot.result(slot.frame.start(s.entry.start, s.address, s.stream), nil)
	slot.finish()
	return err
}

// stop has no message delivered any more, and waits for the one that is.
func (s *pushed) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

// fail is stop, for whoever holds mu.
func (s *pushed) fail(err error) {
	if s.err == nil {
		s.err = err
		close(s.failed)
	}
}

// Close implements Source. The library has ended its threads when its own close
// returns; until then it may push, in vain.
func (s *pushed) Close(ctx context.Context) error {
	s.end()
	s.stop(s.gone(ctx))
	if err := s.part.Close(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.freed {
		s.freed = true
		theProcess().handles.remove(s.handle)
		release(s.stream)
	}
	return nil
}

// push is berth_stream.push.
func push(handle, message, length uintptr) int32 {
	s := valueOf[pushed](handle)
	if s == nil {
		return codeEnd
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.take(message, length)
	}
	if s.err != nil {
		return codeEnd
	}
	return codeOK
}

// take delivers a message. The caller holds mu.
func (s *pushed) take(message, length uintptr) {
	defer func() {
		if r := recover(); r != nil { // a panic would have to cross the library's frames
			s.fail(fmt.Errorf("a message could not be delivered: %v", r))
		}
	}()
	most := s.library.pkg.Limits.Output
	switch {
	case uint64(length) > uint64(most):
		s.fail(host.Fail(host.CodeTrap, "the source pushed %d bytes: at most %s are allowed by \"limits.output\"", length, most))
	case length > 0 && message == 0:
		s.fail(host.Fail(host.CodeTrap, "the source pushed %d bytes at NULL", length))
	default:
		if err := s.deliver(bytesAt(message, int(length))); err != nil {
			s.fail(err)
		}
	}
}
