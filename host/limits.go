package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Limits bound what a plugin may use.
type Limits struct {
	Memory    Bytes         // linear memory of one instance
	Input     Bytes         // input of one call
	Output    Bytes         // result of one call
	Timeout   time.Duration // of one call; 0: none
	Instances int           // instances at one time
	Fuel      int64         // of one call, in the sandbox's units; 0: no bound
}

// DefaultLimits hold unless the operator sets others: 64 MiB of memory, 16 MiB
// of input and output, 5 s a call, four instances a processor, fuel without a
// bound.
func DefaultLimits() Limits {
	return Limits{
		Memory:    64 << 20,
		Input:     16 << 20,
		Output:    16 << 20,
		Timeout:   5 * time.Second,
		Instances: 4 * runtime.GOMAXPROCS(0),
	}
}

// LimitSpec is the "limits" of a manifest: they may narrow the host's limits,
// not widen them. An absent key leaves the host's limit.
type LimitSpec struct {
	Memory    *Bytes    `json:"memory,omitempty"`
	Input     *Bytes    `json:"input,omitempty"`
	Output    *Bytes    `json:"output,omitempty"`
	Timeout   *Duration `json:"timeout,omitempty"`
	Instances *int      `json:"instances,omitempty"`
	Fuel      *int64    `json:"fuel,omitempty"`
}

func (s LimitSpec) validate() error {
	var faults []error
	positive := func(key string, set bool, value int64) {
		if set && value <= 0 {
			faults = append(faults, fmt.Errorf("\"limits.%s\" must be more than zero", key))
		}
	}
	positive("memory", s.Memory != nil, deref(s.Memory))
	positive("input", s.Input != nil, deref(s.Input))
	positive("output", s.Output != nil, deref(s.Output))
	positive("timeout", s.Timeout != nil, deref(s.Timeout))
	positive("instances", s.Instances != nil, deref(s.Instances))
	positive("fuel", s.Fuel != nil, deref(s.Fuel))
	return errors.Join(faults...)
}

func deref[T ~int | ~int64](p *T) int64 {
	if p == nil {
		return 0
	}
	return int64(*p)
}

// Narrow returns l narrowed by what a manifest asks for. Asking for more than
// l is a CodeInvalid that names the limit and both values.
func (l Limits) Narrow(s LimitSpec) (Limits, error) {
	var faults []error
	wider := func(key string, asked, allowed any) {
		faults = append(faults, fmt.Errorf("\"limits.%s\" asks for %v, over this host's %v: lower it in the manifest, or have the operator raise the host's", key, asked, allowed))
	}
	narrow := func(key string, have *Bytes, asked *Bytes) {
		if asked == nil {
			return
		}
		if *asked > *have {
			wider(key, *asked, *have)
		}
		*have = min(*have, *asked)
	}
	narrow("memory", &l.Memory, s.Memory)
	narrow("input", &l.Input, s.Input)
	narrow("output", &l.Output, s.Output)
	if s.Timeout != nil {
		asked := time.Duration(*s.Timeout)
		if l.Timeout > 0 && asked > l.Timeout {
			wider("timeout", asked, l.Timeout)
		}
		l.Timeout = asked
	}
	if s.Instances != nil {
		if *s.Instances > l.Instances {
			wider("instances", *s.Instances, l.Instances)
		}
		l.Instances = *s.Instances
	}
	if s.Fuel != nil {
		if l.Fuel > 0 && *s.Fuel > l.Fuel {
			wider("fuel", *s.Fuel, l.Fuel)
		}
		l.Fuel = *s.Fuel
	}
	if len(faults) > 0 {
		return l, Fail(CodeInvalid, "%w", errors.Join(faults...))
	}
	return l, nil
}

// Bytes is a size. In JSON, in the configuration and in flags it is a number
// of bytes or a text with a unit: "512KiB", "64MiB", "1GiB", "10MB".
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// ParseBytes reads a size. Negative sizes and sizes over 2⁶³−1 are errors.
func ParseBytes(s string) (Bytes, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a size: write it like 64MiB or 1048576", clip(s))
	}
	return Bytes(n * unit), nil
}

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range []int{3, 2, 1, 0} {
		if unit := byteUnits[u]; int64(b) >= unit.size && int64(b)%unit.size == 0 {
			return strconv.FormatInt(int64(b)/unit.size, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	parsed, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = parsed
	return nil
}

// UnmarshalJSON reads a number or a text.
func (b *Bytes) UnmarshalJSON(data []byte) error { return unmarshalTextOrNumber(data, b.UnmarshalText) }

// Set and Type make Bytes a flag's value.
func (b *Bytes) Set(s string) error { return b.UnmarshalText([]byte(s)) }

// Type names the value in a command's help.
func (*Bytes) Type() string { return "size" }

// Duration is a time.Duration written like "250ms" in JSON; a bare number
// means milliseconds, as in eKuiper's files.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms < math.MaxInt64/int64(time.Millisecond) && ms > math.MinInt64/int64(time.Millisecond) {
		*d = Duration(time.Duration(ms) * time.Millisecond)
		return nil
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write it like 250ms or 5s", clip(s))
	}
	*d = Duration(parsed)
	return nil
}

// UnmarshalJSON reads a number of milliseconds or a text.
func (d *Duration) UnmarshalJSON(data []byte) error {
	return unmarshalTextOrNumber(data, d.UnmarshalText)
}

func unmarshalTextOrNumber(data []byte, unmarshal func([]byte) error) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		return unmarshal([]byte(text))
	}
	return unmarshal(data)
}
