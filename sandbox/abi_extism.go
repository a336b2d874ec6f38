package sandbox

import (
	"context"
	"errors"
	"log/slog"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"berth/host"
	"berth/sandbox/egress"
	"berth/sandbox/extism"
)

// extismABI calls plugins of Extism: see package extism. A program, whose only
// function is _start, is called by the plugin's name and needs an instance for
// each call.
type extismABI struct{ program bool }

func newExtism(m wazero.CompiledModule) extismABI {
	return extismABI{program: len(callable(extismABI{}, m.ExportedFunctions())) == 0}
}

func (extismABI) name() string            { return abiExtism }
func (extismABI) encoding() host.Encoding { return host.EncodingRaw }
func (a extismABI) once() bool            { return a.program }

func (extismABI) gives(module, name string) bool {
	return module == extism.Module && extism.Known(name)
}

func (extismABI) advice() string {
	return "build it with a PDK that fits Extism 1.x, and without host functions of its own (" + extism.Module + " and " + wasiModule + " are given)"
}

func (extismABI) provide(ctx context.Context, r wazero.Runtime) error {
	find := func(ctx context.Context) *extism.Kernel { return runOf(ctx).kernel }
	wait := func(ctx context.Context) (context.Context, func()) { return runOf(ctx).block() }
	_, err := extism.Instantiate(ctx, r, find, wait)
	return err
}

func (extismABI) callable(_ string, f api.FunctionDefinition) (bool, string) {
	return extism.Callable(f.ParamTypes(), f.ResultTypes()), "() -> (i32) or () -> ()"
}

func (a extismABI) functions(p *host.Package, exports map[string]api.FunctionDefinition) map[string]string {
	if a.program {
		return map[string]string{p.Name: "_start"}
	}
	return byName(callable(a, exports))
}

// extismFault says why a module does not have the ABI; empty if it does.
func extismFault(m wazero.CompiledModule) string {
	exports := m.ExportedFunctions()
	if start := exports["_start"]; len(callable(extismABI{}, exports)) == 0 && (start == nil || !extism.Callable(start.ParamTypes(), start.ResultTypes())) {
		return "it exports no function of type () -> (i32) or () -> ()"
	}
	return ""
}

func (a extismABI) attach(m *module, s *slot) guest {
	vars := m.vars
	asked := &m.pkg.Manifest.Wasm
	if asked.Vars == "instance" || asked.Isolation == isolationFresh || asked.Isolation == isolationInstance {
		vars = extism.NewVars(m.pkg.MaxVars())
	}
	config := extism.Config{
		ArenaLimit:  int64(m.pkg.Limits.Memory),
		Config:      m.pkg.Grants.Config,
		Vars:        vars,
		MaxResponse: m.pkg.MaxResponse(),
		Headers:     true,
		LogLevel:    extism.LevelDebug,
		Check:       s.run.checkpoint,
	}
	if m.http != nil {
		config.HTTP = m.http
	}
	if log := m.pkg.Log; log != nil {
		config.Log = func(level extism.Level, message string) { log.Line(slogLevel(level), message) }
	}
	s.run.kernel = extism.NewKernel(config)
	return &extismGuest{slot: s, kernel: s.run.kernel, limits: &m.pkg.Limits, config: config, private: vars != m.vars, program: a.program}
}

func slogLevel(l extism.Level) slog.Level {
	const step = slog.LevelInfo - slog.LevelDebug
	return slog.LevelDebug + slog.Level(l-extism.LevelDebug)*step
}

type extismGuest struct {
	slot    *slot
	kernel  *extism.Kernel
	limits  *host.Limits
	config  extism.Config
	private bool // the variables are the instance's own
	program bool
}

// begin initialises the modules in the order in which they were linked, each as
// Extism's Go SDK does: hs_init after _initialize for Haskell, even if that
// fails; else the reactor's _initialize, or its constructors.
func (g *extismGuest) begin() error {
	if g.program {
		return nil // _start does it
	}
	for _, instance := range g.slot.instances() {
		if err := g.initialise(instance); err != nil {
			return err
		}
	}
	return nil
}

func (g *extismGuest) initialise(instance api.Module) error {
	exported := func(name string, params int) api.Function {
		if f := instance.ExportedFunction(name); f != nil && len(f.Definition().ParamTypes()) == params {
			return f
		}
		return nil
	}
	first := exported("_initialize", 0)
	haskell := exported("hs_init", 2)
	if first == nil && haskell == nil {
		first = exported("__wasm_call_ctors", 0)
	}
	if first != nil {
		if _, err := first.Call(g.slot.run); err != nil {
			if haskell == nil || g.slot.run.cause() != nil {
				return err
			}
			g.log(extism.LevelError, "_initialize failed: "+host.Cause(g.slot.failure(err)))
		}
	}
	if haskell != nil {
		if _, err := haskell.Call(g.slot.run, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

func (g *extismGuest) log(level extism.Level, message string) {
	if g.config.Log != nil {
		g.config.Log(level, message)
	}
}

func (g *extismGuest) call(fn api.Function, dst, in []byte) ([]byte, error) {
	s := g.slot
	if err := g.kernel.Begin(in); err != nil {
		return dst, host.Fail(host.CodeTooLarge, "%w", err)
	}
	s.stack[0] = 0
	if err := fn.CallWithStack(s.run, s.stack); err != nil {
		var exit *sys.ExitError
		if s.run.cause() != nil || !errors.As(err, &exit) {
			return dst, broken{g.failure(err)}
		}
		s.gone, s.stack[0] = true, uint64(exit.ExitCode())
	}
	defer g.kernel.Trim()
	if err := g.kernel.Result(uint32(s.stack[0])); err != nil {
		return dst, host.Fail(host.CodeRejected, "%w", err)
	}
	out := g.kernel.Output()
	if int64(len(out)) > int64(g.limits.Output) {
		return dst, broken{host.Fail(host.CodeTrap, "the guest returned %d bytes: at most %s are allowed by \"limits.output\"", len(out), g.limits.Output)}
	}
	return append(dst, out...), nil
}

// failure says why a call trapped. What a host function was denied is said as
// such: it is the operator who can change that.
func (g *extismGuest) failure(err error) error {
	if why := g.slot.run.cause(); why != nil {
		return why
	}
	var (
		trap    *extism.Trap
		denied  *extism.Denied
		refused *egress.Denied
	)
	switch {
	case errors.As(err, &denied) || errors.As(err, &refused):
		errors.As(err, &trap)
		return host.Fail(host.CodeForbidden, "%w", trap)
	case errors.As(err, &trap):
		return host.Fail(host.CodeTrap, "the guest was ended by a host function: %w", trap)
	}
	return g.slot.failure(err)
}

func (g *extismGuest) wipe() {
	g.kernel.Wipe()
	if g.private {
		g.config.Vars.Clear()
	}
}

func (g *extismGuest) held() int64 { return g.kernel.Size() }
