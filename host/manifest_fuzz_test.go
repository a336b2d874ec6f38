package host

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzManifest: parsing never panics, and what is taken, written and parsed
// again says the same.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, "\xef\xbb\xbf{}", `{"version":"v1.0.0","language":"python","executable":"x.py","functions":["a"],"sources":["b"],"sinks":["c"]}`,
		`{"name":"image","functions":[{"name":"resize","args":[]},"crop"],"about":{}}`, `{"functions":["a"],"wasmEngine":"wasmedge"}`,
		`{"engine":"wasm","wasm":{"abi":"berth","isolation":"keep"},"encoding":{"a":"raw"},"limits":{"memory":"1MiB","input":7,"output":"1kB","timeout":"1ms","instances":1,"fuel":1}}`,
		`{"capabilities":{"hosts":[],"paths":{},"env":{"":""},"config":{"k":"\ud800"}},"processes":3,"preload":true}`,
		`{"limits":{"timeout":250}}`, `{"Limits":{"memory":null}}`, `{"functions":null,"encoding":{}}`, `{"limits":{"timeout":"2562047h47m16.854775807s"}}`,
		`{"wasm":{"vars":"instance","args":["-v",""],"modules":[{"path":"a/b.wasm"},{"name":"x","path":"x.wasm"}],"maxVars":0,"maxResponse":"1MiB"}}`,
		`{"capabilities":{"hosts":["*.{a,b}.c","[a-z]?","::1"],"paths":{"data":"/data:ro","/srv":"/"},"clock":true,"random":true}}`,
		`{"wasm":[{"path":"count_vowels.wasm","hash":"` + digestOfNothing + `"}]}`,
		`{"wasm":[{"data":"AGFzbQEAAAA=","name":"lib"},{"url":"https://example.com/x","headers":{"a":"b"},"method":"get"}],"memory":{"max_pages":17,"max_var_bytes":0,"max_http_response_bytes":-1},
			"allowed_hosts":["*"],"allowed_paths":{"ro:./d":"mnt","/x":"/y"},"config":{"k":"v"},"timeout_ms":7,"whatever":[]}`,
		`{"WASM":[{}],"memory":null}`, `{"wasm":[],"wasm":{}}`, `{"wasm":{},"wasm":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			if CodeOf(err) != CodeInvalid || err.Error() == "" {
				t.Fatalf("the error %v has the code %v", err, CodeOf(err))
			}
			return
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("cannot be written: %v", err)
		}
		back, err := ParseManifest(written)
		if err != nil {
			t.Fatalf("%s\nis not taken any more: %v", written, err)
		}
		if m, back = plain(m), plain(back); !reflect.DeepEqual(m, back) {
			t.Fatalf("%s\nsays something else:\n%+v\n%+v", written, m, back)
		}
	})
}

const digestOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// plain makes empty lists and maps nil: they mean the same. What only an Extism
// manifest says, it forgets.
func plain(m Manifest) Manifest {
	m.extism = false
	m.Wasm.dropSources()
	if len(m.Wasm.Args) == 0 {
		m.Wasm.Args = nil
	}
	if len(m.Wasm.Modules) == 0 {
		m.Wasm.Modules = nil
	}
	for _, list := range []*Symbols{&m.Functions, &m.Sources, &m.Sinks} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(m.Encoding) == 0 {
		m.Encoding = nil
	}
	if len(m.Capabilities.Hosts) == 0 {
		m.Capabilities.Hosts = nil
	}
	for _, list := range []*map[string]string{&m.Capabilities.Paths, &m.Capabilities.Env, &m.Capabilities.Config} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return m
}
