package goplugin

import (
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Message is what sources give and sinks take: bytes or data. It is not changed
// after it was handed over.
type Message struct {
	Payload []byte            // of sources and sinks of bytes
	Data    any               // of the others: map[string]any, or []map[string]any
	Meta    map[string]any    // may be nil
	Time    time.Time         // when it came to be
	Props   map[string]string // the results of templates in a sink's properties, by template; may be nil
}

// Ingest takes what a source gives. All of it may be called from any goroutine of
// the plugin, at the same time, until the context that the source was given ends.
type Ingest struct {
	Message func(Message)
	Error   func(error)
	End     func(text string) // of sources that have an end; may be nil
}

func (in Ingest) bytes() api.BytesIngest {
	return func(_ api.StreamContext, payload []byte, meta map[string]any, at time.Time) {
		in.Message(Message{Payload: payload, Meta: meta, Time: at})
	}
}

func (in Ingest) tuples() api.TupleIngest {
	return func(_ api.StreamContext, data any, meta map[string]any, at time.Time) {
		in.Message(Message{Data: data, Meta: meta, Time: at})
	}
}

func (in Ingest) errors() api.ErrorIngest {
	return func(_ api.StreamContext, err error) { in.Error(err) }
}

// item is a message as a sink sees it.
type item struct {
	Message
	row map[string]any
}

var (
	_ api.RawTuple        = (*item)(nil)
	_ api.MessageTuple    = (*item)(nil)
	_ api.MetaInfo        = (*item)(nil)
	_ api.HasDynamicProps = (*item)(nil)
)

func newItem(m Message, row map[string]any) *item { return &item{m, row} }

// Raw implements api.RawTuple.
func (i *item) Raw() []byte { return i.Payload }

// Replace implements api.RawTuple.
func (i *item) Replace(payload []byte) { i.Payload = payload }

// Value implements api.ReadonlyMessage; there is one table.
func (i *item) Value(key, _ string) (any, bool) {
	v, ok := i.row[key]
	return v, ok
}

// ToMap implements api.ReadonlyMessage.
func (i *item) ToMap() map[string]any { return i.row }

// Meta implements api.MetaInfo.
func (i *item) Meta(key, _ string) (any, bool) {
	v, ok := i.Message.Meta[key]
	return v, ok
}

// Created implements api.MetaInfo.
func (i *item) Created() time.Time { return i.Time }

// AllMeta implements api.MetaInfo.
func (i *item) AllMeta() map[string]any { return i.Message.Meta }

// DynamicProps implements api.HasDynamicProps.
func (i *item) DynamicProps(template string) (string, bool) {
	v, ok := i.Props[template]
	return v, ok
}

// AllProps implements api.HasDynamicProps.
func (i *item) AllProps() map[string]string { return i.Props }

// items is a list of messages as a sink sees it.
type items []*item

var _ api.MessageTupleList = items(nil)

// RangeOfTuples implements api.MessageTupleList.
func (l items) RangeOfTuples(f func(index int, tuple api.MessageTuple) bool) {
	for i, one := range l {
		if !f(i, one) {
			return
		}
	}
}

// Len implements api.MessageTupleList.
func (l items) Len() int { return len(l) }

// ToMaps implements api.MessageTupleList.
func (l items) ToMaps() []map[string]any {
	maps := make([]map[string]any, len(l))
	for i, one := range l {
		maps[i] = one.row
	}
	return maps
}
