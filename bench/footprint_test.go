package bench

import (
	"runtime"
	"testing"
)

// BenchmarkFootprint is the heap that one more loaded plugin with one page of
// memory takes.
func BenchmarkFootprint(b *testing.B) {
	const plugins = 200
	var before, after runtime.MemStats
	for b.Loop() {
		h := open(b, b.TempDir(), noDeadline())
		runtime.GC()
		runtime.ReadMemStats(&before)
		install(b, h, plugins)
		runtime.GC()
		runtime.ReadMemStats(&after)
		var counted int64
		for _, s := range h.Statuses() {
			counted += s.Module.Memory
		}
		b.ReportMetric(float64(counted)/plugins, "B-counted/plugin")
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/plugins, "B-heap/plugin")
}
