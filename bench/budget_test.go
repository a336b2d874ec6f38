package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// BenchmarkBudget calls 10,000 installed plugins, with a budget for 200 of them,
// while one function is called without a pause. It reports how much memory the
// process took for plugins at the most, as a share of the budget, and fails when
// a call is not answered.
func BenchmarkBudget(b *testing.B) {
	const plugins, fit = 10_000, 200
	dir := b.TempDir()
	functions := furnish(b, dir, plugins)
	for _, order := range []struct {
		name    string
		of      func(n, i int) int
		callers int
	}{
		{"order=installed/callers=1", inOrder, 1},
		{"order=random/callers=16", atRandom, 16},
	} {
		b.Run(order.name, func(b *testing.B) {
			s := newScan(b, dir, functions, fit)
			for b.Loop() {
				s.run(order.callers, order.of)
			}
			s.report()
		})
	}
}

func inOrder(_, i int) int  { return i }
func atRandom(n, _ int) int { return rand.IntN(n) }

// furnish lays a data folder out with installed plugins of one function each, as
// a host that installed them would leave it, without a compilation cache.
func furnish(tb testing.TB, dir string, plugins int) (functions []string) {
	tb.Helper()
	write := func(path string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	var records []host.Record
	for i := range plugins {
		function, wasm := named(tb, i)
		digest := sha256.Sum256(wasm)
		r := host.Record{
			Name: fmt.Sprintf("plugin%d", i), Digest: hex.EncodeToString(digest[:]), Source: "file:///dev/null",
			Functions: []string{function}, Encodings: map[string]host.Encoding{function: host.EncodingRaw},
			Engine: "wasm", Installed: time.Unix(0, 0).UTC(), Revision: uint64(i + 1),
		}
		data, err := json.Marshal(r)
		if err != nil {
			tb.Fatal(err)
		}
		home := filepath.Join(dir, "plugins", host.Functions.String(), r.Name)
		write(filepath.Join(home, r.Digest, r.Name+".wasm"), wasm)
		write(filepath.Join(home, r.Digest+".json"), data)
		records, functions = append(records, r), append(functions, function)
	}
	s, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Put(records...); err != nil {
		tb.Fatal(err)
	}
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
	return functions
}

// loads is the sandbox, counting how often the hot plugin was loaded, and all.
type loads struct {
	host.Engine
	hotName  string
	hot, all atomic.Int64
}

func (l *loads) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	l.all.Add(1)
	if p.Name == l.hotName {
		l.hot.Add(1)
	}
	return l.Engine.Load(ctx, p)
}

// scan calls all functions but the first, which is the hot one, within a budget.
type scan struct {
	b         *testing.B
	host      *host.Host
	cache     *recorder
	loads     *loads
	functions []string
	budget    int64
	baseline  int64 // what the process holds when no plugin is loaded, in bytes
	peak      int64
	counted   int64 // by the table, at the most
	took      time.Duration
	calls     int64
	hot       atomic.Int64 // calls of the hot function
}

// recorder is a table that can be made to let everything go.
type recorder struct {
	*lookup.Table
	mu  sync.Mutex // guards put
	put []weak.Pointer[host.Activation]
}

// Put implements host.Cache.
func (r *recorder) Put(a *host.Activation) {
	r.mu.Lock()
	r.put = append(r.put, weak.Make(a))
	r.mu.Unlock()
	r.Table.Put(a)
}

func (r *recorder) evictAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.put {
		if a := p.Value(); a != nil {
			r.Remove(a)
			a.Evict()
		}
	}
	r.put = nil
}

// newScan opens a host, calls everything once and unloads it, so that the
// compilation cache is full and what the host keeps once for good is there.
func newScan(b *testing.B, dir string, functions []string, fit int64) *scan {
	b.Helper()
	s := &scan{b: b, functions: functions, loads: &loads{Engine: sandbox.New(), hotName: "plugin0"}}
	s.budget = fit * s.weigh(dir)
	s.open(dir, s.budget)
	for _, function := range functions {
		s.call(function, nil)
	}
	s.cache.evictAll()
	s.loads.hot.Store(0)
	s.loads.all.Store(0)
	for range 2 { // what has finalizers goes with the second
		runtime.GC()
	}
	debug.FreeOSMemory()
	s.baseline = anonymous(b)
	return s
}

