package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/host"
)

// FuzzInstall makes a zip and a request of the bytes and sends it to a whole host:
// whatever they are, the host answers, in one of its ways; what it refuses leaves
// nothing behind and changes nothing; what it takes is listed, described and
// dropped again.
func FuzzInstall(f *testing.F) {
	guest, err := os.ReadFile("../../sandbox/testdata/guests/echo.wasm")
	if err != nil {
		f.Fatal(err)
	}
	w := &fuzzWords{guest: guest}
	f.Add([]byte{})
	for kind := range byte(len(w.kinds())) {
		for way := range byte(4) {
			f.Add([]byte{kind, 0, way, 0, 0, 3, 0, 0, 1, 1, 2, 2})
			f.Add([]byte{kind, 1, way, 1, 1, 6, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8})
		}
	}
	h := newFuzzHost(f, guest)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		w.rest = data
		h.t = t
		h.try(w)
	})
}

// fuzzWords are read from the bytes of the fuzzer.
type fuzzWords struct {
	guest []byte
	rest  []byte
}

func (w *fuzzWords) next() byte {
	if len(w.rest) == 0 {
		return 0
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b
}

func (w *fuzzWords) take(n int) []byte {
	n = min(n, len(w.rest))
	b := w.rest[:n]
	w.rest = w.rest[n:]
	return b
}

// pick is one of the words, or, seldom, what the fuzzer wrote.
func (w *fuzzWords) pick(words ...string) string {
	i := int(w.next())
	if i < 250 {
		return words[i%len(words)]
	}
	return string(w.take(int(w.next()) % 40))
}

func (w *fuzzWords) kinds() []host.Kind { return host.Kinds() }

// content is what lies in a file of a package.
func (w *fuzzWords) content() []byte {
	switch i := w.next(); i % 14 {
	case 0, 1:
		return w.guest
	case 2:
		return []byte(`{"version":"v1","functions":["echo"]}`)
	case 3:
		return []byte(`{"language":"wasm","executable":"p.wasm","functions":["echo"]}`)
	case 4:
		return []byte(`{"language":"python","executable":"p.py","functions":["echo"],"sources":["s"],"sinks":["t"]}`)
	case 5:
		return []byte(`{"wasm":[{"path":"p.wasm"}],"memory":{"max_pages":16},"allowed_paths":{"/etc":"/x"}}`)
	case 6:
		return []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 60))
	case 7:
		return []byte("#!/bin/sh\nexit 1\n")
	case 8:
		return bytes.Repeat([]byte{0}, 1<<20)
	case 9:
		broken := bytes.Clone(w.guest)
		broken[int(w.next())%len(broken)] ^= w.next()
		return broken
	case 10:
		return []byte(`{"functions":["` + string(w.take(int(w.next())%20)) + `"],"limits":{"memory":` + string(w.take(8)) + `}}`)
	case 11:
		return nil
	}
	return w.take(int(w.next()) * 4)
}

// zip is a package of a plugin.
func (w *fuzzWords) zip(name string) []byte {
	exported := host.Exported(name)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range w.next() % 12 {
		header := &zip.FileHeader{Method: zip.Deflate, Name: w.pick(name+".wasm", name+".json", exported+".so", name+".yaml", "install.sh", "etc/a.yaml", "etc/a.yaml/b",
			"sources/s.yaml", name+"/"+name+".wasm", "linux-amd64/"+exported+"@v1.so", name+".py", "../x", "/abs", "a\\b", "etc/.berth.json", ".modules/0.wasm", "CON", "x/")}
		switch w.next() % 8 {
		case 1:
			header.SetMode(0o755)
		case 2:
			header.SetMode(os.ModeSymlink | 0o777)
		case 3:
			header.Method = zip.Store
		}
		if e, err := z.CreateHeader(header); err == nil {
			_, _ = e.Write(w.content())
		}
	}
	_ = z.Close()
	data := b.Bytes()
	switch w.next() % 6 {
	case 1:
		for range w.next() % 8 {
			data[(int(w.next())<<8|int(w.next()))%len(data)] ^= w.next()
		}
	case 2:
		data = data[:len(data)-int(w.next())%len(data)]
	case 3:
		data = bytes.Clone(w.rest)
	}
	return data
}

