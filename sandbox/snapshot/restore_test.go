package snapshot_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"berth/sandbox/snapshot"
)

func TestRestore(t *testing.T) {
	const pages = 5
	last := uint64(pages*wasmPage - 1)
	changes := []struct {
		name   string
		change func(testing.TB, *guest)
	}{
		{"nothing", func(testing.TB, *guest) {}},
		{"the first byte", func(tb testing.TB, g *guest) { g.call(tb, "store", 0, 1) }},
		{"the last byte", func(tb testing.TB, g *guest) { g.call(tb, "store", last, 1) }},
		{"a data segment", func(tb testing.TB, g *guest) { g.call(tb, "store", 1024, 1) }},
		{"to zero", func(tb testing.TB, g *guest) { g.call(tb, "fill", 0, 0, last+1) }},
		{"everything", func(tb testing.TB, g *guest) { g.call(tb, "fill", 0, 0xff, last+1) }},
		{"memory.copy", func(tb testing.TB, g *guest) { g.call(tb, "copy", last-4000, 0, 4001) }},
		{"memory.init", func(tb testing.TB, g *guest) { g.call(tb, "init", 2*wasmPage-11) }},
		{"every page", func(tb testing.TB, g *guest) { g.call(tb, "touch", 4095, 4096, pages*16) }},
		{"globals", func(tb testing.TB, g *guest) {
			g.call(tb, "set globals", math.MaxUint32, 1, uint64(math.Float32bits(1.5)), math.Float64bits(-2.5))
		}},
		{"by the host", func(_ testing.TB, g *guest) { g.Memory().WriteString(wasmPage-3, "across pages") }},
		{"grown", func(tb testing.TB, g *guest) { g.call(tb, "grow", 1) }},
		{"grown and filled", func(tb testing.TB, g *guest) {
			g.call(tb, "grow", 9)
			g.call(tb, "fill", 3, 0xaa, 14*wasmPage-5)
		}},
		{"grown in steps", func(tb testing.TB, g *guest) {
			for range 20 {
				at := uint64(g.pages(tb)) * wasmPage
				g.call(tb, "grow", 2)
				g.call(tb, "store", at, 7)
			}
		}},
		{"a trap", func(tb testing.TB, g *guest) {
			g.call(tb, "store", 77, 77)
			_, err := g.ExportedFunction("fill").Call(context.Background(), last, 1, 2)
			if err == nil {
				tb.Fatal("no trap")
			}
		}},
	}
	eachWay(t, func(t *testing.T, h *host) {
		g := h.guest(t, pages)
		g.call(t, "fill", 2*wasmPage+100, 0x55, wasmPage/2)
		g.call(t, "store", 4*wasmPage, 0x66) // after a gap of zeros, before others
		before := g.state(t)
		s := h.take(t, g)
		g.state(t).is(t, before)
		for range 3 { // so that each follows each
			for _, c := range changes {
				c.change(t, g)
				restore(t, s)
				if got := g.state(t); got != before {
					t.Log("after:", c.name)
					got.is(t, before)
				}
			}
		}
	})
}

// TestRestoreRandom compares random changes with a reference, byte for byte.
func TestRestoreRandom(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		random := rand.New(rand.NewPCG(3, 7))
		const pages = 24
		g := h.guest(t, pages)
		for range 100 {
			g.call(t, "fill", random.Uint64N(16*wasmPage), random.Uint64N(256), random.Uint64N(6000))
		}
		before := g.state(t)
		s := h.take(t, g)
		for round := range 150 {
			size := uint64(pages * wasmPage)
			if random.IntN(4) == 0 {
				more := 1 + random.Uint64N(8)
				g.call(t, "grow", more)
				size += more * wasmPage
			}
			// Calls that write to much are followed by many that do not, so that
			// pages are given back and written to again.
			writes := 3
			if round%40 == 0 {
				writes = 2000
			}
			for range writes {
				at := random.Uint64N(size - 5000)
				switch random.IntN(4) {
				case 0:
					g.call(t, "fill", at, random.Uint64N(256), random.Uint64N(5000))
				case 1:
					g.call(t, "copy", at, random.Uint64N(size-5000), random.Uint64N(5000))
				case 2:
					g.call(t, "touch", at, 100, 40)
				default:
					g.Memory().WriteUint64Le(uint32(at), random.Uint64())
				}
			}
			g.call(t, "set globals", random.Uint64N(1<<32), random.Uint64(), random.Uint64N(1<<32), random.Uint64())
			restore(t, s)
			g.state(t).is(t, before)
		}
	})
}

func TestGrownMemoryIsZeroAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host) {
		g := h.guest(t, 2)
		s := h.take(t, g)
		for range 3 {
			if was := uint32(g.call(t, "grow", 3)); was != 2 {
				t.Fatalf("grew from %d pages, want 2", was)
			}
			grown, _ := g.Memory().Read(2*wasmPage, 3*wasmPage)
			for i, b := range grown {
				if b != 0 {
					t.Fatalf("byte %d of the grown part is %d", i, b)
				}
			}
			g.call(t, "fill", 0, 0xee, 5*wasmPage)
			restore(t, s)
			if _, err := g.ExportedFunction("load").Call(context.Background(), 2*wasmPage); err == nil {
				t.Fatal("the guest reads behind its memory")
			}
		}
	})
}

func TestGrownToTheMaximum(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host) {
		g := h.guest(t, 2)
		s := h.take(t, g)
		g.call(t, "grow", maxPages-3)
		restore(t, s)
		if pages := g.pages(t); pages != 2 {
			t.Fatalf("%d pages, want 2", pages)
		}
		g.call(t, "grow", maxPages-2)
		if s.Restore() {
			t.Fatal("restored from the maximum")
		}
	})
}

// TestImportedMemory has one guest write to the memory of another.
func TestImportedMemory(t *testing.T) {
	eachWay(t, func(t *testing.T, h *host) {
		owner := h.instantiate(t, h.compiled, "guest")
		compiled, err := h.runtime.CompileModule(t.Context(), importerWasm)
		if err != nil {
			t.Fatal(err)
		}
		importer := h.instantiate(t, compiled, "")
		s := h.take(t, owner)
		before := owner.state(t)
		for range 3 {
			importer.call(t, "grow", 1)
			importer.call(t, "store", wasmPage+5, 1)
			importer.call(t, "store", 1024, 1)
			restore(t, s)
			owner.state(t).is(t, before)
			if pages := importer.pages(t); pages != 1 {
				t.Fatalf("the importer sees %d pages, want 1", pages)
			}
			if got := byte(importer.call(t, "load", 1024)); got != 'a' {
				t.Fatalf("the importer reads %q, want 'a'", got)
			}
		}
	})
}

func TestConcurrentInstances(t *testing.T) {
	eachKind(t, func(t *testing.T, h *host) {
		var running sync.WaitGroup
		for n := range 4 {
			running.Go(func() {
				for range 5 {
					ctx := context.Background()
					g := h.guest(t, 3)
					g.call(t, "store", 5, uint64(n))
					before := g.state(t)
					s, err := h.allocator.Take(g.Memory(), g.globals())
					if err != nil {
						t.Error(err)
						return
					}
					for i := range uint64(20) {
						g.call(t, "fill", 0, i, 3*wasmPage)
						g.call(t, "grow", i%3)
						if !s.Restore() || g.state(t) != before || s.Size() == 0 {
							t.Error("wrong state")
						}
					}
					s.Close()
					if err := g.Close(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		running.Wait()
	})
}

func TestGivesBackUnusedPages(t *testing.T) {
	h := newHost(t, engines[0].make().WithMemoryLimitPages(maxPages), snapshot.NewAllocator())
	g := h.guest(t, 16)
	g.call(t, "fill", 0, 1, 8*wasmPage)
	before := g.state(t)
	s := h.take(t, g)
	saved := s.Size()
	g.call(t, "grow", 16)
	g.call(t, "touch", 0, 4096, 32*16)
	restore(t, s)
	if got, want := s.Size(), saved+32*wasmPage; got != want {
		t.Fatalf("holds %d bytes after a call that wrote everywhere, want %d", got, want)
	}
	for range 40 {
		g.call(t, "store", 5, 5)
		restore(t, s)
	}
	const few = 64 * 4096 // what is not worth giving back
	if got, most := s.Size(), saved+few; got > most {
		t.Errorf("holds %d bytes after calls that wrote to one page, want at most %d", got, most)
	}
	g.state(t).is(t, before)
}
