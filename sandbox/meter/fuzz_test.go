package meter_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/sandbox/meter"
)

// FuzzInstrument holds that a module is valid if and only if its metered form is,
// and that both do the same.
func FuzzInstrument(f *testing.F) {
	const largest = 8 << 10
	spec := filepath.Join(wazeroDir(f), "internal/integration_test/spectest")
	for _, pattern := range []string{
		"testdata/*.wasm", "../testdata/guests/*.wasm",
		spec + "/exception-handling/testdata/*.wasm", spec + "/tail-call/testdata/*.wasm",
		spec + "/threads/testdata/*.wasm", spec + "/extended-const/testdata/*.wasm",
		spec + "/typed-function-references/testdata/br_*.wasm", spec + "/v2/testdata/bulk.*.wasm",
		spec + "/v2/testdata/if.*.wasm", spec + "/v2/testdata/simd_lane.*.wasm", spec + "/v2/testdata/select.*.wasm",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("nothing is %s: %v", pattern, err)
		}
		for _, path := range paths {
			wasm, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(wasm) <= largest {
				f.Add(wasm)
			}
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) > largest {
			return
		}
		metered, _, refused := meter.Instrument(wasm, meter.Options{Globals: true, Memory: true})
		if refused == nil && len(metered) > 12*len(wasm)+200 {
			t.Fatalf("%d bytes became %d", len(wasm), len(metered))
		}
		if !meter.Harmless(wasm) {
			return
		}
		plain, with := newFuzzed(t), newFuzzed(t)
		defer plain.close()
		defer with.close()
		invalid := plain.compile(wasm)
		if refused != nil {
			unknown := new(meter.Unknown)
			if invalid == nil && !errors.As(refused, &unknown) {
				t.Fatalf("a valid module is refused: %v", refused)
			}
			return
		}
		if invalid != nil && strings.Contains(invalid.Error(), "custom section") {
			return // an empty one at the end is valid, but wazero does not think so
		}
		if stillInvalid := with.compile(metered); (invalid == nil) != (stillInvalid == nil) {
			t.Fatalf("metered: %v, otherwise: %v", stillInvalid, invalid)
		}
		if invalid == nil && len(plain.compiled.ImportedFunctions())+len(plain.compiled.ImportedMemories()) == 0 {
			runBoth(t, plain, with)
		}
	})
}

// runBoth calls what both export and needs no arguments. The metered one goes
// first: what it is stopped in might not end in the other.
func runBoth(t *testing.T, plain, with *fuzzed) {
	gotErr := with.instantiate()
	if errors.Is(gotErr, errStop) {
		return
	}
	wantErr := plain.instantiate()
	if class(gotErr) != class(wantErr) {
		t.Fatalf("to instantiate: metered: %v, otherwise: %v", gotErr, wantErr)
	}
	if wantErr != nil {
		return
	}
	var names []string
	for name, definition := range plain.instance.ExportedFunctionDefinitions() {
		if len(definition.ParamTypes()) == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		got, gotErr := with.call(name)
		if errors.Is(gotErr, errStop) || strings.Contains(class(gotErr), "stack overflow") {
			return // frames differ in size, and the state now may
		}
		want, wantErr := plain.call(name)
		if class(gotErr) != class(wantErr) || !slices.Equal(got, want) {
			t.Fatalf("%s: metered: %v, %v, otherwise: %v, %v", name, got, gotErr, want, wantErr)
		}
	}
}

// fuzzed is a module in a runtime of its own.
type fuzzed struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	instance api.Module
	account  account
}

func newFuzzed(t *testing.T) *fuzzed {
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(allFeatures).WithMemoryLimitPages(32)
	f := &fuzzed{runtime: wazero.NewRuntimeWithConfig(context.Background(), config), account: account{quantum: 1000, limit: 100_000}}
	provideTick(t, f.runtime, f.account.tick)
	return f
}

func (f *fuzzed) close() { f.runtime.Close(context.Background()) }

func (f *fuzzed) compile(wasm []byte) (err error) {
	defer func() { // wazero panics over some that are invalid
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	f.compiled, err = f.runtime.CompileModule(context.Background(), wasm)
	return err
}

func (f *fuzzed) instantiate() (err error) {
	f.instance, err = f.runtime.InstantiateModule(context.Background(), f.compiled, wazero.NewModuleConfig().WithStartFunctions())
	return err
}

// call calls a function without parameters. It does not tell which NaN a number
// is.
func (f *fuzzed) call(name string) ([]uint64, error) {
	return called(f.instance.ExportedFunction(name), true)
}
