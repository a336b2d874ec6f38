package server

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// serve starts a server with small limits, a catalog, and packages for each kind.
func (e *exam) serve(change func(*Config)) *rig {
	e.Helper()
	r := serve(e.TB.(*testing.T), nil, func(c *Config) {
		const small = 64 << 10
		c.MaxBody, c.MaxBatch, c.MaxImport, c.MaxManagement, c.MaxPackage, c.MaxRestore = small, small, small, small, small, 16*small
		c.Stop = func(int) {}
		c.Catalog = shelf{host.Functions: {"echo": "http://h/echo.zip"}, host.Sources: {}, host.Sinks: {}}
		if change != nil {
			change(c)
		}
	})
	r.zip("echo.zip", map[string]string{"echo.wasm": "echo twin", "echo.yaml": "default: {}", "echo.json": `{"version":"v1.2.0","capabilities":{
		"hosts":["api.example.com"],"paths":{"db":"/db:ro"},"env":{"TOKEN":"hunter2"},"config":{"key":"hunter3"},"clock":true,"random":true}}`})
	r.zip("mirror.zip", map[string]string{"mirror.wasm": "echo-mirror", "sources/random.yaml": "", "mirror.json": `{"version":"v1.0.0","language":"wasm",
		"executable":"mirror.wasm","virtualEnvType":"conda","env":"myenv","sources":["random"],"sinks":["file"],"functions":["echo-mirror"]}`})
	r.zip("fib.zip", map[string]string{"fib.wasm": "echo-fib", "fib.json": `{"version":"v1","wasmEngine":"wasmedge"}`})
	r.zip("folder.zip", map[string]string{"folder/folder.wasm": "echo-folder", "folder/folder.yaml": ""})
	return r
}

// tooLarge is a body over every limit of serve.
var tooLarge = strings.Repeat(" ", 2<<20)

// packageOf is the package that serve has for a kind, and its name.
func packageOf(kind host.Kind) string {
	switch kind {
	case host.Portables:
		return "mirror"
	case host.Wasm:
		return "fib"
	}
	return "echo"
}

// plugins: each kind of plugin, in each of its operations.
func (e *exam) plugins() {
	r := e.serve(nil)
	for _, kind := range host.Kinds() {
		all, name := "/plugins/"+kind.String(), packageOf(kind)
		one := all + "/" + name
		zip := r.read(name + ".zip")
		request := `{"name":"` + name + `","file":"${FILES}/` + name + `.zip"}`
		query := "?name=" + name + "&sha256=" + digestOf(zip) + "&signature=AAAA"
		if !slices.Contains([]host.Kind{host.Sources, host.Sinks}, kind) {
			query += "&functions=echo" + map[string]string{"mirror": "-mirror", "fib": "-fib"}[name]
		}
		e.ask(r, []exchange{
			{"GET", all, "", "", 200},
			{"POST", all, "", "xx", 400},
			{"POST", all, "", tooLarge, 413},
			{"POST", all + query, zipType, "no zip", 400},
			{"POST", all + "?name=x", zipType, tooLarge, 413},
			{"POST", all, "", request, 201},
			{"GET", all, "", "", 200},
			{"GET", all + "?detail=1", "", "", 200},
			{"GET", one, "", "", 200},
			{"GET", one + "x", "", "", 404},
			{"GET", all + "/a%20b", "", "", 400},
			{"GET", one + "/status", "", "", 200},
			{"GET", one + "x/status", "", "", 404},
			{"GET", all + "/a%20b/status", "", "", 400},
			{"GET", one + "/logs", "", "", 200},
			{"GET", one + "x/logs", "", "", 404},
			{"GET", all + "/a%20b/logs", "", "", 400},
			{"PUT", one, "", "xx", 400},
			{"PUT", one, "", tooLarge, 413},
			{"PUT", one, "", request, 200},
			{"PUT", one + query, zipType, zip, 200},
			{"DELETE", one + "x", "", "", 404},
			{"DELETE", all + "/a%20b", "", "", 400},
			{"DELETE", one, "", "", 200},
			{"POST", all + query, zipType, zip, 201},
			{"GET", all + "?detail=true", "", "", 200},
		}...)
		if isNative(kind) {
			e.ask(r, exchange{"GET", all + "/prebuild", "", "", 200}, exchange{"DELETE", one + "?stop=1", "", "", 200})
		}
		if kind != host.Portables {
			e.ask(r, exchange{"PUT", one + "x", "", request[:1] + `"file":"${FILES}/echo.zip"}`, 404})
		}
	}
	e.ask(r, []exchange{
		{"POST", "/plugins/functions", "", `{"name":"folder","file":"${FILES}/folder.zip"}`, 201}, // with a warning
		{"GET", "/plugins/functions?detail=1", "", "", 200},
		{"GET", "/plugins/functions/folder/status", "", "", 200},
	}...)
	none := e.serve(func(c *Config) { c.Catalog = nil })
	for _, kind := range []string{"functions", "sources", "sinks"} {
		e.ask(none, exchange{"GET", "/plugins/" + kind + "/prebuild", "", "", 400})
	}
}

