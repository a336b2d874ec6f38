package snapshot_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

func TestTakeRefuses(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		compiled, err := h.runtime.CompileModule(t.Context(), vectorWasm)
		if err != nil {
			t.Fatal(err)
		}
		vector := h.instantiate(t, compiled, "").globals()
		foreign, err := h.runtime.InstantiateModule(t.Context(), h.compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		closed, taken := h.guest(t, 1), h.guest(t, 1)
		if err := closed.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.take(t, taken).Close()
		for _, test := range []struct {
			name    string
			memory  api.Memory
			globals []api.MutableGlobal
			want    string
		}{
			{"v128", nil, vector[:1], "mutable global 0 has type v128"},
			{"funcref", nil, vector[1:], "mutable global 0 has type funcref"},
			{"a memory of another allocator", foreign.Memory(), nil, "not made by this allocator"},
			{"a closed instance", closed.Memory(), nil, "not made by this allocator"},
			{"a memory taken before", taken.Memory(), nil, "taken before"},
		} {
			_, err := h.allocator.Take(test.memory, test.globals)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.name, err, test.want)
			}
		}
	})
}

func TestWithoutMemory(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		compiled, err := h.runtime.CompileModule(t.Context(), vectorWasm)
		if err != nil {
			t.Fatal(err)
		}
		g := h.guest(t, 1)
		s, err := h.allocator.Take(h.instantiate(t, compiled, "").Memory(), g.globals())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		before := g.state(t)
		g.call(t, "set globals", 1, 2, 3, 4)
		restore(t, s)
		g.state(t).is(t, before)
		if s.Size() != 0 {
			t.Errorf("holds %d bytes without memory", s.Size())
		}
	})
}

func TestClosedInstance(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		g := h.guest(t, 2)
		s := h.take(t, g)
		g.call(t, "grow", 1)
		view, _ := g.Memory().Read(0, 2*wasmPage)
		if err := g.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Restore() {
			t.Error("restored a closed instance")
		}
		for _, b := range view { // must not fault
			if b > 'z' {
				t.Fatal("something else is there")
			}
		}
		s.Close()
		s.Close()
	})
}

func TestClosedSnapshot(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		g := h.guest(t, 2)
		s := h.take(t, g)
		g.call(t, "fill", 9, 9, 99999)
		now := g.state(t)
		s.Close()
		if s.Restore() {
			t.Error("a closed snapshot was restored")
		}
		if s.Size() != 0 {
			t.Errorf("a closed snapshot holds %d bytes", s.Size())
		}
		g.state(t).is(t, now)
		g.call(t, "grow", 1)
		g.call(t, "fill", 0, 1, 3*wasmPage)
	})
}

// TestClosedAllocator closes the allocator before what it made.
func TestClosedAllocator(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		g := h.guest(t, 4)
		g.call(t, "fill", 9, 9, 99999)
		before := g.state(t)
		s := h.take(t, g)
		h.allocator.Close()
		h.allocator.Close()
		for range 3 {
			g.call(t, "grow", 1)
			g.call(t, "fill", 1, 1, 5*wasmPage-1)
			restore(t, s)
			g.state(t).is(t, before)
		}
		late := h.guest(t, 2)
		kept := late.state(t)
		again := h.take(t, late)
		late.call(t, "fill", 1, 1, 2*wasmPage-1)
		restore(t, again)
		late.state(t).is(t, kept)
	})
}

func TestRestoreAllocatesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		g := h.guest(t, 4)
		s := h.take(t, g)
		store, stack := g.ExportedFunction("store"), make([]uint64, 2)
		if n := testing.AllocsPerRun(50, func() {
			stack[0], stack[1] = 100, 1
			if store.CallWithStack(context.Background(), stack) != nil || !s.Restore() {
				t.Error("not restored")
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
