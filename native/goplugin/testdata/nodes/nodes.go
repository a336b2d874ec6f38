// Plugin nodes has sources and sinks of every trait.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// base is what sources and sinks have in common.
type base struct{ config map[string]any }

func (b *base) Provision(_ api.StreamContext, config map[string]any) error {
	if config["bad"] != nil {
		return errors.New("bad configuration")
	}
	b.config = config
	return nil
}

func (b *base) Connect(_ api.StreamContext, status api.StatusChangeHandler) error {
	status(api.ConnectionConnecting, "")
	status(api.ConnectionConnected, "to nothing")
	return nil
}

func (b *base) Close(ctx api.StreamContext) error {
	ctx.GetLogger().Info("closed ", ctx.GetOpId())
	return nil
}

type ticks struct {
	base
	eof api.EOFIngest
}

func (s *ticks) SetEofIngest(eof api.EOFIngest) { s.eof = eof }

func (s *ticks) Subscribe(ctx api.StreamContext, ingest api.BytesIngest, fail api.ErrorIngest) error {
	go func() {
		for i := range 3 {
			ingest(ctx, fmt.Appendf(nil, "tick %d", i), map[string]any{"n": i}, time.Unix(int64(i), 0))
		}
		fail(ctx, errors.New("a hiccup"))
		s.eof(ctx, "no more")
	}()
	return nil
}

// Ticks pushes bytes, and has an end.
func Ticks() api.Source { return &ticks{} }

type rows struct{ base }

func (s *rows) Subscribe(ctx api.StreamContext, ingest api.TupleIngest, _ api.ErrorIngest) error {
	ingest(ctx, map[string]any{"from": s.config["from"]}, nil, time.Unix(9, 0))
	<-ctx.Done()
	return nil
}

// Rows pushes rows until its context ends.
func Rows() api.Source { return &rows{} }

type counter struct {
	base
	at int
}

func (s *counter) Pull(ctx api.StreamContext, trigger time.Time, ingest api.TupleIngest, fail api.ErrorIngest) {
	s.at++
	if s.at == 3 {
		fail(ctx, errors.New("three"))
		return
	}
	ingest(ctx, []map[string]any{{"at": s.at}, {"at": -s.at}}, nil, trigger)
}

func (s *counter) GetOffset() (any, error) { return s.at, nil }
func (s *counter) Rewind(offset any) error { s.at = offset.(int); return nil }
func (s *counter) ResetOffset(input map[string]any) error {
	s.at = input["at"].(int)
	return nil
}

// Counter is pulled for rows, and can be put back.
func Counter() api.Source { return &counter{} }

type blob struct{ base }

func (s *blob) Pull(ctx api.StreamContext, at time.Time, ingest api.BytesIngest, _ api.ErrorIngest) {
	ingest(ctx, []byte("blob"), nil, at)
}

// Blob is pulled for bytes.
var Blob = &blob{}

type table struct{ base }

func (s *table) Lookup(_ api.StreamContext, fields, keys []string, values []any) ([]map[string]any, error) {
	if len(keys) != len(values) {
		return nil, errors.New("keys and values")
	}
	return []map[string]any{{fields[0]: values[0], "key": keys[0]}}, nil
}

// TableLookup is looked up in for rows.
func TableLookup() api.Source { return &table{} }

type page struct{ base }

func (s *page) Lookup(_ api.StreamContext, _, _ []string, values []any) ([][]byte, error) {
	return [][]byte{fmt.Append(nil, values...)}, nil
}

// PageLookup is looked up in for bytes.
func PageLookup() api.Source { return &page{} }

type idle struct{ base }

// Idle has no trait.
func Idle() api.Source { return &idle{} }

// Deaf has no trait either.
func Deaf() api.Sink { return &idle{} }

// Collected is what the sinks got.
var Collected []string

type file struct{ base }

func (s *file) Collect(_ api.StreamContext, item api.RawTuple) error {
	if len(item.Raw()) == 0 {
		panic("nothing to collect")
	}
	item.Replace(append(item.Raw(), '!'))
	topic, _ := item.(api.HasDynamicProps).DynamicProps("{{.topic}}")
	Collected = append(Collected, string(item.Raw())+" "+topic)
	return nil
}

// File collects bytes.
func File() api.Sink { return &file{} }

type memo struct{ base }

func (s *memo) Collect(_ api.StreamContext, item api.MessageTuple) error {
	v, ok := item.Value("a", "")
	meta := item.(api.MetaInfo)
	m, _ := meta.Meta("m", "")
	Collected = append(Collected, fmt.Sprint(v, ok, item.ToMap(), m, meta.AllMeta(), meta.Created().Unix(), item.(api.HasDynamicProps).AllProps()))
	return nil
}

func (s *memo) CollectList(_ api.StreamContext, list api.MessageTupleList) error {
	text := fmt.Sprint(list.Len(), list.ToMaps())
	list.RangeOfTuples(func(i int, t api.MessageTuple) bool {
		text += fmt.Sprint(" ", i, t.ToMap())
		return i < 1
	})
	Collected = append(Collected, text)
	return errors.New("the list is full")
}

// Memo collects rows and lists of rows.
func Memo() api.Sink { return &memo{} }

func main() {}
