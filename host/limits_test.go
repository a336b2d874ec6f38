package host

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseBytes(t *testing.T) {
	const wrong = Bytes(-1)
	for s, want := range map[string]Bytes{
		"0": 0, "1": 1, "1048576": 1 << 20, "7B": 7, "512KiB": 512 << 10, "64MiB": 64 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40,
		"10kB": 10_000, "10KB": 10_000, "10MB": 10_000_000, "1GB": 1e9, "1TB": 1e12, " 64 MiB ": 64 << 20,
		"9223372036854775807": math.MaxInt64, "8191TiB": 8191 << 40,
		"": wrong, "B": wrong, "MiB": wrong, "-1": wrong, "-1MiB": wrong, "1.5MiB": wrong, "1 Mi": wrong, "64mib": wrong, "0x10": wrong,
		"9223372036854775808": wrong, "9223372036854775807KiB": wrong, "8388608TiB": wrong, "1e3": wrong, "64MiBB": wrong, "1_000": wrong,
	} {
		got, err := ParseBytes(s)
		switch {
		case want == wrong && err == nil:
			t.Errorf("ParseBytes(%q) = %d, want an error", s, got)
		case want == wrong && !strings.Contains(err.Error(), "is not a size: write it like 64MiB"):
			t.Errorf("ParseBytes(%q): %v", s, err)
		case want != wrong && (err != nil || got != want):
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", s, got, err, want)
		case want != wrong:
			if back, err := ParseBytes(got.String()); err != nil || back != got {
				t.Errorf("%d is written %s and read %d, %v", got, got, back, err)
			}
		}
	}
	for b, want := range map[Bytes]string{0: "0B", 1: "1B", 1023: "1023B", 1 << 10: "1KiB", 1536: "1536B", 64 << 20: "64MiB", 3 << 40: "3TiB", 1e6: "1000000B"} {
		if got := b.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(b), got, want)
		}
	}
	if err := json.Unmarshal([]byte(`"x`+strings.Repeat("y", 10_000)+`"`), new(Bytes)); err == nil || len(err.Error()) > 400 {
		t.Errorf("a long wrong size gives a long message, or none: %d bytes", len(err.Error()))
	}
}

func TestBytesFlag(t *testing.T) {
	var b Bytes
	if err := b.Set("2MiB"); err != nil || b != 2<<20 || b.Type() != "size" {
		t.Errorf("Set: %v, %d, type %s", err, b, b.Type())
	}
	if err := b.Set("two"); err == nil || b != 2<<20 {
		t.Errorf("a wrong flag: %v, %d", err, b)
	}
}

func TestDurationJSON(t *testing.T) {
	const wrong = time.Duration(math.MinInt64)
	for text, want := range map[string]time.Duration{
		`"250ms"`: 250 * time.Millisecond, `"5s"`: 5 * time.Second, `250`: 250 * time.Millisecond, `"250"`: 250 * time.Millisecond, `0`: 0,
		`"1h2m3s"`: time.Hour + 2*time.Minute + 3*time.Second, `-5`: -5 * time.Millisecond, `"1ns"`: 1,
		`""`: wrong, `"soon"`: wrong, `1.5`: wrong, `true`: wrong, `{}`: wrong, `9223372036854775807`: wrong, `"5 s"`: wrong, `1e3`: wrong,
	} {
		var d Duration
		err := json.Unmarshal([]byte(text), &d)
		switch {
		case want == wrong && err == nil:
			t.Errorf("%s is read as %v, want an error", text, time.Duration(d))
		case want == wrong && !strings.Contains(err.Error(), "is not a duration: write it like 250ms or 5s"):
			t.Errorf("%s: %v", text, err)
		case want != wrong && (err != nil || time.Duration(d) != want):
			t.Errorf("%s is read as %v, %v, want %v", text, time.Duration(d), err, want)
		case want != wrong:
			var back Duration
			written, _ := json.Marshal(d)
			if err := json.Unmarshal(written, &back); err != nil || back != d {
				t.Errorf("%v is written %s and read %v, %v", want, written, time.Duration(back), err)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestNarrow(t *testing.T) {
	host := Limits{Memory: 64 << 20, Input: 16 << 20, Output: 8 << 20, Timeout: 5 * time.Second, Instances: 8, Fuel: 1000}
	got, err := host.Narrow(LimitSpec{})
	if err != nil || got != host {
		t.Errorf("nothing asked: %+v, %v", got, err)
	}
	got, err = host.Narrow(LimitSpec{Memory: ptr(Bytes(1 << 20)), Input: ptr(Bytes(2)), Output: ptr(Bytes(3)), Timeout: ptr(Duration(time.Millisecond)), Instances: ptr(1), Fuel: ptr(int64(7))})
	if want := (Limits{1 << 20, 2, 3, time.Millisecond, 1, 7}); err != nil || got != want {
		t.Errorf("narrowed: %+v, %v, want %+v", got, err, want)
	}
	got, err = host.Narrow(LimitSpec{Memory: ptr(host.Memory), Input: ptr(host.Input), Output: ptr(host.Output), Timeout: ptr(Duration(host.Timeout)), Instances: ptr(host.Instances), Fuel: ptr(host.Fuel)})
	if err != nil || got != host {
		t.Errorf("the same asked: %+v, %v", got, err)
	}
	without := host
	without.Timeout, without.Fuel = 0, 0
	if got, err := without.Narrow(LimitSpec{Timeout: ptr(Duration(time.Hour)), Fuel: ptr(int64(1 << 60))}); err != nil || got.Timeout != time.Hour || got.Fuel != 1<<60 {
		t.Errorf("a timeout and fuel where the host bounds neither: %v, %v, %v", got.Timeout, got.Fuel, err)
	}
}

// TestNarrowWider asks for more than the host gives: each limit is named with
// both values, all at once.
func TestNarrowWider(t *testing.T) {
	host := Limits{Memory: 64 << 20, Input: 16 << 20, Output: 8 << 20, Timeout: 5 * time.Second, Instances: 8, Fuel: 1000}
	_, err := host.Narrow(LimitSpec{Memory: ptr(Bytes(65 << 20)), Input: ptr(Bytes(17 << 20)), Output: ptr(Bytes(9 << 20)), Timeout: ptr(Duration(time.Minute)), Instances: ptr(9), Fuel: ptr(int64(1001))})
	if CodeOf(err) != CodeInvalid {
		t.Fatalf("got %v, want CodeInvalid", err)
	}
	for _, want := range []string{
		`"limits.memory" asks for 65MiB, over this host's 64MiB`, `"limits.input" asks for 17MiB, over this host's 16MiB`,
		`"limits.output" asks for 9MiB, over this host's 8MiB`, `"limits.timeout" asks for 1m0s, over this host's 5s`,
		`"limits.instances" asks for 9, over this host's 8`, `"limits.fuel" asks for 1001, over this host's 1000`, "lower it in the manifest",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestDefaultLimits(t *testing.T) {
	l := DefaultLimits()
	if l.Memory != 64<<20 || l.Input != 16<<20 || l.Output != 16<<20 || l.Timeout != 5*time.Second || l.Instances < 4 || l.Fuel != 0 {
		t.Errorf("%+v", l)
	}
}
