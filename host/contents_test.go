package host_test

import (
	"maps"
	"slices"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// TestKindsOfPlugins: what each kind needs in its package, in eKuiper's words
// where it has some, and where a hint can be given, that.
func TestKindsOfPlugins(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	build := fakeBuild{Version: "1", Functions: []string{"f", "g"}}.String()
	portable := func(manifest string, more files) files {
		f := files{"p.json": manifest}
		maps.Copy(f, more)
		return f
	}
	for _, test := range []struct {
		name  string
		kind  host.Kind
		files files
		words string
	}{
		{"a source without anything", host.Sources, files{"readme.txt": ""}, `fail to install plugin: invalid zip file: no build of "p" in it: expected P.so`},
		{"a source without its yaml", host.Sources, files{"P.so": ""}, "invalid zip file: it has no p.yaml"},
		{"a source whose yaml is misnamed", host.Sources, files{"P.so": "", "q.yaml": ""}, "name it p.yaml, or install the plugin under the name q"},
		{"a sink of another name", host.Sinks, files{"Other@v1.so": ""}, "there is Other@v1.so, whose name does not fit: name it P.so, or install the plugin under the name Other"},
		{"wasm without a build", host.Wasm, files{"p.json": `{"functions":["f"]}`}, "invalid zip file: it has no p.wasm"},
		{"no manifest", host.Portables, files{"whatever": ""}, "fail to install plugin: missing or invalid json file p.json, found 1 files in total"},
		{"a misnamed manifest", host.Portables, files{"q.json": "{}"}, "name it p.json"},
		{"no language", host.Portables, portable(`{"executable":"run","functions":["f"]}`, files{"run": ""}), "invalid plugin, missing language"},
		{"no executable", host.Portables, portable(`{"language":"go","functions":["f"]}`, nil), "invalid plugin, missing executable"},
		{"no symbols", host.Portables, portable(`{"language":"go","executable":"run"}`, files{"run": ""}), "must define at least one source, sink or function"},
		{"another language", host.Portables, portable(`{"language":"cobol","executable":"run","functions":["f"]}`, files{"run": ""}), "language 'cobol' is not supported"},
		{"the executable is not there", host.Portables, portable(`{"language":"go","executable":"run","functions":["f"]}`, files{"bin/run": ""}), "missing run: run lies at bin/run in the package"},
		{"the executable is outside", host.Portables, portable(`{"language":"go","executable":"../run","functions":["f"]}`, nil), `"executable" is "../run"`},
		{"a source's yaml is not there", host.Portables, portable(`{"language":"go","executable":"run","sources":["s"]}`, files{"run": ""}), "missing sources/s.yaml"},
		{"another name", host.Portables, portable(`{"name":"q","language":"go","executable":"run","functions":["f"]}`, files{"run": ""}), "expect name 'p' but got 'q'"},
	} {
		_, err := r.Install(t.Context(), host.Request{Kind: test.kind, Name: "p", File: packed(t, test.files)})
		if err == nil {
			t.Errorf("%s: installed", test.name)
			continue
		}
		enginetest.WantError(t, err, host.CodeInvalid, test.words)
		r.clean()
	}
	for _, kind := range []host.Kind{host.Sources, host.Sinks} {
		_, err := r.Install(t.Context(), host.Request{Kind: kind, Name: "p", File: packed(t, files{"p.wasm": build}), Functions: []string{"f"}})
		enginetest.WantError(t, err, host.CodeInvalid, "property 'functions'")
	}

	// The same name in every kind, and functions of every kind.
	manifest := `{"version":"v1","language":"wasm","executable":"p.wasm","functions":["f"],"sources":["s"],"sinks":["t"]}`
	for kind, f := range map[host.Kind]files{
		host.Sources:   {"p.wasm": build, "p.yaml": "default: {}"},
		host.Sinks:     {"p.wasm": build},
		host.Portables: {"p.wasm": build, "p.json": manifest, "sources/s.yaml": ""},
		host.Wasm:      {"p.wasm": build, "p.json": `{"functions":["g"],"wasmEngine":"wasmedge"}`},
	} {
		record, err := r.Install(t.Context(), host.Request{Kind: kind, Name: "p", File: packed(t, f)})
		if err != nil {
			t.Errorf("%v: %v", kind, err)
			continue
		}
		if kind == host.Portables && (record.Language != "wasm" || !slices.Equal(record.Sources, []string{"s"}) || !slices.Equal(record.Sinks, []string{"t"})) {
			t.Errorf("a portable plugin's record: %+v", record)
		}
	}
	if got := r.FunctionNames(); !slices.Equal(got, []string{"f", "g"}) {
		t.Errorf("functions %q", got)
	}
	_, err := r.Install(t.Context(), host.Request{Kind: host.Functions, Name: "late", File: packed(t, files{"late.wasm": build}), Functions: []string{"g"}})
	enginetest.WantError(t, err, host.CodeConflict, "function name g already exists")
	r.restart()
	r.answers("f", "x", "1:f:x")
	r.answers("g", "x", "1:g:x")
	for _, kind := range host.Kinds() {
		if kind == host.Functions {
			continue
		}
		if err := r.Drop(t.Context(), kind, "p"); err != nil {
			t.Errorf("drop %v: %v", kind, err)
		}
	}
	r.clean()
}
