package extism_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"berth/sandbox/extism"
)

// The functions of a plugin, called as a host calls them.
func TestCall(t *testing.T) {
	for _, c := range []struct {
		name, input, output string
		failure             *extism.GuestError
	}{
		{name: "noop", input: "x"},
		{name: "nothing"},
		{name: "seven", failure: &extism.GuestError{RC: 7}},
		{name: "minus", failure: &extism.GuestError{RC: 1<<32 - 1}},
		{name: "echo"},
		{name: "echo", input: "a", output: "a"},
		{name: "echo", input: "exactly8", output: "exactly8"},
		{name: "echo", input: strings.Repeat("some bytes ", 9000), output: strings.Repeat("some bytes ", 9000)},
		{name: "upper", input: "hello", output: "HELLO"},
		{name: "upper", input: "exactly", output: "EXACTLY"},
		{name: "upper", input: "abcdefghi", output: "ABCDEFGHI"},
		{name: "upper"},
		{name: "identity", input: "the very same", output: "the very same"},
		{name: "identity"},
		{name: "sub_output", output: "luck"},
		{name: "fail", failure: &extism.GuestError{RC: 3, Text: "no luck"}},
		{name: "fail_quietly", failure: &extism.GuestError{Text: "no luck"}},
		{name: "fail_with_output", input: "partly", output: "partly", failure: &extism.GuestError{RC: 1, Text: "no luck"}},
		{name: "recover"},
		{name: "fail_freed"},
		{name: "fail_inside"},
		{name: "careless", input: "whole", output: "whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(t, "plugin", extism.Config{})
			for range 2 { // on a new kernel and on a used one
				g.begin(c.input)
				err := g.kernel.Result(uint32(g.call(c.name)))
				if c.failure == nil && err != nil {
					t.Errorf("it failed: %v", err)
				}
				if failure := (*extism.GuestError)(nil); c.failure != nil && (!errors.As(err, &failure) || *failure != *c.failure) {
					t.Errorf("failure %v, want %v", err, c.failure)
				}
				if got := string(g.kernel.Output()); got != c.output {
					t.Errorf("output %.40q, want %.40q", got, c.output)
				}
			}
		})
	}
}

