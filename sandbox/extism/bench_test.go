package extism_test

import (
	"fmt"
	"testing"

	"berth/sandbox/extism"
)

// BenchmarkCall is a whole call: Begin, the guest, Output.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		function string
		size     int
	}{{"noop", 0}, {"upper", 32}, {"echo", 4 << 10}, {"echo", 256 << 10}, {"echo", 4 << 20}} {
		b.Run(fmt.Sprintf("%s/%d", c.function, c.size), func(b *testing.B) {
			g := newGuest(b, "plugin", extism.Config{})
			f, stack, input := g.module.ExportedFunction(c.function), make([]uint64, 1), make([]byte, c.size)
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if err := g.kernel.Begin(input); err != nil {
					b.Fatal(err)
				}
				if err := f.CallWithStack(g.ctx, stack); err != nil {
					b.Fatal(err)
				}
				if len(g.kernel.Output()) != c.size {
					b.Fatal("not the output")
				}
				g.kernel.Trim()
			}
		})
	}
}
