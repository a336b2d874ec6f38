package snapshot_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

const benchMaxPages = 1100

func benchHost(b *testing.B, kind int) *host {
	return newHost(b, wazero.NewRuntimeConfig().WithMemoryLimitPages(benchMaxPages), kinds[kind].make())
}

// BenchmarkRestore is a call that writes to so many pages, and putting them back:
// the page faults that Restore causes in the next call are part of it.
func BenchmarkRestore(b *testing.B) {
	for _, pages := range []int{1, 3, 16, 54, 256, 1024} {
		for _, dirty := range []int{2, 16, 100, 800} {
			if dirty > pages*16 {
				continue
			}
			for k, kind := range kinds {
				b.Run(fmt.Sprintf("%dKiB/%d/%s", pages*64, dirty, kind.name), func(b *testing.B) {
					h := benchHost(b, k)
					g := h.guest(b, pages)
					g.call(b, "fill", 0, 1, uint64(pages)*wasmPage)
					s := h.take(b, g)
					stride := uint64(pages * 16 / dirty * 4096)
					b.ReportAllocs()
					for b.Loop() {
						g.call(b, "touch", 100, stride, uint64(dirty))
						restore(b, s)
					}
				})
			}
		}
	}
}

// BenchmarkInstance is a new instance, a call and its end: with memory as wazero
// makes it, with ours, and with a snapshot.
func BenchmarkInstance(b *testing.B) {
	ctx := context.Background()
	for _, pages := range []int{1, 16, 54} {
		b.Run(fmt.Sprintf("%dKiB/wazero", pages*64), func(b *testing.B) {
			h := benchHost(b, 0)
			b.ReportAllocs()
			for b.Loop() {
				m, err := h.runtime.InstantiateModule(ctx, h.compiled, wazero.NewModuleConfig().WithName(""))
				if err != nil {
					b.Fatal(err)
				}
				useOnce(b, m.Memory().Grow, m.ExportedFunction("touch").Call, pages)
				if err := m.Close(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
		for k, kind := range kinds {
			for _, take := range []bool{false, true} {
				b.Run(fmt.Sprintf("%dKiB/%s/taken=%t", pages*64, kind.name, take), func(b *testing.B) {
					h := benchHost(b, k)
					with := experimental.WithMemoryAllocator(ctx, h.allocator)
					b.ReportAllocs()
					for b.Loop() {
						m, err := h.runtime.InstantiateModule(with, h.compiled, wazero.NewModuleConfig().WithName(""))
						if err != nil {
							b.Fatal(err)
						}
						useOnce(b, m.Memory().Grow, m.ExportedFunction("touch").Call, pages)
						if take {
							s, err := h.allocator.Take(m.Memory(), nil)
							if err != nil {
								b.Fatal(err)
							}
							s.Close()
						}
						if err := m.Close(ctx); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// useOnce grows a memory to its size and writes to every second page of it.
func useOnce(b *testing.B, grow func(uint32) (uint32, bool), touch func(context.Context, ...uint64) ([]uint64, error), pages int) {
	if _, ok := grow(uint32(pages - 1)); !ok {
		b.Fatal("the memory does not grow")
	}
	if _, err := touch(context.Background(), 0, 8192, uint64(pages*8)); err != nil {
		b.Fatal(err)
	}
}
