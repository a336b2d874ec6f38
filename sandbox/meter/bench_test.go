package meter_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/meter"
)

// Each benchmark calls a function of a module as it is and of its metered form in
// turns, and tells the least time of each, so that other work on the machine
// hardly counts. ns/op is of both together and means nothing.

func BenchmarkEmpty(b *testing.B) { compare(b, "empty", 1000) }
func BenchmarkLoop(b *testing.B)  { compare(b, "loop", 1, 100_000) }
func BenchmarkCount(b *testing.B) { compare(b, "count", 1, 100_000) }
func BenchmarkFib(b *testing.B)   { compare(b, "fib", 1, 20) }
func BenchmarkSum(b *testing.B)   { compare(b, "sum", 1, 1) }
func BenchmarkSieve(b *testing.B) { compare(b, "sieve", 1) }

// compare measures so many calls in a row at a time.
func compare(b *testing.B, function string, calls int, args ...uint64) {
	wasm, err := os.ReadFile("testdata/bench.wasm")
	if err != nil {
		b.Fatal(err)
	}
	metered, _, err := meter.Instrument(wasm, meter.Options{})
	if err != nil {
		b.Fatal(err)
	}
	one, two := instance(b, wasm).ExportedFunction(function), instance(b, metered).ExportedFunction(function)
	stack := make([]uint64, 1)
	burst := func(f api.Function) time.Duration {
		start := time.Now()
		for range calls {
			copy(stack, args)
			if err := f.CallWithStack(context.Background(), stack); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	plain, with := burst(one), burst(two)
	for b.Loop() {
		plain, with = min(plain, burst(one)), min(with, burst(two))
	}
	b.ReportMetric(float64(plain)/float64(calls), "ns/plain")
	b.ReportMetric(float64(with)/float64(calls), "ns/metered")
	b.ReportMetric(float64(with)/float64(plain), "times")
}

func instance(b *testing.B, wasm []byte) api.Module {
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	b.Cleanup(func() { r.Close(ctx) })
	provideTick(b, r, func(int64) int64 { return 50_000 })
	m, err := r.Instantiate(ctx, wasm)
	if err != nil {
		b.Fatal(err)
	}
	return m
}