// fuzzHost is a whole host.
type fuzzHost struct {
	t      testing.TB
	dir    string // of data
	zips   string
	base   string
	client *http.Client
	log    *bytes.Buffer
}

func newFuzzHost(f *testing.F, guest []byte) *fuzzHost {
	f.Helper()
	top := f.TempDir()
	h := &fuzzHost{t: f, dir: filepath.Join(top, "data"), zips: filepath.Join(top, "zips"), log: &bytes.Buffer{}}
	if err := os.Mkdir(h.zips, 0o700); err != nil {
		f.Fatal(err)
	}
	c := defaultConfig()
	c.Data, c.Scripts, c.PluginHosts = h.dir, "deny", nil
	c.Timeout, c.LoadTimeout, c.DownloadTimeout = time.Second, 20*time.Second, 2*time.Second
	c.DownloadSchemes = []string{"file"}
	house, err := assemble(f.Context(), &c, slog.New(slog.NewTextHandler(&panics{to: h.log}, nil)), func(int) {})
	if err != nil {
		f.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- house.server.Serve(ln) }()
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := house.close(ctx); err != nil {
			f.Error(err)
		}
		<-served
	})
	h.base, h.client = "http://"+ln.Addr().String(), &http.Client{Timeout: patience}
	base := h.file("base.zip", zippedOne(f, "base.wasm", guest))
	if status, answer := h.send("POST", "/plugins/functions", "application/json", []byte(`{"name":"base","file":"`+base+`","functions":["upper"]}`)); status != http.StatusCreated {
		f.Fatal(status, answer)
	}
	return h
}

// panics keeps what the log says of panics.
type panics struct{ to *bytes.Buffer }

func (p *panics) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("PANIC")) {
		p.to.Write(line)
	}
	return len(line), nil
}

