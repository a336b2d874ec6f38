package host

import (
	"encoding"
	"fmt"
	"strings"
	"testing"
)

// enum is what each value of an enumeration can do.
type enum interface {
	fmt.Stringer
	encoding.TextMarshaler
}

// walkEnum checks n values: a name each, no two the same, that goes to text
// and comes back; and that the value behind the last has none of the names.
// parse is nil if there is no function of that kind.
func walkEnum[E interface {
	~uint8
	enum
}](t *testing.T, n int, parse func(string) (E, error)) {
	t.Helper()
	seen := map[string]bool{}
	for i := range n {
		e := E(i)
		name := e.String()
		if name == "" || seen[name] || name != strings.ToLower(name) || strings.ContainsAny(name, "( )") {
			t.Errorf("value %d has the name %q: empty, taken, or not a plain word", i, name)
		}
		seen[name] = true
		text, err := e.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("MarshalText of %s = %q, %v", name, text, err)
		}
		if parse != nil {
			if back, err := parse(name); err != nil || back != e {
				t.Errorf("parsing %q = %v, %v", name, back, err)
			}
		}
		var back E
		reader, ok := any(&back).(encoding.TextUnmarshaler)
		if !ok {
			t.Fatalf("%T has MarshalText and no UnmarshalText: what an answer holds, a client of ours cannot read", e)
		}
		if err := reader.UnmarshalText(text); err != nil || back != e {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, back, err)
		}
		if err := reader.UnmarshalText([]byte("no such name")); err == nil {
			t.Errorf("UnmarshalText takes what is no name")
		}
	}
	if beyond := E(n).String(); seen[beyond] || beyond == "" {
		t.Errorf("the value behind the last is called %q", beyond)
	}
}

func TestKindRange(t *testing.T) {
	walkEnum(t, int(numKinds), ParseKind)
	if got := len(Kinds()); got != int(numKinds) {
		t.Errorf("Kinds() has %d values, want %d", got, numKinds)
	}
	if _, err := Kind(numKinds).MarshalText(); err == nil {
		t.Error("a kind that does not exist becomes text")
	}
	_, err := ParseKind("function")
	if err == nil || !strings.Contains(err.Error(), "functions") || !strings.Contains(err.Error(), `"function"`) {
		t.Errorf("ParseKind(function) = %v: it should say what was given and what may be", err)
	}
}

func TestEncodingRange(t *testing.T) {
	walkEnum(t, int(numEncodings), ParseEncoding)
}

func TestCodeRange(t *testing.T) {
	walkEnum[Code](t, int(numCodes), nil)
	if got := len(Codes()); got != int(numCodes) {
		t.Errorf("Codes() has %d values, want %d", got, numCodes)
	}
}

func TestStateRange(t *testing.T) { walkEnum[State](t, int(numStates), nil) }

func TestSignatureModeRange(t *testing.T) {
	walkEnum(t, int(numSignatureModes), ParseSignatureMode)
	if got := len(SignatureModes()); got != int(numSignatureModes) {
		t.Errorf("SignatureModes() has %d values, want %d", got, numSignatureModes)
	}
}

// TestSignatureStateRange: the first state, that nobody looked, has no name.
func TestSignatureStateRange(t *testing.T) {
	seen := map[string]bool{}
	for i := range int(numSignatureStates) {
		s := SignatureState(i)
		text, err := s.MarshalText()
		var back SignatureState
		if err != nil || back.UnmarshalText(text) != nil || back != s || seen[string(text)] || (len(text) == 0) != (s == SignatureUnknown) {
			t.Errorf("state %d is written %q, %v, and read as %v", i, text, err, back)
		}
		seen[string(text)] = true
	}
	if err := new(SignatureState).UnmarshalText([]byte("no such name")); err == nil || seen[numSignatureStates.String()] {
		t.Error("it takes what is no name")
	}
}
