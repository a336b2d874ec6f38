package cabi

import (
	"context"

	"berth/host"
)

// function is one function of a library.
type function struct {
	library  *Library
	entry    entry
	name     string
	encoding host.Encoding
}

var _ host.Function = (*function)(nil)

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

// Call implements host.Function. It is over when the library returns, whatever
// ctx and the plugin's timeout say: they bound the waiting for an object, and what
// the library is told of the time left.
func (f *function) Call(ctx context.Context, dst, in []byte) ([]byte, error) {
	p := f.library.pool
	s, err := p.get(ctx)
	if err != nil {
		return dst, err
	}
	out, err := s.call(ctx, f.entry, dst, in)
	p.put(s)
	return out, err
}
