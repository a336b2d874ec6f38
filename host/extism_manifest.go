package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"berth/host/archive"
)

// maxExtism bounds the size of an Extism manifest in bytes: its modules may be
// in it.
const maxExtism = 16 << 20

// extismManifest is what is read of an Extism manifest. Other keys are ignored,
// as the Extism SDKs for Go and for other languages than Rust do.
type extismManifest struct {
	Wasm   []extismSource `json:"wasm"`
	Memory struct {
		MaxPages    uint32 `json:"max_pages"` // of 64 KiB; 0: as the host says
		MaxResponse *int64 `json:"max_http_response_bytes"`
		MaxVars     *int64 `json:"max_var_bytes"`
	} `json:"memory"`
	Hosts   []string          `json:"allowed_hosts"`
	Paths   map[string]string `json:"allowed_paths"`
	Config  map[string]string `json:"config"`
	Timeout uint64            `json:"timeout_ms"` // 0: as the host says
}

// extismSource is one module: its path, its bytes or its URL.
type extismSource struct {
	Path    string            `json:"path"`
	Data    json.RawMessage   `json:"data"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Method  string            `json:"method"`
	Name    string            `json:"name"`
	Hash    string            `json:"hash"`
}

// isExtism tells whether a manifest is Extism's: the key "wasm" at its top level
// is a list. What is no JSON is not.
func isExtism(data []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return false
	}
	for dec.More() {
		var value json.RawMessage
		key, err := dec.Token()
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return false
		}
		if name, _ := key.(string); strings.EqualFold(name, "wasm") {
			return value[0] == '['
		}
	}
	return false
}

// parseExtism makes a manifest of Extism's:
//
//	wasm[]                           wasm.modules
//	memory.max_pages                 limits.memory
//	memory.max_http_response_bytes   wasm.maxResponse
//	memory.max_var_bytes             wasm.maxVars
//	allowed_hosts, config            capabilities.hosts, capabilities.config
//	allowed_paths, "ro:" on a key    capabilities.paths, ":ro" on its value
//	timeout_ms                       limits.timeout
//
// The ABI is "extism". Modules that are not files of the package become files in
// modulesDir.
func parseExtism(data []byte) (Manifest, error) {
	var given extismManifest
	if err := json.Unmarshal(data, &given); err != nil {
		return Manifest{}, fmt.Errorf("as an Extism manifest, which it is because \"wasm\" is a list: %w", err)
	}
	m := Manifest{extism: true, Wasm: WasmSpec{ABI: "extism", MaxResponse: extismSize(given.Memory.MaxResponse), MaxVars: extismSize(given.Memory.MaxVars)}}
	var faults []error
	if len(given.Wasm) == 0 {
		faults = append(faults, errors.New("\"wasm\" is an empty list: name a module"))
	}
	for i, source := range given.Wasm {
		module, err := source.module(i)
		if err == nil {
			err = module.validate()
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("\"wasm\": module %d: %w", i, err))
		}
		m.Wasm.Modules = append(m.Wasm.Modules, module)
	}
	if len(given.Wasm) > maxModules {
		faults = append(faults, fmt.Errorf("\"wasm\": %d modules: at most %d are allowed", len(given.Wasm), maxModules))
	}
	if _, _, err := moduleNames(m.Wasm.Modules); err != nil {
		faults = append(faults, fmt.Errorf("\"wasm\": %w", err))
	}
	if pages := given.Memory.MaxPages; pages > 0 {
		size := Bytes(pages) << 16
		m.Limits.Memory = &size
	}
	if ms := given.Timeout; ms > math.MaxInt64/uint64(time.Millisecond) {
		faults = append(faults, fmt.Errorf("\"timeout_ms\" is %d: that is no time", ms))
	} else if ms > 0 {
		timeout := Duration(time.Duration(ms) * time.Millisecond)
		m.Limits.Timeout = &timeout
	}
	paths, err := extismPaths(given.Paths)
	m.Capabilities = Capabilities{Hosts: given.Hosts, Paths: paths, Config: given.Config}
	names := map[string]string{"hosts": "allowed_hosts", "paths": "allowed_paths", "config": "config"}
	faults = append(faults, err, m.Capabilities.validate(func(capability string) string { return names[capability] }))
	return m, errors.Join(faults...)
}

// extismSize reads a size of which a negative one is none, as in the Go SDK.
func extismSize(n *int64) *Bytes {
	if n == nil || *n < 0 {
		return nil
	}
	size := Bytes(*n)
	return &size
}

// extismPaths turns {"ro:/host": "/guest"} into {"/host": "/guest:ro"}. A guest's
// path need not be in its shortest form, nor absolute.
func extismPaths(given map[string]string) (map[string]string, error) {
	var faults []error
	paths := map[string]string{}
	for _, key := range sortedKeys(given) {
		folder, readOnly := strings.CutPrefix(key, "ro:")
		guest := path.Clean("/" + given[key])
		switch _, double := paths[folder]; {
		case given[key] == "":
			faults = append(faults, fmt.Errorf("\"allowed_paths\": %q is to be nothing for the guest", clip(key)))
		case strings.HasSuffix(guest, readOnlySuffix):
			faults = append(faults, fmt.Errorf("\"allowed_paths\": the guest's path %q ends in %q: begin the host's with \"ro:\" instead", clip(given[key]), readOnlySuffix))
		case double:
			faults = append(faults, fmt.Errorf("\"allowed_paths\" names %q twice, with \"ro:\" and without", clip(folder)))
		}
		if readOnly {
			guest += readOnlySuffix
		}
		paths[folder] = guest
	}
	if len(paths) == 0 {
		paths = nil
	}
	return paths, errors.Join(faults...)
}

// module reads the place of module i: exactly one of path, data and url.
func (s extismSource) module(i int) (WasmModule, error) {
	m := WasmModule{Name: s.Name, Hash: s.Hash, Path: path.Clean(s.Path)}
	hasData := len(s.Data) > 0 && string(s.Data) != "null"
	var places int
	for _, given := range []bool{s.Path != "", hasData, s.URL != ""} {
		if given {
			places++
		}
	}
	if places != 1 {
		m.Path = ""
		return m, errors.New("give it exactly one of \"path\", \"data\" and \"url\"")
	}
	if s.Path != "" {
		return m, nil
	}
	m.Path = fmt.Sprintf("%s/%d.wasm", modulesDir, i)
	if hasData {
		var text string
		if err := json.Unmarshal(s.Data, &text); err != nil {
			return m, errors.New("its \"data\" is not a text in base64")
		}
		data, err := decodeBase64(text)
		m.source.data = data
		return m, err
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return m, fmt.Errorf("its \"url\" %q is not one of http or https: put the file into the package and name it as \"path\"", clip(archive.Redacted(s.URL)))
	case s.Method != "" && !strings.EqualFold(s.Method, "GET"):
		return m, fmt.Errorf("its \"method\" is %q: modules are fetched with GET only; put the file into the package and name it as \"path\"", clip(s.Method))
	}
	m.source.url, m.source.headers = s.URL, s.Headers
	return m, nil
}

// decodeBase64 decodes the standard alphabet, padded or not.
func decodeBase64(text string) ([]byte, error) {
	encoding := base64.StdEncoding
	if !strings.HasSuffix(text, "=") && len(text)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	data, err := encoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil, errors.New("its \"data\" is not a module in base64")
	}
	return slices.Clip(data), nil
}
