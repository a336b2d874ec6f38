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
func (c *compiled) provide(ctx context.Context, a abi) error {
	imported := c.imports()
	if imported[wasiModule] {
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, c.runtime); err != nil {
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
			if module == wasiModule || module == meter.Module && c.metered() || a.gives(module, name) || c.build.links(i, module) {
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

// links tells whether a module of the build, other than module i, has a name.
func (b *build) links(i int, name string) bool {
	return slices.ContainsFunc(b.parts[:i], func(p part) bool { return p.name == name && name != "" })
}
