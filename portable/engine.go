package portable

import (
	"context"

	"berth/host"
	"berth/host/elfinfo"
)

var _ host.Engine = (*Engine)(nil)

// Engine takes portable plugins. Make one with New. It is safe for concurrent
// use.
type Engine struct {
	target elfinfo.Target // of the programs that it takes
}

// New returns an engine for programs for the machine that it runs on.
func New() *Engine { return &Engine{target: elfinfo.Host()} }

// Name is "portable".
func (*Engine) Name() string { return "portable" }

// Accept refuses a package that is no portable plugin, or whose executable could
// not be started here.
func (e *Engine) Accept(p *host.Package) error {
	if p.Kind != host.Portables {
		return otherKind(p)
	}
	language, executable := p.Manifest.Language, p.Manifest.Executable
	switch {
	case language == "wasm":
		return host.Fail(host.CodeInvalid, "%w as a program: the language that %s.json gives is \"wasm\"", host.ErrNoBuild, p.Name)
	case language == "":
		return host.Fail(host.CodeInvalid, "invalid plugin, missing language")
	case language != "go" && language != "exec" && language != "python":
		return host.Fail(host.CodeInvalid, "invalid plugin, language '%s' is not supported", clip(language))
	case executable == "":
		return host.Fail(host.CodeInvalid, "invalid plugin, missing executable")
	case !p.Has(executable):
		return host.Fail(host.CodeInvalid, "missing %s", clip(executable))
	}
	return e.check(p, executable)
}

// otherKind refuses what is no portable plugin. A program in it is told where
// programs belong.
func otherKind(p *host.Package) error {
	if p.Manifest.Executable == "" || p.Manifest.Language == "wasm" {
		return host.Fail(host.CodeInvalid, "%w as a program: none is named in %s.json", host.ErrNoBuild, p.Name)
	}
	return host.Fail(host.CodeInvalid, "the program %s runs in a plugin of kind portables, not %s: install the package as one", clip(p.Manifest.Executable), p.Kind)
}

// Load gives a module for the plugin that Accept accepted.
func (e *Engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return load(p), nil
}

// clip keeps a message short when it quotes what is not.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
