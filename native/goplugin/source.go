package goplugin

import (
	"context"
	"time"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Source is a source of the plugin. With a constructor as its symbol each one is
// an object of its own; else all are the same, and only one may be used.
type Source struct {
	node
	// Traits tell what else it can do. At least one of the first six is set.
	Traits Traits
}

// Traits are the interfaces of the contract that a source has.
type Traits struct {
	PushBytes, PushTuples     bool // Subscribe
	PullBytes, PullTuples     bool // Pull
	LookupTuples, LookupBytes bool // Lookup, LookupBytes
	Bounded                   bool // Ingest.End is called
	Rewindable                bool // Offset, Rewind, ResetOffset
}

// Source makes a source, by the symbol of its name. The error, CodeInvalid, says
// what is there instead.
func (l *Library) Source(name string) (*Source, error) { return l.source(name, "") }

// LookupSource makes a source to be looked up in, by the symbol <Name>Lookup.
func (l *Library) LookupSource(name string) (*Source, error) { return l.source(name, "Lookup") }

func (l *Library) source(name, suffix string) (*Source, error) {
	symbol, err := find[api.Source](l.symbols, name, suffix, sourceType)
	if err != nil {
		return nil, err
	}
	s := &Source{node: node{l, name, symbol.first}, Traits: traitsOf(symbol.first)}
	t := s.Traits
	if !t.PushBytes && !t.PushTuples && !t.PullBytes && !t.PullTuples && !t.LookupBytes && !t.LookupTuples {
		return nil, host.Fail(host.CodeInvalid, "the symbol %s%s gives a source of type %T that has neither Subscribe, nor Pull, nor Lookup of the contract", host.Exported(name), suffix, symbol.first)
	}
	return s, nil
}

func traitsOf(s api.Source) (t Traits) {
	_, t.PushBytes = s.(api.BytesSource)
	_, t.PushTuples = s.(api.TupleSource)
	_, t.PullBytes = s.(api.PullBytesSource)
	_, t.PullTuples = s.(api.PullTupleSource)
	_, t.LookupTuples = s.(api.LookupSource)
	_, t.LookupBytes = s.(api.LookupBytesSource)
	_, t.Bounded = s.(api.Bounded)
	_, t.Rewindable = s.(api.Rewindable)
	return t
}

// lacks is the error for a trait that a source or sink does not have.
func (n *node) lacks(trait string) error {
	return host.Fail(host.CodeInvalid, "%s is of type %T, which has no %s", n.name, n.object, trait)
}

// Subscribe has a source that pushes begin to. It may return at once, or when ctx
// ended.
func (s *Source) Subscribe(ctx context.Context, in Ingest) error {
	return s.do(ctx, func(ctx api.StreamContext) error {
		s.bound(in)
		switch o := s.object.(type) {
		case api.BytesSource:
			return o.Subscribe(ctx, in.bytes(), in.errors())
		case api.TupleSource:
			return o.Subscribe(ctx, in.tuples(), in.errors())
		}
		return s.lacks("Subscribe")
	})
}

// Pull asks a source for what it has, at the time of a trigger.
func (s *Source) Pull(ctx context.Context, trigger time.Time, in Ingest) error {
	return s.do(ctx, func(ctx api.StreamContext) error {
		s.bound(in)
		switch o := s.object.(type) {
		case api.PullBytesSource:
			o.Pull(ctx, trigger, in.bytes(), in.errors())
		case api.PullTupleSource:
			o.Pull(ctx, trigger, in.tuples(), in.errors())
		default:
			return s.lacks("Pull")
		}
		return nil
	})
}

// bound tells a source that has an end whom to tell of it.
func (s *Source) bound(in Ingest) {
	if o, ok := s.object.(api.Bounded); ok && in.End != nil {
		o.SetEofIngest(func(_ api.StreamContext, text string) { in.End(text) })
	}
}

// Lookup asks for the fields of the rows in which the keys have the values.
func (s *Source) Lookup(ctx context.Context, fields, keys []string, values []any) (rows []map[string]any, err error) {
	err = s.do(ctx, func(ctx api.StreamContext) (err error) {
		o, ok := s.object.(api.LookupSource)
		if !ok {
			return s.lacks("Lookup of rows")
		}
		rows, err = o.Lookup(ctx, fields, keys, values)
		return err
	})
	return rows, err
}

// LookupBytes is Lookup for a source whose rows are bytes.
func (s *Source) LookupBytes(ctx context.Context, fields, keys []string, values []any) (rows [][]byte, err error) {
	err = s.do(ctx, func(ctx api.StreamContext) (err error) {
		o, ok := s.object.(api.LookupBytesSource)
		if !ok {
			return s.lacks("Lookup of bytes")
		}
		rows, err = o.Lookup(ctx, fields, keys, values)
		return err
	})
	return rows, err
}

// Offset is where a rewindable source is; Rewind takes it.
func (s *Source) Offset(ctx context.Context) (offset any, err error) {
	err = s.rewindable(ctx, func(o api.Rewindable) (err error) {
		offset, err = o.GetOffset()
		return err
	})
	return offset, err
}

// Rewind puts a source to an offset.
func (s *Source) Rewind(ctx context.Context, offset any) error {
	return s.rewindable(ctx, func(o api.Rewindable) error { return o.Rewind(offset) })
}

// ResetOffset puts a source to where an operator says, in its own words.
func (s *Source) ResetOffset(ctx context.Context, input map[string]any) error {
	return s.rewindable(ctx, func(o api.Rewindable) error { return o.ResetOffset(input) })
}

func (s *Source) rewindable(ctx context.Context, method func(api.Rewindable) error) error {
	return s.do(ctx, func(api.StreamContext) error {
		o, ok := s.object.(api.Rewindable)
		if !ok {
			return s.lacks("offset")
		}
		return method(o)
	})
}
