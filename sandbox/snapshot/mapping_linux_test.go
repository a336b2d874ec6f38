package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"berth/sandbox/snapshot"
)

// mappings counts the lines of this process's memory map that contain text.
func mappings(t *testing.T, text string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), text)
}

// resident is how much of the mapping that begins at an address is in memory, in
// KiB, or -1 when none begins there.
func resident(t *testing.T, at uintptr) int {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(smaps), fmt.Sprintf("\n%x-", at))
	if !found {
		return -1
	}
	_, rest, _ = strings.Cut(rest, "\nRss:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

const memoryFile = "/memfd:snapshot"

func TestCloseFrees(t *testing.T) {
	h := newHost(t, engines[0].make().WithMemoryLimitPages(maxPages), snapshot.NewAllocator())
	files := mappings(t, memoryFile)
	var guests []*guest
	var regions []uintptr
	for range 8 {
		g := h.guest(t, 8)
		g.call(t, "fill", 0, 1, 8*wasmPage)
		s := h.take(t, g)
		g.call(t, "fill", 0, 2, 8*wasmPage)
		restore(t, s)
		view, _ := g.Memory().Read(0, 1)
		regions = append(regions, uintptr(unsafe.Pointer(unsafe.SliceData(view))))
		guests = append(guests, g)
		s.Close()
	}
	if got, want := mappings(t, memoryFile)-files, len(guests); got != want {
		t.Errorf("%d files are mapped, want one for each of %d guests", got, want)
	}
	for i, g := range guests {
		if kib := resident(t, regions[i]); kib < 8*64 {
			t.Errorf("%d KiB of a guest are in memory, want all that it wrote", kib)
		}
		if err := g.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if kib := resident(t, regions[i]); kib > 0 {
			t.Errorf("%d KiB of a closed guest are in memory", kib)
		}
	}
	if got := mappings(t, memoryFile) - files; got != 0 {
		t.Errorf("%d files are mapped after all guests are closed", got)
	}
	h.allocator.Close()
	for _, at := range regions {
		if kib := resident(t, at); kib >= 0 {
			t.Error("a region is mapped after the allocator is closed")
		}
	}
}

// TestRegionsAreReused opens and closes many instances.
func TestRegionsAreReused(t *testing.T) {
	h := newHost(t, engines[0].make().WithMemoryLimitPages(maxPages), snapshot.NewAllocator())
	seen := map[*byte]bool{}
	for range 100 {
		g := h.guest(t, 2)
		view, _ := g.Memory().Read(0, 2*wasmPage)
		seen[unsafe.SliceData(view)] = true
		if strings.Trim(string(view), "\x00") != "after initialisation" {
			t.Fatal("a new instance finds something in its memory")
		}
		s := h.take(t, g)
		g.call(t, "fill", 0, 3, 2*wasmPage)
		s.Close()
		if err := g.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d regions for one instance at a time", len(seen))
	}
}
