package sandbox_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"berth/host"
)

// hostile is a call that a guest answers in a bad way.
type hostile struct {
	guest, function string
	in              []byte
	code            host.Code
	says            []string
	good            string // a function of the guest that answers; empty: there is none
	goodIn          []byte
}

func hostiles() []hostile {
	trap, rejected := host.CodeTrap, host.CodeRejected
	u32 := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	words := []byte("some words")
	return []hostile{
		{"trap", "trap", words, trap, []string{"trapped", "unreachable"}, "fine", words},
		{"trap", "divzero", words, trap, []string{"trapped", "divide by zero"}, "fine", words},
		{"trap", "oob", words, trap, []string{"trapped", "out of bounds memory access"}, "fine", words},
		{"trap", "badcall", words, trap, []string{"trapped", "indirect call type mismatch"}, "fine", words},
		{"loop", "spin", nil, host.CodeTimeout, []string{"100ms", "interrupted"}, "spin_n", u32(3)},
		{"loop", "spin_n", u32(1<<32 - 1), host.CodeTimeout, []string{"100ms", "interrupted"}, "spin_n", u32(3)},
		{"recurse", "recurse", nil, trap, []string{"stack overflow"}, "fib", u32(10)},
		{"memory", "eat", nil, trap, []string{"unreachable"}, "eat_ok", nil},
		{"badptr", "outside", words, trap, []string{"broke the berth ABI", "4 bytes at 65552", "65536"}, "edge", words},
		{"badptr", "outside_error", words, trap, []string{"broke the berth ABI", "4 bytes at 65552"}, "edge", words},
		{"badptr", "wrap", words, trap, []string{"broke the berth ABI", "32 bytes at 4294967280"}, "edge", words},
		{"badptr", "toolong", words, trap, []string{"2147483647 bytes", "limits.output"}, "zero", words},
		{"badptr", "longer", words, trap, []string{"broke the berth ABI", "5 bytes at 65532"}, "edge", words},
		{"badalloc", "echo", words, trap, []string{"broke the berth ABI", "alloc(10) returned 65552"}, "echo", nil},
		{"bigout", "big", u32(1<<20 + 1), trap, []string{"1048577 bytes", "1MiB", "limits.output"}, "big", u32(1 << 20)},
		{"bigout", "big", u32(1 << 30), rejected, []string{"out of memory"}, "big", u32(5)},
		{"bigout", "big", u32(1 << 31), rejected, []string{"out of memory"}, "big", u32(5)},
		{"bigout", "big", []byte("abc"), rejected, []string{"want a 4-byte n"}, "big", u32(5)},
		{"exit", "exit", words, trap, []string{"exited with code 3"}, "", nil},
		{"exit", "exit0", words, trap, []string{"exited with code 0"}, "", nil},
		{"exitcode", "exit_with", []byte("[-1]"), trap, []string{"exited with code 4294967295"}, "", nil},         // wazero's own for a context that ended
		{"exitcode", "exit_with", []byte("[4026531839]"), trap, []string{"exited with code 4026531839"}, "", nil}, // and for a deadline
		{"stderr", "shout", []byte("panic: no sensor\ngoroutine 1"), trap, []string{"unreachable", "it wrote: panic: no sensor"}, "print", words},
		{"nomem", "trap", nil, trap, []string{"unreachable"}, "add", []byte("[1,2]")},
		{"nomem", "spin", nil, host.CodeTimeout, []string{"100ms"}, "add", []byte("[1,2]")},
	}
}

func TestHostileCalls(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		for _, c := range hostiles() {
			t.Run(form+"/"+c.guest+"/"+c.function, func(t *testing.T) {
				m := loadGuest(t, c.guest, func(p *host.Package) {
					p.Limits = host.Limits{Memory: 4 << 20, Input: 1 << 20, Output: 1 << 20, Timeout: generous, Instances: 2}
					if c.code == host.CodeTimeout {
						p.Limits.Timeout = 100 * time.Millisecond
					}
					change(p)
				})
				code := m.Status().Memory
				for range 3 { // more often than there are instances
					c.check(t, m)
				}
				status := m.Status()
				if status.Busy != 0 || status.Instances > 2 {
					t.Errorf("%+v: instances are lost", status)
				}
				if most := 2*4<<20 + code; status.Memory > most {
					t.Errorf("%d bytes held, over the limit of two instances and the code, %d", status.Memory, most)
				}
			})
		}
	}
}

func (c *hostile) check(t *testing.T, m host.Module) {
	t.Helper()
	begun := time.Now()
	out, err := bind(t, m, c.function).Call(t.Context(), []byte("kept"), c.in)
	wantFailure(t, err, c.code, c.says...)
	if took := time.Since(begun); took > generous/3 {
		t.Errorf("it took %s", took)
	}
	if string(out) != "kept" {
		t.Errorf("dst is %.40q, want it as it was", out)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("%q is more than one line", err)
	}
	if c.good == "" {
		return
	}
	if _, err := call(t, m, c.good, c.goodIn); err != nil {
		t.Errorf("%s right after: %v", c.good, err)
	}
}

