package peers

import (
	"bytes"
	"testing"
	"time"
)

// caller calls a function of an open plugin. What it returns is valid until the
// next call.
type caller func(function string, in []byte) ([]byte, error)

// side is a host to be compared.
type side struct {
	by   string
	open func(tb testing.TB, wasm []byte, timeout time.Duration) caller
}

func sides() []side {
	return []side{{"extism", openExtism}, {"berth", openBerth}}
}

// timeouts are none, and one that never passes: what the watch costs.
func timeouts() []time.Duration { return []time.Duration{0, 5 * time.Second} }

// TestAnswers holds both sides to the same answers, call after call.
func TestAnswers(t *testing.T) {
	for _, g := range guests() {
		wasm := g.build(t)
		for _, s := range sides() {
			t.Run("guest="+g.name+"/by="+s.by, func(t *testing.T) {
				for _, timeout := range timeouts() {
					call := s.open(t, wasm, timeout)
					for _, w := range g.workloads {
						for n := range 3 {
							if got, err := call(w.function, w.in); err != nil || !answers(got, w) {
								t.Fatalf("timeout %s, call %d of %s: %.80q, %v, want %.80q", timeout, n, w.function, got, err, w.answer)
							}
						}
					}
				}
			})
		}
	}
}

func answers(got []byte, w workload) bool {
	return bytes.HasPrefix(got, w.answer) && (len(w.answer) > 0 || len(got) == 0)
}

// BenchmarkCall is one call after the other of one plugin.
func BenchmarkCall(b *testing.B) {
	for _, g := range guests() {
		wasm := g.build(b)
		for _, w := range g.workloads {
			for _, timeout := range timeouts() {
				for _, s := range sides() {
					b.Run("guest="+g.name+"/call="+w.name+"/timeout="+timeout.String()+"/by="+s.by, func(b *testing.B) {
						measure(b, s.open(b, wasm, timeout), w)
					})
				}
			}
		}
	}
}

func measure(b *testing.B, call caller, w workload) {
	b.Helper()
	b.ReportAllocs()
	var got []byte
	var err error
	for b.Loop() {
		if got, err = call(w.function, w.in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	if !answers(got, w) {
		b.Fatalf("%s answered %.80q, not %.80q", w.function, got, w.answer)
	}
}
