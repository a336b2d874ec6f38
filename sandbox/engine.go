package sandbox

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"berth/host"
)

var _ host.Engine = (*Engine)(nil)

// Engine loads sandboxed builds. Make one with New. It is safe for concurrent
// use.
type Engine struct {
	// compiling has room for the builds that may be compiled at one time: each
	// takes a core, and many times its size in memory.
	compiling chan struct{}
}

// New returns an engine.
func New() *Engine {
	return &Engine{compiling: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Name is "wasm".
func (*Engine) Name() string { return "wasm" }

// Accept refuses a package without a build for the sandbox, and one that asks
// for what the sandbox cannot give: a plugin must not run with less isolation,
// or fewer limits, than it says.
func (*Engine) Accept(p *host.Package) error {
	m := p.Manifest
	switch {
	case p.Kind != host.Functions:
		return host.Fail(host.CodeInvalid, "the sandbox runs functions, not %s", p.Kind)
	case !p.Has(p.Wasm()):
		return host.Fail(host.CodeInvalid, "no build for the sandbox: the package has no %s%s", p.Wasm(), others(p))
	case m.Wasm.ABI != "" && m.Wasm.ABI != abiBerth && m.Wasm.ABI != abiNumeric:
		return host.Fail(host.CodeInvalid, "\"wasm.abi\" is %q, which this version does not run: it runs %q and %q", m.Wasm.ABI, abiBerth, abiNumeric)
	case m.Wasm.Isolation != "" && m.Wasm.Isolation != "keep":
		return host.Fail(host.CodeInvalid, "\"wasm.isolation\" is %q, which this version cannot give: it has \"keep\" only", m.Wasm.Isolation)
	case m.Limits.Fuel != nil:
		return host.Fail(host.CodeInvalid, "\"limits.fuel\" is not metered by this version: use \"limits.timeout\"")
	case len(m.Capabilities.Asked()) > 0:
		return host.Fail(host.CodeInvalid, "it asks for capabilities (%s), which this version cannot grant", strings.Join(m.Capabilities.Asked(), ", "))
	}
	return nil
}

func others(p *host.Package) string {
	if native := p.Native(); len(native) > 0 {
		return fmt.Sprintf(", only native builds (%s)", strings.Join(native, ", "))
	}
	return ""
}

// maxBuild bounds the size of a build in bytes: compiling takes ten times that.
const maxBuild = 128 << 20

// Load compiles the package's build, or takes it from the compilation cache,
// makes one instance, and checks that its ABI is one that it runs.
// Compiling is not interrupted when ctx ends.
func (e *Engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	c, err := e.compile(ctx, p)
	if err != nil {
		return nil, err
	}
	m, err := newModule(ctx, p, c)
	if err != nil {
		return nil, closing(err, c.close)
	}
	return m, nil
}

// compile reads, checks and compiles the build, when it is its turn.
func (e *Engine) compile(ctx context.Context, p *host.Package) (*compiled, error) {
	select {
	case e.compiling <- struct{}{}:
		defer func() { <-e.compiling }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	info, err := os.Stat(p.Path(p.Wasm()))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBuild {
		return nil, host.Fail(host.CodeInvalid, "%s has %s: at most %s are compiled", p.Wasm(), host.Bytes(info.Size()), host.Bytes(maxBuild))
	}
	wasm, err := os.ReadFile(p.Path(p.Wasm()))
	if err != nil {
		return nil, err
	}
	if err := checkHeader(wasm); err != nil {
		return nil, host.Fail(host.CodeInvalid, "%s %w", p.Wasm(), err)
	}
	if err := checkBounds(wasm); err != nil {
		return nil, host.Fail(host.CodeInvalid, "%s %w", p.Wasm(), err)
	}
	return compile(ctx, p, limitTables(wasm, p.Limits.Memory))
}

// closing closes what a failure leaves unused; err stays the error.
func closing(err error, close func(context.Context) error) error {
	_ = close(context.Background())
	return err
}
