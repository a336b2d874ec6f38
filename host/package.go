package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Package is an unpacked package: a folder that is never changed after it was
// committed. Engines read it; nobody changes it.
type Package struct {
	Kind     Kind
	Name     string
	Digest   string // sha256 of the zip, hex
	Dir      string // absolute; holds the files as they lay in the zip
	Cache    string // absolute; an engine's private folder for what it can make again
	Manifest Manifest
	Limits   Limits   // the host's, narrowed by the manifest
	Version  string   // the manifest's, else the native build's; may be empty
	Files    []string // slash-separated, sorted

	Grants Grants    // the capabilities that it has
	Denied []Denial  // those that it asked for and has not
	Log    PluginLog // where what its guests say goes; never nil
}

// Has tells whether the package holds the file (slash-separated).
func (p *Package) Has(file string) bool {
	_, found := slices.BinarySearch(p.Files, file)
	return found
}

// Path returns the absolute path of one of the package's files.
func (p *Package) Path(file string) string { return filepath.Join(p.Dir, filepath.FromSlash(file)) }

// Wasm is the file of the sandboxed build, whether it is there or not: the main
// one of the manifest's modules, the executable of a manifest whose language is
// wasm, else <name>.wasm.
func (p *Package) Wasm() string {
	if p.Manifest.Language == languageWasm && p.Manifest.Executable != "" {
		return p.Manifest.Executable
	}
	if modules := p.Manifest.Wasm.Modules; len(modules) > 0 {
		if _, main, err := moduleNames(modules); err == nil {
			return modules[main].Path
		}
	}
	return p.Name + ".wasm"
}

// Native returns the package's native builds, as NativeBuild tells them.
func (p *Package) Native() []string {
	var builds []string
	for _, file := range p.Files {
		if _, ok := NativeBuild(p.Name, file); ok {
			builds = append(builds, file)
		}
	}
	return builds
}

// NativeBuild tells whether a package's file (slash-separated) is a native build
// of the plugin, and its version: [<os>-<arch>/]<Name>[@<version>].so, where the
// name is the plugin's or its exported form, eKuiper's ^(name|Name)(@.*)?\.so$.
func NativeBuild(plugin, file string) (version string, ok bool) {
	if folder, rest, nested := strings.Cut(file, "/"); nested {
		system, arch, target := strings.Cut(folder, "-")
		if !target || !isName(system) || !isName(arch) || strings.Contains(arch, "-") {
			return "", false
		}
		file = rest
	}
	stem, ok := strings.CutSuffix(file, ".so")
	stem, version, _ = strings.Cut(stem, "@")
	return version, ok && (stem == plugin || stem == Exported(plugin))
}

// Exported is a plugin's name with its first letter in upper case, as a Go plugin
// exports it.
func Exported(plugin string) string {
	first, size := utf8.DecodeRuneInString(plugin)
	return string(unicode.ToUpper(first)) + plugin[size:]
}

// Encoding is the encoding of a function: what the manifest declares, else what
// its ABI implies.
func (p *Package) Encoding(function string, implied Encoding) Encoding {
	if declared, ok := p.Manifest.Encoding[function]; ok {
		return declared
	}
	return implied
}

// openPackage reads an unpacked package: its files, its manifest, its limits.
// Faults are CodeInvalid, in words that follow "fail to install plugin: ".
func openPackage(kind Kind, name, digest, dir, cache string, limits Limits) (*Package, error) {
	p := &Package{Kind: kind, Name: name, Digest: digest, Dir: dir, Cache: cache, Log: discard{}}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := filepath.Rel(dir, path)
		p.Files = append(p.Files, filepath.ToSlash(file))
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(p.Files)
	if p.Manifest, err = readManifest(dir, name); err != nil {
		return nil, err
	}
	p.Manifest.Wasm.dropSources() // they are files by now
	if p.Limits, err = limits.Narrow(p.Manifest.Limits); err != nil {
		if p.Manifest.extism {
			err = Fail(CodeInvalid, "%w; in an Extism manifest \"limits.memory\" is \"memory.max_pages\", of 64 KiB each, and \"limits.timeout\" is \"timeout_ms\"", cause(err))
		}
		return nil, err
	}
	p.Version = p.Manifest.Version
	for _, build := range p.Native() {
		if version, _ := NativeBuild(name, build); version != "" && p.Version == "" {
			p.Version = version
		}
	}
	return p, nil
}

// readManifest reads the manifest of a package in dir; one that has none has an
// empty one.
func readManifest(dir, name string) (m Manifest, err error) {
	file := name + ".json"
	path := filepath.Join(dir, file)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, nil
	case err != nil:
		return m, err
	case info.IsDir():
		return m, nil
	}
	if info.Size() > maxExtism {
		return m, Fail(CodeInvalid, "manifest %s: %w", file, cause(tooLong(info.Size())))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if m, err = ParseManifest(data); err != nil {
		return m, Fail(CodeInvalid, "manifest %s: %w", file, errors.Unwrap(err))
	}
	if m.Name != "" && m.Name != name {
		return m, Fail(CodeInvalid, "invalid plugin, expect name '%s' but got '%s': make the name in %s and in the request the same", name, clip(m.Name), file)
	}
	return m, nil
}
