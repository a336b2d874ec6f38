package native

import (
	"context"
	"fmt"

	"berth/host"
)

// load gives the module of a build that this version does not run. Where the
// sandbox has a build of the same functions it refuses, so that they run there;
// with host.ErrNoBuild, since it is nothing against the package.
func load(p *host.Package, file string) (host.Module, error) {
	if p.Kind == host.Functions && p.Has(p.Wasm()) {
		return nil, host.Fail(host.CodeInvalid, "%w that this version of Berth runs natively: it leaves the functions of %s to %s", host.ErrNoBuild, file, p.Wasm())
	}
	return &module{p, file}, nil
}

// module is a build that is installed and not run. It never changes.
type module struct {
	pkg  *host.Package
	file string // the build, in the package
}

var _ host.Module = (*module)(nil)

// Functions implements host.Module: what a build exports is not looked at.
func (*module) Functions() []string { return nil }

// Function implements host.Module: any name can be bound.
func (m *module) Function(name string) (host.Function, error) {
	return &function{module: m, name: name, encoding: m.pkg.Encoding(name, host.EncodingJSON)}, nil
}

// Status implements host.Module.
func (m *module) Status() host.ModuleStatus {
	return host.ModuleStatus{
		Form:        fmt.Sprintf("native, %s, not run", m.file),
		Unavailable: "this version of Berth installs and describes native builds, and does not run them yet",
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
		"function %s is in a native build (%s), which this version of Berth installs and describes but does not run yet: add a .wasm build to the package", f.name, f.module.file)
}