// weigh finds out what one plugin is counted as.
func (s *scan) weigh(dir string) int64 {
	s.b.Helper()
	end := s.open(dir, 1<<30)
	defer end()
	s.call(s.functions[0], nil)
	status, err := s.host.Status(host.Functions, s.loads.hotName)
	if err != nil {
		s.b.Fatal(err)
	}
	return status.Module.Memory
}

func (s *scan) open(dir string, budget int64) (end func()) {
	s.b.Helper()
	records, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		s.b.Fatal(err)
	}
	table, err := lookup.New(budget, lookup.Options{})
	if err != nil {
		s.b.Fatal(err)
	}
	s.cache = &recorder{Table: table}
	h, err := host.New(s.b.Context(), host.Config{Dir: dir, Store: records, Cache: s.cache, Engines: []host.Engine{s.loads}})
	if err != nil {
		s.b.Fatal(err)
	}
	s.host = h
	var once sync.Once
	end = func() {
		once.Do(func() {
			if err := h.Close(context.Background()); err != nil {
				s.b.Error(err)
			}
			table.Close()
			if err := records.Close(); err != nil {
				s.b.Error(err)
			}
		})
	}
	s.b.Cleanup(end)
	return end
}

// call calls a function and checks its answer, which it appends to dst.
func (s *scan) call(function string, dst []byte) []byte {
	const question = "Are you there?"
	out, err := s.host.Invoke(context.Background(), function, dst, []byte(question))
	if err != nil || string(out) != question {
		s.b.Errorf("%s: %q, %v", function, out, err)
	}
	return out
}

// run calls every cold function once, from several callers.
func (s *scan) run(callers int, order func(n, i int) int) {
	stop := make(chan struct{})
	var background, scanning sync.WaitGroup
	background.Go(func() { s.heat(stop) })
	background.Go(func() { s.watch(stop) })
	cold := s.functions[1:]
	var next atomic.Int64
	start := time.Now()
	for range callers {
		scanning.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(cold); i = int(next.Add(1)) - 1 {
				s.call(cold[order(len(cold), i)], nil)
			}
		})
	}
	scanning.Wait()
	s.took += time.Since(start)
	s.calls += int64(len(cold))
	close(stop)
	background.Wait()
}

// heat calls the hot function.
func (s *scan) heat(stop <-chan struct{}) {
	var out []byte
	for {
		select {
		case <-stop:
			return
		default:
			out = s.call(s.functions[0], out[:0])
			s.hot.Add(1)
			runtime.Gosched()
		}
	}
}

// watch samples what the process holds.
func (s *scan) watch(stop <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			_, counted := s.cache.Usage()
			s.peak, s.counted = max(s.peak, anonymous(s.b)), max(s.counted, counted)
		}
	}
}

func (s *scan) report() {
	b, seconds := s.b, s.took.Seconds()
	share := func(bytes int64) float64 { return float64(bytes) / float64(s.budget) }
	b.ReportMetric(float64(s.budget)/1e6, "MB-budget")
	b.ReportMetric(share(s.counted), "counted/budget")
	b.ReportMetric(share(s.peak-s.baseline), "held/budget")
	b.ReportMetric(float64(s.calls)/seconds, "calls/s")
	b.ReportMetric(float64(s.loads.all.Load())/seconds, "loads/s")
	b.ReportMetric(float64(s.hot.Load())/seconds, "hot-calls/s")
	b.ReportMetric(float64(s.loads.hot.Load()-1), "hot-evictions")
	b.ReportMetric(0, "ns/op")
}

// anonymous is the memory of the process in bytes that is resident and not of
// files.
func anonymous(tb testing.TB) int64 {
	tb.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Fatal(err)
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(data), &size, &resident, &shared); err != nil {
		tb.Fatal(err)
	}
	return (resident - shared) * int64(os.Getpagesize())
}
