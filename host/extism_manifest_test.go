package host

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseExtismGood(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Manifest
	}{
		{"one file", `{"wasm":[{"path":"./count_vowels.wasm"}]}`, Manifest{Wasm: WasmSpec{Modules: []WasmModule{{Path: "count_vowels.wasm"}}}}},
		{"everything", `{"wasm":[{"path":"lib/a.wasm","name":"lib","hash":"` + digestOfNothing + `"},{"path":"b.wasm","name":"main"}],
			"memory":{"max_pages":4,"max_http_response_bytes":0,"max_var_bytes":100},"allowed_hosts":["*.example.com"],
			"allowed_paths":{"ro:./in":"/in","/srv":"out/","data":"/x/../y"},"config":{"k":"v","empty":""},"timeout_ms":1500}`,
			Manifest{
				Wasm: WasmSpec{Modules: []WasmModule{{Name: "lib", Path: "lib/a.wasm", Hash: digestOfNothing}, {Name: "main", Path: "b.wasm"}},
					MaxResponse: ptr(Bytes(0)), MaxVars: ptr(Bytes(100))},
				Limits: LimitSpec{Memory: ptr(Bytes(4 << 16)), Timeout: ptr(Duration(1500 * time.Millisecond))},
				Capabilities: Capabilities{Hosts: []string{"*.example.com"}, Paths: map[string]string{"./in": "/in:ro", "/srv": "/out", "data": "/y"},
					Config: map[string]string{"k": "v", "empty": ""}},
			}},
		{"what stands for nothing", "\xef\xbb\xbf" + `{"wasm":[{"path":"a.wasm","name":null,"data":null,"hash":""}],"memory":{"max_pages":0,"max_http_response_bytes":-1},"allowed_hosts":null,"timeout_ms":0}`,
			Manifest{Wasm: WasmSpec{Modules: []WasmModule{{Path: "a.wasm"}}}}},
		{"unknown keys and those of others", `{"wasm":[{"path":"a.wasm","x":1}],"limits":{"memry":1},"functions":7,"name":"other","version":"v9"}`,
			Manifest{Wasm: WasmSpec{Modules: []WasmModule{{Path: "a.wasm"}}}}},
		{"modules from elsewhere", `{"wasm":[{"data":"AGFzbQ==","name":"x"},{"data":"AGFzbQ"},{"url":"https://example.com/m.wasm","headers":{"Authorization":"t"},"method":"GET","name":"y"}]}`,
			Manifest{Wasm: WasmSpec{Modules: []WasmModule{
				{Name: "x", Path: ".modules/0.wasm", source: moduleSource{data: []byte("\x00asm")}},
				{Path: ".modules/1.wasm", source: moduleSource{data: []byte("\x00asm")}},
				{Name: "y", Path: ".modules/2.wasm", source: moduleSource{url: "https://example.com/m.wasm", headers: map[string]string{"Authorization": "t"}}},
			}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseManifest([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			test.want.extism, test.want.Wasm.ABI = true, "extism"
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseExtismBad(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"no module", `{"wasm":[]}`, []string{`"wasm" is an empty list`}},
		{"a module of nothing", `{"wasm":[{}]}`, []string{`module 0: give it exactly one of "path", "data" and "url"`}},
		{"a module of two things", `{"wasm":[{"path":"a.wasm","url":"http://a/b"}]}`, []string{"exactly one of"}},
		{"not objects", `{"wasm":["a.wasm"]}`, []string{"as an Extism manifest", "cannot unmarshal string"}},
		{"absolute path", `{"wasm":[{"path":"/srv/a.wasm"}]}`, []string{`its path "/srv/a.wasm" is not one of a file in the package`}},
		{"path that leads out", `{"wasm":[{"path":"../a.wasm"}]}`, []string{`"../a.wasm" is not one`}},
		{"path to the package itself", `{"wasm":[{"path":"./"}]}`, []string{"is not one of a file"}},
		{"a file URL", `{"wasm":[{"url":"file:///etc/passwd"}]}`, []string{`"file:///etc/passwd" is not one of http or https`}},
		{"another method", `{"wasm":[{"url":"http://a/b","method":"DELETE"}]}`, []string{`its "method" is "DELETE"`, "with GET only"}},
		{"no base64", `{"wasm":[{"data":"****"}]}`, []string{"is not a module in base64"}},
		{"empty data", `{"wasm":[{"data":""}]}`, []string{"is not a module in base64"}},
		{"a pointer", `{"wasm":[{"data":{"ptr":1,"len":2}}]}`, []string{"is not a text in base64"}},
		{"hash in capitals", `{"wasm":[{"path":"a.wasm","hash":"` + strings.ToUpper(digestOfNothing) + `"}]}`, []string{"no SHA-256 in lower-case hex"}},
		{"two without names", `{"wasm":[{"path":"a.wasm"},{"path":"b.wasm"}]}`, []string{"module 1 is the second main module"}},
		{"two of a name", `{"wasm":[{"path":"a.wasm","name":"x"},{"path":"b.wasm","name":"x"},{"path":"c.wasm"}]}`, []string{`module 1 is the second of the name "x"`}},
		{"the host's name", `{"wasm":[{"path":"a.wasm","name":"extism:host/env"}, {"path":"b.wasm"}]}`, []string{"the name of the host's own functions"}},
		{"hosts", `{"wasm":[{"path":"a.wasm"}],"allowed_hosts":["https://a.b"]}`, []string{`"allowed_hosts": the host pattern "https://a.b" is a URL`}},
		{"paths", `{"wasm":[{"path":"a.wasm"}],"allowed_paths":{"../a":"/a","b":"","c":"/c:ro","d":"/d","ro:d":"/e","f":"/f","g":"/f"}}`,
			[]string{`"allowed_paths": "../a" has ".."`, `"b" is to be nothing`, `"/c:ro" ends in ":ro"`, `names "d" twice`, `two folders are to be "/f"`}},
		{"configuration", `{"wasm":[{"path":"a.wasm"}],"config":{"k":7}}`, []string{"config", "number"}},
		{"a negative time", `{"wasm":[{"path":"a.wasm"}],"timeout_ms":-1}`, []string{"timeout_ms"}},
		{"an endless time", `{"wasm":[{"path":"a.wasm"}],"timeout_ms":18446744073709551615}`, []string{"that is no time"}},
		{"too many modules", `{"wasm":[` + strings.Repeat(`{"path":"a.wasm"},`, 64) + `{"path":"b.wasm"}]}`, []string{"65 modules: at most 64"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantBadManifest(t, test.text, test.want...)
		})
	}
}

// TestMainModule: which module is called, and which are linked, by the Go SDK's
// rule.
func TestMainModule(t *testing.T) {
	for _, test := range []struct {
		modules string // name or "-", in order; the files are a, b, c
		main    string
		linked  []LinkedModule
	}{
		{"-", "a", nil},
		{"x", "a", nil},
		{"main lib", "a", []LinkedModule{{"lib", "b"}}},
		{"lib main", "b", []LinkedModule{{"lib", "a"}}},
		{"lib -", "b", []LinkedModule{{"lib", "a"}}},
		{"- lib", "a", []LinkedModule{{"lib", "b"}}},
		{"x y z", "c", []LinkedModule{{"x", "a"}, {"y", "b"}}},
		{"x main z", "b", []LinkedModule{{"x", "a"}, {"z", "c"}}},
		{"extism:host/user main", "b", []LinkedModule{{"extism:host/user", "a"}}},
	} {
		p := &Package{Name: "p"}
		for i, name := range strings.Fields(test.modules) {
			p.Manifest.Wasm.Modules = append(p.Manifest.Wasm.Modules, WasmModule{Name: strings.Trim(name, "-"), Path: string(rune('a' + i))})
		}
		if got := p.Wasm(); got != test.main {
			t.Errorf("%s: main is %s, want %s", test.modules, got, test.main)
		}
		if got := p.Modules(); !reflect.DeepEqual(got, test.linked) {
			t.Errorf("%s: linked are %v, want %v", test.modules, got, test.linked)
		}
	}
	if p := (&Package{Name: "p"}); p.Wasm() != "p.wasm" || p.Modules() != nil {
		t.Errorf("a package without a list: %s, %v", p.Wasm(), p.Modules())
	}
}

func TestExtismBounds(t *testing.T) {
	p := &Package{Limits: Limits{Memory: 64 << 20}}
	if p.MaxVars() != 1<<20 || p.MaxResponse() != 50<<20 {
		t.Errorf("by default: %d, %d", p.MaxVars(), p.MaxResponse())
	}
	p.Manifest.Wasm = WasmSpec{MaxVars: ptr(Bytes(0)), MaxResponse: ptr(Bytes(1 << 40))}
	if p.MaxVars() != 0 || p.MaxResponse() != 64<<20 {
		t.Errorf("0 and too much: %d, %d", p.MaxVars(), p.MaxResponse())
	}
}

// TestExtismOverLimits: the message is in the words of the manifest's author.
func TestExtismOverLimits(t *testing.T) {
	_, err := openFiles(t, "echo", map[string]string{"echo.json": `{"wasm":[{"path":"a.wasm"}],"memory":{"max_pages":10000},"timeout_ms":60000}`, "a.wasm": ""})
	if CodeOf(err) != CodeInvalid || err == nil {
		t.Fatal(err)
	}
	for _, want := range []string{`asks for 625MiB`, `asks for 1m0s`, `"memory.max_pages"`, `"timeout_ms"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestExtismTooLong(t *testing.T) {
	text := `{"wasm":[{"path":"a.wasm"}],"config":{"k":"` + strings.Repeat("x", maxManifest) + `"}}`
	if _, err := ParseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), `"config": 1 entries`) {
		t.Errorf("much configuration: %v", err)
	}
	text = `{"x":"` + strings.Repeat("x", maxManifest) + `","wasm":[{"path":"a.wasm"}]}`
	if _, err := ParseManifest([]byte(text)); err != nil {
		t.Errorf("%v", err)
	}
	text = `{"x":"` + strings.Repeat("x", maxExtism) + `","wasm":[{"path":"a.wasm"}]}`
	if _, err := ParseManifest([]byte(text)); CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), "of an Extism manifest") {
		t.Errorf("too much: %v", err)
	}
}
