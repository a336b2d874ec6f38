package sandbox

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"berth/host"
	"berth/sandbox/meter"
)

const wasiModule = wasi_snapshot_preview1.ModuleName

// provide makes the host modules that the build imports, in its runtime.
func (c *compiled) provide(ctx context.Context, a abi, isolation string) error {
	imported := c.imports()
	if imported[wasiModule] {
		if err := provideWASI(ctx, c.runtime, isolation); err != nil {
			return err
		}
	}
	if imported[meter.Module] {
		if err := provideTick(ctx, c.runtime); err != nil {
			return err
		}
	}
	return a.provide(ctx, c.runtime)
}

// provideWASI gives guests the functions of WASI. fd_renumber is not supported:
// the host's table of descriptors grows to any number that a guest names. Where
// instances are reset after each call, the table of descriptors cannot be: the
// standard ones cannot be closed or changed then, and there are no others.
func provideWASI(ctx context.Context, r wazero.Runtime, isolation string) error {
	builder := r.NewHostModuleBuilder(wasiModule)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	i32 := api.ValueTypeI32
	override := func(name string, params []api.ValueType, answer func(fd uint32) (errno uint64)) {
		call := func(_ context.Context, stack []uint64) { stack[0] = answer(uint32(stack[0])) }
		builder.NewFunctionBuilder().WithGoFunction(api.GoFunc(call), params, []api.ValueType{i32}).Export(name)
	}
	const (
		success      = 0
		badf         = 8
		notSupported = 58
		standard     = 3 // descriptors below it
	)
	override("fd_renumber", []api.ValueType{i32, i32}, func(uint32) uint64 { return notSupported })
	if isolation == isolationFresh {
		override("fd_close", []api.ValueType{i32}, func(fd uint32) uint64 {
			if fd < standard {
				return success
			}
			return badf
		})
		override("fd_fdstat_set_flags", []api.ValueType{i32, i32}, func(uint32) uint64 { return notSupported })
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// imports are the names of the modules from which the build imports functions.
func (c *compiled) imports() map[string]bool {
	imported := map[string]bool{}
	for _, m := range c.modules {
		for _, f := range m.ImportedFunctions() {
			module, _, _ := f.Import()
			imported[module] = true
		}
	}
	return imported
}

// provideTick gives guests the function that their fuel counters call.
func provideTick(ctx context.Context, r wazero.Runtime) error {
	tick := func(ctx context.Context, stack []uint64) {
		stack[0] = uint64(runOf(ctx).tick(int64(stack[0])))
	}
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := r.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(tick), i64, i64).Export(meter.Tick).Instantiate(ctx)
	return err
}

// checkImports names every function that the guest imports and nobody gives.
func checkImports(p *host.Package, c *compiled, a abi) error {
	missing := map[string]bool{}
	for i, m := range c.modules {
		for _, f := range m.ImportedFunctions() {
			module, name, _ := f.Import()
			if module == wasiModule || module == meter.Module && c.metered() || a.gives(module, name) || c.links(i, f) {
				continue
			}
			missing[module+"."+name] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(missing))
	const most = 20
	more := ""
	if len(names) > most {
		more = " and others"
		names = names[:most]
	}
	return host.Fail(host.CodeInvalid, "%s imports functions that this host does not give: %s%s; %s", p.Wasm(), strings.Join(names, ", "), more, a.advice())
}

// links tells whether a module before module i exports the function that it
// imports.
func (c *compiled) links(i int, imported api.FunctionDefinition) bool {
	module, name, _ := imported.Import()
	for j := range c.modules[:i] {
		if exported := c.modules[j].ExportedFunctions()[name]; c.build.parts[j].name == module && exported != nil {
			return slices.Equal(exported.ParamTypes(), imported.ParamTypes()) && slices.Equal(exported.ResultTypes(), imported.ResultTypes())
		}
	}
	return false
}
