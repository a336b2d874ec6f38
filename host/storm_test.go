package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/host/lookup"
	"berth/sandbox"
)

// stormTime is how long both storms take together.
func stormTime(t *testing.T) time.Duration {
	return enginetest.TimeFrom(t, "BERTH_STORM", 5*time.Second)
}

// phase is what a plugin's owner knows of it.
type phase struct {
	life      int  // grows when the plugin is about to be installed or dropped
	there     bool // installed, and not being dropped
	gone      bool // dropped, and not being installed
	low, high int  // the versions that may answer
}

// stormPlugin is installed, updated and dropped by one goroutine, and called by
// all. phase is set before and after each operation, so that a call knows from
// what it was at its begin and end what it must and may have got.
type stormPlugin struct {
	name  string
	uri   string
	path  string
	extra bool // a second function is registered
	phase atomic.Pointer[phase]
}

func (p *stormPlugin) function() string { return "f" + p.name }

// verdict tells what is wrong with the answer of a call that began in phase b
// and ended in phase a.
func verdict(b, a *phase, version int, err error) error {
	found := err == nil
	switch {
	case err != nil && host.CodeOf(err) != host.CodeNotFound:
		return fmt.Errorf("the call failed: %w", err)
	case b.life == a.life && b.there && !found:
		return fmt.Errorf("AN INSTALLED FUNCTION WAS NOT FOUND: %w", err)
	case b == a && b.gone && found:
		return errors.New("A CALL AFTER THE DROP WAS ANSWERED SUCCEEDED")
	case found && (version < b.low || version > a.high):
		return fmt.Errorf("version %d answered, from %d to %d may", version, b.low, a.high)
	}
	return nil
}

// storm is one run: a host, its plugins, and how their builds are made.
type storm struct {
	*rig
	plugins []*stormPlugin
	build   func(p *stormPlugin, version int) string
	version func(answer string) string // what stands for the version in it
	stop    atomic.Bool
	calls   atomic.Int64
	changes atomic.Int64
}

func (s *storm) fail(format string, args ...any) {
	s.t.Errorf(format, args...)
	s.stop.Store(true)
}

// call calls p's function and judges the answer.
func (s *storm) call(p *stormPlugin) {
	before := p.phase.Load()
	out, err := s.Invoke(context.Background(), p.function(), nil, nil)
	after := p.phase.Load()
	version := 0
	if err == nil {
		var wrong error
		if version, wrong = strconv.Atoi(s.version(string(out))); wrong != nil {
			s.fail("%s answered %q", p.name, out)
			return
		}
	}
	s.calls.Add(1)
	if fault := verdict(before, after, version, err); fault != nil {
		s.fail("%s: %v (phase %+v, then %+v)", p.name, fault, *before, *after)
	}
}

// change does one operation on p, which the caller owns.
func (s *storm) change(p *stormPlugin, random *rand.Rand) {
	now := *p.phase.Load()
	during, after := now, now
	request := func() host.Request {
		data := zipOf(s.t, files{p.name + ".wasm": s.build(p, after.high)})
		if err := os.WriteFile(p.path, data, 0o600); err != nil {
			s.fail("%v", err)
		}
		p.extra = false
		return host.Request{Name: p.name, File: p.uri, Functions: []string{p.function()}}
	}
	var operation func() error
	switch n := random.IntN(10); {
	case now.gone:
		during = phase{life: now.life + 1, low: now.high + 1, high: now.high + 1}
		after = during
		after.there = true
		operation = func() error { _, err := s.Install(context.Background(), request()); return err }
	case n < 5:
		during.high = now.high + 1
		after.low, after.high = during.high, during.high
		operation = func() error { _, err := s.Update(context.Background(), request()); return err }
	case n < 7:
		p.extra = !p.extra
		functions := []string{p.function()}
		if p.extra {
			functions = append(functions, "g"+p.name)
		}
		operation = func() error { return s.Register(context.Background(), host.Functions, p.name, functions) }
	default:
		during = phase{life: now.life + 1, low: now.low, high: now.high}
		after = during
		after.gone = true
		operation = func() error { return s.Drop(context.Background(), host.Functions, p.name) }
	}
	p.phase.Store(&during)
	if err := operation(); err != nil {
		s.fail("changing %s from %+v to %+v: %v", p.name, now, after, err)
	}
	p.phase.Store(&after)
	s.changes.Add(1)
}

