package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
)

// TestKinds: each kind of plugin has its life over REST, in eKuiper's words.
func TestKinds(t *testing.T) {
	stops := make(chan int, 8)
	r := serve(t, nil, func(c *Config) { c.Stop = func(code int) { stops <- code } })
	r.zip("echo.zip", map[string]string{"echo.wasm": "echo twin", "echo.yaml": "default: {}", "echo.json": `{"version":"v1.2.0"}`})
	r.zip("mirror.zip", map[string]string{
		"mirror.json": `{"version":"v1.0.0","language":"wasm","executable":"mirror.wasm","virtualEnvType":"conda","env":"myenv",
			"sources":["random"],"sinks":["file"],"functions":["echo-mirror"]}`,
		"mirror.wasm": "echo-mirror", "sources/random.yaml": "",
	})
	r.zip("fib.zip", map[string]string{"fib.wasm": "echo-fib", "fib.json": `{"version":"v1","functions":["echo-fib"],"wasmEngine":"wasmedge"}`})
	r.zip("linked.zip", map[string]string{"build/main.wasm": "echo-linked", "linked.json": `{"wasm":{"modules":[{"path":"build/main.wasm"}]}}`})
	files := "file://" + r.dir
	plugins := filepath.Join(r.dir, "data", "plugins")

	for _, kind := range []string{"sources", "sinks"} {
		path := "/plugins/" + kind
		r.play([]step{
			{"GET", path, "", 200, "[]"},
			{"POST", path, "xx", 400, `~"message":"Invalid body: Error decoding the ` + kind + ` plugin json: `},
			{"POST", path, `{"name":"echo","file":"${FILES}/echo.zip"}`, 201, kind + " plugin echo is created"},
			{"POST", path, `{"name":"echo","file":"${FILES}/echo.zip"}`, 400, `{"error":1000,"message":"` + kind + ` plugins create command error: invalid name echo: duplicate"}`},
			{"GET", path, "", 200, `["echo"]`},
			{"GET", path + "/echo", "", 200, `{"name":"echo","version":"1.2.0"}`},
			{"GET", path + "?detail=1", "", 200, `~^\[{"name":"echo","version":"1.2.0","kind":"` + kind + `","status":"active","errMsg":"","engine":"fake","digest":"[0-9a-f]{64}","source":"\$\{FILES\}/echo.zip","installed":"[^"]*"}\]$`},
			{"GET", path + "/echo/status", "", 200, `~"kind":"` + kind + `","name":"echo"`},
			{"GET", path + "/echo/logs", "", 200, ""},
			{"GET", path + "/nope/status", "", 404, `{"error":1002,"message":"status of ` + kind + ` plugin nope error: not found"}`},
			{"GET", path + "/nope/logs", "", 404, `{"error":1002,"message":"logs of ` + kind + ` plugin nope error: not found"}`},
			{"PUT", path + "/echo", `{"name":"echo","file":"${FILES}/echo.zip"}`, 200, "plugin echo is updated and serves now."},
			{"DELETE", path + "/echo", "", 200, kind + " plugin echo is deleted."},
			{"DELETE", path + "/echo", "", 404, `{"error":1002,"message":"delete ` + kind + ` plugin echo error: invalid name echo: not exist"}`},
			{"POST", path + "/echo/register", `{"functions":["a"]}`, 404, `{"error":1002,"message":"no such path"}`},
		})
	}

	digest := func(kind, name string) string {
		found, err := filepath.Glob(filepath.Join(plugins, kind, name, "*", name+".wasm"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s/%s lies in %v, %v", kind, name, found, err)
		}
		return found[0]
	}
	const portables = "/plugins/portables"
	r.play([]step{
		{"PUT", portables + "/mirror", `{"name":"mirror","file":"${FILES}/mirror.zip"}`, 200, "portable plugin mirror is updated"},
		{"POST", portables, `{"name":"mirror","file":"${FILES}/mirror.zip"}`, 400, `{"error":1000,"message":"portable plugin create command error: invalid name mirror: duplicate"}`},
		{"PUT", portables + "/mirror", `{"name":"mirror","file":"${FILES}/absent.zip"}`, 400, `~"message":"portable plugin update command error: fail to download file`},
		{"PUT", portables + "/mirror", `{"name":"../up","file":"${FILES}/mirror.zip"}`, 400, `~invalid characters`},
	})
	described := `{"name":"mirror","version":"v1.0.0","language":"wasm","executable":"` + digest("portables", "mirror") +
		`","virtualEnvType":"conda","env":"myenv","sources":["random"],"sinks":["file"],"functions":["echo-mirror"]`
	described = strings.ReplaceAll(described, files, "${FILES}")
	r.play([]step{
		{"GET", portables, "", 200, "[" + described + "}]"},
		{"GET", portables + "/mirror", "", 200, described + `,"refCount":{},"status":"running","errMsg":"","pid":0}`},
		{"GET", portables + "/mirror/status", "", 200, `~"status":"running","errMsg":"","refCount":{}`},
		{"GET", portables + "/nope", "", 404, `{"error":1002,"message":"describe portable plugin nope error: not found"}`},
		{"GET", portables + "/nope/status", "", 404, `{"error":1002,"message":"portable plugin nope not found: not found"}`},
		{"POST", "/invoke/echo-mirror", "x", 200, "x"},
		{"GET", "/plugins/udfs/echo-mirror", "", 200, `{"name":"echo-mirror","plugin":"mirror","kind":"portables","encoding":"raw"}`},
		{"GET", "/plugins/udfs?detail=1", "", 200, `[{"name":"echo-mirror","plugin":"mirror","kind":"portables","encoding":"raw"}]`},
		{"DELETE", portables + "/mirror?stop=1", "", 200, "portable plugin mirror is deleted"},
		{"DELETE", portables + "/mirror", "", 404, `{"error":1002,"message":"delete portable plugin mirror error: portable plugin mirror is not found"}`},
	})

	const wasm = "/plugins/wasm"
	r.play([]step{
		{"POST", wasm, `{"name":"fib","file":"${FILES}/fib.zip"}`, 201, "wasm plugin fib is created"},
		{"POST", wasm, `{"name":"x","file":"x"}`, 400, `{"error":1000,"message":"wasm plugin create command error: invalid uri x"}`},
	})
	described = fmt.Sprintf(`{"name":"fib","version":"v1","wasmFile":%q,"wasmEngine":"fake","functions":["echo-fib"]}`, digest("wasm", "fib"))
	r.play([]step{
		{"GET", wasm, "", 200, "[" + described + "]"},
		{"GET", wasm + "/fib", "", 200, described},
		{"GET", wasm + "/nope", "", 404, `{"error":1002,"message":"describe wasm plugin nope error: not found"}`},
		{"POST", "/invoke/echo-fib", "x", 200, "x"},
		{"POST", "/plugins/functions", `{"name":"fib","file":"${FILES}/fib.zip"}`, 400, `~function name echo-fib already exists`},
		{"DELETE", wasm + "/fib", "", 200, "wasm plugin fib is deleted"},
		{"GET", wasm, "", 200, "[]"},

		{"POST", wasm, `{"name":"linked","file":"${FILES}/linked.zip"}`, 201, "wasm plugin linked is created"},
		{"GET", wasm + "/linked", "", 200, `~"wasmFile":"[^"]*/wasm/linked/[^"]*/build/main.wasm"`},
		{"GET", wasm + "?detail=1", "", 200, `~"wasmFile":"[^"]*/build/main.wasm"`},
		{"DELETE", wasm + "/linked", "", 200, "wasm plugin linked is deleted"},

		{"POST", "/plugins/functions", `{"name":"echo","file":"${FILES}/echo.zip"}`, 201, "functions plugin echo is created"},
		{"DELETE", "/plugins/functions/nope?stop=1", "", 404, `~not exist`},
		{"DELETE", "/plugins/functions/echo?stop=1", "", 200, "functions plugin echo is deleted and Berth will be stopped"},
		{"GET", "/stop", "", 405, ""},
		{"POST", "/stop", "", 200, "stop success"},
	})
	for _, want := range []int{100, 0} {
		if got := <-stops; got != want {
			t.Errorf("stopped with %d, want %d", got, want)
		}
	}
	if len(stops) > 0 {
		t.Error("stopped once too often")
	}
}

// TestUploads: files come as eKuiper's forms and JSON, and as they are.
func TestUploads(t *testing.T) {
	r := serve(t, nil, nil)
	dir := filepath.Join(r.dir, "data", "uploads")
	r.zip("echo.zip", map[string]string{"echo.wasm": "echo"})
	const path = "/config/uploads"
	r.play([]step{
		{"GET", path, "", 200, "[]"},
		{"POST", path, `{"name":"a.txt","content":"hello"}`, 201, filepath.Join(dir, "a.txt")},
		{"POST", path, `{"name":"a.txt","content":"hello again"}`, 201, filepath.Join(dir, "a.txt")},
		{"POST", path, `{"name":"../a.txt","content":"x"}`, 400, `~file name '../a.txt' is not allowed`},
		{"POST", path, `{"name":".a","content":"x"}`, 400, `~is not allowed`},
		{"POST", path, `{"name":"","content":"x"}`, 400, `~is not allowed`},
		{"POST", path, `{"name":"a","content":"x","file":"http://127.0.0.1/x"}`, 400, `{"error":1000,"message":"Invalid body: Cannot specify both content and file"}`},
		{"POST", path, `{"name":"a","file":"http://127.0.0.1:1/x"}`, 400, `~upload error: `},
		{"POST", path, "xx", 400, `~Invalid body: Error decoding the upload json`},
		{"DELETE", path + "/b.txt", "", 404, `{"error":1002,"message":"delete upload error: file b.txt: not found"}`},
		{"DELETE", path + "/..", "", 400, `~is not allowed`},
	})
	form := "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"uploadFile\"; filename=\"C:\\\\x\\\\b.zip\"\r\n\r\n" + r.read("echo.zip") + "\r\n--b--\r\n"
	want := []struct {
		kind, query, body string
		status            int
		answer            string
	}{
		{"multipart/form-data; boundary=b", "", form, 201, filepath.Join(dir, "b.zip")},
		{"multipart/form-data; boundary=b", "", "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b--\r\n", 400, `the form has no file in the field \"uploadFile\"`},
		{"multipart/form-data; boundary=b", "", "nonsense", 400, "the form"},
		{"multipart/form-data", "", form, 400, "malformed form"},
		{"application/zip", "?name=c.zip", "PK", 201, filepath.Join(dir, "c.zip")},
		{"application/zip", "?name=c/d", "PK", 400, "is not allowed"},
	}
	for _, w := range want {
		g := r.post(path+w.query, w.kind, w.body)
		if g.status != w.status || !strings.Contains(g.body, w.answer) {
			t.Errorf("%s %q: %v, want %d %s", w.kind, w.query, g, w.status, w.answer)
		}
	}
	r.play([]step{
		{"GET", path, "", 200, fmt.Sprintf("[%q,%q,%q]", filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.zip"), filepath.Join(dir, "c.zip"))},
		{"POST", "/plugins/functions", `{"name":"echo","file":"file://` + dir + `/b.zip"}`, 201, "functions plugin echo is created"},
		{"POST", "/invoke/echo", "x", 200, "x"},
		{"DELETE", path + "/a.txt", "", 200, "ok"},
		{"DELETE", path + "/b.zip", "", 200, "ok"},
		{"DELETE", path + "/c.zip", "", 200, "ok"},
		{"GET", path, "", 200, "[]"},
	})
}

// TestTransfer: what one host exports another imports.
func TestTransfer(t *testing.T) {
	stops := make(chan int, 8)
	r := serve(t, nil, func(c *Config) { c.Stop = func(code int) { stops <- code } })
	r.zip("a_b.zip", map[string]string{"a_b.wasm": "echo echo-2 echo-3"})
	r.zip("src.zip", map[string]string{"src.wasm": "", "src.yaml": ""})
	r.zip("fib.zip", map[string]string{"fib.wasm": "echo-fib"})
	r.zip("port.zip", map[string]string{"port.wasm": "echo-port", "port.json": `{"language":"wasm","executable":"port.wasm","functions":["echo-port"]}`})
	r.play([]step{
		{"POST", "/plugins/functions", `{"name":"a_b","file":"${FILES}/a_b.zip","functions":["echo","echo-2"]}`, 201, "functions plugin a_b is created"},
		{"POST", "/plugins/sources", `{"name":"src","file":"${FILES}/src.zip"}`, 201, "sources plugin src is created"},
		{"POST", "/plugins/wasm", `{"name":"fib","file":"${FILES}/fib.zip"}`, 201, "wasm plugin fib is created"},
		{"POST", "/plugins/portables", `{"name":"port","file":"${FILES}/port.zip"}`, 201, "portable plugin port is created"},
	})
	g := r.do("GET", "/data/export", "")
	if g.header.Get("Content-Type") != "application/octet-stream" || g.header.Get("Content-Disposition") != "Attachment" {
		t.Errorf("the export's header is %v", g.header)
	}
	files := "file://" + r.dir
	want := `{"streams":{},"tables":{},"rules":{},"nativePlugins":{` +
		`"functions_a_b":"{\"name\":\"a_b\",\"file\":\"${FILES}/a_b.zip\",\"shellParas\":[],\"functions\":[\"echo\",\"echo-2\"]}",` +
		`"sources_src":"{\"name\":\"src\",\"file\":\"${FILES}/src.zip\",\"shellParas\":[]}"},` +
		`"portablePlugins":{"port":"{\"name\":\"port\",\"file\":\"${FILES}/port.zip\",\"shellParas\":[]}"},` +
		`"sourceConfig":{},"sinkConfig":{},"connectionConfig":{},"Service":{},"Schema":{},"uploads":{},"scripts":{},` +
		`"wasmPlugins":{"fib":"{\"name\":\"fib\",\"file\":\"${FILES}/fib.zip\",\"shellParas\":[]}"}}`
	if got := strings.ReplaceAll(g.body, files, "${FILES}"); got != want {
		t.Errorf("exported\n%s\nwant\n%s", got, want)
	}
	whole := jsonOf(map[string]string{"content": g.body})
	r.play([]step{
		{"DELETE", "/plugins/functions/a_b", "", 200, "functions plugin a_b is deleted."},
		{"DELETE", "/plugins/wasm/fib", "", 200, "wasm plugin fib is deleted"},
		{"POST", "/plugins/functions", `{"name":"fib","file":"${FILES}/fib.zip"}`, 201, "functions plugin fib is created"},

		// fib's function is taken: what failed is told, the rest is imported, nothing is dropped.
		{"POST", "/data/import?partial=1", whole, 400, `~^{"error":1000,"message":"{.*\\"wasmPlugins\\":{\\"fib\\":\\"function name echo-fib already exists`},
		{"GET", "/plugins/udfs", "", 200, `["echo","echo-2","echo-fib","echo-port"]`},
		{"GET", "/plugins/functions", "", 200, `["a_b","fib"]`},
		// A whole import may take a function from a plugin that it does not hold.
		{"POST", "/data/import", whole, 200, `~^{"ErrorMsg":"","ConfigResponse":{"streams":{}`},
		{"GET", "/plugins/functions", "", 200, `["a_b"]`},
		{"POST", "/data/import?partial=1", whole, 200, `~^{"ErrorMsg":"","ConfigResponse":{"streams":{}`},
		{"GET", "/plugins/udfs", "", 200, `["echo","echo-2","echo-fib","echo-port"]`},
		{"POST", "/data/import?stop=1", `{"content":"{\"portablePlugins\":{\"port\":\"{\\\"name\\\":\\\"port\\\",\\\"file\\\":\\\"` + files + `/port.zip\\\"}\"}}"}`, 200, `~"ErrorMsg":""`},
		{"GET", "/plugins/udfs", "", 200, `["echo-port"]`},

		{"POST", "/data/import", `{}`, 400, `{"error":1000,"message":"Invalid body: must specify content or file"}`},
		{"POST", "/data/import", `{"content":"x","file":"y"}`, 400, `{"error":1000,"message":"Invalid body: Cannot specify both content and file"}`},
		{"POST", "/data/import", `{"content":"x"}`, 400, `~Invalid body: Error decoding the content`},
		{"POST", "/data/import", `{"file":"/etc/passwd"}`, 400, `{"error":1000,"message":"Invalid body: invalid uri /etc/passwd"}`},
		{"POST", "/data/import", `{"file":"file:///nothing"}`, 400, `~Invalid body: stat /nothing`},
		{"POST", "/data/import", `{"content":"{\"nativePlugins\":{\"x\":\"{}\",\"sinks_a\":\"[]\",\"sinks_b\":\"{\\\"name\\\":\\\"c\\\"}\"}}"}`, 400, `~sinks_a.*its key says.*a key is expected like functions_echo`},
		{"POST", "/data/import?partial=1", `{"content":"{\"nativePlugins\":{\"sinks_a\":\"{\\\"file\\\":\\\"upload\\\"}\"}}"}`, 400, `~berth backup`},
		{"GET", "/plugins/udfs", "", 200, `["echo-port"]`},
	})
	if got := <-stops; got != 100 || len(stops) > 0 {
		t.Errorf("stopped with %d, and %d more", got, len(stops))
	}
}

// TestPasswords: that of a download is told by exports alone.
func TestPasswords(t *testing.T) {
	var access Access
	secret := token(t, &access, "m", ScopeManage)
	r := serve(t, nil, func(c *Config) { c.Access = access })
	r.plugin("p", "v1", "echo")
	files := http.FileServer(http.Dir(r.dir))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "user" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, req)
	}))
	defer web.Close()
	base := strings.Replace(web.URL, "://", "://user:s3cret@", 1)
	uri, shown := base+"/pv1.zip", strings.Replace(web.URL, "://", "://user:xxxxx@", 1)+"/pv1.zip"
	ask := func(method, path, body string) got {
		return r.with(method, path, body, "Authorization: Bearer "+secret)
	}
	if g := ask("POST", "/plugins/functions", `{"name":"p","file":"`+uri+`"}`); g.status != 201 {
		t.Fatal(g)
	}
	for _, path := range []string{"/plugins/functions?detail=1", "/plugins/functions/p/status"} {
		if g := ask("GET", path, ""); strings.Contains(g.body, "s3cret") || !strings.Contains(g.body, `"source":"`+shown+`"`) {
			t.Error(g)
		}
	}
	for _, bad := range []string{base + "/none.zip", base + "/pv1", strings.Replace(uri, "s3cret", "s3/cret", 1)} {
		for _, g := range []got{
			ask("PUT", "/plugins/functions/p", `{"file":"`+bad+`"}`),
			ask("POST", "/data/import", `{"file":"`+bad+`"}`),
			ask("POST", "/config/uploads", `{"name":"x","file":"`+strings.Replace(bad, "/pv1", "/none", 1)+`"}`),
		} {
			if g.status < 400 || strings.Contains(g.body, "cret") {
				t.Error(g)
			}
		}
	}
	if g := ask("GET", "/data/export", ""); !strings.Contains(g.body, uri) {
		t.Error(g)
	}
	if strings.Contains(r.log.String(), "cret") {
		t.Error(r.log)
	}
}

