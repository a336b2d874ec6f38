package lookup

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkGet(b *testing.B) {
	for _, plugins := range []int{1, 200} {
		b.Run(fmt.Sprint(plugins), func(b *testing.B) {
			w, names := benchWorld(b, plugins)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, ok := w.table.Get(names[i%len(names)]); !ok {
						b.Fatal("not found")
					}
				}
			})
		})
	}
}

func BenchmarkAcquire(b *testing.B) {
	w, names := benchWorld(b, 1)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f, err := w.host.Acquire(context.Background(), names[0])
			if err != nil {
				b.Fatal(err)
			}
			f.Release()
		}
	})
}

func benchWorld(b *testing.B, plugins int) (*world, []string) {
	w := newWorld(b, 1<<30, constant(1000), nil)
	names := make([]string, plugins)
	for i := range names {
		names[i] = fmt.Sprintf("function%d", i)
		w.install(names[i], names[i])
	}
	return w, names
}
