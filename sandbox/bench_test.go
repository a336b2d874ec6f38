package sandbox_test

import (
	"context"
	"testing"

	"berth/host"
)

func BenchmarkEcho(b *testing.B) {
	for name, timeout := range map[string]bool{"deadline": true, "none": false} {
		b.Run(name, func(b *testing.B) {
			m := loadGuest(b, "echo", func(p *host.Package) {
				if !timeout {
					p.Limits.Timeout = 0
				}
			})
			f, err := m.Function("echo")
			if err != nil {
				b.Fatal(err)
			}
			in, out := make([]byte, 64), make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				if out, err = f.Call(context.Background(), out[:0], in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
