package host

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// languageWasm is the language of portable plugins that the sandbox runs.
const languageWasm = "wasm"

// languages are those that a portable plugin may be written for: "exec" is any
// program that speaks the protocol.
var languages = [...]string{"go", "python", languageWasm, "exec"}

// checkContents refuses a package that lacks what plugins of its kind need. The
// errors are CodeInvalid, in words that follow "fail to install plugin: "; where
// eKuiper has a text, it is the beginning of ours.
func (p *Package) checkContents() error {
	for _, module := range p.Manifest.Wasm.Modules {
		if !p.Has(module.Path) {
			return Fail(CodeInvalid, "manifest %s.json: the package has no file %s, which is one of its modules", p.Name, clip(module.Path))
		}
	}
	switch p.Kind {
	case Portables:
		return p.checkPortable()
	case Sources:
		if err := p.checkBuilds(Exported(p.Name) + ".so"); err != nil {
			return err
		}
		if yaml := p.Name + ".yaml"; !p.Has(yaml) {
			return Fail(CodeInvalid, "invalid zip file: it has no %s, the default configuration that every source needs%s", yaml, p.misnamed(".yaml", p.Name))
		}
		return nil
	case Sinks:
		return p.checkBuilds(Exported(p.Name) + ".so")
	case Wasm:
		if !p.Has(p.Wasm()) {
			return Fail(CodeInvalid, "invalid zip file: it has no %s%s", p.Wasm(), p.misnamed(".wasm", p.Name))
		}
		return nil
	}
	return p.checkBuilds(p.Wasm() + " or " + Exported(p.Name) + ".so")
}

// checkBuilds refuses a package with nothing in it that any engine could run.
func (p *Package) checkBuilds(expected string) error {
	if p.Has(p.Wasm()) || len(p.Native()) > 0 {
		return nil
	}
	hint := p.misnamed(".wasm", p.Name)
	if hint == "" {
		hint = p.misnamed(".so", Exported(p.Name))
	}
	return Fail(CodeInvalid, "invalid zip file: no build of %q in it: expected %s, found: %s%s", p.Name, expected, p.shown(), hint)
}

// checkPortable applies eKuiper's rules for portable plugins, in its order and in
// its words, which its clients know; there are hints where they cost nothing.
func (p *Package) checkPortable() error {
	m := p.Manifest
	json := p.Name + ".json"
	switch {
	case !p.Has(json):
		return Fail(CodeInvalid, "missing or invalid json file %s, found %d files in total%s", json, len(p.Files), p.misnamed(".json", p.Name))
	case m.Language == "":
		return Fail(CodeInvalid, "invalid plugin, missing language")
	case m.Executable == "":
		return Fail(CodeInvalid, "invalid plugin, missing executable")
	case len(m.Functions)+len(m.Sources)+len(m.Sinks) == 0:
		return Fail(CodeInvalid, "invalid plugin, must define at least one source, sink or function: name them in %s", json)
	case !slices.Contains(languages[:], m.Language):
		return Fail(CodeInvalid, "invalid plugin, language '%s' is not supported", clip(m.Language))
	case !p.Has(m.Executable):
		return Fail(CodeInvalid, "missing %s%s", clip(m.Executable), p.elsewhere(m.Executable))
	}
	for _, source := range m.Sources {
		if yaml := "sources/" + source + ".yaml"; !p.Has(yaml) {
			return Fail(CodeInvalid, "missing %s%s", yaml, p.elsewhere(yaml))
		}
	}
	return nil
}

// misnamed is a hint for a package in which exactly one file has the right
// extension and another name than stem.
func (p *Package) misnamed(extension, stem string) string {
	var other string
	for _, file := range p.Files {
		if path.Ext(file) != extension || strings.Contains(file, "/") {
			continue
		}
		if other != "" {
			return ""
		}
		other = file
	}
	if other == "" || other == stem+extension {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(other, extension), "@")
	return fmt.Sprintf(": there is %s, whose name does not fit: name it %s, or install the plugin under the name %s", other, stem+extension, clip(name))
}

// elsewhere is a hint for a missing file: where one of that name lies.
func (p *Package) elsewhere(file string) string {
	for _, f := range p.Files {
		if path.Base(f) == path.Base(file) {
			return fmt.Sprintf(": %s lies at %s in the package", path.Base(file), clip(f))
		}
	}
	return ""
}

// shown lists the package's files.
func (p *Package) shown() string {
	if len(p.Files) == 0 {
		return "nothing"
	}
	return clip(strings.Join(p.Files, " "))
}
