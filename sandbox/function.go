package sandbox

import (
	"context"
	"errors"

	"berth/host"
)

// function is one export.
type function struct {
	module   *module
	name     string
	export   string
	index    int
	encoding host.Encoding
}

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

// Call implements host.Function.
func (f *function) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	m := f.module
	if err := m.admission.enter(ctx); err != nil {
		return dst, err
	}
	s, err := m.pool.get(ctx)
	if err != nil {
		return dst, err
	}
	running, kept := true, false
	defer func() {
		if running { // a panic of ours, which somebody above may recover
			s.run.end()
		}
		if !kept {
			m.pool.drop(s)
		}
	}()
	s.stdio.err.reset()
	out := dst
	if err = s.run.begin(ctx, f.name); err == nil {
		out, err = s.guest.call(s.function(f.index, f.export), dst, in)
	}
	intact := s.run.end()
	running = false
	s.stdio.err.flush()
	if err != nil {
		var b broken
		if errors.As(err, &b) {
			intact, err = false, b.error
		}
	}
	if intact && m.renew(s) {
		s.measure()
		kept = true
		m.pool.put(s)
	}
	return out, err
}
