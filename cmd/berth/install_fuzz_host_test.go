package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"berth/host"
	"berth/host/enginetest"
)

// fuzzHost is a whole host in which a plugin "base" of each kind is installed.
type fuzzHost struct {
	t       testing.TB
	dir     string // of data
	zips    string
	base    string // its URL
	client  *http.Client
	handler fasthttp.RequestHandler
	panics  *panicLog
	install map[host.Kind][]byte // the requests that install what is to be there
	was     []string             // what looking found before anything was sent
}

func newFuzzHost(f *testing.F, guest, object []byte) *fuzzHost {
	f.Helper()
	top := f.TempDir()
	h := &fuzzHost{t: f, dir: filepath.Join(top, "data"), zips: filepath.Join(top, "zips"), panics: &panicLog{}, install: map[host.Kind][]byte{}}
	if err := os.Mkdir(h.zips, 0o700); err != nil {
		f.Fatal(err)
	}
	c := defaultConfig()
	c.Data, c.Scripts, c.PluginHosts = h.dir, "deny", nil
	c.Timeout, c.LoadTimeout, c.DownloadTimeout = 200*time.Millisecond, 5*time.Second, 2*time.Second
	c.DownloadSchemes = []string{"file"}
	house, err := assemble(f.Context(), &c, slog.New(slog.NewTextHandler(h.panics, nil)), func(int) {})
	if err != nil {
		f.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- house.server.Serve(ln) }()
	h.base, h.client, h.handler = "http://"+ln.Addr().String(), &http.Client{Timeout: patience}, house.server.Handler()
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		h.client.CloseIdleConnections()
		if err := house.close(ctx); err != nil {
			f.Error(err)
		}
		<-served
	})
	number := func(n int32, function string) string { return string(enginetest.Constant(n, function)) }
	for kind, files := range map[host.Kind]map[string]string{
		host.Functions: {"base.wasm": string(guest), "base.json": `{"version":"v7"}`, "etc/a.yaml": "a: 1", "etc/sub/b.yaml": "b: 1"},
		host.Sources:   {"Base.so": string(object), "base.yaml": "default: {}"},
		host.Sinks:     {"Base.so": string(object)},
		host.Portables: {"base.wasm": number(4, "basePortables"), "base.json": `{"language":"wasm","executable":"base.wasm","functions":["basePortables"]}`},
		host.Wasm:      {"base.wasm": number(5, "baseWasm"), "sub/data": "data"},
	} {
		path := filepath.Join(h.zips, kind.String()+".zip")
		if err := os.WriteFile(path, zipOf(f, files), 0o600); err != nil {
			f.Fatal(err)
		}
		request := map[string]any{"name": "base", "file": "file://" + path}
		if kind == host.Functions {
			request["functions"] = []string{"upper"}
		}
		h.install[kind] = encoded(request)
		if status, answer := h.ask("POST", "/plugins/"+kind.String(), h.install[kind]); status != http.StatusCreated {
			f.Fatal(status, answer)
		}
	}
	h.was = h.look()
	return h
}

// panicLog keeps what a log says of panics.
type panicLog struct{ bytes.Buffer }

func (p *panicLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("PANIC")) {
		p.Buffer.Write(line)
	}
	return len(line), nil
}

// save saves a zip and returns its URI.
func (h *fuzzHost) save(data []byte) (uri string) {
	path := filepath.Join(h.zips, "p.zip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return "file://" + path
}

// send sends a request over a connection.
func (h *fuzzHost) send(r fuzzRequest) (status int, answer string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), r.method, h.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		h.t.Skip("no request can be made of it")
	}
	req.Header.Set("Content-Type", r.kind)
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	h.check(r.method+" "+r.path, resp.StatusCode, resp.Header.Get("Content-Type"), string(text))
	return resp.StatusCode, string(text)
}

// ask hands a request to the server's handler, without a connection.
func (h *fuzzHost) ask(method, path string, body []byte) (status int, answer string) {
	h.t.Helper()
	var ctx fasthttp.RequestCtx
	ctx.Init2(nil, nil, false)
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI(path)
	ctx.Request.Header.SetHost("127.0.0.1")
	ctx.Request.SetBody(body)
	h.handler(&ctx)
	status, answer = ctx.Response.StatusCode(), string(ctx.Response.Body())
	h.check(method+" "+path, status, string(ctx.Response.Header.ContentType()), answer)
	return status, answer
}

// check refuses answers that are none of the host's ways.
func (h *fuzzHost) check(what string, status int, kind, answer string) {
	h.t.Helper()
	if h.panics.Len() > 0 {
		h.t.Fatalf("%s: %s", what, h.panics)
	}
	allowed := []int{200, 201, 400, 403, 404, 405, 413, 504}
	if strings.HasPrefix(what, "POST /invoke/") {
		allowed = []int{200, 400, 404, 413, 422, 500, 503, 504}
	}
	if !slices.Contains(allowed, status) {
		h.t.Fatalf("%s: %d %s", what, status, answer)
	}
	if status < 400 || status == 405 {
		return
	}
	var fault struct {
		Error   *int
		Message *string
	}
	if err := json.Unmarshal([]byte(answer), &fault); err != nil || fault.Error == nil || fault.Message == nil || *fault.Message == "" || len(answer) > 64<<10 || kind != "application/json" {
		h.t.Fatalf("%s: %d %s %s: %v", what, status, kind, answer, err)
	}
	if status == 500 && *fault.Error != 9501 { // the guest's fault it may be, not the host's
		h.t.Fatalf("%s: %d %s", what, status, answer)
	}
}

