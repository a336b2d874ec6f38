package sandbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

// What a soak may leave behind, in bytes.
const (
	soakHeap     = 16 << 20
	soakResident = 128 << 20
	soakFiles    = 8
)

// soak is the hostile corpus against live traffic, in one engine.
type soak struct {
	*testing.T
	engine  *sandbox.Engine
	modules []host.Module
	healthy []healthy
	hostile []*hostileGuest
	bombs   []bomb
	stop    atomic.Bool
	attacks atomic.Int64
	builds  atomic.Int64
}

// healthy is a plugin that behaves. Its nth call is checked by the function.
type healthy struct {
	name  string
	call  func(n int) error
	calls *atomic.Int64
}

// hostileGuest is a plugin from which an attack comes.
type hostileGuest struct {
	attack
	module host.Module
	call   host.Function
}

// TestSoak: all hostile guests at once, against plugins that are called all the
// time. Every answer of these is right, every attack ends as it should, and when
// all is over nothing is left of it. Afterwards it is run again, longer, and must
// not take more than the first time.
func TestSoak(t *testing.T) {
	whole := enginetest.TimeFrom(t, "BERTH_SOAK", 3*time.Second)
	enginetest.NoGoroutines(t)
	s := &soak{T: t, engine: sandbox.New()}
	s.loadHealthy()
	s.loadHostile()
	s.run(whole / 4)
	first := s.holds()
	s.run(whole - whole/4)
	last := s.holds()
	t.Logf("%d attacks, %d builds; first %+v, last %+v", s.attacks.Load(), s.builds.Load(), first, last)
	for _, h := range s.healthy {
		t.Logf("%s: %d calls", h.name, h.calls.Load())
		if h.calls.Load() == 0 {
			t.Errorf("%s was never called", h.name)
		}
	}
	if last.heap > first.heap+soakHeap || last.resident > first.resident+soakResident || last.files > first.files+soakFiles {
		t.Errorf("it holds %+v, and held %+v after a quarter of the time", last, first)
	}
}

func (s *soak) load(p *host.Package) host.Module {
	m := loadInto(s, s.engine, p)
	s.modules = append(s.modules, m)
	return m
}

// loadHealthy loads plugins of all ABIs and kinds of isolation.
func (s *soak) loadHealthy() {
	add := func(name string, call func(n int) error) {
		s.healthy = append(s.healthy, healthy{name, call, new(atomic.Int64)})
	}
	guest := func(name string, changes ...func(*host.Package)) host.Module {
		p := guestPackage(s, name)
		for _, change := range changes {
			change(p)
		}
		return s.load(p)
	}
	same := func(name, function string, changes ...func(*host.Package)) {
		f := bind(s, guest(name, changes...), function)
		add(name, func(n int) error {
			in := fmt.Sprintf("call %d %s", n, strings.Repeat("x", n%3000))
			out, err := f.Call(context.Background(), nil, []byte(in))
			return answered(out, err, in)
		})
	}
	same("echo", "echo")
	same("extism", "run")
	same("command", "command")
	same("wapc", "wapc")
	sum := bind(s, guest("add"), "add")
	add("add", func(n int) error {
		out, err := sum.Call(context.Background(), nil, fmt.Appendf(nil, "[%d,%d]", n, 2*n))
		return answered(out, err, strconv.Itoa(3*n))
	})
	for _, isolation := range []string{"fresh", "instance"} {
		m := guest("leak", isolated(isolation))
		put, get := bind(s, m, "put"), bind(s, m, "get")
		add(isolation, func(n int) error {
			if _, err := put.Call(context.Background(), nil, fmt.Appendf(nil, "secret %d", n)); err != nil {
				return err
			}
			out, err := get.Call(context.Background(), nil, nil)
			return answered(out, err, "")
		})
	}
}

func answered(out []byte, err error, want string) error {
	if err == nil && string(out) != want {
		err = fmt.Errorf("a wrong answer: %.60q, want %.60q", out, want)
	}
	return err
}

// loadHostile loads the corpus, some of it for the interpreter.
func (s *soak) loadHostile() {
	for i, a := range corpus() {
		change := func(*host.Package) {}
		if i%4 == 3 {
			change = interpreted
		}
		m := a.module(s, s.engine, change)
		s.modules = append(s.modules, m)
		s.hostile = append(s.hostile, &hostileGuest{a, m, bind(s, m, a.function)})
	}
	s.bombs = bombs()
}