// run lets goroutines change what they own and call what all own.
func (s *storm) run(long time.Duration) {
	const each = 4
	workers := 2 * runtime.GOMAXPROCS(0)
	dir := s.t.TempDir()
	for i := range workers * each {
		p := &stormPlugin{name: fmt.Sprintf("p%d", i)}
		p.path = filepath.Join(dir, p.name+".zip")
		p.uri = "file://" + p.path
		p.phase.Store(&phase{gone: true})
		s.plugins = append(s.plugins, p)
	}
	end := time.AfterFunc(long, func() { s.stop.Store(true) })
	defer end.Stop()
	seed := rand.Uint64()
	s.t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			own := s.plugins[w*each : (w+1)*each]
			for !s.stop.Load() {
				if random.IntN(12) == 0 {
					p := own[random.IntN(each)]
					s.change(p, random)
					s.call(p)
					continue
				}
				s.call(s.plugins[random.IntN(len(s.plugins))])
			}
		})
	}
	for range runtime.GOMAXPROCS(0) { // and some only call: changes wait for the disk
		wg.Go(func() {
			for !s.stop.Load() {
				s.call(s.plugins[rand.IntN(len(s.plugins))])
			}
		})
	}
	wg.Wait()
	s.clean()
	for _, p := range s.plugins {
		s.call(p)
	}
	s.t.Logf("%d calls, %d changes", s.calls.Load(), s.changes.Load())
	if s.calls.Load() < 100 || s.changes.Load() < int64(workers) {
		s.t.Errorf("%d calls and %d changes are no storm", s.calls.Load(), s.changes.Load())
	}
}

// inMemory gives the host a data folder in memory, if there is such a thing: a
// storm is about what happens between two changes, not about the disk's time.
func inMemory(t *testing.T, r *rig) {
	if dir, err := os.MkdirTemp("/dev/shm", "berth-host-"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		r.dir = dir
	}
}

// tightCache gives the host the real cache with little room.
func tightCache(t *testing.T, budget int64) func(*rig) {
	return func(r *rig) {
		inMemory(t, r)
		cache, err := lookup.New(budget, lookup.Options{Weigh: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		r.cache, r.config.Cache = cache, cache
	}
}

// TestStormFake: no call ever reaches a closed module, no call after a drop was
// answered succeeds, no installed function is ever not found, and who calls
// after an update was answered gets the new version. The cache has room for
// some of the plugins only, so they come and go all the time.
func TestStormFake(t *testing.T) {
	e := &fakeEngine{call: func(context.Context, fakeCall) error { runtime.Gosched(); return nil }}
	r := newRig(t, func(r *rig) { withFake(e)(r); tightCache(t, 5<<20)(r) })
	s := &storm{rig: r}
	s.build = func(p *stormPlugin, version int) string {
		return fakeBuild{Version: strconv.Itoa(version), Functions: []string{p.function(), "g" + p.name}, Memory: 1 << 20}.String()
	}
	s.version = func(answer string) string { version, _, _ := strings.Cut(answer, ":"); return version }
	s.run(stormTime(t) / 2)
	r.stop()
	e.check(t)
	if n := e.busyClose.Load(); n > 0 {
		t.Errorf("%d modules were closed with calls inside", n)
	}
	if loads := e.loads.Load(); loads <= s.changes.Load() {
		t.Errorf("%d loads for %d changes: nothing was evicted", loads, s.changes.Load())
	}
}

// stormBudget is for five guests: each counts 56 KiB and its code.
const stormBudget = 300 << 10

// TestStormSandbox is the same with guests.
func TestStormSandbox(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Engines = []host.Engine{sandbox.New()}; tightCache(t, stormBudget)(r) })
	s := &storm{rig: r, version: func(answer string) string { return answer }}
	s.build = func(p *stormPlugin, version int) string {
		return constant(int32(version), p.function(), "g"+p.name)
	}
	s.run(stormTime(t) / 2)
	table := r.cache.(*lookup.Table)
	waitFor(t, "the budget is kept", func() bool { _, bytes := table.Usage(); return bytes <= stormBudget })
	if held, _ := table.Usage(); held >= len(s.plugins)/2 {
		t.Errorf("%d of %d plugins are loaded: the budget is not tight", held, len(s.plugins))
	}
}