// functions: calls that end in every way, and who has which function.
func (e *exam) functions() {
	r := e.serve(nil)
	codes := []string{"echo", "echo-json"}
	for _, code := range host.Codes() {
		codes = append(codes, code.String())
	}
	r.install("p", codes...)
	e.ask(r, []exchange{
		{"GET", "/plugins/udfs", "", "", 200},
		{"GET", "/plugins/udfs?detail=1", "", "", 200},
		{"GET", "/plugins/udfs/echo", "", "", 200},
		{"GET", "/plugins/udfs/nope", "", "", 404},
		{"GET", "/plugins/udfs/a%20b", "", "", 400},
		{"POST", "/invoke/echo", "", "any", 200},
		{"POST", "/invoke/echo", "image/png", "\x89PNG", 200},
		{"POST", "/invoke/echo", "", "", 200},
		{"POST", "/invoke/echo-json", "", `[1]`, 200},
		{"POST", "/invoke/nope", "", "", 404},
		{"POST", "/invoke/echo", "", tooLarge, 413},
		{"POST", "/invoke/echo/batch", "", "\"a\"\n\xff\n", 200},
		{"POST", "/invoke/echo-json/batch", "", "[1]\n{\"a\":null}\nnope\n", 200},
		{"POST", "/invoke/rejected/batch", "", "1\n2\n", 200},
		{"POST", "/invoke/echo/batch", "", "", 200},
		{"POST", "/invoke/nope/batch", "", "", 404},
		{"POST", "/invoke/echo/batch", "", tooLarge, 413},
	}...)
	for _, code := range host.Codes() {
		e.ask(r, exchange{"POST", "/invoke/" + code.String(), "", "x", codeAnswers[code].status})
	}
	old := r.raw("POST /invoke/echo/batch HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
	e.check(exchange{"POST", "/invoke/echo/batch", "", "", 505}, "", old)
	e.check(exchange{"POST", "/invoke/x/batch", "", "", 400}, "", r.raw("POST /invoke/%zz/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))
	const register = "/plugins/functions/p/register"
	e.ask(r, []exchange{
		{"GET", "/plugins/functions/p/status", "", "", 200}, // with errors, and the last of them
		{"POST", register, "", `{"functions":["echo","absent"]}`, 400},
		{"POST", register, "", "xx", 400},
		{"POST", register, "", tooLarge, 413},
		{"POST", "/plugins/functions/q/register", "", `{"functions":["echo"]}`, 404},
		{"POST", register, "", `{"functions":["echo"]}`, 200},
		{"GET", "/metrics", "", "", 200},
	}...)
}

// transfer: uploads, exports, backups.
func (e *exam) transfer() {
	r := e.serve(nil)
	const uploads = "/config/uploads"
	form := "--b\r\nContent-Disposition: form-data; name=\"uploadFile\"; filename=\"a.zip\"\r\n\r\nPK\r\n--b--\r\n"
	e.ask(r, []exchange{
		{"GET", uploads, "", "", 200},
		{"POST", uploads, "", `{"name":"a.txt","content":"hello"}`, 201},
		{"POST", uploads, "multipart/form-data; boundary=b", form, 201},
		{"POST", uploads + "?name=b.zip", zipType, "PK", 201},
		{"POST", uploads, "", `{"name":"a","content":"x","file":"http://127.0.0.1/x"}`, 400},
		{"POST", uploads, "", `{"name":"a","file":"http://127.0.0.1:1/x"}`, 400},
		{"POST", uploads, "", tooLarge, 413},
		{"GET", uploads, "", "", 200},
		{"DELETE", uploads + "/a.txt", "", "", 200},
		{"DELETE", uploads + "/a.txt", "", "", 404},
		{"DELETE", uploads + "/..a", "", "", 400},
	}...)
	for _, kind := range host.Kinds() {
		name := packageOf(kind)
		e.ask(r, exchange{"POST", "/plugins/" + kind.String(), "", `{"name":"` + name + `","file":"${FILES}/` + name + `.zip"}`, 201})
	}
	e.ask(r, exchange{"GET", "/data/export", "", "", 200})
	content := jsonOf(map[string]string{"content": r.do("GET", "/data/export", "").body})
	put(e, filepath.Join(r.dir, "export.json"), r.do("GET", "/data/export", "").body)
	e.ask(r, []exchange{
		{"POST", "/data/import?partial=1", "", content, 200},
		{"POST", "/data/import?stop=1", "", content, 200},
		{"POST", "/data/import", "", `{"file":"${FILES}/export.json"}`, 200},
		{"POST", "/data/import", "", `{"content":"{\"nativePlugins\":{\"sinks_b\":\"{\\\"file\\\":\\\"file:///nope.zip\\\"}\"}}"}`, 400},
		{"POST", "/data/import", "", `{}`, 400},
		{"POST", "/data/import", "", tooLarge, 413},
		{"POST", "/data/backup", "", "", 200},
	}...)
	backup := r.do("POST", "/data/backup", "").body
	e.ask(r, []exchange{
		{"DELETE", "/plugins/sinks/echo", "", "", 200},
		{"POST", "/plugins/sinks", "", `{"name":"folder","file":"${FILES}/folder.zip"}`, 201},
		{"POST", "/data/restore", zipType, backup, 200}, // with one that was restored and one that was dropped
		{"POST", "/data/restore", zipType, "no zip", 400},
		{"POST", "/data/restore", zipType, tooLarge, 413},
	}...)
	e.check(exchange{"POST", "/data/backup", "", "", 505}, "", r.raw("POST /data/backup HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))
}

// hosts: the host itself, its drop-in folder, and its end.
func (e *exam) hosts() {
	dropIn, dir := e.TempDir(), e.TempDir()
	store := &memStore{records: map[string]host.Record{}}
	h, err := host.New(e.Context(), host.Config{
		Dir: dir, Store: store, Cache: &mapCache{bound: map[string]*host.Bound{}}, Engines: []host.Engine{&fakeEngine{behaviours: behaviours()}},
		Drain: time.Second, Policy: host.DefaultPolicy(), DropIn: dropIn, Scripts: host.Scripts{Deny: true},
	})
	if err != nil {
		e.Fatal(err)
	}
	r := e.serve(func(c *Config) { c.Host = h })
	e.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			e.Error(err)
		}
	})
	r.zip("script.zip", map[string]string{"script.wasm": "echo", "install.sh": "true"})
	reload := exchange{"POST", "/plugins/reload", "", "", 200}
	e.ask(r,
		exchange{"POST", "/plugins/functions", "", `{"name":"script","file":"${FILES}/script.zip"}`, 403},
		reload)
	files := filepath.Join(dropIn, "functions")
	if err := os.Mkdir(files, 0o700); err != nil {
		e.Fatal(err)
	}
	put(e, filepath.Join(files, "dropped.wasm"), "echo-dropped")
	put(e, filepath.Join(files, "broken.wasm"), "no-such-behaviour")
	e.ask(r, reload) // with one installed and one that failed
	put(e, filepath.Join(files, "dropped.wasm"), "echo-dropped twin-dropped")
	e.ask(r, reload)
	if err := os.RemoveAll(files); err != nil {
		e.Fatal(err)
	}
	e.ask(r, reload)
	if err := os.Remove(dropIn); err != nil {
		e.Fatal(err)
	}
	reload.status = 503
	e.ask(r, reload)
	for _, path := range []string{"/", "/ping", "/healthz", "/readyz", "/openapi.json"} {
		e.ask(r, exchange{"GET", path, "", "", 200})
	}
	e.ask(r, exchange{"POST", "/", "", "", 200}, exchange{"POST", "/stop", "", "", 200})

	plain := e.serve(func(c *Config) { c.Stop = nil })
	e.ask(plain, exchange{"POST", "/stop", "", "", 403}, exchange{"POST", "/plugins/reload", "", "", 400})

	paths, _ := e.at("/paths")
	for path := range paths { // a method that it does not have
		target := strings.ReplaceAll(path, "{name}", "x")
		allowed := map[string]bool{http.MethodOptions: true}
		e.operations(func(method, other string, _ *operation) {
			if _, fits := match(other, target); fits {
				allowed[method] = true
				if method == http.MethodGet {
					allowed[http.MethodHead] = true
				}
			}
		})
		g := plain.with("PATCH", target, "")
		got := slices.Sorted(strings.SplitSeq(g.header.Get("Allow"), ", "))
		if want := slices.Sorted(maps.Keys(allowed)); g.status != 405 || g.body != "" || !slices.Equal(got, want) {
			e.Errorf("PATCH %s: %v, allowed is %q, want %q", target, g, got, want)
		}
	}
}

// faulty is a host all of whose operations fail.
type faulty struct {
	*host.Host
	code host.Code
}

func (f *faulty) fault() error { return host.Fail(f.code, "so it is") }

func (f *faulty) Install(context.Context, host.Request) (host.Record, error) {
	return host.Record{}, f.fault()
}
func (f *faulty) Update(context.Context, host.Request) (host.Record, error) {
	return host.Record{}, f.fault()
}
func (f *faulty) Upsert(context.Context, host.Request) (host.Record, error) {
	return host.Record{}, f.fault()
}
func (f *faulty) Drop(context.Context, host.Kind, string) error { return f.fault() }
func (f *faulty) Acquire(context.Context, string) (host.Acquired, error) {
	return host.Acquired{}, f.fault()
}
func (f *faulty) Register(context.Context, host.Kind, string, []string) error {
	return f.fault()
}
func (f *faulty) SaveUpload(context.Context, string, io.Reader) (string, error) {
	return "", f.fault()
}
func (f *faulty) Restore(context.Context, io.Reader, host.Bytes) (host.Restored, error) {
	return host.Restored{}, f.fault()
}

// faults: what can be wrong with the host, and with the request before anybody
// looks at it.
func (e *exam) faults() {
	f := &faulty{}
	r := e.serve(func(c *Config) {
		f.Host = c.Host.(*host.Host)
		c.Host, c.MaxHead = f, 1<<10
	})
	for _, kind := range host.Kinds() {
		req := host.Request{Kind: kind, Name: packageOf(kind), File: "file://" + filepath.Join(r.dir, packageOf(kind)+".zip")}
		if _, err := f.Host.Install(e.Context(), req); err != nil {
			e.Fatal(err)
		}
	}
	for _, code := range []host.Code{host.CodeInternal, host.CodeTimeout, host.CodeUnavailable} {
		f.code = code
		status := codeAnswers[code].status
		for _, kind := range host.Kinds() {
			all, name := "/plugins/"+kind.String(), packageOf(kind)
			e.ask(r,
				exchange{"POST", all, "", `{"name":"x","file":"file:///x.zip"}`, status},
				exchange{"PUT", all + "/" + name, "", `{"file":"file:///x.zip"}`, status})
			if code != host.CodeTimeout {
				e.ask(r, exchange{"DELETE", all + "/" + name, "", "", status})
			}
		}
		e.ask(r, exchange{"POST", "/invoke/echo/batch", "", "1", status})
		if code != host.CodeTimeout {
			e.ask(r,
				exchange{"POST", "/plugins/functions/echo/register", "", `{"functions":["echo"]}`, status},
				exchange{"POST", "/config/uploads", "", `{"name":"a","content":""}`, status},
				exchange{"POST", "/data/restore", zipType, "PK", status})
		}
	}
	long := r.raw("GET /ping HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("y", 2<<10) + "\r\n\r\n")
	e.check(exchange{"GET", "/ping", "", "", 431}, "", long)
	e.check(exchange{"GET", "/ping", "", "", 400}, "", r.raw("GET /ping HTTP/1.1\r\n\r\n"))
	e.ask(r, exchange{"GET", "/plugins/udfs", "", tooLarge, 413})
	hasty := e.serve(func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	e.check(exchange{"GET", "/ping", "", "", 408}, "", hasty.raw("GET /ping HTTP/1.1\r\nHost: x\r\nX-Slow: "))
}

// closed: a host that shuts down, or is not ready.
func (e *exam) closed() {
	r := e.serve(func(c *Config) { c.Catalog = shelf{} })
	for _, kind := range []string{"functions", "sources", "sinks"} {
		e.ask(r, exchange{"GET", "/plugins/" + kind + "/prebuild", "", "", 503})
	}
	if err := r.host.Close(e.Context()); err != nil {
		e.Fatal(err)
	}
	e.ask(r,
		exchange{"GET", "/readyz", "", "", 503},
		exchange{"POST", "/plugins/functions", "", `{"name":"echo","file":"${FILES}/echo.zip"}`, 503})
}

// callers: what every operation answers to who does not say who they are, and to
// who may not.
func (e *exam) callers() {
	var access Access
	secrets := map[Scopes]string{ScopeRead: token(e, &access, "r", ScopeRead), ScopeInvoke: token(e, &access, "i", ScopeInvoke)}
	r := e.serve(func(c *Config) { c.Access = access })
	jwts := e.serve(func(c *Config) { c.Access = Access{JWTKeys: keysOf(e, "portal")} })
	paths, _ := e.at("/paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method := range paths[path].(map[string]any) {
			if method == "parameters" {
				continue
			}
			method, target := strings.ToUpper(method), strings.ReplaceAll(path, "{name}", "x")
			if jsonOf(e.operation(method, path).tree["security"]) == "[]" {
				if g := r.with(method, target, ""); g.status != 200 {
					e.Errorf("%s %s: %v", method, path, g)
				}
				continue
			}
			e.check(exchange{method, target, "", "", 401}, "", r.with(method, target, ""))
			e.check(exchange{method, target, "", "", 401}, "", jwts.with(method, target, ""))
			other := secrets[ScopeInvoke]
			if strings.HasPrefix(path, invokePrefix) {
				other = secrets[ScopeRead]
			}
			e.check(exchange{method, target, "", "", 403}, "", r.with(method, target, "", "Authorization: Bearer "+other))
		}
	}
	page := r.with("POST", "/", "", "Origin: https://evil.example")
	e.check(exchange{"POST", "/", "", "", 403}, "", page)
}
