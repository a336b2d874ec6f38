package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/sandbox"
)

// TestExtismExit: a plugin of Extism that exits has answered, with the code as
// its result: what it set before counts. Its instance is not used again.
func TestExtismExit(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted, "fresh": isolated("fresh")} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "extism_exit", func(p *host.Package) { p.Limits.Instances = 1; change(p) })
			for range 2 {
				if out, err := call(t, m, "quiet", []byte{0}); err != nil || len(out) > 0 {
					t.Errorf("with code 0: %q, %v", out, err)
				}
				wantFour(t, m)
				_, err := call(t, m, "leave", []byte{3})
				wantFailure(t, err, host.CodeRejected, "no sensor")
				wantFour(t, m)
				if _, err = call(t, m, "quiet", []byte{3}); host.Cause(err) == "" {
					t.Error("an error without a text")
				}
				wantFailure(t, err, host.CodeRejected)
				wantFour(t, m)
			}
		})
	}
}

// wantFour checks that the guest works.
func wantFour(t *testing.T, m host.Module) {
	t.Helper()
	if out, err := call(t, m, "work", nil); err != nil || len(out) != 4 {
		t.Errorf("the next call: %q, %v", out, err)
	}
}

// TestExtismProgram: a program of Extism initialises itself, in an instance of its
// own for each call; the variables are the plugin's all the same, unless the
// manifest says otherwise.
func TestExtismProgram(t *testing.T) {
	for form, c := range map[string]struct {
		change func(*host.Package)
		second string // what the second call finds in a variable that the first set
	}{
		"of the plugin":           {func(*host.Package) {}, "v"},
		"of the instance":         {func(p *host.Package) { p.Manifest.Wasm.Vars = "instance" }, ""},
		"isolated":                {func(p *host.Package) { p.Manifest.Wasm.Isolation = "instance" }, ""},
		"interpreted, the plugin": {interpreted, "v"},
	} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "extism_program", c.change)
			for _, want := range []string{"", c.second, c.second} {
				if out, err := call(t, m, "extism_program", []byte("v")); err != nil || string(out) != want {
					t.Errorf("the variable is %q, %v; want %q", out, err, want)
				}
				if out, err := call(t, m, "extism_program", []byte("c")); err != nil || string(out) != "1" {
					t.Errorf("the constructors ran %s times, %v", out, err)
				}
			}
			if how := m.Status().Isolation; how != "instance" {
				t.Errorf("isolation %q", how)
			}
		})
	}
}

// TestExtismHoldsNoInput: after a large input an idle instance holds no more than
// after none, also if the call failed.
func TestExtismHoldsNoInput(t *testing.T) {
	m := loadGuest(t, "extism", oneInstance)
	held := func(in []byte) int64 {
		t.Helper()
		_, err := call(t, m, "oops", in)
		wantFailure(t, err, host.CodeRejected, "oops")
		return m.Status().Memory
	}
	if small, large := held(nil), held(make([]byte, 8<<20)); large > small+2<<20 {
		t.Errorf("an idle instance holds %d bytes, and %d after a call without input", large, small)
	}
}

// TestHaskell: hs_init is called once in an instance, with zeros, after
// _initialize and before the first call. That _initialize fails is no more than
// logged then, as in Extism's Go SDK.
func TestHaskell(t *testing.T) {
	for _, way := range []string{"", "t"} {
		for form, change := range map[string]func(*host.Package){
			"compiled": func(*host.Package) {}, "interpreted": interpreted,
			"fresh": isolated("fresh"), "instance": isolated("instance"),
		} {
			t.Run(form+"/"+way, func(t *testing.T) {
				var log lines
				m := loadGuest(t, "haskell", func(p *host.Package) {
					p.Grants.Config, p.Limits.Instances, p.Log = map[string]string{"i": way}, 1, &log
					change(p)
				})
				for range 3 {
					if out, err := call(t, m, "trace", nil); err != nil || string(out) != "ih" {
						t.Errorf("what ran is %q, %v; want _initialize and hs_init(0, 0)", out, err)
					}
				}
				said := log.all()
				if logged := strings.Contains(said, "ERROR _initialize failed: the guest trapped: unreachable"); logged != (way == "t") {
					t.Errorf("the log is %q", said)
				}
			})
		}
	}
}

// TestHaskellInterrupted: an _initialize that does not end ends with the loading,
// as that of any module does.
func TestHaskellInterrupted(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			p := guestPackage(t, "haskell")
			p.Grants.Config = map[string]string{"i": "l"}
			change(p)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := sandbox.New().Load(ctx, p)
			wantFailure(t, err, host.CodeTimeout, "haskell.wasm", "initialised")
		})
	}
}
