package peers

import (
	"context"
	"fmt"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
)

// openExtism opens a plugin with the Extism Go SDK, as its README shows. A
// timeout of 0 is none.
func openExtism(tb testing.TB, wasm []byte, timeout time.Duration) caller {
	tb.Helper()
	manifest := extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: wasm}},
		Timeout: uint64(timeout.Milliseconds()),
		Memory:  &extism.ManifestMemory{MaxVarBytes: 1 << 20},
	}
	ctx := context.Background()
	config := extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfigCompiler()}
	plugin, err := extism.NewPlugin(ctx, manifest, config, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := plugin.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return func(function string, in []byte) ([]byte, error) {
		code, out, err := plugin.CallWithContext(ctx, function, in)
		if err == nil && code != 0 {
			err = fmt.Errorf("the plugin returned %d", code)
		}
		return out, err
	}
}