// TestImportFromFile: an export may lie where packages may.
func TestImportFromFile(t *testing.T) {
	r := serve(t, nil, func(c *Config) { c.MaxImport = 1000 })
	r.plugin("p", "v1", "echo")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("export.json", jsonOf(map[string]any{"nativePlugins": map[string]string{"functions_p": `{"file":"file://` + r.dir + `/pv1.zip"}`}}))
	write("long.json", strings.Repeat(" ", 1001))
	web := httptest.NewServer(http.FileServer(http.Dir(r.dir)))
	defer web.Close()
	for _, place := range []string{"file://" + r.dir, web.URL} {
		r.play([]step{
			{"POST", "/data/import", `{"file":"` + place + `/export.json"}`, 200, `~"ErrorMsg":""`},
			{"DELETE", "/plugins/functions/p", "", 200, "functions plugin p is deleted."},
			{"POST", "/data/import", `{"file":"` + place + `/long.json"}`, 413, `~the limit is 1000`},
			{"POST", "/config/uploads", `{"name":"p.zip","file":"` + place + `/pv1.zip"}`, 201, filepath.Join(r.dir, "data", "uploads", "p.zip")},
		})
	}
}

// manyInstalled is a host with many plugins.
type manyInstalled struct {
	Host
	imported int
}

