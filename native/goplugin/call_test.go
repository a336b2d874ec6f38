//go:build linux && cgo

package goplugin

import (
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

const functions = "functions/functions.go"

func TestCall(t *testing.T) {
	l := open(t, functions, []string{"echo", "add", "sum", "version", "total", "give"})
	for _, c := range []struct{ function, in, want string }{
		{"echo", `["x"]`, `"x"`},
		{"echo", `[{"a":[1,2.5,null,true]}]`, `{"a":[1,2.5,null,true]}`},
		{"echo", ` [ 9007199254740993 ] `, `9007199254740992`}, // a float64
		{"echo", `[-0.0]`, `-0`},
		{"echo", `[1e300]`, `1e+300`},
		{"add", `[1,2]`, `3`},
		{"add", `[0.5,0.25]`, `0.75`},
		{"sum", `[1,2]`, `3`},
		{"version", `[]`, `1`},
		{"total", `[[1,2,3.5]]`, `6.5`},
		{"give", `["bytes"]`, `"aGVsbG8="`},
		{"give", `["time"]`, `"2024-05-06T07:08:09Z"`},
		{"give", `["int"]`, `-7`},
		{"give", `["int64"]`, `9223372036854775807`},
		{"give", `["map"]`, `{"a":[1,2]}`},
		{"give", `["nil"]`, `null`},
		{"give", `[false]`, `false`},
	} {
		wantCall(t, bind(t, l, c.function), c.in, c.want)
	}
	for _, c := range []struct {
		function, in string
		code         host.Code
		words        string
	}{
		{"echo", `[]`, host.CodeInvalid, "echo function only supports 1 parameter but got 0"},
		{"echo", `[1,2]`, host.CodeInvalid, "only supports 1 parameter but got 2"},
		{"echo", ``, host.CodeInvalid, "must be a JSON array of arguments: unexpected end"},
		{"echo", `null`, host.CodeInvalid, "must be a JSON array of arguments, not null"},
		{"echo", `{"a":1}`, host.CodeInvalid, "must be a JSON array of arguments"},
		{"echo", `[1] 2`, host.CodeInvalid, "must be a JSON array of arguments"},
		{"add", `["x",1]`, host.CodeRejected, "add takes numbers"},
		{"total", `[1]`, host.CodeInvalid, "argument 1 is no list"},
		{"give", `["failed"]`, host.CodeRejected, "it failed"},
		{"give", `["text failed"]`, host.CodeRejected, "it failed, too"},
		{"give", `["nothing failed"]`, host.CodeRejected, "without saying why"},
		{"give", `["error"]`, host.CodeRejected, "an error as the result"},
		{"give", `["nan"]`, host.CodeTrap, "unsupported value: NaN"},
		{"give", `["chan"]`, host.CodeTrap, "cannot be JSON"},
		{"give", `["panics in its text"]`, host.CodeTrap, "panic: no JSON of this"},
	} {
		wantFail(t, bind(t, l, c.function), c.in, c.code, c.words)
	}
	if names := l.Functions(); len(names) > 0 {
		t.Errorf("functions %q", names)
	}
	if a, b := bind(t, l, "echo"), bind(t, l, "echo"); a != b {
		t.Error("a name gives two functions")
	}
}

// TestValidateOnce: an object is asked about a number of arguments when it
// changes.
func TestValidateOnce(t *testing.T) {
	l := open(t, functions, []string{"add", "validated"})
	add, validated := bind(t, l, "add"), bind(t, l, "validated")
	wantCall(t, add, `[1,2]`, `3`)
	before, err := validated.Call(t.Context(), nil, []byte(`[]`))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		wantCall(t, add, `[1,2]`, `3`)
	}
	wantCall(t, validated, `[]`, string(before))
	wantFail(t, add, `[1]`, host.CodeInvalid, "add takes two numbers")
	wantFail(t, add, `[1]`, host.CodeInvalid, "add takes two numbers")
}

func TestSymbols(t *testing.T) {
	l := open(t, functions, nil)
	for name, words := range map[string]string{
		"missing": `exports no symbol Missing, which has to be there for "missing"`,
		"number":  "the symbol Number is of type *int: it has to be a api.Function, or a func() api.Function",
		"maker":   "the symbol Maker is of type func(int) api.Function: it has to be",
		"nothing": "the symbol Nothing gives no api.Function: it is nil",
		"late":    "the symbol Late gives no api.Function: panic: no object today in ",
		"unsure":  "function unsure: IsAggregate: panic: who knows in ",
	} {
		_, err := l.Function(name)
		enginetest.WantError(t, err, host.CodeInvalid, words)
		wanted := []string{"echo", name}
		if name == "missing" {
			wanted = []string{name, name}
		}
		_, err = openFile(t, build(t, functions), wanted...)
		enginetest.WantError(t, err, host.CodeInvalid, words)
	}
}

// TestAbsent: eKuiper registers names that the plugin knows nothing of, and so a
// call of them fails, and not the plugin.
func TestAbsent(t *testing.T) {
	l := open(t, functions, []string{"twin", "echo"})
	f := bind(t, l, "twin")
	wantFail(t, f, `[1]`, host.CodeInvalid, `the plugin exports no symbol Twin, which has to be there for "twin"`)
	wantCall(t, bind(t, l, "echo"), `[1]`, `1`)
	_ = bind(t, l, "twin")
	if s := l.Status(); f.Encoding() != host.EncodingJSON || s.Instances != 1 || s.Notes[len(s.Notes)-1] != "the plugin exports no symbols for the functions twin: calls of them fail" {
		t.Errorf("%+v", s)
	}
}

