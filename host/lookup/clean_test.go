package lookup

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumForcedGC
}

func TestCleanerCollectsOnceThereIsMuch(t *testing.T) {
	const most = 64 << 20 // more than the test has in use
	c := newCleaner(most)
	before := collections()
	c.turn(most / 2)
	if n := collections() - before; n != 0 {
		t.Errorf("%d collections for half of what may be", n)
	}
	c.turn(most)
	if n := collections() - before; n != 1 {
		t.Errorf("%d collections for more than may be, want 1", n)
	}
	c.turn(most / 2)
	if n := collections() - before; n != 1 {
		t.Errorf("%d collections, the last one too early", n)
	}
}

// TestCleanerSeesGarbageOfLoading: what a plugin is counted as is not all that
// loading it leaves behind.
func TestCleanerSeesGarbageOfLoading(t *testing.T) {
	const most = 16 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nobody else collects it
	c := newCleaner(most)
	runtime.GC()
	before := collections()
	for range 8 {
		runtime.KeepAlive(make([]byte, most/4))
	}
	c.turn(most / 4)
	if n := collections() - before; n != 1 {
		t.Errorf("%d collections with garbage of twice what may be, want 1", n)
	}
}
