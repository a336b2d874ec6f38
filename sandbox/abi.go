package sandbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"berth/host"
)

// The ABIs by the names they have in manifests.
const (
	abiBerth   = "berth"
	abiNumeric = "numeric"
)

// maxExports bounds how many functions one build may export.
const maxExports = 4096

// abi is how a guest's functions are called.
type abi interface {
	name() string
	encoding() host.Encoding

	// callable tells whether an export is a function of the plugin; if not,
	// the text says what it would have to be.
	callable(name string, f api.FunctionDefinition) (ok bool, want string)

	// call calls export fn of the slot. On a failure that leaves the guest in
	// an unknown state the error is a broken.
	call(ctx context.Context, s *slot, fn api.Function, limits *host.Limits, dst, in []byte) ([]byte, error)
}

// broken wraps an error after which the slot must not be used again.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// detect finds the ABI of a compiled module and checks that its imports are
// given.
func detect(p *host.Package, m wazero.CompiledModule) (abi, error) {
	if err := checkImports(p, m); err != nil {
		return nil, err
	}
	exports := m.ExportedFunctions()
	if len(exports) > maxExports {
		return nil, host.Fail(host.CodeInvalid, "%s exports %d functions: at most %d are allowed", p.Wasm(), len(exports), maxExports)
	}
	if exports["_start"] != nil && exports["_initialize"] == nil {
		return nil, host.Fail(host.CodeInvalid, "%s is a command (it exports _start and no _initialize), which this version does not run: build a reactor, in Go with -buildmode=c-shared, in C with -mexec-model=reactor or --no-entry, in Rust with crate-type cdylib", p.Wasm())
	}
	switch p.Manifest.Wasm.ABI {
	case abiBerth:
		if why := berthFault(m); why != "" {
			return nil, host.Fail(host.CodeInvalid, "%s does not have the berth ABI: %s", p.Wasm(), why)
		}
		return berthABI{}, nil
	case abiNumeric:
		if len(callable(numericABI{}, exports)) == 0 {
			return nil, host.Fail(host.CodeInvalid, "%s does not have the numeric ABI: it exports no function over i32, i64, f32 and f64 only", p.Wasm())
		}
		return numericABI{}, nil
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
	if len(callable(numericABI{}, exports)) > 0 {
		return numericABI{}, nil
	}
	return nil, host.Fail(host.CodeInvalid, "%s exports no function that can be called: not the berth ABI (%s), and no export over i32, i64, f32 and f64", p.Wasm(), berthFault(m))
}

// checkImports names every function that the guest imports and nobody gives.
func checkImports(p *host.Package, m wazero.CompiledModule) error {
	missing := map[string]bool{}
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		switch module {
		case wasiModule:
		case "extism:host/env", "extism:host/user":
			return host.Fail(host.CodeInvalid, "%s is an Extism plugin (it imports %s), which this version does not run", p.Wasm(), module)
		case "wapc":
			return host.Fail(host.CodeInvalid, "%s is a waPC plugin (it imports wapc), which this version does not run", p.Wasm())
		default:
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
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return host.Fail(host.CodeInvalid, "%s imports functions that this host does not give: %s%s; build it without them (only %s is given)", p.Wasm(), strings.Join(names, ", "), more, wasiModule)
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
