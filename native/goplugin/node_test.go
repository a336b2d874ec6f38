//go:build linux && cgo

package goplugin

import (
	"context"
	"slices"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

const nodes = "nodes/nodes.go"

func TestTraits(t *testing.T) {
	l := open(t, nodes, nil)
	for name, want := range map[string]Traits{
		"ticks": {PushBytes: true, Bounded: true}, "rows": {PushTuples: true}, "counter": {PullTuples: true, Rewindable: true}, "blob": {PullBytes: true},
	} {
		s, err := l.Source(name)
		if err != nil || s.Traits != want {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for name, want := range map[string]Traits{"table": {LookupTuples: true}, "page": {LookupBytes: true}} {
		s, err := l.LookupSource(name)
		if err != nil || s.Traits != want {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	_, err := l.Source("table")
	enginetest.WantError(t, err, host.CodeInvalid, "exports no symbol Table")
	_, err = l.Source("idle")
	enginetest.WantError(t, err, host.CodeInvalid, "the symbol Idle gives a source of type *main.idle that has neither Subscribe, nor Pull, nor Lookup")
	_, err = l.Sink("deaf")
	enginetest.WantError(t, err, host.CodeInvalid, "the symbol Deaf gives a sink of type *main.idle that has no Collect")
	_, err = l.Sink("ticks")
	enginetest.WantError(t, err, host.CodeInvalid, "the symbol Ticks is of type func() api.Source: it has to be a api.Sink")
}

// begun is a source that is provisioned and connected.
func begun(t *testing.T, s *Source, err error) *Source {
	t.Helper()
	var states []string
	if err == nil {
		err = s.Provision(t.Context(), map[string]any{"from": "here"})
	}
	if err == nil {
		err = s.Connect(t.Context(), func(status, message string) { states = append(states, status+" "+message) })
	}
	if err != nil || !slices.Equal(states, []string{"connecting ", "connected to nothing"}) {
		t.Fatalf("%v; %q", err, states)
	}
	return s
}

func TestPush(t *testing.T) {
	log := &lines{}
	l := open(t, nodes, nil, func(p *host.Package) { p.Log = log })
	s, err := l.Source("ticks")
	s = begun(t, s, err)
	got := make(chan string, 10)
	err = s.Subscribe(t.Context(), Ingest{
		Message: func(m Message) { got <- string(m.Payload) + m.Time.UTC().Format(" 05") },
		Error:   func(err error) { got <- err.Error() },
		End:     func(text string) { got <- text; close(got) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for text := range got {
		all = append(all, text)
	}
	if !slices.Equal(all, []string{"tick 0 00", "tick 1 01", "tick 2 02", "a hiccup", "no more"}) {
		t.Errorf("%q", all)
	}
	if err := s.Close(t.Context()); err != nil || !slices.Equal(log.text, []string{"INFO closed ticks"}) {
		t.Errorf("%v, %q", err, log.text)
	}

	s, err = l.Source("rows")
	s = begun(t, s, err)
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Subscribe(ctx, Ingest{Message: func(m Message) {
		if m.Data.(map[string]any)["from"] != "here" {
			t.Errorf("%+v", m)
		}
		cancel()
	}})
	if err != nil {
		t.Error(err)
	}
	enginetest.WantError(t, s.Pull(t.Context(), time.Now(), Ingest{}), host.CodeInvalid, "rows is of type *main.rows, which has no Pull")
	_, err = s.Offset(t.Context())
	enginetest.WantError(t, err, host.CodeInvalid, "has no offset")
}

func TestPull(t *testing.T) {
	l := open(t, nodes, nil)
	s, err := l.Source("counter")
	s = begun(t, s, err)
	var got []any
	in := Ingest{
		Message: func(m Message) { got = append(got, m.Data.([]map[string]any)[1]["at"]) },
		Error:   func(err error) { got = append(got, err.Error()) },
	}
	pull := func(want any) {
		t.Helper()
		if err := s.Pull(t.Context(), time.Now(), in); err != nil || got[len(got)-1] != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	pull(-1)
	offset, err := s.Offset(t.Context())
	if err != nil || offset != 1 {
		t.Errorf("%v, %v", offset, err)
	}
	pull(-2)
	pull("three")
	if err := s.Rewind(t.Context(), offset); err != nil {
		t.Error(err)
	}
	pull(-2)
	if err := s.ResetOffset(t.Context(), map[string]any{"at": 10}); err != nil {
		t.Error(err)
	}
	pull(-11)
	enginetest.WantError(t, s.Rewind(t.Context(), "x"), host.CodeTrap, "panic: interface conversion", "Rewind")
	enginetest.WantError(t, s.Subscribe(t.Context(), in), host.CodeInvalid, "has no Subscribe")
	enginetest.WantError(t, s.Provision(t.Context(), map[string]any{"bad": 1}), host.CodeRejected, "bad configuration")
	other, err := l.Source("counter")
	if err != nil || other.object == s.object {
		t.Errorf("a constructor gives one object for all: %v", err)
	}

	s, err = l.Source("blob")
	s = begun(t, s, err)
	at := time.Unix(5, 0)
	err = s.Pull(t.Context(), at, Ingest{Message: func(m Message) {
		if string(m.Payload) != "blob" || !m.Time.Equal(at) {
			t.Errorf("%+v", m)
		}
	}})
	if err != nil {
		t.Error(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	enginetest.WantError(t, s.Pull(t.Context(), at, Ingest{}), host.CodeUnavailable, "is being unloaded")
}

func TestLookup(t *testing.T) {
	l := open(t, nodes, nil)
	s, err := l.LookupSource("table")
	s = begun(t, s, err)
	rows, err := s.Lookup(t.Context(), []string{"f"}, []string{"k"}, []any{4})
	if err != nil || len(rows) != 1 || rows[0]["f"] != 4 || rows[0]["key"] != "k" {
		t.Errorf("%v, %v", rows, err)
	}
	_, err = s.Lookup(t.Context(), []string{"f"}, nil, []any{4})
	enginetest.WantError(t, err, host.CodeRejected, "keys and values")
	_, err = s.LookupBytes(t.Context(), nil, nil, nil)
	enginetest.WantError(t, err, host.CodeInvalid, "has no Lookup of bytes")
	s, err = l.LookupSource("page")
	s = begun(t, s, err)
	pages, err := s.LookupBytes(t.Context(), nil, nil, []any{"x", 1})
	if err != nil || len(pages) != 1 || string(pages[0]) != "x1" {
		t.Errorf("%q, %v", pages, err)
	}
	_, err = s.Lookup(t.Context(), nil, nil, nil)
	enginetest.WantError(t, err, host.CodeInvalid, "has no Lookup of rows")
}

func TestSinks(t *testing.T) {
	l := open(t, nodes, nil)
	file, err := l.Sink("file")
	if err != nil || !file.Bytes {
		t.Fatal(err)
	}
	memo, err := l.Sink("memo")
	if err != nil || memo.Bytes {
		t.Fatal(err)
	}
	collected, err := l.symbols.lookup("Collected")
	if err != nil {
		t.Fatal(err)
	}
	*collected.(*[]string) = nil // what an earlier run left
	ctx := t.Context()
	if err := file.Collect(ctx, Message{Payload: []byte("bytes"), Props: map[string]string{"{{.topic}}": "t1"}}); err != nil {
		t.Error(err)
	}
	enginetest.WantError(t, file.Collect(ctx, Message{}), host.CodeTrap, "panic: nothing to collect in ", "Collect")
	row := Message{Data: map[string]any{"a": 1}, Meta: map[string]any{"m": 2}, Time: time.Unix(3, 0)}
	if err := memo.Collect(ctx, row); err != nil {
		t.Error(err)
	}
	list := Message{Data: []map[string]any{{"a": 1}, {"a": 2}, {"a": 3}}}
	enginetest.WantError(t, memo.Collect(ctx, list), host.CodeRejected, "the list is full")
	enginetest.WantError(t, memo.Collect(ctx, Message{Data: "text"}), host.CodeInvalid, "takes a map or a list of maps, and not a string")
	want := []string{"bytes! t1", "1 true map[a:1] 2 map[m:2] 3 map[]", "3 [map[a:1] map[a:2] map[a:3]] 0 map[a:1] 1 map[a:2]"}
	if got := *collected.(*[]string); !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}
