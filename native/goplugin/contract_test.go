package goplugin

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
)

func newTestContext() *streamContext {
	e := newEnvironment(Options{Package: &host.Package{Dir: "/pkg"}, State: newMemory()})
	return e.stream(context.Background(), "f")
}

// TestStateTypes: what is kept comes back as the same type.
func TestStateTypes(t *testing.T) {
	c := newTestContext()
	for _, v := range []any{
		nil, true, false, 0, -5, math.MinInt, int64(7), int64(math.MaxInt64), 1.5, math.Inf(1), "", "text", []byte{}, []byte{0, 255},
		int8(-1), uint64(math.MaxUint64), float32(2), []int{1, 2}, []string{"a"}, []float64{0.5},
		map[string]any{"a": 1, "b": []any{"x", 2.5, map[string]any{"c": true}}}, []any{1, "x"}, []map[string]any{{"k": "v"}}, map[string]int{"a": 1},
		time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC), time.Minute,
		[]any{nil, 1}, map[string]any{"a": nil},
	} {
		if err := c.PutState("k", v); err != nil {
			t.Errorf("%#v: %v", v, err)
			continue
		}
		got, err := c.GetState("k")
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v came back as %#v, %v", v, got, err)
		}
	}
	type unknown struct{ A int }
	for _, v := range []any{unknown{1}, make(chan int)} {
		if err := c.PutState("other", v); err == nil || !strings.Contains(err.Error(), `state "other": a `) {
			t.Errorf("%#v: %v", v, err)
		}
	}
	if err := c.DeleteState("k"); err != nil {
		t.Error(err)
	}
	if v, err := c.GetState("k"); v != nil || err != nil {
		t.Errorf("deleted: %v, %v", v, err)
	}
	for _, damaged := range []string{"", "?", "i", "f123", "g", "gxx", "l\xff"} {
		if v, err := decodeState([]byte(damaged)); !errors.Is(err, errState) {
			t.Errorf("%q: %v, %v", damaged, v, err)
		}
	}
}

func TestCounters(t *testing.T) {
	c := newTestContext()
	if n, err := c.GetCounter("n"); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if err := c.IncrCounter("n", 2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n, err := c.GetCounter("n"); n != 1600 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := c.PutState("n", "x"); err != nil {
		t.Fatal(err)
	}
	if err := c.IncrCounter("n", 1); err == nil || err.Error() != "state[n] is not a number, but x" {
		t.Error(err)
	}
}

// store is an api.Store with the state of one operation.
type store struct{ state *sync.Map }

func (store) SaveState(int64, string, map[string]any) error { return nil }
func (store) SaveCheckpoint(int64) error                    { return nil }
func (store) Clean() error                                  { return nil }
func (s store) GetOpState(string) (*sync.Map, error) {
	if s.state == nil {
		return nil, errors.New("no state today")
	}
	return s.state, nil
}

func TestWithMetaTakesTheStore(t *testing.T) {
	c := newTestContext()
	s := store{&sync.Map{}}
	s.state.Store("n", 4)
	n := c.WithMeta("rule", "op", s)
	if err := n.IncrCounter("n", 1); err != nil {
		t.Error(err)
	}
	if v, _ := s.state.Load("n"); v != 5 || n.GetRuleId() != "rule" || n.GetOpId() != "op" || n.GetRootPath() != "/pkg" {
		t.Errorf("%v, %+v", v, n)
	}
	if err := n.DeleteState("n"); err != nil {
		t.Error(err)
	}
	broken := c.WithMeta("rule", "op", store{})
	if err := broken.PutState("x", 1); err != nil {
		t.Error(err)
	}
}

// TestContextEnds: contexts end with their call, at its deadline, and with those
// that they were made of.
func TestContextEnds(t *testing.T) {
	c := newTestContext()
	c.parent, c.call = t.Context(), true
	child, cancel := c.WithInstance(1).WithCancel()
	defer cancel()
	if c.Err() != nil || child.Err() != nil {
		t.Fatal("ended at once")
	}
	c.end()
	<-c.Done()
	<-child.Done()
	late := newTestContext()
	late.parent, late.call = t.Context(), true
	late.end()
	<-late.Done()
	timed := newTestContext()
	timed.parent, timed.call, timed.deadline = t.Context(), true, time.Now().Add(time.Millisecond)
	<-timed.Done()
	if deadline, ok := timed.Deadline(); !ok || deadline != timed.deadline || timed.Err() == nil {
		t.Errorf("%v, %v", deadline, timed.Err())
	}
}

func TestTemplates(t *testing.T) {
	c := newTestContext()
	data := map[string]any{"s": " A b", "n": 2.0, "m": map[string]any{"k": "<v>"}, "l": []any{"x", 1.0}, "e": ""}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "{{": "{{", "}}{{": "}}{{", "a }} b {{ c": "a }} b {{ c",
		"{{.n}}": "2", "{{json .m}}": `{"k":"\u003cv\u003e"}`, "{{toJson .l}}": `["x",1]`, "{{base64 .n}}": "Mg==", "{{base64 .m}}": "eyJrIjoiXHUwMDNjdlx1MDAzZSJ9",
		"{{b64enc `x`}}{{b64dec `eA==`}}": "eA==x", "{{.s | trim | lower | upper}}": "A B", "{{default `d` .e}}{{default `d` .n}}{{default 1 .none}}": "d21",
		"{{ternary 1 2 (hasPrefix ` ` .s)}}": "1", "{{replace `b` `c` .s | quote}}": `" A c"`, "{{index (splitList ` ` .s) 1}}": "A",
		"{{range .l}}{{.}};{{end}}": "x;1;",
	} {
		for range 2 {
			if got, err := c.ParseTemplate(text, data); err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", text, got, err, want)
			}
		}
	}
	for text, says := range map[string]string{"{{.n": "", "{{nofunction}}": "the template is invalid", "{{base64 .l}}": "base64 of a []interface", "{{json .m}": ""} {
		_, err := c.ParseTemplate(text, data)
		if says == "" && err == nil {
			continue // no template
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for i := range 2 * maxParsed {
		if _, err := c.ParseTemplate("{{.n}}"+strings.Repeat("x", i), data); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.env.templates.kept); n > maxParsed {
		t.Errorf("%d templates are kept", n)
	}
}

func TestJSONPaths(t *testing.T) {
	c := newTestContext()
	c.parent = t.Context()
	data := map[string]any{"a": []map[string]any{{"b": 1, "c": "x"}, {"b": 2, "c": "y"}}, "s": "text"}
	for path, want := range map[string]any{
		"$.s": "text", "$.a[1].c": "y", "$.a[0].b": 1.0, "$.a[*].c": []any{"x", "y"}, "$..c": []any{"x", "y"}, `$["s"]`: "text", `$.a[?(@.b > 1)].c`: []any{"y"},
		"$.a[0:1].b": []any{1.0},
	} {
		for range 2 {
			if got, err := c.ParseJsonPath(path, data); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %#v, %v; want %#v", path, got, err, want)
			}
		}
	}
	if got, err := c.ParseJsonPath("$[1]", `[1,"two"]`); err != nil || got != "two" {
		t.Errorf("a text: %v, %v", got, err)
	}
	if got, err := c.ParseJsonPath("$[0].x", []any{map[string]any{"x": int64(1)}}); err != nil || got != int64(1) {
		t.Errorf("a list: %#v, %v", got, err)
	}
	for path, data := range map[string]any{"$.none": data, "$..[": data, "$.a": "no json", "$.x": nil} {
		if got, err := c.ParseJsonPath(path, data); err == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
}