// try sends what the words say, checks what came of it, and makes everything what
// it was.
func (h *fuzzHost) try(w *fuzzWords) {
	r := w.request(h.save)
	status, answer := h.send(r)
	what := fmt.Sprintf("%s %s was answered with %d %s", r.method, r.path, status, answer)
	if status < 400 {
		h.putBack(what)
	}
	if now := h.look(); !slices.Equal(now, h.was) {
		i := 0
		for i < min(len(now), len(h.was)) && now[i] == h.was[i] {
			i++
		}
		h.t.Fatalf("%s, and then, from line %d, there is\n%s\nthere was\n%s", what, i, strings.Join(now[i:], "\n"), strings.Join(h.was[i:], "\n"))
	}
	for function, want := range map[string]string{"upper": "ABC", "basePortables": "4", "baseWasm": "5"} {
		in := []byte("[]")
		if function == "upper" {
			in = []byte("abc")
		}
		if status, out := h.ask("POST", "/invoke/"+function, in); status != 200 || out != want {
			h.t.Fatalf("%s, and %s gives %d %s", what, function, status, out)
		}
	}
}

// putBack drops what was installed and uploaded, after a look at it, and installs
// again what was there.
func (h *fuzzHost) putBack(what string) {
	h.t.Helper()
	changed := map[host.Kind]string{} // the method that puts it back
	for i, kind := range host.Kinds() {
		all := "/plugins/" + kind.String()
		if now := h.listed(kind); now == h.was[i] {
			continue
		}
		changed[kind] = "POST"
		for _, p := range h.list(all) {
			one := all + "/" + p.Name
			for _, part := range []string{"", "/status", "/logs"} {
				if status, text := h.ask("GET", one+part, nil); status != 200 {
					h.t.Fatalf("%s, and GET %s with %d %s", what, one+part, status, text)
				}
			}
			for _, function := range p.Functions {
				h.ask("POST", "/invoke/"+function, []byte("[]"))
			}
			if p.Name == "base" {
				changed[kind] = "PUT"
			} else if status, text := h.ask("DELETE", one, nil); status != 200 {
				h.t.Fatalf("%s, and DELETE %s with %d %s", what, one, status, text)
			}
		}
	}
	for kind, method := range changed {
		if status, _ := h.ask(method, putPath(method, kind), h.install[kind]); status < 400 { // else one of its functions is another's
			delete(changed, kind)
		}
	}
	for kind, method := range changed {
		h.must(method, putPath(method, kind), h.install[kind])
	}
	_, text := h.ask("GET", "/config/uploads", nil)
	var uploads []string
	if err := json.Unmarshal([]byte(text), &uploads); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	for _, path := range uploads {
		h.must("DELETE", "/config/uploads/"+filepath.Base(path), nil)
	}
}

func putPath(method string, kind host.Kind) string {
	if method == "PUT" {
		return "/plugins/" + kind.String() + "/base"
	}
	return "/plugins/" + kind.String()
}

// listed is what the host tells of the plugins of a kind, but for what changes with
// time.
func (h *fuzzHost) listed(kind host.Kind) string {
	h.t.Helper()
	_, text := h.ask("GET", "/plugins/"+kind.String()+"?detail=1", nil)
	return passing.ReplaceAllString(text, "")
}

func (h *fuzzHost) must(method, path string, body []byte) {
	h.t.Helper()
	if status, text := h.ask(method, path, body); status >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

type fuzzPlugin struct {
	Name      string
	Functions []string
}

func (h *fuzzHost) list(path string) (all []fuzzPlugin) {
	h.t.Helper()
	_, text := h.ask("GET", path+"?detail=1", nil)
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
	return all
}

// passing is what of answers changes with time.
var passing = regexp.MustCompile(`"(installed|status)":"[^"]*"`)

// look lists all that the host tells and all that lies in its data folder, but
// for what is as it may be.
func (h *fuzzHost) look() (found []string) {
	h.t.Helper()
	for _, kind := range host.Kinds() {
		found = append(found, h.listed(kind))
	}
	for _, path := range []string{"/plugins/udfs?detail=1", "/data/export", "/config/uploads"} {
		_, text := h.ask("GET", path, nil)
		found = append(found, text)
	}
	err := filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(h.dir, path)
		parts := strings.Split(filepath.ToSlash(name), "/")
		switch top := parts[0]; {
		case err != nil || name == "berth.db":
			return err
		case entry.IsDir() && len(parts) < 3 && top != "staging": // these stay
			return nil
		case entry.IsDir() && (top == "cache" || top == "state") && parts[2] == "base": // data outlives versions
			return fs.SkipDir
		case entry.IsDir(), top == "plugins" && len(parts) == 4: // the record
			found = append(found, name)
			return nil
		}
		data, err := os.ReadFile(path)
		found = append(found, name+" "+hashOf(string(data)))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}