func (m *manyInstalled) Export() []host.Request {
	all := make([]host.Request, 10_000)
	for i := range all {
		name := fmt.Sprintf("a_plugin_with_a_longer_name_%d", i)
		all[i] = host.Request{Kind: host.Functions, Name: name, File: "https://packages.example.com/a/folder/of/an/edge/site/" + name + "@v1.0.0.zip",
			Functions: []string{name + "_1", name + "_2"}, ShellParas: []string{"parameter"}}
	}
	return all
}

func (m *manyInstalled) Import(_ context.Context, plugins []host.Request, _ bool) map[host.Ref]error {
	m.imported = len(plugins)
	return nil
}

// TestImportOfMany: a host with many plugins can import what it exports.
func TestImportOfMany(t *testing.T) {
	var m manyInstalled
	r := serve(t, nil, func(c *Config) { m.Host = c.Host; c.Host = &m })
	content := r.do("GET", "/data/export", "").body
	if g := r.do("POST", "/data/import", jsonOf(map[string]string{"content": content})); g.status != 200 || m.imported != 10_000 {
		t.Errorf("an export of %d bytes: %d plugins imported, %.200s", len(content), m.imported, g)
	}
}

// TestImportOfManyFaults: what failed can be read however many there are.
func TestImportOfManyFaults(t *testing.T) {
	r := serve(t, nil, nil)
	const n = 1000
	given := newConfiguration()
	for i := range n {
		given.NativePlugins[fmt.Sprintf("functions_f%d", i)] = `{"file":"` + strings.Repeat("x", 500) + `"}`
	}
	g := r.do("POST", "/data/import", jsonOf(map[string]string{"content": jsonOf(given)}))
	var answer struct{ Message string }
	var faults configuration
	if err := json.Unmarshal([]byte(g.body), &answer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(answer.Message), &faults); err != nil || g.status != 400 || len(faults.NativePlugins) != n {
		t.Errorf("%d, %d faults, %v", g.status, len(faults.NativePlugins), err)
	}
}
