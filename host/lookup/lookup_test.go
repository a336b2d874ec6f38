package lookup

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func constant(bytes int64) func(string) int64 { return func(string) int64 { return bytes } }

func TestBudgetIsKept(t *testing.T) {
	sizes := map[string]int64{}
	const budget = 20 * kib
	w := newWorld(t, budget, func(plugin string) int64 { return sizes[plugin] }, nil)
	for i := range 60 {
		name := fmt.Sprintf("p%d", i)
		sizes[name] = int64(1+i%7) * kib
		w.install(name, name)
	}
	for round := range 3 {
		for i := range 60 {
			w.call(fmt.Sprintf("p%d", (i*7+round)%60))
			if _, bytes := w.table.Usage(); bytes > budget {
				t.Errorf("round %d: after a call %d bytes are held, the budget is %d", round, bytes, budget)
			}
		}
		w.settle()
		n, bytes := w.engine.live()
		if bytes > budget || n == 0 {
			t.Errorf("round %d: %d modules of %d bytes live, the budget is %d", round, n, bytes, budget)
		}
	}
	w.close()
}

func TestEvictedIsLoadedAgain(t *testing.T) {
	w := newWorld(t, mib, constant(mib), nil)
	w.install("a", "a")
	w.install("b", "b")
	for range 20 {
		w.call("a")
		w.call("b")
	}
	w.settle()
	if a, b := w.engine.loads("a"), w.engine.loads("b"); a+b < 3 {
		t.Errorf("a was loaded %d times, b %d times: they do not fit together", a, b)
	}
}

func TestHotPluginSurvivesScan(t *testing.T) {
	w := newWorld(t, 50*kib, constant(kib), nil)
	w.install("hot", "hot")
	w.install("warm", "warm")
	for i := range 300 {
		name := fmt.Sprintf("cold%d", i)
		w.install(name, name)
		w.call("hot")
	}
	for range 3 {
		for i := range 300 {
			w.call(fmt.Sprintf("cold%d", i))
			w.call("hot")
			if i%10 == 0 {
				w.call("warm")
			}
		}
	}
	w.settle()
	if n := w.engine.loads("hot"); n != 1 {
		t.Errorf("the hot plugin was loaded %d times", n)
	}
	// Its first calls may not be counted before others take its place.
	if n := w.engine.loads("warm"); n > 5 {
		t.Errorf("a plugin that is called thirty times as often as each of the cold ones was loaded %d times in 90 calls", n)
	}
	if n, _ := w.engine.live(); n != 50 {
		t.Errorf("%d modules live, 50 fit", n)
	}
}

func TestNewHotPluginGetsIn(t *testing.T) {
	w := newWorld(t, 4*mib, constant(mib), nil)
	for i := range 4 {
		name := fmt.Sprintf("old%d", i)
		w.install(name, name)
		for range 200 {
			w.call(name)
		}
	}
	w.install("new", "new")
	const calls = 2000
	for range calls {
		w.call("new")
		w.call("old0")
	}
	w.settle()
	if n := w.engine.loads("new"); n > calls/4 {
		t.Errorf("a plugin that is called as often as the others was loaded %d times in %d calls", n, calls)
	}
	t.Logf("loaded %d times in %d calls", w.engine.loads("new"), calls)
}

func TestOverBudgetIsRefusedAndLogged(t *testing.T) {
	w := newWorld(t, mib, constant(mib+1), nil)
	var out strings.Builder
	w.table.log = slog.New(slog.NewTextHandler(&out, nil))
	w.install("big", "big")
	for range 3 {
		w.call("big")
	}
	w.settle()
	if n, bytes := w.table.Usage(); n != 0 || bytes != 0 {
		t.Errorf("%d activations of %d bytes are held", n, bytes)
	}
	if n := w.engine.loads("big"); n != 4 { // the install's own, and each call's
		t.Errorf("loaded %d times", n)
	}
	if n := strings.Count(out.String(), "loaded anew for each call"); n != 1 {
		t.Errorf("logged %d times: %s", n, out.String())
	}
}

