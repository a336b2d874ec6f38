package sandbox

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"berth/host"
)

var _ host.Engine = (*Engine)(nil)

// Engine loads sandboxed builds. Make one with New. It is safe for concurrent
// use.
type Engine struct {
	admission *admission
	// compiling has room for the builds that may be compiled at one time: each
	// takes a core, and many times its size in memory.
	compiling chan struct{}
}

// New returns an engine with DefaultAdmission.
func New() *Engine {
	e := &Engine{compiling: make(chan struct{}, runtime.GOMAXPROCS(0))}
	return e.WithAdmission(DefaultAdmission())
}

// WithAdmission sets how many guests run at one time, before the engine is used.
// It returns the engine.
func (e *Engine) WithAdmission(a Admission) *Engine {
	e.admission = newAdmission(a)
	return e
}

// Name is "wasm".
func (*Engine) Name() string { return "wasm" }

// Accept refuses a package without a build for the sandbox, and sources and
// sinks, also those that a portable plugin declares beside its functions.
func (*Engine) Accept(p *host.Package) error {
	switch {
	case p.Kind == host.Portables && p.Manifest.Language != "wasm":
		return host.Fail(host.CodeInvalid, "%w for the sandbox: the language that %s.json gives is not \"wasm\"", host.ErrNoBuild, p.Name)
	case !p.Has(p.Wasm()):
		return host.Fail(host.CodeInvalid, "%w for the sandbox: the package has no %s%s", host.ErrNoBuild, p.Wasm(), others(p))
	case p.Kind == host.Sources, p.Kind == host.Sinks,
		p.Kind == host.Portables && len(p.Manifest.Sources)+len(p.Manifest.Sinks) > 0:
		return host.Fail(host.CodeInvalid, "sources and sinks cannot be written in WebAssembly yet")
	}
	return nil
}

func others(p *host.Package) string {
	if native := p.Native(); len(native) > 0 {
		return fmt.Sprintf(", only native builds (%s)", strings.Join(native, ", "))
	}
	return ""
}

// Load compiles the package's build, or takes it from the compilation cache,
// makes one instance, and checks that its ABI is one that it runs. Compiling is
// not interrupted when ctx ends: the bounds on builds are what bounds it.
func (e *Engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	c, err := e.compile(ctx, p)
	if err != nil {
		return nil, err
	}
	m, err := newModule(ctx, p, c, e.admission)
	if err != nil {
		return nil, closing(err, c.close)
	}
	return m, nil
}

// compile makes the build ready to run, when it is its turn.
func (e *Engine) compile(ctx context.Context, p *host.Package) (*compiled, error) {
	select {
	case e.compiling <- struct{}{}:
		defer func() { <-e.compiling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return compilePackage(ctx, p)
}

// closing closes what a failure leaves unused; err stays the error.
func closing(err error, close func(context.Context) error) error {
	_ = close(context.Background())
	return err
}
