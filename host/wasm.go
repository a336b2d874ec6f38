package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// WasmSpec is what only the sandbox reads.
type WasmSpec struct {
	ABI       string `json:"abi,omitempty"`       // empty: found from imports and exports
	Isolation string `json:"isolation,omitempty"` // "keep" (default), "fresh", "instance"
	Compiler  string `json:"compiler,omitempty"`  // "compiler" (default where there is one) or "interpreter"

	// Vars is where Extism's variables live: "plugin" (default), one set that
	// all instances share, or "instance", one for each.
	Vars string `json:"vars,omitempty"`

	// MaxVars and MaxResponse bound the variables of a plugin together and the
	// body of one HTTP response; nil: the defaults. 0 is a real 0. See
	// Package.MaxVars and Package.MaxResponse.
	MaxVars     *Bytes `json:"maxVars,omitempty"`
	MaxResponse *Bytes `json:"maxResponse,omitempty"`

	// Args are the arguments of a command, without the program's name.
	Args []string `json:"args,omitempty"`

	// Modules are the parts of a plugin of several modules, linked by name.
	// Empty: <name>.wasm alone. See Package.Wasm for which is the main one.
	Modules []WasmModule `json:"modules,omitempty"`
}

// WasmModule is one module of a plugin of several.
type WasmModule struct {
	Name string `json:"name,omitempty"` // by which others import from it; "main" is the one that is called
	Path string `json:"path"`           // of the file in the package
	Hash string `json:"hash,omitempty"` // SHA-256 of the file in lower-case hex; empty: not checked

	source moduleSource // of a module that is not in the package: where stageModules gets it
}

// LinkedModule is a module of a package that others import from.
type LinkedModule struct {
	Name string // by which they do
	File string // of the package, for Package.Path
}

// What one manifest may say.
const (
	maxModules = 64
	maxArgs    = 256
	maxArgSize = Bytes(128 << 10) // together

	defaultMaxVars     Bytes = 1 << 20
	defaultMaxResponse Bytes = 50 << 20
)

// MaxVars is how many bytes the variables of the plugin may take together: what
// its manifest says, else 1 MiB, and never more than limits.memory. 0: it may
// set none.
func (p *Package) MaxVars() int64 { return p.boundedBy(p.Manifest.Wasm.MaxVars, defaultMaxVars) }

// MaxResponse is how many bytes the body of an HTTP response to the plugin may
// have: what its manifest says, else 50 MiB, and never more than limits.memory.
func (p *Package) MaxResponse() int64 {
	return p.boundedBy(p.Manifest.Wasm.MaxResponse, defaultMaxResponse)
}

func (p *Package) boundedBy(asked *Bytes, otherwise Bytes) int64 {
	if asked != nil {
		otherwise = *asked
	}
	return int64(min(otherwise, p.Limits.Memory))
}

// Modules are the modules beside the main one, Package.Wasm, in the manifest's
// order: those that it, or one of them, imports from by name.
func (p *Package) Modules() []LinkedModule {
	modules := p.Manifest.Wasm.Modules
	names, main, _ := moduleNames(modules) // checked when the manifest was read
	var linked []LinkedModule
	for i, module := range modules {
		if i != main {
			linked = append(linked, LinkedModule{names[i], module.Path})
		}
	}
	return linked
}

// mainModule is the name by which the module is called that is not imported
// from, but called.
const mainModule = "main"

// extismModule is the name of Extism's own host functions.
const extismModule = "extism:host/env"

// moduleNames gives modules that have no name theirs, and finds the main one, by
// the Extism Go SDK's rule: the first that is named "main", or not named, or the
// last.
func moduleNames(modules []WasmModule) (names []string, main int, err error) {
	main = -1
	seen := map[string]bool{}
	for i, module := range modules {
		name := module.Name
		if name == "" || i == len(modules)-1 && main < 0 {
			name = mainModule
		}
		switch {
		case name == extismModule:
			return nil, 0, fmt.Errorf("module %d is named %q, which is the name of the host's own functions: give it another", i, name)
		case seen[name] && name == mainModule:
			return nil, 0, fmt.Errorf("module %d is the second main module, by its name or for having none: give all modules but one other names, by which they are imported from", i)
		case seen[name]:
			return nil, 0, fmt.Errorf("module %d is the second of the name %q: imports could mean either", i, clip(name))
		}
		seen[name] = true
		names = append(names, name)
		if name == mainModule {
			main = i
		}
	}
	return names, main, nil
}

// dropSources frees what modules were made of.
func (w WasmSpec) dropSources() {
	for i := range w.Modules {
		w.Modules[i].source = moduleSource{}
	}
}

func (w WasmSpec) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var size Bytes
	for i, arg := range w.Args {
		size += Bytes(len(arg))
		if strings.Contains(arg, "\x00") {
			fault("\"wasm.args\": entry %d has a zero byte", i)
		}
	}
	if len(w.Args) > maxArgs || size > maxArgSize {
		fault("\"wasm.args\": %d arguments with %d bytes: at most %d with %v are allowed", len(w.Args), size, maxArgs, maxArgSize)
	}
	if len(w.Modules) > maxModules {
		fault("\"wasm.modules\": %d modules: at most %d are allowed", len(w.Modules), maxModules)
	}
	for i, module := range w.Modules {
		if err := module.validate(); err != nil {
			fault("\"wasm.modules\": module %d: %w", i, err)
		}
	}
	if _, _, err := moduleNames(w.Modules); err != nil {
		fault("\"wasm.modules\": %w", err)
	}
	return errors.Join(faults...)
}

func (m WasmModule) validate() error {
	switch {
	case m.Path == "":
		return errors.New("it has no \"path\": name its file in the package")
	case !fs.ValidPath(m.Path) || m.Path == ".":
		return fmt.Errorf("its path %q is not one of a file in the package: write it relative to the manifest, with slashes and without \"..\"", clip(m.Path))
	case len(m.Name) > maxName:
		return fmt.Errorf("its name is longer than %d characters", maxName)
	case m.Hash != "" && !isDigest(m.Hash):
		return fmt.Errorf("its hash %q is no SHA-256 in lower-case hex", clip(m.Hash))
	}
	return nil
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