func TestGrowingIsNoticed(t *testing.T) {
	w := newWorld(t, 10*mib, constant(mib), nil)
	for i := range 10 {
		name := fmt.Sprintf("p%d", i)
		w.install(name, name)
	}
	w.settle()
	for _, m := range w.engine.all() {
		if m.plugin == "p3" {
			m.memory.Store(8 * mib)
		}
		if m.plugin == "p5" {
			m.memory.Store(11 * mib)
		}
	}
	for range 1000 {
		w.call("p3")
	}
	w.table.weigh()
	w.settle()
	if n, bytes := w.engine.live(); bytes > 10*mib || n == 0 {
		t.Errorf("%d modules of %d bytes live", n, bytes)
	}
	if n := w.engine.loads("p3"); n != 1 {
		t.Errorf("p3, which is hot, was loaded %d times", n)
	}
}

func TestFunctionsThatAreGoneAreNotFound(t *testing.T) {
	w := newWorld(t, mib, constant(1), nil)
	w.install("p", "one", "two")
	if err := w.host.Register(context.Background(), host.Functions, "p", []string{"two", "three"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"one": false, "two": true, "three": true} {
		if _, ok := w.table.Get(name); ok != want {
			t.Errorf("%s: found %t", name, ok)
		}
	}
	if err := w.host.Drop(context.Background(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.table.Get("two"); ok {
		t.Error("a function of a dropped plugin is found")
	}
}

// collector keeps what the host offers, so that a test can order its ways.
type collector struct {
	host.Cache
	mu   sync.Mutex
	puts []*host.Activation
}

func (c *collector) Put(a *host.Activation) {
	c.mu.Lock()
	c.puts = append(c.puts, a)
	c.mu.Unlock()
}

// pair returns two activations of one plugin that the table never saw.
func pair(t *testing.T) (table *Table, first, second *host.Activation, e *engine) {
	c := &collector{}
	w := newWorld(t, mib, constant(1), func(cache host.Cache) host.Cache { c.Cache = cache; return c })
	w.install("p", "f")
	c.mu.Lock()
	first = c.puts[0]
	c.mu.Unlock()
	first.Evict()
	w.call("f")
	c.mu.Lock()
	second = c.puts[1]
	c.mu.Unlock()
	if first == second || first.Plugin() != second.Plugin() {
		t.Fatal("no two activations of one plugin")
	}
	return w.table, first, second, w.engine
}

func TestRemoveWinsAgainstQueuedPut(t *testing.T) {
	table, a, b, _ := pair(t)
	for i := range 2000 {
		table.Put(a)
		table.Remove(a)
		if i%2 == 0 {
			table.policy.Wait()
		}
		if n, bytes := table.Usage(); n != 0 || bytes != 0 {
			t.Fatalf("round %d: %d activations of %d bytes", i, n, bytes)
		}
		if _, ok := table.Get("f"); ok {
			t.Fatalf("round %d: a removed function is found", i)
		}
	}
	table.policy.Wait()
	if room := table.policy.RemainingCost(); room != mib {
		t.Errorf("nothing is held, but the policy has room for %d only", room)
	}
	table.Put(b)
	table.policy.Wait()
	if bound, ok := table.Get("f"); !ok || bound.Activation() != b {
		t.Error("what was put last is not found")
	}
	table.Remove(b)
}

func TestSuccessorStays(t *testing.T) {
	table, a, b, _ := pair(t)
	for i := range 2000 {
		table.Put(a)
		if i%3 == 0 {
			table.policy.Wait()
		}
		var wg sync.WaitGroup
		wg.Go(func() { table.Put(b) })
		wg.Go(func() { table.Remove(a) })
		wg.Wait()
		if i%2 == 0 {
			table.policy.Wait()
		}
		if bound, ok := table.Get("f"); !ok || bound.Activation() != b {
			t.Fatalf("round %d: the successor is not found", i)
		}
		if n, bytes := table.Usage(); n != 1 || bytes != 1 {
			t.Fatalf("round %d: %d activations of %d bytes", i, n, bytes)
		}
		table.policy.Wait()
		if value, ok := table.policy.Get(b.Plugin()); !ok || value != b {
			t.Fatalf("round %d: the policy does not have the successor", i)
		}
		table.Remove(b)
	}
	table.policy.Wait()
	if room := table.policy.RemainingCost(); room != mib {
		t.Errorf("nothing is held, but the policy has room for %d only", room)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	w := newWorld(t, mib, constant(1), nil)
	w.install("p", "f")
	name := string([]byte("f"))
	if n := testing.AllocsPerRun(10_000, func() {
		if _, ok := w.table.Get(name); !ok {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if n := testing.AllocsPerRun(10_000, func() { w.table.Get("none") }); n != 0 {
		t.Errorf("a miss allocates %v times", n)
	}
}

func TestClose(t *testing.T) {
	table, a, b, e := pair(t)
	table.Put(a)
	table.Put(b)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10_000 {
				table.Get("f")
			}
		})
		wg.Go(table.Close)
	}
	wg.Wait()
	if _, ok := table.Get("f"); ok {
		t.Error("a closed table finds a function")
	}
	if n, bytes := table.Usage(); n != 0 || bytes != 0 {
		t.Errorf("%d activations of %d bytes", n, bytes)
	}
	if !becomes(func() bool { n, _ := e.live(); return n == 0 }) {
		t.Error("what was held was not evicted")
	}
	table.Put(a)
	table.Remove(a)
}

func TestNewRefuses(t *testing.T) {
	for _, budget := range []int64{0, -1} {
		if _, err := New(budget, Options{}); err == nil {
			t.Errorf("a budget of %d is taken", budget)
		}
	}
	if _, err := New(1, Options{Weigh: -1}); err == nil {
		t.Error("a negative Weigh is taken")
	}
}

// TestStorm calls, installs, updates, drops and weighs all at once, with room
// for a quarter of the plugins.
func TestStorm(t *testing.T) {
	const plugins, budget = 24, 30 * mib
	w := newWorld(t, budget, func(plugin string) int64 { return int64(1+len(plugin)%3*4) * mib }, nil)
	names := make([]string, plugins)
	for i := range names {
		names[i] = fmt.Sprintf("stays%0*d", 1+i%3, i)
		w.install(names[i], names[i], names[i]+"_2")
	}
	end := time.Now().Add(2 * time.Second)
	var wg sync.WaitGroup
	storm := func(step func(n int)) {
		wg.Go(func() {
			for n := 0; time.Now().Before(end) && !t.Failed(); n++ {
				step(n)
			}
		})
	}
	for range 5 {
		storm(func(int) {
			name := names[min(rand.IntN(plugins), rand.IntN(plugins))]
			w.call(name)
			w.call(name + "_2")
		})
	}
	storm(func(n int) {
		name := names[rand.IntN(plugins)]
		if _, err := w.host.Update(context.Background(), w.request(name, fmt.Sprint("v", n+2), name, name+"_2")); err != nil {
			t.Error(err)
		}
	})
	storm(func(n int) {
		name := fmt.Sprintf("goes%d", n%3)
		w.install(name, name)
		w.call(name)
		if err := w.host.Drop(context.Background(), host.Functions, name); err != nil {
			t.Error(err)
		}
		if _, err := w.host.Invoke(context.Background(), name, nil, nil); host.CodeOf(err) != host.CodeNotFound {
			t.Errorf("a dropped function: %v", err)
		}
	})
	storm(func(int) {
		if modules := w.engine.all(); len(modules) > 0 {
			modules[rand.IntN(len(modules))].memory.Store((1 + rand.Int64N(12)) * mib)
		}
		w.table.weigh()
	})
	wg.Wait()
	w.table.weigh()
	w.settle()
	if n, bytes := w.engine.live(); bytes > budget || n == 0 {
		t.Errorf("%d modules of %d bytes live, the budget is %d", n, bytes, budget)
	}
	t.Logf("%d modules were loaded", len(w.engine.all()))
	w.close()
}
