package lookup

import (
	"runtime"
	"runtime/metrics"
	"sync"
)

const (
	// garbageShare is the part of the budget that may be garbage.
	garbageShare = 8
	// leastGarbage is the least amount that is worth a collection, in bytes. So
	// is no less than a worthShare of what is in use, which the collector has to
	// go through: the embedding program may have much that is not of plugins.
	leastGarbage = 1 << 20
	worthShare   = 16
)

// cleaner has the garbage collector run before evicted activations take too
// much. Their memories are garbage then, and their machine code is unmapped when
// the collector has found them to be; left to itself it would begin when there is
// as much garbage as there is memory in use. It does nothing while no plugin is
// loaded.
type cleaner struct {
	mu      sync.Mutex // guards what follows; held during a collection
	most    int64      // bytes of garbage that may be
	turned  int64      // bytes that were loaded since the last collection
	samples [3]metrics.Sample
	cycles  uint64 // collections when it was last looked at
}

func newCleaner(most int64) *cleaner {
	return &cleaner{most: max(most, leastGarbage), samples: [...]metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/live:bytes"}, // after the last collection
		{Name: "/memory/classes/heap/objects:bytes"},
	}}
}

// turn notes that so many bytes were loaded, and in a table that is full as many
// let go. When that makes for too much garbage it returns after a collection, as
// do all others that turn meanwhile: who loads waits for those who clean up.
func (c *cleaner) turn(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turned += bytes
	if c.turned < c.most/4 {
		return // whatever garbage there is, it is not of plugins
	}
	metrics.Read(c.samples[:])
	cycles := c.samples[0].Value.Uint64()
	if cycles != c.cycles { // it ran of its own accord
		c.cycles, c.turned = cycles, bytes
	}
	live, all := int64(c.samples[1].Value.Uint64()), int64(c.samples[2].Value.Uint64())
	if max(c.turned, all-live) < max(c.most, live/worthShare) {
		return
	}
	runtime.GC()
	metrics.Read(c.samples[:1])
	c.cycles, c.turned = c.samples[0].Value.Uint64(), 0
}