// TestPanics: a panic is answered, says where it was, and the function goes on.
func TestPanics(t *testing.T) {
	f := bind(t, open(t, functions, []string{"panics"}), "panics")
	for range 3 {
		wantFail(t, f, `[1]`, host.CodeTrap, "panic: at 1 in ", ".deeper (plugin.go:", "called by ", "panics.Exec (plugin.go:")
		wantFail(t, f, `["nil"]`, host.CodeTrap, "panic: assignment to entry in nil map in ", "panics.Exec")
		wantFail(t, f, `[]`, host.CodeTrap, "panic: in Validate in ", "panics.Validate")
	}
	if _, err := f.Call(t.Context(), nil, []byte(`[1]`)); strings.Contains(err.Error(), "goplugin") {
		t.Errorf("%v tells of the host's own functions", err)
	}
}

func TestOutputLimit(t *testing.T) {
	f := bind(t, open(t, functions, nil, func(p *host.Package) { p.Limits.Output = 6 }), "echo")
	wantCall(t, f, `["four"]`, `"four"`)
	wantFail(t, f, `["fives"]`, host.CodeTrap, `the function returned 7 bytes: at most 6B are allowed by "limits.output"`)
}

func TestRaw(t *testing.T) {
	l := open(t, functions, nil, func(p *host.Package) { p.Manifest.Encoding = map[string]host.Encoding{"raw": host.EncodingRaw} })
	f := bind(t, l, "raw")
	if f.Encoding() != host.EncodingRaw || bind(t, l, "echo").Encoding() != host.EncodingJSON {
		t.Error("the encodings")
	}
	in := []byte("abc")
	out, err := f.Call(t.Context(), nil, in)
	if err != nil || string(out) != "cba" || string(in) != "abc" {
		t.Errorf("%q, %v; the input is %q", out, err, in)
	}
	wantCall(t, f, "abcd", "dcba")
}

// TestState: state is kept over calls and over openings, by function.
func TestState(t *testing.T) {
	state := newMemory()
	for i := range 2 {
		l, err := Open(t.Context(), Options{Path: build(t, functions), Package: pack(t), Functions: []string{"accumulate"}, State: state, Opened: rig.opened})
		if err != nil {
			t.Fatal(err)
		}
		f := bind(t, l, "accumulate")
		if i == 0 {
			wantCall(t, f, `["a"]`, `[1,null]`)
			wantCall(t, f, `[[1,"x"]]`, `[2,"a"]`)
		} else {
			wantCall(t, f, `[null]`, `[3,[1,"x"]]`)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantFail(t, f, `[1]`, host.CodeUnavailable, "is being unloaded")
	}
	if len(state.values) != 2 || state.values["accumulate/calls"] == nil {
		t.Errorf("kept: %v", state.values)
	}
}

type lines struct{ text []string }

func (l *lines) Line(level slog.Level, text string) { l.text = append(l.text, level.String()+" "+text) }

func TestContext(t *testing.T) {
	log := &lines{}
	p := pack(t, func(p *host.Package) { p.Log = log })
	l, err := Open(t.Context(), Options{Path: build(t, functions), Package: p, Functions: []string{"echo", "about"}, Rule: "rule1", Opened: rig.opened})
	if err != nil {
		t.Fatal(err)
	}
	wantCall(t, bind(t, l, "about"), `[]`, `{"bounded":true,"canceled":true,"derived":"rule2 op2 3 4","err":"set","instance":0,"mine":null,"op":"about","path":"found",`+
		`"root":"`+filepath.ToSlash(p.Dir)+`","rule":"rule1","run":0,"template":"[1] eA==","trace":true,"value":null}`)
	if got := strings.Join(log.text, "\n"); got != "INFO about 1\nWARN twowords" {
		t.Errorf("the log is %q", got)
	}
}

func TestEncodeNumbers(t *testing.T) {
	f := &function{encoding: host.EncodingJSON, output: 100}
	for _, n := range []float64{0, 1, -1, 1 << 53, -1 << 53, 1<<53 - 1, 1e20, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1} {
		out, err := f.encode(nil, n)
		want, wantErr := f.encode(nil, any([]float64{n}))
		if err != nil || wantErr != nil || "["+string(out)+"]" != string(want) {
			t.Errorf("%g: %s, %v; want %s", n, out, err, want)
		}
	}
}

func TestLateCall(t *testing.T) {
	f := bind(t, open(t, functions, nil, func(p *host.Package) { p.Limits.Timeout = 20 * time.Millisecond }), "wait")
	wantFail(t, f, `["for the context"]`, host.CodeTimeout, "at most 20ms are allowed", "cannot be interrupted")
	<-waitSymbol(t, "Entered")
}

// waitSymbol is one of the plugin's channels.
func waitSymbol(t testing.TB, name string) chan struct{} {
	t.Helper()
	from, err := rig.opened.open(t.Context(), build(t, functions))
	if err != nil {
		t.Fatal(err)
	}
	v, err := from.lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return *v.(*chan struct{})
}
