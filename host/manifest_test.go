package host

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseManifestGood(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Manifest
	}{
		{"empty", `{}`, Manifest{}},
		{"byte order mark", "\xef\xbb\xbf{\"version\":\"v1\"}", Manifest{Version: "v1"}},
		{"eKuiper portable", `{"version":"v1.0.0","language":"python","executable":"pysam.py","virtualEnvType":"conda","env":"myenv",
			"sources":["pyjson"],"sinks":["print"],"functions":["revert"]}`,
			Manifest{Version: "v1.0.0", Language: "python", Executable: "pysam.py", VirtualEnv: "conda", Env: "myenv", Sources: Symbols{"pyjson"}, Sinks: Symbols{"print"}, Functions: Symbols{"revert"}}},
		{"old wasm manifest", `{"version":"v1.0.0","functions":["fib"],"wasmEngine":"wasmedge"}`,
			Manifest{Version: "v1.0.0", Functions: Symbols{"fib"}}},
		{"user interface metadata of a native plugin", `{"about":{"trial":false,"author":{"name":"EMQ","email":"x@y"},"description":{"en_US":"","zh_CN":"图像"}},
			"name":"image","functions":[{"name":"resize","example":"resize(avatar,30,20)","hint":{"en_US":"x"},"args":[{"name":"a"}]},{"name":"thumbnail"}]}`,
			Manifest{Name: "image", Functions: Symbols{"resize", "thumbnail"}}},
		{"names and objects mixed", `{"functions":["a",{"name":"b"}]}`, Manifest{Functions: Symbols{"a", "b"}}},
		{"everything of ours", `{"engine":"wasm","wasm":{"abi":"berth","isolation":"keep","compiler":"interpreter"},"functions":["resize"],
			"encoding":{"resize":"raw"},"limits":{"memory":"32MiB","input":1024,"output":"4MiB","timeout":"250ms","instances":8,"fuel":50000000},
			"capabilities":{"hosts":["api.example.com"],"paths":{"data":"/data:ro"},"env":{"TZ":"UTC"},"config":{"unit":"C"}},"processes":2,"concurrency":"parallel","preload":true}`,
			Manifest{Engine: "wasm", Wasm: WasmSpec{ABI: "berth", Isolation: "keep", Compiler: "interpreter"}, Functions: Symbols{"resize"}, Encoding: map[string]Encoding{"resize": EncodingRaw},
				Limits:       LimitSpec{ptr(Bytes(32 << 20)), ptr(Bytes(1024)), ptr(Bytes(4 << 20)), ptr(Duration(250 * time.Millisecond)), ptr(8), ptr(int64(50000000))},
				Capabilities: Capabilities{Hosts: []string{"api.example.com"}, Paths: map[string]string{"data": "/data:ro"}, Env: map[string]string{"TZ": "UTC"}, Config: map[string]string{"unit": "C"}},
				Processes:    2, Concurrency: "parallel", Preload: true}},
		{"modules and what they have", `{"wasm":{"vars":"instance","args":["-v"],"modules":[{"name":"lib","path":"lib/a.wasm","hash":"` + digestOfNothing + `"},{"path":"b.wasm"}],"maxVars":0,"maxResponse":"1MiB"},
			"capabilities":{"hosts":["*"],"paths":{".":"/","/srv":"/srv:ro"},"clock":true,"random":true}}`,
			Manifest{Wasm: WasmSpec{Vars: "instance", Args: []string{"-v"}, MaxVars: ptr(Bytes(0)), MaxResponse: ptr(Bytes(1 << 20)),
				Modules: []WasmModule{{Name: "lib", Path: "lib/a.wasm", Hash: digestOfNothing}, {Path: "b.wasm"}}},
				Capabilities: Capabilities{Hosts: []string{"*"}, Paths: map[string]string{".": "/", "/srv": "/srv:ro"}, Clock: true, Random: true}}},
		{"encoding without a list of functions", `{"encoding":{"f":"json"}}`, Manifest{Encoding: map[string]Encoding{"f": EncodingJSON}}},
		{"milliseconds", `{"limits":{"timeout":250}}`, Manifest{Limits: LimitSpec{Timeout: ptr(Duration(250 * time.Millisecond))}}},
		{"null limits", `{"limits":{"memory":null},"functions":null}`, Manifest{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseManifest([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseManifestBad(t *testing.T) {
	long := `{"version":"` + strings.Repeat("v", 129) + `"}`
	many := `{"functions":[` + strings.TrimSuffix(strings.Repeat(`"f",`, 4097), ",") + `]}`
	for _, test := range []struct {
		name, text string
		want       []string // all in the message
	}{
		{"nothing", ``, []string{"unexpected end of JSON input"}},
		{"not JSON", `version: v1`, []string{"invalid character"}},
		{"cut off", `{"version":`, []string{"unexpected end"}},
		{"two values", `{} {}`, []string{"after top-level value"}},
		{"a list", `[]`, []string{"cannot unmarshal array"}},
		{"unknown engine", `{"engine":"docker"}`, []string{`"engine" is "docker": use one of ["wasm" "native" "portable"]`}},
		{"unknown concurrency", `{"concurrency":"some"}`, []string{`"concurrency" is "some": use one of ["serial" "parallel"]`}},
		{"unknown ABI", `{"wasm":{"abi":"wit"}}`, []string{`"wasm.abi" is "wit"`, `"extism"`}},
		{"unknown isolation", `{"wasm":{"isolation":"none"}}`, []string{`"wasm.isolation" is "none"`, `"fresh"`}},
		{"unknown compiler", `{"wasm":{"compiler":"llvm"}}`, []string{`"wasm.compiler" is "llvm"`, `"interpreter"`}},
		{"zero memory", `{"limits":{"memory":0}}`, []string{`"limits.memory" must be more than zero`}},
		{"negative memory", `{"limits":{"memory":-1}}`, []string{"is not a size"}},
		{"negative timeout", `{"limits":{"timeout":"-1s"}}`, []string{`"limits.timeout" must be more than zero`}},
		{"all limits zero", `{"limits":{"memory":0,"input":0,"output":"0","timeout":0,"instances":0,"fuel":0}}`,
			[]string{"limits.memory", "limits.input", "limits.output", "limits.timeout", "limits.instances", "limits.fuel"}},
		{"negative counts", `{"limits":{"instances":-2,"fuel":-1},"processes":-1}`, []string{"limits.instances", "limits.fuel", `"processes" is -1`}},
		{"fraction", `{"limits":{"instances":1.5}}`, []string{"instances"}},
		{"unknown limit", `{"limits":{"memry":"1MiB"}}`, []string{`"limits"`, "memry"}},
		{"unknown key in wasm", `{"wasm":{"abbi":"berth"}}`, []string{`"wasm"`, "abbi"}},
		{"unknown capability", `{"capabilities":{"network":true}}`, []string{`"capabilities"`, "network"}},
		{"function named twice", `{"functions":["a","b","a"]}`, []string{`"functions"`, `"a" is named twice`}},
		{"function name", `{"functions":["a b"]}`, []string{`"functions"`, "id 'a b' contains invalid characters"}},
		{"empty function name", `{"functions":[""]}`, []string{"id cannot be empty"}},
		{"function without a name", `{"functions":[{"title":"x"}]}`, []string{"id cannot be empty"}},
		{"function as a number", `{"functions":["a",7]}`, []string{"entry 1 is neither a name nor an object"}},
		{"functions as a text", `{"functions":"a"}`, []string{"a list of names is expected"}},
		{"source name", `{"sources":["../x"],"sinks":["/"]}`, []string{`"sources"`, `"sinks"`}},
		{"encoding for an unknown function", `{"functions":["a"],"encoding":{"b":"raw"}}`, []string{`"encoding" names "b", which "functions" does not`}},
		{"unknown encoding", `{"functions":["a"],"encoding":{"a":"xml"}}`, []string{`unknown encoding "xml"`}},
		{"long version", long, []string{`"version" is longer than 128`}},
		{"too many functions", many, []string{"4097 names: at most 4096"}},
		{"too big", `{"about":"` + strings.Repeat("x", maxManifest) + `"}`, []string{"bytes: at most 1048576 are read"}},
		{"a second main module", `{"wasm":{"modules":[{"path":"a.wasm"},{"path":"b.wasm"}]}}`, []string{`"wasm.modules"`, "module 1 is the second main module"}},
		{"two modules of a name", `{"wasm":{"modules":[{"path":"a.wasm","name":"x"},{"path":"b.wasm","name":"x"},{"path":"c.wasm"}]}}`, []string{`the second of the name "x"`}},
		{"the host's own module", `{"wasm":{"modules":[{"path":"a.wasm","name":"extism:host/env"},{"path":"b.wasm"}]}}`, []string{"the host's own functions"}},
		{"module paths", `{"wasm":{"modules":[{"path":"/a.wasm","name":"a"},{"path":"../b.wasm","name":"b"},{"name":"c"},{"path":"./d.wasm"}]}}`,
			[]string{`module 0: its path "/a.wasm"`, `module 1: its path "../b.wasm"`, `module 2: it has no "path"`, `module 3: its path "./d.wasm"`}},
		{"module hash", `{"wasm":{"modules":[{"path":"a.wasm","hash":"` + strings.ToUpper(digestOfNothing) + `"}]}}`, []string{"no SHA-256 in lower-case hex"}},
		{"a module's URL", `{"wasm":{"modules":[{"url":"https://example.com/a.wasm"}]}}`, []string{`"wasm"`, "url"}},
		{"arguments", `{"wasm":{"args":["a\u0000"]}}`, []string{`"wasm.args": entry 0 has a zero byte`}},
		{"too many arguments", `{"wasm":{"args":[` + strings.Repeat(`"",`, 256) + `""]}}`, []string{"257 arguments"}},
		{"unknown place of variables", `{"wasm":{"vars":"host"}}`, []string{`"wasm.vars" is "host"`, `"instance"`}},
		{"host patterns", `{"capabilities":{"hosts":["https://a.b/c","a.b:80",""]}}`, []string{`"capabilities.hosts"`, "is a URL", "without a port", "empty"}},
		{"folders", `{"capabilities":{"paths":{"../x":"/a","a/../b":"/b","y":"c","z":"/d/../e:ro","":"/f","g":"/g","./g":"/g:ro"}}}`,
			[]string{`"capabilities.paths"`, `"../x" has ".."`, `"a/../b" has ".."`, `"y" is to be "c"`, `"/d/../e"`, "a folder has no name", `two folders are to be "/g"`}},
		{"environment", `{"capabilities":{"env":{"A=B":"x","":"y","C":"\u0000"}}}`, []string{`"capabilities.env": "A=B"`, "a variable has no name", `the value of "C"`}},
		{"configuration", `{"capabilities":{"config":{"":"x"}}}`, []string{`"capabilities.config": an entry has no key`}},
		{"a large environment", `{"capabilities":{"env":{"A":"` + strings.Repeat("x", 128<<10) + `"}}}`, []string{`"capabilities.env": 1 entries with 131073 bytes: at most 1024 with 128KiB`}},
		{"several faults", `{"engine":"x","processes":-1,"limits":{"fuel":0},"functions":["a","a"],"wasm":{"abi":"y"}}`,
			[]string{`"engine" is "x"`, `"processes"`, "limits.fuel", "named twice", `"wasm.abi"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantBadManifest(t, test.text, test.want...)
		})
	}
}

// wantBadManifest checks that a manifest is refused, with a message of a bounded
// length that says all of something.
func wantBadManifest(t *testing.T, text string, says ...string) {
	t.Helper()
	_, err := ParseManifest([]byte(text))
	if CodeOf(err) != CodeInvalid || err == nil {
		t.Fatalf("got %v, want CodeInvalid", err)
	}
	for _, want := range says {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if len(err.Error()) > 2000 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
	if errors.Unwrap(err) == nil {
		t.Error("no cause")
	}
}

// TestParseManifestAllFaults: the doc comment promises that all faults are
// reported together, whichever check finds them.
func TestParseManifestAllFaults(t *testing.T) {
	_, err := ParseManifest([]byte(`{"engine":"docker","limits":{"memry":"1MiB","instances":-1},"wasm":{"abbi":"x"},"capabilities":{"network":true}}`))
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"docker", "memry", "limits.instances", "abbi", "network"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// TestParseManifestKeyCase: encoding/json takes "Limits" for "limits", so the
// refusal of unknown keys below it must, too: a misspelt limit must not be a
// missing limit.
func TestParseManifestKeyCase(t *testing.T) {
	for _, text := range []string{`{"Limits":{"memry":"1MiB"}}`, `{"WASM":{"abbi":"x"}}`, `{"limits":{"memry":1},"limits":{"memory":"1MiB"}}`} {
		if m, err := ParseManifest([]byte(text)); err == nil {
			t.Errorf("%s is taken as %+v", text, m)
		}
	}
}

func TestCapabilitiesAsked(t *testing.T) {
	if got := (Capabilities{}).Asked(); len(got) != 0 {
		t.Errorf("nothing asked: %v", got)
	}
	c := Capabilities{Hosts: []string{"a"}, Paths: map[string]string{"b": "c"}, Env: map[string]string{"d": "e"}, Config: map[string]string{"f": "g"}, Clock: true, Random: true}
	if got := c.Asked(); !reflect.DeepEqual(got, []string{"clock", "config", "env", "hosts", "paths", "random"}) {
		t.Errorf("asked: %v", got)
	}
}
