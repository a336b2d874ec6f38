package guests_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"berth/bench/guests"
	"berth/sandbox/meter"
)

// instance is a guest called by hand, as docs/plugins.md says.
type instance struct{ module api.Module }

func instantiate(tb testing.TB, wasm []byte) instance {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	tb.Cleanup(func() {
		if err := r.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		tb.Fatal(err)
	}
	tick := func(_ context.Context, stack []uint64) { stack[0] += 50_000 }
	i64 := []api.ValueType{api.ValueTypeI64}
	if _, err := r.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().WithGoFunction(api.GoFunc(tick), i64, i64).Export(meter.Tick).Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		tb.Fatal(err)
	}
	return instance{m}
}

// call returns the result, and whether it is the text of an error.
func (i instance) call(tb testing.TB, function string, in []byte) (out []byte, failed bool) {
	tb.Helper()
	ctx := context.Background()
	ptr, err := i.module.ExportedFunction("alloc").Call(ctx, uint64(len(in)))
	if err != nil {
		tb.Fatal(err)
	}
	if len(in) > 0 && (ptr[0] == 0 || !i.module.Memory().Write(uint32(ptr[0]), in)) {
		tb.Fatalf("alloc(%d) = %d", len(in), ptr[0])
	}
	packed, err := i.module.ExportedFunction(function).Call(ctx, ptr[0], uint64(len(in)))
	if err != nil {
		tb.Fatal(err)
	}
	view, ok := i.module.Memory().Read(uint32(packed[0]>>32), uint32(packed[0])&^(1<<31))
	if !ok {
		tb.Fatalf("the result %#x lies outside the memory", packed[0])
	}
	return bytes.Clone(view), uint32(packed[0])>>31 != 0
}

func load(tb testing.TB) []guests.Guest {
	tb.Helper()
	all, err := guests.All(tb.Context(), ".")
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// TestGuests calls one instance of each guest again and again: it answers,
// refuses what is malformed, and goes on to answer.
func TestGuests(t *testing.T) {
	for _, g := range load(t) {
		t.Run(g.Name, func(t *testing.T) {
			i := instantiate(t, g.Wasm)
			for _, cut := range []int{0, 1, 15, 16, len(g.Input) - 1} {
				if got, failed := i.call(t, g.Function, g.Input); failed || !bytes.Equal(got, g.Answer) {
					t.Fatalf("%s: %.80q (failed: %v), want %.80q", g.Function, got, failed, g.Answer)
				}
				got, failed := i.call(t, g.Function, g.Input[:cut])
				if anything := g.Name == "hash"; failed == anything || len(got) == 0 {
					t.Errorf("of the first %d bytes: %.80q (failed: %v)", cut, got, failed)
				}
			}
		})
	}
}

// TestHash crosses the edges of SHA-256's blocks and padding.
func TestHash(t *testing.T) {
	g, err := guests.Hash(".")
	if err != nil {
		t.Fatal(err)
	}
	i := instantiate(t, g.Wasm)
	for n := range 200 {
		sum := sha256.Sum256(g.Input[:n])
		if got, _ := i.call(t, g.Function, g.Input[:n]); string(got) != hex.EncodeToString(sum[:]) {
			t.Errorf("of %d bytes: %s, want %x", n, got, sum)
		}
	}
}

// TestResize compares with bilinear scaling in floating point, of images of odd
// sizes, up and down.
func TestResize(t *testing.T) {
	g, err := guests.Resize(".")
	if err != nil {
		t.Fatal(err)
	}
	i, pixels := instantiate(t, g.Wasm), g.Input[16:]
	for _, size := range [][4]int{{1, 1, 1, 1}, {1, 1, 5, 3}, {7, 5, 7, 5}, {64, 48, 17, 31}, {9, 13, 40, 50}, {256, 256, 1, 1}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w, h, tw, th := size[0], size[1], size[2], size[3]
			got, failed := i.call(t, g.Function, guests.ResizeInput(uint32(w), uint32(h), uint32(tw), uint32(th), pixels[:w*h*4]))
			if failed || len(got) != tw*th*4 {
				t.Fatalf("%d bytes (failed: %v), want %d", len(got), failed, tw*th*4)
			}
			for at, v := range got {
				x, y, channel := at/4%tw, at/4/tw, at%4
				want := bilinear(pixels, w, h, (float64(x)+0.5)*float64(w)/float64(tw)-0.5, (float64(y)+0.5)*float64(h)/float64(th)-0.5, channel)
				if math.Abs(float64(v)-want) > 2.5 { // positions are rounded to 1/256, of a step of at most 255 each way
					t.Fatalf("pixel %d,%d channel %d: %d, want %.2f", x, y, channel, v, want)
				}
			}
		})
	}
}

func bilinear(pixels []byte, w, h int, x, y float64, channel int) float64 {
	x, y = min(max(x, 0), float64(w-1)), min(max(y, 0), float64(h-1))
	left, top := int(x), int(y)
	right, bottom := min(left+1, w-1), min(top+1, h-1)
	at := func(x, y int) float64 { return float64(pixels[(y*w+x)*4+channel]) }
	fx, fy := x-float64(left), y-float64(top)
	return (at(left, top)*(1-fx)+at(right, top)*fx)*(1-fy) + (at(left, bottom)*(1-fx)+at(right, bottom)*fx)*fy
}

// TestJSONReference holds the expected answer to what Go prints natively.
func TestJSONReference(t *testing.T) {
	g, err := guests.JSON(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(g.Input, &document); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(document)
	if err != nil || !bytes.Equal(g.Answer, want) {
		t.Errorf("%s (%v), want %s", g.Answer, err, want)
	}
	if n := len(g.Input); n < 1800 || n > 2500 {
		t.Errorf("the document has %d bytes, and is said to have 2 KB", n)
	}
}

// BenchmarkGuests calls each guest as it is and metered in turns, through wazero
// alone, and tells the least time of each, so that other work on the machine
// hardly counts. ns/op is of both together and means nothing.
func BenchmarkGuests(b *testing.B) {
	for _, g := range load(b) {
		b.Run(g.Name, func(b *testing.B) {
			metered, _, err := meter.Instrument(g.Wasm, meter.Options{})
			if err != nil {
				b.Fatal(err)
			}
			one, two := instantiate(b, g.Wasm), instantiate(b, metered)
			burst := func(i instance) time.Duration {
				start := time.Now()
				i.call(b, g.Function, g.Input)
				return time.Since(start)
			}
			plain, with := burst(one), burst(two)
			for b.Loop() {
				plain, with = min(plain, burst(one)), min(with, burst(two))
			}
			b.ReportMetric(float64(plain), "ns/plain")
			b.ReportMetric(float64(with), "ns/metered")
			b.ReportMetric(float64(with)/float64(plain), "times")
		})
	}
}
