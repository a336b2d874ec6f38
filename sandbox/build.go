package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"berth/host"
	"berth/sandbox/extism"
	"berth/sandbox/meter"
)

// maxBuild bounds the size of a build's files in bytes: compiling takes ten
// times that.
const maxBuild = 128 << 20

// build is the code of a plugin as it is given to wazero: its main module, and
// others that it is linked with.
type build struct {
	parts     []part // main last
	unmetered string // why the guest's fuel is not counted; empty if it is
}

// part is one module of a build.
type part struct {
	name string // under which others import it
	file string
	wasm []byte // nil once it is compiled
	info meter.Info
	raw  []byte // as the author built it; nil once it is compiled
}

// catches tells whether a module catches exceptions. wazero's compiler copies all
// of the stack whenever a guest enters a block that does, and keeps the copy until
// the guest leaves it: a recursive guest of sixty bytes takes all memory of the
// machine before its first tick. So such a build is interpreted.
func (b *build) catches() bool {
	return slices.ContainsFunc(b.parts, func(p part) bool { return p.info.Exceptions })
}

// resettable says why restoring memory and globals does not bring an instance's
// state back; empty if it does.
func (b *build) resettable() string {
	for _, p := range b.parts {
		switch {
		case p.info.Resettable != "":
			return p.file + ": " + p.info.Resettable
		case p.info.ImportedMutableGlobals:
			return p.file + " imports a global that can change"
		}
	}
	return ""
}

// compilePackage makes the code of a package ready to run.
func compilePackage(ctx context.Context, p *host.Package) (c *compiled, err error) {
	defer func() {
		if fault := recover(); fault != nil { // of a compiler that met what it does not know
			c, err = nil, host.Fail(host.CodeInvalid, "%s cannot be compiled: the compiler failed: %v", p.Wasm(), fault)
		}
	}()
	b, err := readBuild(p)
	if err != nil {
		return nil, err
	}
	if err := b.instrument(p); err != nil {
		return nil, err
	}
	c, err = compile(ctx, p, b)
	b.forget()
	return c, err
}

// forget drops the binaries: wazero has what it needs.
func (b *build) forget() {
	for i := range b.parts {
		b.parts[i].raw, b.parts[i].wasm = nil, nil
	}
}

// readBuild reads and checks the modules of a package.
func readBuild(p *host.Package) (*build, error) {
	var b build
	left := int64(maxBuild)
	modules := append(p.Modules(), host.LinkedModule{File: p.Wasm()})
	for _, module := range modules {
		if hostModule(module.Name) {
			return nil, host.Fail(host.CodeInvalid, "the module %s is named %q, as one of the host's: name it otherwise", module.File, module.Name)
		}
		wasm, err := readModule(p, module.File, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(wasm))
		b.parts = append(b.parts, part{name: module.Name, file: module.File, raw: limitTables(wasm, p.Limits.Memory/host.Bytes(len(modules)))})
	}
	return &b, nil
}

// hostModule tells whether guests find functions of the host under a name.
func hostModule(name string) bool {
	return slices.Contains([]string{wasiModule, meter.Module, extism.Module, wapcModule}, name)
}

func readModule(p *host.Package, file string, most int64) ([]byte, error) {
	info, err := os.Stat(p.Path(file))
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, host.Fail(host.CodeInvalid, "%s has %s: at most %s are compiled, all modules together", file, host.Bytes(info.Size()), host.Bytes(maxBuild))
	}
	wasm, err := os.ReadFile(p.Path(file))
	if err != nil {
		return nil, err
	}
	if err := checkHeader(wasm); err != nil {
		return nil, host.Fail(host.CodeInvalid, "%s %w", file, err)
	}
	if err := checkBounds(wasm); err != nil {
		return nil, host.Fail(host.CodeInvalid, "%s %w", file, err)
	}
	return wasm, nil
}

// maxWords is up to which size a module that the meter refuses is given to
// wazero's validator, which says better what is wrong with it: that may take a
// thousand steps for two bytes.
const maxWords = 256 << 10

// instrument meters the modules, and refuses those that would take too long to
// compile, all together. One that has instructions which the meter does not know
// makes the whole build run unmetered.
func (b *build) instrument(p *host.Package) error {
	fresh := p.Manifest.Wasm.Isolation == isolationFresh
	options := meter.Options{Globals: fresh, Memory: fresh}
	for i := range b.parts {
		m := &b.parts[i]
		var err error
		m.wasm, m.info, err = meter.Instrument(m.raw, options)
		options.Used += m.info.Work
		if err == nil {
			continue
		}
		if unknown := (*meter.Unknown)(nil); errors.As(err, &unknown) && unknown.Bounded {
			if b.unmetered == "" {
				b.unmetered = fmt.Sprintf("%s: %s", m.file, unknown)
			}
			continue // the others count, too
		}
		if excess := (*meter.TooLarge)(nil); errors.As(err, &excess) {
			return host.Fail(host.CodeInvalid, "%s is too large to compile: %w", m.file, err)
		}
		m.wasm = nil
		if len(m.raw) <= maxWords {
			if invalid := wazerosWords(p, m); invalid != nil {
				return invalid
			}
		}
		return host.Fail(host.CodeInvalid, "%s cannot be metered: %w", m.file, err)
	}
	if b.unmetered == "" {
		return nil
	}
	for i := range b.parts {
		b.parts[i].wasm = b.parts[i].raw
	}
	return nil
}

// wazerosWords says in wazero's words what is wrong with a module. They are none
// where wazero fails over it: it does where a body ends within a try_table.
func wazerosWords(p *host.Package, m *part) (invalid error) {
	defer func() {
		if recover() != nil {
			invalid = nil
		}
	}()
	return validate(p, m)
}
