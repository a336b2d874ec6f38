package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

// attack is a call of a guest of testdata/hostile: each says what it tries. The
// guests misbehave in ways that the compiler, the host functions and the limits
// have to stand; those of hostile_test.go only give bad answers.
type attack struct {
	guest, function string
	in              []byte
	change          func(*host.Package)
	wasm            []byte // of the guest, where it is no file

	// What is to come of it: an error of this code that says these words; or an
	// answer that good likes, if there is one.
	code host.Code
	says []string
	good func(out []byte) error
}

// What attacks may use.
const (
	attackMemory    = 4 << 20
	attackOutput    = 1 << 20
	attackTime      = 10 * time.Millisecond
	attackInstances = 1
)

func (a *attack) name() string {
	name := a.guest + "/" + a.function
	if len(a.in) > 0 {
		name += fmt.Sprintf("/%.20q", a.in)
	}
	return name
}

// hostilePackage unpacks a guest of testdata/hostile.
func hostilePackage(tb testing.TB, guest string, changes ...func(*host.Package)) *host.Package {
	tb.Helper()
	return hostileBuild(tb, guest, hostileWasm(tb, guest), changes...)
}

func hostileWasm(tb testing.TB, guest string) []byte {
	tb.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "hostile", guest+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

func hostileBuild(tb testing.TB, guest string, wasm []byte, changes ...func(*host.Package)) *host.Package {
	tb.Helper()
	p := wasmPackage(tb, guest, wasm)
	p.Log = quiet{}
	p.Limits = host.Limits{Memory: attackMemory, Input: attackOutput, Output: attackOutput, Timeout: generous, Instances: attackInstances}
	for _, change := range changes {
		if change != nil {
			change(p)
		}
	}
	return p
}

// quiet is a plugin's log that nobody reads. Without any, guests that flood it
// would have an easier time.
type quiet struct{}

func (quiet) Line(slog.Level, string) {}

// pack unpacks the package that the attack comes from.
func (a *attack) pack(tb testing.TB, changes ...func(*host.Package)) *host.Package {
	tb.Helper()
	wasm := a.wasm
	if wasm == nil {
		wasm = hostileWasm(tb, a.guest)
	}
	p := hostileBuild(tb, a.guest, wasm, append(changes, a.change)...)
	if a.code == host.CodeTimeout {
		p.Limits.Timeout = attackTime
	}
	return p
}

// module loads it.
func (a *attack) module(tb testing.TB, e *sandbox.Engine, changes ...func(*host.Package)) host.Module {
	tb.Helper()
	return loadInto(tb, e, a.pack(tb, changes...))
}

// verdict says what is wrong with what came of the attack; nil if nothing is.
func (a *attack) verdict(out []byte, err error) error {
	if a.good != nil {
		if err != nil {
			return fmt.Errorf("it failed: %w", err)
		}
		return a.good(out)
	}
	if err == nil {
		return fmt.Errorf("it was answered with %.40q, want %s", out, a.code)
	}
	if code := host.CodeOf(err); code != a.code {
		return fmt.Errorf("code %s of %q, want %s", code, err, a.code)
	}
	text := err.Error()
	for _, want := range a.says {
		if !strings.Contains(text, want) {
			return fmt.Errorf("%q does not say %q", text, want)
		}
	}
	// What a guest says itself may have several lines.
	if len(text) > 8<<10 || strings.ContainsAny(text, "\n\r") && a.code != host.CodeRejected {
		return fmt.Errorf("the message is no line: %d bytes, %.200q", len(text), text)
	}
	return nil
}

// corpusHeap is by how much the heap of the host may have grown when all attacks
// are over, in bytes: less than what one of their instances may use.
const corpusHeap = attackMemory

// TestCorpus: each attack takes no more time and memory than it may, fails the way
// it should, and leaves nothing behind; and another plugin's calls, in the same
// engine, are answered meanwhile.
func TestCorpus(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": nil, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			e := sandbox.New()
			healthy := newWitness(t, e)
			before := enginetest.HeapInUse()
			for _, a := range corpus() {
				t.Run(a.name(), func(t *testing.T) { a.run(t, e, healthy, change) })
			}
			if grown := enginetest.HeapInUse() - before; grown > corpusHeap {
				t.Errorf("the heap grew by %d bytes", grown)
			}
		})
	}
}

// run makes the attack, and again with the instance that it left, or another.
func (a *attack) run(t *testing.T, e *sandbox.Engine, healthy *witness, change func(*host.Package)) {
	m := a.module(t, e, change)
	code := m.Status().Memory
	f := bind(t, m, a.function)
	stop := healthy.watch(t)
	for range attackInstances + 1 {
		begun := time.Now()
		out, err := f.Call(t.Context(), []byte("kept"), a.in)
		if fault := a.judge(out, err); fault != nil {
			t.Error(fault)
		}
		if took := time.Since(begun); took > generous/3 {
			t.Errorf("it took %s", took)
		}
	}
	stop()
	a.leftovers(t, m, code)
}

// judge is verdict, of a call with a dst.
func (a *attack) judge(out []byte, err error) error {
	rest, kept := bytes.CutPrefix(out, []byte("kept"))
	switch {
	case !kept:
		return fmt.Errorf("dst is %.40q, want it as it was", out)
	case err != nil && len(rest) > 0:
		return fmt.Errorf("an error, and %.40q", rest)
	}
	return a.verdict(rest, err)
}

// leftovers checks what a module holds when no call is in flight: beside linear
// memory there are what its ABI and its tables hold.
func (a *attack) leftovers(t *testing.T, m host.Module, code int64) {
	t.Helper()
	waitFor(t, func() bool { return m.Status().Busy == 0 })
	status := m.Status()
	if status.Instances > attackInstances {
		t.Errorf("%d instances, and %d are allowed", status.Instances, attackInstances)
	}
	if most := code + attackInstances*3*attackMemory; status.Memory > most {
		t.Errorf("%d bytes are held, more than %d", status.Memory, most)
	}
}

// witness is a plugin that behaves, whose answers are checked.
type witness struct{ echo host.Function }

func newWitness(tb testing.TB, e *sandbox.Engine) *witness {
	return &witness{bind(tb, loadInto(tb, e, guestPackage(tb, "echo")), "echo")}
}

// watch calls the plugin until stop is called, which says what was wrong.
func (w *witness) watch(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	first := make(chan struct{})
	go func() {
		begun := first
		for i := 0; ctx.Err() == nil; i++ {
			in := fmt.Sprintf("call %d", i)
			out, err := w.echo.Call(t.Context(), nil, []byte(in))
			if err == nil && string(out) != in {
				err = errors.New("the answer is wrong")
			}
			if begun != nil {
				close(begun)
				begun = nil
			}
			if err != nil {
				done <- fmt.Errorf("echo(%q): %q, %w", in, out, err)
				return
			}
		}
		done <- nil
	}()
	<-first
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("another plugin: %v", err)
		}
	}
}
