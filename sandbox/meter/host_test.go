package meter_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/meter"
)

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
