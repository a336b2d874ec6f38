package sandbox_test

import (
	"bytes"
	"testing"

	"berth/host"
)

func isolated(mode string, more ...func(*host.Package)) func(*host.Package) {
	return func(p *host.Package) {
		p.Manifest.Wasm.Isolation = mode
		p.Limits.Instances = 1
		for _, change := range more {
			change(p)
		}
	}
}

// TestIsolation: what one caller leaves behind for the next, in memory, in a
// global, and in the size of memory, with a guest that tries.
func TestIsolation(t *testing.T) {
	secret := []byte("password")
	for mode, leaks := range map[string]bool{"": true, "keep": true, "fresh": false, "instance": false} {
		for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
			t.Run(form+"/"+mode, func(t *testing.T) {
				m := loadGuest(t, "leak", isolated(mode, change))
				get := func(function string) []byte {
					t.Helper()
					out, err := call(t, m, function, nil)
					if err != nil {
						t.Fatal(err)
					}
					return out
				}
				for round := range 3 {
					before, head := get("get"), get("get_head")
					if round == 0 && (len(before) > 0 || !bytes.Equal(head, make([]byte, 8))) {
						t.Errorf("at first: %q, %q", before, head)
					}
					if _, err := call(t, m, "put", secret); err != nil {
						t.Fatal(err)
					}
					after, head := get("get"), get("get_head")
					if leaked := bytes.Equal(after, secret); leaked != leaks {
						t.Errorf("round %d: memory holds %q for the next caller", round, after)
					}
					if leaked := bytes.Equal(head, secret); leaked != leaks {
						t.Errorf("round %d: a global holds %q for the next caller", round, head)
					}
				}
				if status := m.Status(); status.Isolation != mode && mode != "" || status.Isolation != "keep" && mode == "" {
					t.Errorf("the status says %q", status.Isolation)
				}
			})
		}
	}
}

// TestIsolationOfGrownMemory: what a call wrote to pages that it had to ask for
// is gone, and so is the fact that it asked.
func TestIsolationOfGrownMemory(t *testing.T) {
	for _, mode := range []string{"fresh", "instance"} {
		m := loadGuest(t, "memory", isolated(mode, func(p *host.Package) { p.Limits.Memory = 4 << 20 }))
		first, err := call(t, m, "eat_ok", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if again, err := call(t, m, "eat_ok", nil); err != nil || !bytes.Equal(again, first) {
				t.Errorf("%s: %q, %v; the first caller got %q", mode, again, err, first)
			}
		}
	}
}

// TestFreshRefused: state that is neither memory nor a global cannot be put
// back.
func TestFreshRefused(t *testing.T) {
	p := guestPackage(t, "table")
	p.Manifest.Wasm.Isolation = "fresh"
	refused(t, p, "fresh", "table.", "instance")
	m := loadGuest(t, "table", isolated("instance"))
	if n := len(m.Functions()); n == 0 {
		t.Error("no functions")
	}
}

// TestIsolationOfTheWorld: nor can the next caller tell by the clock, by random
// numbers or by descriptors that there was one before; and none is put back behind
// what the guest saw when it was initialised.
func TestIsolationOfTheWorld(t *testing.T) {
	for mode, leaks := range map[string]bool{"keep": true, "fresh": false, "instance": false} {
		for _, c := range []struct{ guest, function, in string }{
			{"looks", "wall", "[]"}, {"looks", "monotonic", "[]"}, {"looks", "since", "[]"}, {"looks", "random", "[]"},
			{"descriptors", "close", "[0]"}, {"descriptors", "close", "[1]"}, {"descriptors", "close", "[2]"},
		} {
			m := loadGuest(t, c.guest, isolated(mode))
			first, err := call(t, m, c.function, []byte(c.in))
			if err != nil || c.function == "since" && first[0] == '-' {
				t.Errorf("%s: %s%s: %q, %v", mode, c.function, c.in, first, err)
			}
			for range 2 {
				if second, err := call(t, m, c.function, []byte(c.in)); err != nil || bytes.Equal(first, second) == leaks {
					t.Errorf("%s: %s%s gives the first caller %s, the next %s, %v", mode, c.function, c.in, first, second, err)
				}
			}
		}
		m := loadGuest(t, "looks", isolated(mode))
		for range 2 {
			if out, err := call(t, m, "repeats", nil); err != nil || string(out) != "0" {
				t.Errorf("%s: random numbers are those of the initialisation: %s, %v", mode, out, err)
			}
		}
	}
}

// TestFreshAfterATrap: an instance that trapped is replaced, not reset.
func TestFreshAfterATrap(t *testing.T) {
	m := loadGuest(t, "trap", isolated("fresh"))
	for range 3 {
		_, err := call(t, m, "trap", nil)
		wantFailure(t, err, host.CodeTrap)
		if _, err := call(t, m, "fine", []byte("x")); err != nil {
			t.Error(err)
		}
	}
}
