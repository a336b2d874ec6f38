package host_test

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
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/host"
	"berth/host/lookup"
	"berth/host/store"
	"berth/sandbox"
)

// TestBudget calls ten times as many plugins as the budget has room for, in turn
// and at random, while one function is called all the time: every call is
// answered, that one function stays loaded, and the memory taken stays near the
// budget.
func TestBudget(t *testing.T) {
	const plugins, fit, callers = 300, 30, 4
	dir := t.TempDir()
	furnish(t, dir, plugins)
	engine := &countingEngine{Engine: sandbox.New()}
	weight := weigh(t, dir, engine)
	budget := fit * weight
	table, err := lookup.New(budget, lookup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(r *rig) {
		r.dir, r.cache = dir, table
		r.config.Cache, r.config.Engines = table, []host.Engine{engine}
	})
	runtime.GC()
	before := heapSize()
	engine.hot.Store(0)

	stop := make(chan struct{})
	var watching, calling sync.WaitGroup
	var peak int64 // of the heap
	watching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heapSize()-before)
			if n, bytes := table.Usage(); bytes > budget+weight { // one may be about to be refused
				t.Errorf("%d plugins of %d bytes are held: the budget is %d", n, bytes, budget)
				return
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	call := func(i int) {
		for range 20 {
			r.answers("f0", "[]", "0")
		}
		r.answers("f"+strconv.Itoa(i), "[]", strconv.Itoa(i))
	}
	for i := 1; i < plugins; i++ {
		call(i)
	}
	for range callers {
		calling.Go(func() {
			for range plugins / callers {
				call(1 + rand.IntN(plugins-1))
			}
		})
	}
	calling.Wait()
	close(stop)
	watching.Wait()

	if n := engine.hot.Load(); n != 1 {
		t.Errorf("the function that was called all the time was loaded %d times", n)
	}
	if n, _ := table.Usage(); n < fit-1 {
		t.Errorf("%d plugins are held, %d fit", n, fit)
	}
	waitFor(t, "what was let go is closed", func() bool {
		n, _ := table.Usage()
		return engine.open.Load() == int64(n)
	})
	// Each caller may have a plugin of its own that the cache was not offered yet.
	if most := budget*3/2 + callers*weight; peak > most {
		t.Errorf("the heap grew by %d bytes, want at most %d: the budget is %d", peak, most, budget)
	}
	t.Logf("budget %d, heap grew by %d", budget, peak)
}

// furnish lays a data folder out with plugins of one function each, as a host
// that installed them would leave it. Function f<i> gives i; each plugin has
// half a MiB of memory.
func furnish(t *testing.T, dir string, plugins int) {
	t.Helper()
	var records []host.Record
	for i := range plugins {
		function := "f" + strconv.Itoa(i)
		wasm := withMemory(constant(int32(i), function), 8)
		digest := sha256.Sum256(wasm)
		r := host.Record{
			Name: fmt.Sprint("plugin", i), Digest: hex.EncodeToString(digest[:]), Source: "file:///plugin.zip",
			Functions: []string{function}, Encodings: map[string]host.Encoding{function: host.EncodingJSON},
			Engine: "wasm", Installed: time.Unix(0, 0).UTC(), Revision: uint64(i + 1),
		}
		files := filepath.Join(dir, "plugins", host.Functions.String(), r.Name, r.Digest)
		if err := os.MkdirAll(files, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, r.Name+".wasm"), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
		record, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files+".json", record, 0o600); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	s, err := store.Open(filepath.Join(dir, "berth.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(records...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// withMemory gives a build of constant a memory of so many pages.
func withMemory(wasm string, pages byte) []byte {
	const header, exports = 8, 7
	at := header
	for wasm[at] != exports {
		at += 2 + int(wasm[at+1]) // sections this small have a length of one byte
	}
	return []byte(wasm[:at] + "\x05\x03\x01\x00" + string(pages) + wasm[at:])
}

// weigh finds out what one of the plugins is counted as.
func weigh(t *testing.T, dir string, engine host.Engine) int64 {
	t.Helper()
	r := newRig(t, func(r *rig) { r.dir, r.config.Engines = dir, []host.Engine{engine} })
	defer r.stop()
	r.answers("f0", "[]", "0")
	status, err := r.Status(host.Functions, "plugin0")
	if err != nil {
		t.Fatal(err)
	}
	return status.Module.Memory
}

// heapSize is the memory of all objects in the heap, also of those that are
// garbage, in bytes.
func heapSize() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// countingEngine counts the modules that are open, and how often plugin0 was
// loaded.
type countingEngine struct {
	host.Engine
	open, hot atomic.Int64
}

// Load implements host.Engine.
func (e *countingEngine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	m, err := e.Engine.Load(ctx, p)
	if err != nil {
		return nil, err
	}
	e.open.Add(1)
	if p.Name == "plugin0" {
		e.hot.Add(1)
	}
	return &countedModule{m, e}, nil
}

type countedModule struct {
	host.Module
	engine *countingEngine
}

// Close implements host.Module.
func (m *countedModule) Close(ctx context.Context) error {
	m.engine.open.Add(-1)
	return m.Module.Close(ctx)
}