func zippedOne(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	e, err := z.Create(name)
	if err == nil {
		_, err = e.Write(content)
	}
	if err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (h *fuzzHost) file(name string, data []byte) (uri string) {
	path := filepath.Join(h.zips, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return "file://" + path
}

func (h *fuzzHost) send(method, path, kind string, body []byte) (status int, answer string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.base+path, bytes.NewReader(body))
	if err != nil {
		h.t.Skip("no request can be made of it")
	}
	req.Header.Set("Content-Type", kind)
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	h.check(method+" "+path, resp.StatusCode, string(text))
	return resp.StatusCode, string(text)
}

// check refuses answers that are none of the host's ways.
func (h *fuzzHost) check(what string, status int, answer string) {
	h.t.Helper()
	if h.log.Len() > 0 {
		h.t.Fatalf("%s: %s", what, h.log)
	}
	if !slices.Contains([]int{200, 201, 400, 403, 404, 405, 413, 503}, status) {
		h.t.Fatalf("%s: %d %s", what, status, answer)
	}
	if status < 400 || status == 405 {
		return
	}
	var fault struct {
		Error   *int
		Message *string
	}
	if err := json.Unmarshal([]byte(answer), &fault); err != nil || fault.Error == nil || fault.Message == nil || *fault.Message == "" || len(answer) > 64<<10 {
		h.t.Fatalf("%s: %d %s: %v", what, status, answer, err)
	}
}

// try sends what the words say.
func (h *fuzzHost) try(w *fuzzWords) {
	kinds := w.kinds()
	kind := kinds[int(w.next())%len(kinds)]
	name := w.pick("p", "base", "echo", "Quite-Long_name", "a b", "../up", "")
	way, update := w.next()%4, w.next()%5 == 1
	var functions []string
	for range w.next() % 3 {
		functions = append(functions, w.pick("echo", "upper", "fail", "absent", "no name"))
	}
	data := w.zip(name)
	method, path, body := "POST", "/plugins/"+kind.String(), map[string]any{"name": name, "functions": functions}
	if update {
		method, path = "PUT", path+"/"+url.PathEscape(name)
	}
	var status int
	var answer string
	switch way {
	case 0, 1:
		body["file"] = h.file("p.zip", data)
		if w.next()%8 == 1 {
			body["sha256"] = w.pick(strings.Repeat("ab", 32), "x")
		}
		text, err := json.Marshal(body)
		if err != nil {
			h.t.Fatal(err)
		}
		status, answer = h.send(method, path, "application/json", text)
	case 2:
		query := url.Values{"name": {name}, "functions": functions}
		status, answer = h.send(method, path+"?"+query.Encode(), "application/zip", data)
	default:
		status, answer = h.send(method, path, strings.Map(printableOnly, w.pick("application/json", "application/zip", "multipart/form-data; boundary=x", "text/plain")), w.rest)
	}
	h.settle(kind, status, answer)
}

// printableOnly leaves what a header may hold.
func printableOnly(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// settle checks what came of a request, and drops what was installed.
func (h *fuzzHost) settle(kind host.Kind, status int, answer string) {
	h.t.Helper()
	for _, k := range host.Kinds() {
		_, text := h.send("GET", "/plugins/"+k.String()+"?detail=1", "", nil)
		var list []struct{ Name string }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			h.t.Fatalf("%v: %s", err, text)
		}
		for _, p := range list {
			if k == host.Functions && p.Name == "base" {
				continue
			}
			if status >= 300 || k != kind {
				h.t.Fatalf("answered %d %s, and %s/%s is there", status, answer, k, p.Name)
			}
			one := "/plugins/" + k.String() + "/" + p.Name
			for _, part := range []string{"", "/status", "/logs"} {
				if got, text := h.send("GET", one+part, "", nil); got != 200 {
					h.t.Fatalf("GET %s: %d %s", one+part, got, text)
				}
			}
			if got, text := h.send("DELETE", one, "", nil); got != 200 {
				h.t.Fatalf("DELETE %s: %d %s", one, got, text)
			}
		}
	}
	for _, folder := range []string{"staging", "plugins/sources", "plugins/sinks", "plugins/portables", "plugins/wasm", "state/functions", "etc/functions"} {
		left, err := os.ReadDir(filepath.Join(h.dir, filepath.FromSlash(folder)))
		left = slices.DeleteFunc(left, func(e os.DirEntry) bool { return e.Name() == "base" }) // an update that was taken may have brought some
		if err == nil && len(left) > 0 {
			h.t.Fatalf("answered %d %s, and %v is left in %s", status, answer, left, folder)
		}
	}
	// An update of the plugin that is always there may have succeeded.
	if status, text := h.send("GET", "/plugins/functions/base", "", nil); status != 200 {
		h.t.Fatalf("the plugin that was there: %d %s", status, text)
	}
	var described struct{ Functions []string }
	_, text := h.send("GET", "/plugins/functions/base", "", nil)
	if err := json.Unmarshal([]byte(text), &described); err != nil {
		h.t.Fatal(err)
	}
	if !slices.Equal(described.Functions, []string{"upper"}) {
		h.mustRestore(status, answer)
		return
	}
	if status, text := h.send("GET", "/plugins/udfs", "", nil); status != 200 || text != `["upper"]` {
		h.t.Fatalf("functions that nobody has: %s", text)
	}
	if called, out := h.call("upper", "abc"); called != 200 || out != "ABC" {
		h.mustRestore(status, answer)
	}
}

func (h *fuzzHost) call(function, in string) (status int, out string) {
	resp, err := h.client.Post(h.base+"/invoke/"+function, "", strings.NewReader(in))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// mustRestore makes the plugin that is always there what it was before an update,
// which must have been taken.
func (h *fuzzHost) mustRestore(status int, answer string) {
	h.t.Helper()
	if status >= 300 {
		h.t.Fatalf("answered %d %s, and the old version does not serve", status, answer)
	}
	body := fmt.Sprintf(`{"file":"file://%s","functions":["upper"]}`, filepath.Join(h.zips, "base.zip"))
	if status, text := h.send("PUT", "/plugins/functions/base", "application/json", []byte(body)); status != 200 {
		h.t.Fatalf("%d %s", status, text)
	}
	if status, out := h.call("upper", "abc"); status != 200 || out != "ABC" {
		h.t.Fatalf("upper after it was put back: %d %s", status, out)
	}
}