func TestGuestErrorText(t *testing.T) {
	if got, want := (&extism.GuestError{RC: 1<<32 - 1}).Error(), "the function returned -1 and no text"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (&extism.GuestError{RC: 1, Text: "no luck"}).Error(), "no luck"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrorTextIsCutAndReadable(t *testing.T) {
	g := newGuest(t, "every", extism.Config{})
	g.begin("")
	g.call("error_set", g.put("caf\xe9"))
	if text, set := g.kernel.Error(); text != "caf\uFFFD" || !set {
		t.Errorf("%q, %v", text, set)
	}
	g.call("error_set", g.put(strings.Repeat("é", extism.MaxErrorText)))
	text, set := g.kernel.Error()
	if !set || len(text) > extism.MaxErrorText || !strings.HasPrefix(text, "éé") || !strings.HasSuffix(text, "é… (cut)") {
		t.Errorf("%d bytes: %.10q … %q", len(text), text, text[max(len(text)-20, 0):])
	}
}

func TestCallable(t *testing.T) {
	g := newGuest(t, "plugin", extism.Config{})
	for name, want := range map[string]bool{"noop": true, "nothing": true, "takes": false, "gives": false, "gives_two": false} {
		f := g.module.ExportedFunction(name).Definition()
		if got := extism.Callable(f.ParamTypes(), f.ResultTypes()); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// A guest that fills all it can reach leaves nothing behind for the next call.
func TestNothingSurvives(t *testing.T) {
	for _, again := range []struct {
		name  string
		begin func(*extism.Kernel) error
	}{
		{"Begin", func(k *extism.Kernel) error { return k.Begin(nil) }},
		{"Wipe", func(k *extism.Kernel) error { k.Wipe(); return nil }},
		{"Trim and Begin", func(k *extism.Kernel) error { k.Trim(); return k.Begin(nil) }},
	} {
		t.Run(again.name, func(t *testing.T) {
			g := newGuest(t, "plugin", extism.Config{})
			g.begin(strings.Repeat("secret", 5000))
			g.call("hide")
			if g.call("seek") == 0 {
				t.Fatal("the guest does not find its own secret")
			}
			if err := again.begin(g.kernel); err != nil {
				t.Fatal(err)
			}
			g.want(0, "seek")
		})
	}
	t.Run("the import reset", func(t *testing.T) {
		g := newGuest(t, "every", extism.Config{Vars: extism.NewVars(-1)})
		g.begin("secret")
		h := g.call("input_offset")
		g.call("store_u64", h+100, 1) // beyond the last block
		g.call("var_set", g.put("k"), g.put("v"))
		g.call("output_set", h, 6)
		g.call("error_set", h)
		g.call("reset")
		g.want(0, "load_u64", h)
		g.want(0, "load_u64", h+100)
		g.want(0, "length", h)
		g.want(0, "input_length")
		g.want(0, "input_offset")
		g.want(0, "output_length")
		g.want(0, "output_offset")
		g.want(0, "error_get")
		g.want(h, "alloc", 1) // all room is there again
		if v := g.text(g.call("var_get", g.put("k"))); v != "v" {
			t.Errorf("the variable is %q", v)
		}
	})
}

// A flood of blocks costs no more than the limit, entries in the table counted.
func TestBlockFlood(t *testing.T) {
	const limit = 1 << 20
	g := newGuest(t, "plugin", extism.Config{ArenaLimit: limit})
	var first uint64
	for round := range 3 {
		g.begin("")
		g.call("block_flood")
		n := binary.LittleEndian.Uint64(g.kernel.Output())
		if n < limit/64 || n > limit/16 {
			t.Fatalf("%d blocks", n)
		}
		if round == 0 {
			first = n
		} else if n != first {
			t.Errorf("round %d: %d blocks, and %d at first", round, n, first)
		}
		if held := g.kernel.Size(); held > limit*3/2 {
			t.Errorf("the kernel holds %d bytes", held)
		}
	}
	g.kernel.Wipe()
	if held := g.kernel.Size(); held > 8<<10 {
		t.Errorf("the kernel still holds %d bytes", held)
	}
}

func TestBeginTooLarge(t *testing.T) {
	k := extism.NewKernel(extism.Config{ArenaLimit: 100_000})
	if err := k.Begin(make([]byte, 100_000)); !errors.Is(err, extism.ErrInputTooLarge) {
		t.Errorf("error %v", err)
	}
	if err := k.Begin(make([]byte, 90_000)); err != nil {
		t.Error(err)
	}
	if k.Output() != nil {
		t.Error("there is an output before the call")
	}
}

func TestTrimKeepsSmallArenas(t *testing.T) {
	g := newGuest(t, "plugin", extism.Config{})
	g.begin("small")
	g.call("echo")
	g.kernel.Trim()
	if got := string(g.kernel.Output()); got != "small" {
		t.Errorf("output %q", got)
	}
	g.begin(strings.Repeat("x", extism.KeepIdle))
	if held := g.kernel.Size(); held < extism.KeepIdle {
		t.Errorf("the kernel says that it holds %d bytes", held)
	}
	g.kernel.Trim()
	if held := g.kernel.Size(); held > 8<<10 {
		t.Errorf("the kernel still holds %d bytes", held)
	}
	if got := g.kernel.Output(); got != nil {
		t.Errorf("output %q", got)
	}
}

// What the guest does not pay for, the host checks.
func TestBusyHostFunctions(t *testing.T) {
	enough := errors.New("the deadline passed")
	for _, name := range []string{"reset", "config_get", "var_get", "var_set", "log_error", "http_headers"} {
		t.Run(name, func(t *testing.T) {
			checks := 0
			g := newGuest(t, "busy", extism.Config{
				Vars: extism.NewVars(-1),
				Log:  func(extism.Level, string) {},
				Check: func() error {
					if checks++; checks == 3 {
						return enough
					}
					return nil
				},
			})
			g.begin("")
			_, err := g.try(name)
			trap := (*extism.Trap)(nil)
			if !errors.Is(err, enough) || !errors.As(err, &trap) {
				t.Fatalf("error %v", err)
			}
			if trap.Function != name {
				t.Errorf("the trap is of %q", trap.Function)
			}
		})
	}
}
