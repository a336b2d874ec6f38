package portable

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/host"
)

// load gives the module of a plugin that this version does not run.
func load(p *host.Package) host.Module {
	names := slices.Clone([]string(p.Manifest.Functions))
	slices.Sort(names)
	return &module{p, names}
}

// module is a plugin that is installed and not run. It never changes.
type module struct {
	pkg       *host.Package
	functions []string // sorted
}

var _ host.Module = (*module)(nil)

// Functions implements host.Module: those that the manifest declares.
func (m *module) Functions() []string { return m.functions }

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	if _, ok := slices.BinarySearch(m.functions, name); !ok {
		return nil, host.Fail(host.CodeInvalid, "%s.json does not declare it; the functions that it declares are: %s", m.pkg.Name, list(m.functions))
	}
	return &function{module: m, name: name, encoding: m.pkg.Encoding(name, host.EncodingJSON)}, nil
}

func list(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Status implements host.Module.
func (m *module) Status() host.ModuleStatus {
	return host.ModuleStatus{
		Form:        fmt.Sprintf("portable, %s (%s), not run", m.pkg.Manifest.Executable, m.pkg.Manifest.Language),
		Unavailable: "this version of Berth installs and describes portable plugins, and does not run them yet",
	}
}

// Close implements host.Module.
func (*module) Close(context.Context) error { return nil }

// function is a function that cannot be called.
type function struct {
	module   *module
	name     string
	encoding host.Encoding
}

// Encoding implements host.Function.
func (f *function) Encoding() host.Encoding { return f.encoding }

// Call implements host.Function: it tells what is missing.
func (f *function) Call(_ context.Context, dst, _ []byte) ([]byte, error) {
	return dst, host.Fail(host.CodeUnavailable,
		"function %s is in a portable build (%s), which this version of Berth installs and describes but does not run yet: make it a .wasm build, and its language \"wasm\"",
		f.name, f.module.pkg.Manifest.Executable)
}
