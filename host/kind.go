package host

import "fmt"

// Kind says what a plugin adds to the host. The text form is the one of
// eKuiper's REST paths.
type Kind uint8

// The kinds of plugins.
const (
	Functions Kind = iota
	Sources
	Sinks
	Portables
	Wasm // as eKuiper 1.8 to 1.14 had them: functions in WebAssembly
	numKinds
)

var kindNames = [numKinds]string{
	Functions: "functions",
	Sources:   "sources",
	Sinks:     "sinks",
	Portables: "portables",
	Wasm:      "wasm",
}

// Kinds lists every kind, in a fixed order.
func Kinds() []Kind {
	kinds := make([]Kind, numKinds)
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String returns the plural name used in paths: "functions", "sources", ...
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	for i, name := range kindNames {
		if name == s {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("unknown plugin kind %q: use one of %v", s, kindNames)
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) {
	if k >= numKinds {
		return nil, fmt.Errorf("unknown plugin kind %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error {
	parsed, err := ParseKind(string(text))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}
