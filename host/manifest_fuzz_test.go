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

// plain makes empty lists and maps nil: they mean the same.
func plain(m Manifest) Manifest {
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
