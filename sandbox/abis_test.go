package sandbox_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
)

// lines is a plugin's log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Line(level slog.Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, level.String()+" "+text)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, ", ")
}

// TestExtism: a plugin of Extism is found to be one, and called.
func TestExtism(t *testing.T) {
	for form, change := range map[string]func(*host.Package){
		"compiled": func(*host.Package) {}, "interpreted": interpreted, "asked for": func(p *host.Package) { p.Manifest.Wasm.ABI = "extism" },
		"fresh": isolated("fresh"), "instance": isolated("instance"),
	} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "extism", change)
			for _, in := range []string{"some words", "", strings.Repeat("long ", 20_000), "again"} {
				if out, err := call(t, m, "run", []byte(in)); err != nil || string(out) != in {
					t.Errorf("%.20q: %.20q, %v", in, out, err)
				}
			}
			_, err := call(t, m, "oops", nil)
			wantFailure(t, err, host.CodeRejected, "oops")
			if out, err := call(t, m, "run", []byte("x")); err != nil || string(out) != "x" {
				t.Errorf("after an error: %q, %v", out, err)
			}
		})
	}
	m := loadGuest(t, "extism", func(p *host.Package) { p.Limits.Output = 10 })
	_, err := call(t, m, "run", []byte("eleven bytes"))
	wantFailure(t, err, host.CodeTrap, "limits.output")
	m = loadGuest(t, "extism", func(p *host.Package) { p.Limits.Memory = 128 << 10 })
	_, err = call(t, m, "run", make([]byte, 1<<20))
	wantFailure(t, err, host.CodeTooLarge)
}

// TestWapc: an operation is a function.
func TestWapc(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted, "fresh": isolated("fresh")} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "wapc", func(p *host.Package) { p.Manifest.Functions = host.Symbols{"echo", "fail"}; change(p) })
			for _, in := range []string{"some words", "", strings.Repeat("x", 60<<10)} {
				if out, err := call(t, m, "echo", []byte(in)); err != nil || string(out) != in {
					t.Errorf("%.20q: %.20q, %v", in, out, err)
				}
			}
			_, err := call(t, m, "fail", []byte("no sensor"))
			wantFailure(t, err, host.CodeRejected, "no sensor")
			_, err = call(t, m, "echo", make([]byte, 61<<10))
			wantFailure(t, err, host.CodeRejected, "payload too large")
			_, err = m.Function("other")
			wantFailure(t, err, host.CodeInvalid, "echo, fail")
		})
	}
	m := loadGuest(t, "wapc", nil)
	if got := m.Functions(); len(got) != 1 || got[0] != "wapc" {
		t.Errorf("%q: without a list there is one, of the plugin's name", got)
	}
}

// TestCommand: a program runs once for each call.
func TestCommand(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "command", change)
			for _, in := range []string{"some words", "", strings.Repeat("long ", 20_000)} {
				if out, err := call(t, m, "command", []byte(in)); err != nil || string(out) != in {
					t.Errorf("%.20q: %.20q, %v", in, out, err)
				}
			}
			out, err := bind(t, m, "command").Call(t.Context(), []byte("before "), []byte("in"))
			if err != nil || string(out) != "before in" {
				t.Errorf("appended: %q, %v", out, err)
			}
			if how := m.Status().Isolation; how != "instance" {
				t.Errorf("isolation %q", how)
			}
		})
	}
	m := loadGuest(t, "command", func(p *host.Package) { p.Limits.Output = 5 })
	_, err := call(t, m, "command", []byte("six..."))
	wantFailure(t, err, host.CodeTrap, "limits.output")
	if out, err := call(t, m, "command", []byte("five.")); err != nil || string(out) != "five." {
		t.Errorf("at the limit: %q, %v", out, err)
	}
}

// TestCommandsAtOnce: instances made ahead of need are each used once.
func TestCommandsAtOnce(t *testing.T) {
	m := loadGuest(t, "command", func(p *host.Package) { p.Limits.Instances = 3 })
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 50 {
				in := bytes.Repeat([]byte{byte(i)}, 100+i)
				if out, err := call(t, m, "command", in); err != nil || !bytes.Equal(out, in) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	group.Wait()
	waitFor(t, func() bool { u := m.Status(); return u.Busy == 0 && u.Instances > 0 })
}

// TestWapcErrorWithoutText: a guest that failed and does not say why has an error
// with a text all the same.
func TestWapcErrorWithoutText(t *testing.T) {
	m := loadGuest(t, "work_wapc", func(p *host.Package) { p.Manifest.Functions = host.Symbols{"fail"} })
	_, err := call(t, m, "fail", nil)
	wantFailure(t, err, host.CodeRejected)
	if host.Cause(err) == "" {
		t.Errorf("%v says nothing", err)
	}
}

// TestOutputIsLogged: what a guest writes goes to its log, line by line, when
// the call is over also what has no end of line.
func TestOutputIsLogged(t *testing.T) {
	for _, mode := range []string{"keep", "fresh", "instance"} {
		var log lines
		m := loadGuest(t, "stderr", isolated(mode, func(p *host.Package) { p.Log = &log }))
		for _, line := range []string{"first\nsecond\n", "third"} {
			if _, err := call(t, m, "print", []byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := call(t, m, "shout", []byte("fourth"))
		wantFailure(t, err, host.CodeTrap)
		if got := log.all(); got != "INFO first, INFO second, INFO third, INFO fourth" {
			t.Errorf("%s: the log is %q", mode, got)
		}
	}
}

// TestSleep: a guest that may look at the clock sleeps, and is interrupted in
// its sleep; one that may not returns at once.
func TestSleep(t *testing.T) {
	nanoseconds := func(d time.Duration) []byte {
		n := uint64(d)
		return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32), byte(n >> 40), byte(n >> 48), byte(n >> 56)}
	}
	denied := loadGuest(t, "sleep", nil)
	if _, err := call(t, denied, "sleep", nanoseconds(24*time.Hour)); err != nil {
		t.Errorf("without the clock: %v", err)
	}
	m := loadGuest(t, "sleep", func(p *host.Package) { p.Grants.Clock, p.Limits.Timeout = true, 200*time.Millisecond })
	begun := time.Now()
	if _, err := call(t, m, "sleep", nanoseconds(20*time.Millisecond)); err != nil || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("it slept %s, %v", time.Since(begun), err)
	}
	_, err := call(t, m, "sleep", nanoseconds(24*time.Hour))
	wantFailure(t, err, host.CodeTimeout, "200ms")
}
