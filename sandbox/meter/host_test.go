package meter_test

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"berth/sandbox/meter"
)

const allFeatures = api.CoreFeaturesV2 | experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesExceptionHandling |
	experimental.CoreFeaturesTypedFunctionReferences

// errStop is what the host of a test ends a call with.
var errStop = errors.New("out of fuel")

// An account gives a guest fuel by the quantum, up to a limit.
type account struct {
	quantum, limit, used int64
	ticks                int
}

func (a *account) tick(left int64) int64 {
	a.ticks++
	if a.limit > 0 && a.used+a.quantum-left > a.limit {
		panic(errStop)
	}
	a.used += a.quantum - left
	return a.quantum
}

// provideTick gives a runtime the function that metered modules import.
func provideTick(t testing.TB, r wazero.Runtime, tick func(left int64) int64) {
	t.Helper()
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := r.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			stack[0] = uint64(tick(int64(stack[0])))
		}), i64, i64).Export(meter.Tick).Instantiate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
}

// guest is a metered instance with its account.
type guest struct {
	api.Module
	account *account
}

// start instantiates the metered form of a module.
func start(t testing.TB, config wazero.RuntimeConfig, wasm []byte, a *account) (guest, error) {
	t.Helper()
	metered, _, err := meter.Instrument(wasm, meter.Options{Globals: true, Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(allFeatures))
	t.Cleanup(func() { r.Close(ctx) })
	provideTick(t, r, a.tick)
	m, err := r.Instantiate(ctx, metered)
	return guest{m, a}, err
}

// mustStart is start with the compiler, and fuel in quanta of 1000.
func mustStart(t testing.TB, wasm []byte, limit int64) guest {
	t.Helper()
	g, err := start(t, wazero.NewRuntimeConfigCompiler(), wasm, &account{quantum: 1000, limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// call calls a function with a fresh quantum, and tells the fuel that it used.
func (g guest) call(name string, args ...uint64) (results []uint64, used int64, err error) {
	fuel := g.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	fuel.Set(uint64(g.account.quantum))
	g.account.used = 0
	results, err = g.ExportedFunction(name).Call(context.Background(), args...)
	return results, g.account.used + g.account.quantum - int64(fuel.Get()), err
}

// called calls a function and gives what can be compared with the results of
// another instance: of references whether they are null, of numbers the bits, or
// with anyNaN 0 for each NaN.
func called(f api.Function, anyNaN bool, args ...uint64) ([]uint64, error) {
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		return results, err
	}
	at := 0
	for _, t := range f.Definition().ResultTypes() {
		switch t {
		case api.ValueTypeI32, api.ValueTypeI64:
		case api.ValueTypeF32:
			if anyNaN && math.IsNaN(float64(math.Float32frombits(uint32(results[at])))) {
				results[at] = 0
			}
		case api.ValueTypeF64:
			if anyNaN && math.IsNaN(math.Float64frombits(results[at])) {
				results[at] = 0
			}
		case 0x7b: // v128
			at++
		default:
			results[at] = min(results[at], 1)
		}
		at++
	}
	return results, nil
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
