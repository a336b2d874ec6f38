package host

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// openPackage reads the package of a plugin from where it stays, for an engine to
// load it, and grants it what the policy allows.
func (h *Host) openPackage(i id, digest, folder, data string) (*Package, error) {
	p, err := openPackage(i.kind, i.name, digest, h.layout.files(i, folder), h.layout.cache(i, folder), h.config.Limits)
	if err != nil {
		return nil, err
	}
	p.Log = h.logOf(i)
	p.Grants, p.Denied, err = h.config.Policy.grant(p.Manifest.Capabilities, h.layout.state(i, data), true)
	return p, err
}

// choose asks the engines in turn and loads the package with the first that
// takes it. The manifest's "engine" is asked first. Why others refused is kept
// in the record.
func (h *Host) choose(ctx context.Context, pkg *Package, record Record) (Module, Record, error) {
	engines := slices.Clone(h.config.Engines)
	slices.SortStableFunc(engines, func(a, b Engine) int {
		return preferred(b, pkg) - preferred(a, pkg)
	})
	var failures []error
	var reasons []string
	for _, engine := range engines {
		module, err := h.loadWith(ctx, engine, pkg)
		if err == nil {
			record.Engine = engine.Name()
			return module, record, nil
		}
		if !errors.Is(err, ErrNoBuild) { // what is not in the package is no fault of it
			failures = append(failures, err)
			reasons = append(reasons, engine.Name()+": "+Cause(err))
		}
		record.Refused = append(record.Refused, Refusal{engine.Name(), Cause(err)})
		if ctx.Err() != nil {
			break
		}
	}
	switch len(failures) {
	case 0:
		return nil, record, Fail(CodeInvalid, "no engine of this host can run it: %s", record.Refused[0].Reason)
	case 1:
		return nil, record, failures[0]
	}
	return nil, record, Fail(CodeOf(failures[len(failures)-1]), "no engine can run it: %s", strings.Join(reasons, "; "))
}

func preferred(e Engine, pkg *Package) int {
	if e.Name() == pkg.Manifest.Engine {
		return 1
	}
	return 0
}

func (h *Host) loadWith(ctx context.Context, engine Engine, pkg *Package) (Module, error) {
	if err := engine.Accept(pkg); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.LoadTimeout)
	defer cancel()
	return engine.Load(ctx, pkg)
}

// open loads an installed plugin with the engine that was chosen for it.
func (h *Host) open(ctx context.Context, record Record) (*Package, Module, error) {
	dir := h.layout.files(record.id(), record.folder())
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, Fail(CodeInternal, "the plugin's files are gone from the data folder: update it, or drop and install it")
	}
	pkg, err := h.openPackage(record.id(), record.Digest, record.folder(), record.Data)
	if err != nil {
		return nil, nil, err
	}
	for _, engine := range h.config.Engines {
		if engine.Name() != record.Engine {
			continue
		}
		module, err := h.loadWith(ctx, engine, pkg)
		return pkg, module, err
	}
	return nil, nil, Fail(CodeUnavailable, "it was installed for the engine %q, which this host does not have: update it", record.Engine)
}

// loadInTurn activates an installed plugin when it is its turn. What is loaded
// and was not yet offered to the cache is on nobody's account: so it must not be
// many, however many calls come for plugins that are not loaded.
func (h *Host) loadInTurn(ctx context.Context, p *plugin) (*Activation, error) {
	select {
	case h.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	a, err := h.load(ctx, p)
	if err != nil {
		<-h.turns
		return nil, err
	}
	a.inTurn = true
	return a, nil
}

// load activates an installed plugin.
func (h *Host) load(ctx context.Context, p *plugin) (*Activation, error) {
	pkg, module, err := h.open(ctx, p.record)
	if err != nil {
		return nil, at(loadFault(diskError(err)), "load", p.record.Name, "")
	}
	a, err := h.activation(p, module, pkg)
	if err != nil {
		h.closeModule(p.record.id(), module)
		return nil, at(loadFault(err), "load", p.record.Name, "")
	}
	return a, nil
}

// loadFault turns what would be the package's fault at install into the host's:
// the package was good then, so the files were changed, or the configuration.
func loadFault(err error) error {
	if CodeOf(err) != CodeInvalid {
		return err
	}
	return Fail(CodeInternal, "the installed plugin cannot be loaded any more: %w; its files or the host's limits were changed: update it, or drop and install it", cause(err))
}

// activation binds every function of a loaded module.
func (h *Host) activation(p *plugin, module Module, pkg *Package) (*Activation, error) {
	a := &Activation{host: h, plugin: p, module: module, report: pkg.report(), bound: make(map[string]*Bound, len(p.record.Functions)), gate: newGate(), ended: make(chan struct{})}
	for _, name := range p.record.Functions {
		function, err := module.Function(name)
		if err != nil {
			return nil, Fail(CodeOf(err), "function %s: %w", name, cause(err))
		}
		a.bound[name] = &Bound{activation: a, function: function, name: name, input: int64(pkg.Limits.Input), stats: h.figures.of(name)}
	}
	return a, nil
}

// closeModule closes a module that was never called.
func (h *Host) closeModule(i id, module Module) {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := module.Close(ctx); err != nil {
		h.log.Error("closing a plugin's module failed", "plugin", i.String(), "error", err)
	}
}
