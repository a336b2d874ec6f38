package native

import (
	"context"

	"berth/host"
	"berth/host/elfinfo"
)

var _ host.Engine = (*Engine)(nil)

// Engine takes native builds. Make one with New. It is safe for concurrent use.
type Engine struct {
	target elfinfo.Target // of the builds that it takes
}

// New returns an engine for builds for the machine that it runs on.
func New() *Engine { return &Engine{target: elfinfo.Host()} }

// Name is "native".
func (*Engine) Name() string { return "native" }

// Accept refuses a package without a native build, one whose builds are for
// other machines, and a build that is no shared object for this one.
func (e *Engine) Accept(p *host.Package) error {
	file, err := e.choose(p)
	if err != nil {
		return err
	}
	return e.check(p, file)
}

// Load gives a module for the build that Accept accepted.
func (e *Engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := e.choose(p)
	if err != nil {
		return nil, err
	}
	return load(p, file)
}
