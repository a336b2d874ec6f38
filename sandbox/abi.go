package sandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
	"berth/sandbox/extism"
)

// The ABIs by the names they have in manifests.
const (
	abiBerth   = "berth"
	abiNumeric = "numeric"
	abiExtism  = "extism"
	abiCommand = "command"
	abiWapc    = "wapc"
)

// maxExports bounds how many functions one build may export.
const maxExports = 4096

// abi is how the functions of a build are called.
type abi interface {
	name() string
	encoding() host.Encoding

	// gives tells whether host functions of the ABI's own have that name.
	gives(module, name string) bool
	// advice follows the names of imports that nobody gives.
	advice() string
	// provide makes the ABI's own host functions in a runtime.
	provide(ctx context.Context, r wazero.Runtime) error

	// callable tells whether an export is a function of the plugin; if not,
	// the text says what it would have to be.
	callable(name string, f api.FunctionDefinition) (ok bool, want string)
	// functions maps the plugin's functions to the exports that they call.
	functions(p *host.Package, exports map[string]api.FunctionDefinition) map[string]string
	// once tells whether an instance is good for one call only.
	once() bool

	// attach makes what calling a slot's instance takes. The instance is not
	// there yet: begin is called when it is.
	attach(m *module, s *slot) guest
}

// guest is an instance as its ABI sees it. Its slot's owner uses it.
type guest interface {
	// begin initialises the instance.
	begin() error

	// call calls an export. On a failure that leaves the guest in an unknown
	// state the error is a broken.
	call(fn api.Function, dst, in []byte) ([]byte, error)

	// wipe forgets what the last call left outside linear memory.
	wipe()

	// held is how many bytes there are outside linear memory.
	held() int64
}

// broken wraps an error after which the slot must not be used again.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// bare is what ABIs without host functions and state of their own have in
// common.
type bare struct{}

func (bare) gives(_, _ string) bool                        { return false }
func (bare) advice() string                                { return "build it without them (only " + wasiModule + " is given)" }
func (bare) provide(context.Context, wazero.Runtime) error { return nil }
func (bare) once() bool                                    { return false }

// reactor is a guest that is initialised by _initialize, if it exports that,
// and holds nothing outside its memory.
type reactor struct{ slot *slot }

func (g reactor) begin() error {
	for _, instance := range g.slot.instances() {
		if err := g.slot.callIfThere(instance, "_initialize"); err != nil {
			return err
		}
	}
	return nil
}

func (reactor) wipe()       {}
func (reactor) held() int64 { return 0 }

// callIfThere calls an export without parameters and results.
func (s *slot) callIfThere(instance api.Module, name string) error {
	f := instance.ExportedFunction(name)
	if f == nil || len(f.Definition().ParamTypes()) > 0 || len(f.Definition().ResultTypes()) > 0 {
		return nil
	}
	_, err := f.Call(s.run)
	return err
}

// detect finds the ABI of a compiled build: the manifest's, or the one that its
// imports and exports tell.
func detect(p *host.Package, c *compiled) (abi, error) {
	m := c.main()
	exports := m.ExportedFunctions()
	if len(exports) > maxExports {
		return nil, host.Fail(host.CodeInvalid, "%s exports %d functions: at most %d are allowed", p.Wasm(), len(exports), maxExports)
	}
	imported := c.imports()
	switch p.Manifest.Wasm.ABI {
	case abiBerth:
		return asked(p, berthABI{}, berthFault(m))
	case abiNumeric:
		return asked(p, numericABI{}, numericFault(m))
	case abiExtism:
		return asked(p, newExtism(m), extismFault(m))
	case abiCommand:
		return asked(p, commandABI{}, commandFault(m))
	case abiWapc:
		return asked(p, wapcABI{}, wapcFault(m))
	}
	switch {
	case imported[extism.Module] || imported[extism.UserModule]:
		return asked(p, newExtism(m), extismFault(m))
	case imported[wapcModule]:
		return asked(p, wapcABI{}, wapcFault(m))
	case commandFault(m) == "" && exports["_initialize"] == nil:
		return commandABI{}, nil
	}
	why := berthFault(m)
	if why == "" {
		return berthABI{}, nil
	}
	// Its author meant the berth ABI. That alloc could be called, and the
	// functions with numbers, helps nobody.
	if alloc := exports["alloc"]; alloc != nil && slices.Equal(alloc.ParamTypes(), allocParams) && slices.Equal(alloc.ResultTypes(), allocResults) {
		return nil, host.Fail(host.CodeInvalid, "%s exports \"alloc\", but does not have the berth ABI: %s; if numbers are what its functions take, say \"wasm\": {\"abi\": \"numeric\"} in the manifest", p.Wasm(), why)
	}
	if numericFault(m) == "" {
		return numericABI{}, nil
	}
	return nil, host.Fail(host.CodeInvalid, "%s exports no function that can be called: not the berth ABI (%s), and no export over i32, i64, f32 and f64", p.Wasm(), why)
}

// asked is the ABI that a build is meant to have, unless something is missing.
func asked(p *host.Package, a abi, fault string) (abi, error) {
	if fault != "" {
		return nil, host.Fail(host.CodeInvalid, "%s does not have the %s ABI: %s", p.Wasm(), a.name(), fault)
	}
	return a, nil
}

// callable lists the exports that are functions of the plugin, sorted. Names by
// which no plugin function can be called are left out.
func callable(a abi, exports map[string]api.FunctionDefinition) []string {
	var names []string
	for name, f := range exports {
		if reserved(name) || host.CheckName(name) != nil {
			continue
		}
		if ok, _ := a.callable(name, f); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// byName maps functions to exports of the same names.
func byName(names []string) map[string]string {
	functions := make(map[string]string, len(names))
	for _, name := range names {
		functions[name] = name
	}
	return functions
}

// reserved names are exports that toolchains add.
func reserved(name string) bool {
	return name == "_initialize" || name == "_start" || strings.HasPrefix(name, "__")
}

// signature is a function's type in words: "(i32, i32) -> i64".
func signature(f api.FunctionDefinition) string {
	list := func(types []api.ValueType) string {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	return list(f.ParamTypes()) + " -> " + list(f.ResultTypes())
}
