package bench

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// BenchmarkPlain is what a call of the berth ABI costs when wazero is called
// by hand: alloc, write, call, read; and without alloc.
func BenchmarkPlain(b *testing.B) {
	for _, deadline := range []bool{false, true} {
		b.Run(deadlineName(deadline)+"/alloc+write+call+read", func(b *testing.B) { plain(b, deadline, true) })
		b.Run(deadlineName(deadline)+"/write+call+read", func(b *testing.B) { plain(b, deadline, false) })
	}
}

func deadlineName(on bool) string {
	if on {
		return "deadline=5s"
	}
	return "deadline=none"
}

func plain(b *testing.B, deadline, alloc bool) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(deadline))
	defer r.Close(ctx)
	_, wasm := named(b, 0)
	m, err := r.Instantiate(ctx, wasm)
	if err != nil {
		b.Fatal(err)
	}
	allocate, echo, memory := m.ExportedFunction("alloc"), m.ExportedFunction("f0000000"), m.Memory()
	in, out, stack := make([]byte, 64), make([]byte, 0, 64), make([]uint64, 2)
	ptr := call(b, allocate, stack, 64)
	b.ReportAllocs()
	for b.Loop() {
		if alloc {
			ptr = call(b, allocate, stack, 64)
		}
		memory.Write(uint32(ptr), in)
		packed := call(b, echo, stack, ptr, 64)
		view, _ := memory.Read(uint32(packed>>32), uint32(packed))
		out = append(out[:0], view...)
	}
}

func call(b *testing.B, f api.Function, stack []uint64, args ...uint64) uint64 {
	copy(stack, args)
	if err := f.CallWithStack(context.Background(), stack); err != nil {
		b.Fatal(err)
	}
	return stack[0]
}

// BenchmarkInvoke is host.Invoke of the same guest with the same 64 bytes.
func BenchmarkInvoke(b *testing.B) {
	for _, deadline := range []bool{false, true} {
		limits := host.DefaultLimits()
		if !deadline {
			limits = noDeadline()
		}
		b.Run(deadlineName(deadline), func(b *testing.B) {
			h := open(b, b.TempDir(), limits)
			name := install(b, h, 1)[0]
			ctx, in, out := context.Background(), make([]byte, 64), make([]byte, 0, 64)
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if out, err = h.Invoke(ctx, name, out[:0], in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(deadlineName(deadline)+"/parallel", func(b *testing.B) {
			h := open(b, b.TempDir(), limits)
			name := install(b, h, 1)[0]
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				ctx, in, out := context.Background(), make([]byte, 64), make([]byte, 0, 64)
				for pb.Next() {
					var err error
					if out, err = h.Invoke(ctx, name, out[:0], in); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkLookup is a function found, acquired and released: one that all
// cores ask for, and 128 in turn.
func BenchmarkLookup(b *testing.B) {
	for name, n := range map[string]int{"functions=1": 1, "functions=128": 128} {
		b.Run(name, func(b *testing.B) {
			h := open(b, b.TempDir(), noDeadline())
			functions := install(b, h, n)
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					f, err := h.Acquire(ctx, functions[i%len(functions)])
					if err != nil {
						b.Error(err)
						return
					}
					f.Release()
				}
			})
		})
	}
}
