package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// maxManifest bounds a manifest's size in bytes.
const maxManifest = 1 << 20

// maxFunctions bounds how many functions one plugin may declare.
const maxFunctions = 4096

// Manifest is what a package says of itself in <name>.json. Every key is
// optional. eKuiper's files are understood too: the portable manifest, the old
// wasm manifest and the user-interface metadata of native plugins; keys at the
// top level that Berth does not know are theirs and are ignored. Below "wasm",
// "limits" and "capabilities", which are Berth's own, an unknown key is a
// mistake and is refused. A manifest whose "wasm" is a list is Extism's: see
// parseExtism.
type Manifest struct {
	Name       string   `json:"name,omitempty"`
	Version    string   `json:"version,omitempty"`
	Language   string   `json:"language,omitempty"`
	Executable string   `json:"executable,omitempty"`
	VirtualEnv string   `json:"virtualEnvType,omitempty"` // of a Python plugin: "conda" or "venv"
	Env        string   `json:"env,omitempty"`            // the name of that environment
	Functions  Symbols  `json:"functions,omitempty"`
	Sources    Symbols  `json:"sources,omitempty"`
	Sinks      Symbols  `json:"sinks,omitempty"`
	Engine     string   `json:"engine,omitempty"`
	Wasm       WasmSpec `json:"wasm,omitzero"`

	// Encoding overrides, per function, what the form of the build implies.
	Encoding     map[string]Encoding `json:"encoding,omitempty"`
	Limits       LimitSpec           `json:"limits,omitzero"`
	Capabilities Capabilities        `json:"capabilities,omitzero"`
	Processes    int                 `json:"processes,omitempty"`

	// Concurrency says whether a native plugin may be called by several callers
	// at a time: "serial" (the same as empty) or "parallel".
	Concurrency string `json:"concurrency,omitempty"`

	// Preload loads the plugin at start instead of at its first call.
	Preload bool `json:"preload,omitempty"`

	extism bool // it was written as an Extism manifest
}

// Symbols is a list of names. In eKuiper's metadata of native plugins the
// entries are objects with a "name"; both forms are read.
type Symbols []string

// UnmarshalJSON implements json.Unmarshaler.
func (s *Symbols) UnmarshalJSON(data []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return errors.New("a list of names is expected")
	}
	*s = nil
	for i, entry := range entries {
		var name string
		if json.Unmarshal(entry, &name) != nil {
			var object struct{ Name string }
			if err := json.Unmarshal(entry, &object); err != nil {
				return fmt.Errorf("entry %d is neither a name nor an object with a \"name\"", i)
			}
			name = object.Name
		}
		*s = append(*s, name)
	}
	return nil
}

// ParseManifest reads and checks a manifest. The errors, CodeInvalid, name the
// key and say what it may be; all faults are reported together.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > maxExtism {
		return m, tooLong(len(data))
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if isExtism(data) {
		m, err := parseExtism(data)
		if err != nil {
			return m, Fail(CodeInvalid, "%w", err)
		}
		return m, nil
	}
	if len(data) > maxManifest {
		return m, tooLong(len(data))
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, Fail(CodeInvalid, "%w", err)
	}
	if err := errors.Join(checkOwnKeys(data), m.validate()); err != nil {
		return m, Fail(CodeInvalid, "%w", err)
	}
	return m, nil
}

func tooLong[T int | int64](length T) error {
	return Fail(CodeInvalid, "the manifest has %d bytes: at most %d are read, or %d of an Extism manifest", length, maxManifest, maxExtism)
}

// checkOwnKeys refuses unknown keys below the objects that are Berth's own: a
// misspelt limit must not be a missing limit. It looks at each key of the
// manifest the way encoding/json does, which also takes "Limits" for "limits",
// and all of those that are there twice.
func checkOwnKeys(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return err // null: an empty manifest
	}
	var faults []error
	for dec.More() {
		var value json.RawMessage
		key, err := dec.Token()
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if err := checkOwnKey(name, value); err != nil {
			faults = append(faults, fmt.Errorf("%q: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

func checkOwnKey(key string, value json.RawMessage) error {
	var own any
	switch {
	case strings.EqualFold(key, "wasm"):
		own = new(WasmSpec)
	case strings.EqualFold(key, "limits"):
		own = new(LimitSpec)
	case strings.EqualFold(key, "capabilities"):
		own = new(Capabilities)
	default:
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	return dec.Decode(own)
}

func (m *Manifest) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	oneOf := func(key, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			fault("%q is %q: use one of %q", key, clip(value), allowed)
		}
	}
	oneOf("engine", m.Engine, "wasm", "native", "portable")
	oneOf("concurrency", m.Concurrency, "serial", "parallel")
	oneOf("wasm.abi", m.Wasm.ABI, "numeric", "berth", "extism", "command", "wapc")
	oneOf("wasm.isolation", m.Wasm.Isolation, "keep", "fresh", "instance")
	oneOf("wasm.compiler", m.Wasm.Compiler, "compiler", "interpreter")
	oneOf("wasm.vars", m.Wasm.Vars, "plugin", "instance")
	if m.Executable != "" && (!fs.ValidPath(m.Executable) || m.Executable == ".") {
		fault("\"executable\" is %q: write the file's path in the package, with slashes and without \"..\"", clip(m.Executable))
	}
	if m.Processes < 0 {
		fault("\"processes\" is %d: it cannot be negative", m.Processes)
	}
	if len(m.Version) > maxName {
		fault("\"version\" is longer than %d characters", maxName)
	}
	for key, list := range map[string]Symbols{"functions": m.Functions, "sources": m.Sources, "sinks": m.Sinks} {
		if err := checkSymbols(list); err != nil {
			fault("%q: %w", key, err)
		}
	}
	if len(m.Functions) > 0 {
		for name := range m.Encoding {
			if !slices.Contains(m.Functions, name) {
				fault("\"encoding\" names %q, which \"functions\" does not", clip(name))
			}
		}
	}
	capability := func(name string) string { return "capabilities." + name }
	for _, err := range []error{m.Wasm.validate(), m.Limits.validate(), m.Capabilities.validate(capability)} {
		if err != nil {
			faults = append(faults, err)
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return bytes.Compare([]byte(a.Error()), []byte(b.Error())) })
	return errors.Join(faults...)
}

// checkSymbols refuses names that are none, and names given twice.
func checkSymbols(names []string) error {
	if len(names) > maxFunctions {
		return fmt.Errorf("%d names: at most %d are allowed", len(names), maxFunctions)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%q is named twice", name)
		}
		seen[name] = true
	}
	return nil
}