// run lets everybody do his worst for a time, and waits for all.
func (s *soak) run(long time.Duration) {
	s.stop.Store(false)
	end := time.AfterFunc(long, func() { s.stop.Store(true) })
	defer end.Stop()
	var group sync.WaitGroup
	for _, h := range s.healthy {
		group.Go(func() {
			for n := 0; !s.stop.Load(); n++ {
				if err := h.call(n); err != nil {
					s.fail("%s, call %d: %v", h.name, n, err)
				}
				h.calls.Add(1)
			}
		})
	}
	const workers = 6 // each guest has one of them to itself
	for w := range workers {
		group.Go(func() {
			for round := 0; round == 0 || !s.stop.Load(); round++ {
				for i := w; i < len(s.hostile) && (round == 0 || !s.stop.Load()); i += workers {
					s.hit(s.hostile[i])
				}
			}
		})
	}
	group.Go(s.build)
	group.Go(s.come)
	group.Wait()
}

// fail reports a fault and ends the run.
func (s *soak) fail(format string, args ...any) {
	s.Errorf(format, args...)
	s.stop.Store(true)
}

// hit makes an attack. Now and then its caller gives up in the midst of it.
func (s *soak) hit(h *hostileGuest) {
	s.attacks.Add(1)
	ctx, cancel := context.Background(), func() {}
	if rand.IntN(8) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(int(attackTime))))
	}
	defer cancel()
	out, err := h.call.Call(ctx, []byte("kept"), h.in)
	if ctx.Err() != nil && err != nil && host.CodeOf(err) == host.CodeTimeout {
		return
	}
	if err != nil && host.CodeOf(err) == host.CodeUnavailable {
		return // on a machine this busy, the instance that the last attack cost was not made anew within the deadline
	}
	if fault := h.judge(out, err); fault != nil {
		s.fail("%s: %v", h.name(), fault)
	}
}

// build loads what is refused.
func (s *soak) build() {
	for i := 0; !s.stop.Load(); i++ {
		b := s.bombs[i%len(s.bombs)]
		p := wasmPackage(s, "bomb", b.build())
		m, err := s.engine.Load(context.Background(), p)
		if err == nil {
			_ = m.Close(context.Background())
			s.fail("%s: it is loaded", b.name)
		} else if host.CodeOf(err) != host.CodeInvalid {
			s.fail("%s: %v", b.name, err)
		}
		removeAll(s, p)
		s.builds.Add(1)
	}
}

// come loads hostile guests, makes their attack, and closes them in the midst of
// another.
func (s *soak) come() {
	attacks := corpus()
	for i := 0; !s.stop.Load(); i++ {
		a := attacks[i%len(attacks)]
		p := a.pack(s)
		m, err := s.engine.Load(context.Background(), p)
		if err != nil {
			s.fail("%s: %v", a.name(), err)
			return
		}
		f := bind(s, m, a.function)
		if fault := a.judge(f.Call(context.Background(), []byte("kept"), a.in)); fault != nil {
			s.fail("%s: %v", a.name(), fault)
		}
		begun, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			close(begun)
			_, _ = f.Call(context.Background(), nil, a.in)
		}()
		<-begun
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		if err := m.Close(ctx); err != nil {
			s.fail("%s: close: %v", a.name(), err)
		}
		cancel()
		<-ended
		removeAll(s, p)
	}
}

func removeAll(s *soak, p *host.Package) {
	for _, dir := range []string{p.Dir, p.Cache} {
		if err := os.RemoveAll(dir); err != nil {
			s.fail("%v", err)
		}
	}
}

// holding is what a process holds.
type holding struct {
	heap, resident int64 // bytes
	files          int
}

// holds waits until no call is in flight, checks that no instance is lost, and
// tells what the process holds.
func (s *soak) holds() holding {
	for i, m := range s.modules {
		waitFor(s, func() bool { return m.Status().Busy == 0 })
		if n := m.Status().Instances; n > host.DefaultLimits().Instances {
			s.Errorf("module %d has %d instances", i, n)
		}
	}
	for _, h := range s.hostile {
		if n := h.module.Status().Instances; n > attackInstances {
			s.Errorf("%s has %d instances, and may have %d", h.name(), n, attackInstances)
		}
	}
	heap := enginetest.HeapInUse()
	debug.FreeOSMemory()
	return holding{heap, residentSize(s), openFiles(s)}
}