func TestGoodAtTheEdges(t *testing.T) {
	for _, c := range []struct{ guest, function, in, want string }{
		{"badptr", "edge", "in", "edge"}, // ends with memory
		{"badptr", "zero", "in", ""},
		{"badalloc", "echo", "", ""}, // an empty input is not written
		{"echo", "upper", "aBc z{`", "ABC Z{`"},
		{"bigout", "big", "\x05\x00\x00\x00", "xxxxx"},
		{"recurse", "fib", "\x0a\x00\x00\x00", "\x37\x00\x00\x00\x00\x00\x00\x00"},
		{"stderr", "print", "in", ""},
		{"counter", "inited", "", "1"}, // _initialize ran, once
	} {
		m := loadGuest(t, c.guest, nil)
		for range 2 {
			if out, err := call(t, m, c.function, []byte(c.in)); err != nil || string(out) != c.want {
				t.Errorf("%s of %s: %q, %v; want %q", c.function, c.guest, out, err, c.want)
			}
		}
	}
}

// TestMemoryLimit: a guest gets what its limit allows, to the page, no more.
func TestMemoryLimit(t *testing.T) {
	const page = 64 << 10
	for limit, pages := range map[host.Bytes]uint32{page: 1, 2*page - 1: 1, 2 * page: 2, 100*page + 5: 100, 64 << 20: 1024} {
		m := loadGuest(t, "memory", func(p *host.Package) { p.Limits.Memory = limit })
		before := m.Status().Memory
		out, err := call(t, m, "eat_ok", nil)
		if err != nil || len(out) != 4 {
			t.Fatalf("limit %s: %q, %v", limit, out, err)
		}
		if got := binary.LittleEndian.Uint32(out); got != pages {
			t.Errorf("limit %s: the guest got %d pages, want %d", limit, got, pages)
		}
		// A function that is called the first time takes something, too.
		if grown := m.Status().Memory - before; grown < int64(pages-1)*page || grown >= int64(pages)*page {
			t.Errorf("limit %s: Status shows that memory grew by %d bytes, want %d", limit, grown, int64(pages-1)*page)
		}
	}
	p := guestPackage(t, "memory")
	p.Limits.Memory = page - 1
	refused(t, p, "limits.memory")
}

// TestSleepIsDenied: WASI's way to wait returns at once; a guest cannot hold an
// instance without burning time of its own.
func TestSleepIsDenied(t *testing.T) {
	m := loadGuest(t, "sleep", nil)
	begun := time.Now()
	_, err := call(t, m, "sleep", binary.LittleEndian.AppendUint64(nil, uint64(time.Hour)))
	if err != nil && host.CodeOf(err) != host.CodeRejected {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the guest slept for %s", took)
	}
}

// TestOutputInMessage: what a guest wrote before it died explains it, if it
// wrote it in this call, and within bounds.
func TestOutputInMessage(t *testing.T) {
	m := loadGuest(t, "stderr", func(p *host.Package) { p.Limits.Instances = 1 })
	if _, err := call(t, m, "print", []byte("of an earlier call")); err != nil {
		t.Fatal(err)
	}
	_, err := call(t, m, "shout", []byte("of this call"))
	wantFailure(t, err, host.CodeTrap, "it wrote: of this call")
	if strings.Contains(err.Error(), "earlier") {
		t.Errorf("%q tells what another call wrote", err)
	}
	for _, in := range []string{strings.Repeat("x", 1<<20), strings.Repeat("ü", 4000), "\xff\xfe\x00 bad", "\n\n\n"} {
		_, err := call(t, m, "shout", []byte(in))
		wantFailure(t, err, host.CodeTrap, "unreachable")
		if text := err.Error(); len(text) > 1000 || !utf8.ValidString(text) {
			t.Errorf("%d bytes of message, valid UTF-8: %t", len(text), utf8.ValidString(text))
		}
	}
}

// TestErrorText: the text of a guest's error is bounded and valid UTF-8.
func TestErrorText(t *testing.T) {
	m := loadGuest(t, "echo", nil)
	for in, want := range map[string]string{
		"":                        "the function answered with an error that says nothing",
		"a\xffb":                  "a\uFFFDb",
		strings.Repeat("x", 9000): strings.Repeat("x", 4096),
	} {
		_, err := call(t, m, "fail", []byte(in))
		wantFailure(t, err, host.CodeRejected)
		if got := host.Cause(err); got != want {
			t.Errorf("the text of %.20q is %.20q (%d bytes), want %d", in, got, len(got), len(want))
		}
	}
}
