package snapshot_test

import (
	"context"
	_ "embed"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"berth/sandbox/snapshot"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

//go:embed testdata/guest.wasm
var guestWasm []byte

//go:embed testdata/importer.wasm
var importerWasm []byte

//go:embed testdata/vector.wasm
var vectorWasm []byte

const (
	wasmPage = 64 << 10
	maxPages = 64 // of the runtimes of tests
)

// kinds are the ways of restoring memory.
var kinds = []struct {
	name string
	make func() *snapshot.Allocator
}{
	{"tracked", snapshot.NewAllocator},
	{"copied", snapshot.NewHeapAllocator},
}

// engines are wazero's.
var engines = []struct {
	name string
	make func() wazero.RuntimeConfig
}{
	{"compiler", wazero.NewRuntimeConfig},
	{"interpreter", wazero.NewRuntimeConfigInterpreter},
}

// eachWay runs a test with each engine and each kind of memory.
func eachWay(t *testing.T, test func(*testing.T, *host)) {
	for _, engine := range engines {
		for _, kind := range kinds {
			t.Run(engine.name+"/"+kind.name, func(t *testing.T) {
				test(t, newHost(t, engine.make().WithMemoryLimitPages(maxPages), kind.make()))
			})
		}
	}
}

// eachKind runs a test with each kind of memory.
func eachKind(t *testing.T, test func(*testing.T, *host)) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			test(t, newHost(t, wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages), kind.make()))
		})
	}
}

// host runs guests with memories of one allocator.
type host struct {
	runtime   wazero.Runtime
	allocator *snapshot.Allocator
	compiled  wazero.CompiledModule // guest.wat
}

func newHost(tb testing.TB, config wazero.RuntimeConfig, allocator *snapshot.Allocator) *host {
	tb.Helper()
	h := &host{runtime: wazero.NewRuntimeWithConfig(context.Background(), config), allocator: allocator}
	tb.Cleanup(func() {
		if err := h.runtime.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		allocator.Close()
	})
	var err error
	if h.compiled, err = h.runtime.CompileModule(context.Background(), guestWasm); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h *host) instantiate(tb testing.TB, compiled wazero.CompiledModule, name string) *guest {
	tb.Helper()
	ctx := experimental.WithMemoryAllocator(context.Background(), h.allocator)
	module, err := h.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name))
	if err != nil {
		tb.Fatal(err)
	}
	return &guest{Module: module, functions: map[string]api.Function{}}
}

// guest returns a new instance of guest.wat with this many pages of memory.
func (h *host) guest(tb testing.TB, pages int) *guest {
	tb.Helper()
	g := h.instantiate(tb, h.compiled, "")
	if pages > 1 {
		g.call(tb, "grow", uint64(pages-1))
	}
	if got := g.pages(tb); got != pages {
		tb.Fatalf("%d pages, want %d", got, pages)
	}
	return g
}

func (h *host) take(tb testing.TB, g *guest) *snapshot.Snapshot {
	tb.Helper()
	s, err := h.allocator.Take(g.Memory(), g.globals())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// guest is an instance.
type guest struct {
	api.Module
	functions map[string]api.Function
	stack     [4]uint64
}

func (g *guest) call(tb testing.TB, name string, params ...uint64) uint64 {
	tb.Helper()
	f := g.functions[name]
	if f == nil {
		f = g.ExportedFunction(name)
		g.functions[name] = f
	}
	copy(g.stack[:], params)
	if err := f.CallWithStack(context.Background(), g.stack[:]); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return g.stack[0]
}

func (g *guest) pages(tb testing.TB) int {
	tb.Helper()
	return int(uint32(g.call(tb, "pages")))
}

func (g *guest) globals() []api.MutableGlobal {
	var all []api.MutableGlobal
	for _, name := range []string{"i32", "i64", "f32", "f64", "v128", "funcref"} {
		if global, ok := g.ExportedGlobal(name).(api.MutableGlobal); ok {
			all = append(all, global)
		}
	}
	return all
}

// state is all of a guest that a snapshot restores.
type state struct {
	memory  string
	pages   int // as the guest sees it
	globals string
	sum     uint64 // of the globals, as the guest sees them
}

func (g *guest) state(tb testing.TB) state {
	tb.Helper()
	content, ok := g.Memory().Read(0, g.Memory().Size())
	if !ok {
		tb.Fatal("the memory cannot be read")
	}
	s := state{memory: string(content), pages: g.pages(tb), sum: g.call(tb, "sum globals")}
	for _, global := range g.globals() {
		s.globals += fmt.Sprintf("%x ", global.Get())
	}
	return s
}

// is reports where a guest's state is not what it should be.
func (s state) is(tb testing.TB, want state) {
	tb.Helper()
	if s.pages != want.pages || s.globals != want.globals || s.sum != want.sum || len(s.memory) != len(want.memory) {
		tb.Fatalf("pages, globals, sum, bytes: got %d %s %x %d, want %d %s %x %d",
			s.pages, s.globals, s.sum, len(s.memory), want.pages, want.globals, want.sum, len(want.memory))
	}
	if s.memory == want.memory {
		return
	}
	for i := range len(s.memory) {
		if s.memory[i] != want.memory[i] {
			tb.Fatalf("byte %#x is %d, want %d", i, s.memory[i], want.memory[i])
		}
	}
}

func restore(tb testing.TB, s *snapshot.Snapshot) {
	tb.Helper()
	if !s.Restore() {
		tb.Fatal("not restored")
	}
}

func TestTracks(t *testing.T) {
	a := snapshot.NewAllocator()
	defer a.Close()
	if want := runtime.GOOS == "linux" && strconv.IntSize == 64; a.Tracks() != want {
		t.Errorf("Tracks() = %t, want %t", a.Tracks(), want)
	}
}
