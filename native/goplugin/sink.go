package goplugin

import (
	"context"

	"berth/host"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Sink is a sink of the plugin: see Source for whose it is.
type Sink struct {
	node
	Bytes bool // it takes payloads; else data, and lists of data
}

// Sink makes a sink, by the symbol of its name. The error, CodeInvalid, says what
// is there instead.
func (l *Library) Sink(name string) (*Sink, error) {
	symbol, err := find[api.Sink](l.symbols, name, "", sinkType)
	if err != nil {
		return nil, err
	}
	_, bytes := symbol.first.(api.BytesCollector)
	_, tuples := symbol.first.(api.TupleCollector)
	if !bytes && !tuples {
		return nil, host.Fail(host.CodeInvalid, "the symbol %s gives a sink of type %T that has no Collect of the contract", host.Exported(name), symbol.first)
	}
	return &Sink{node{l, name, symbol.first}, bytes}, nil
}

// Collect hands a message over: its payload, its map, or its list of maps.
func (s *Sink) Collect(ctx context.Context, m Message) error {
	return s.do(ctx, func(ctx api.StreamContext) error {
		if o, ok := s.object.(api.BytesCollector); ok {
			return o.Collect(ctx, newItem(m, nil))
		}
		o, ok := s.object.(api.TupleCollector)
		if !ok {
			return s.lacks("Collect")
		}
		switch data := m.Data.(type) {
		case map[string]any:
			return o.Collect(ctx, newItem(m, data))
		case []map[string]any:
			list := make(items, len(data))
			for i, row := range data {
				list[i] = newItem(m, row)
			}
			return o.CollectList(ctx, list)
		}
		return host.Fail(host.CodeInvalid, "a sink of data takes a map or a list of maps, and not a %T", m.Data)
	})
}
