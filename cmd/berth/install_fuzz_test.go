package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// FuzzInstall makes a zip and a request of the bytes and sends it to a whole host:
// whatever they are, the host answers, in one of its ways; what it refuses leaves
// nothing behind and changes nothing; what it takes is listed, described, called
// and dropped again.
func FuzzInstall(f *testing.F) {
	guest, err := os.ReadFile("../../sandbox/testdata/guests/echo.wasm")
	if err != nil {
		f.Fatal(err)
	}
	w := &fuzzWords{guest: guest, object: enginetest.SharedObject(f)}
	f.Add([]byte{})
	const p, base = 0, 1
	for kind := range byte(len(host.Kinds())) {
		for _, name := range []byte{p, base} {
			for update := range byte(2) {
				for way := range byte(numFuzzWays) {
					f.Add(fuzzSeed(kind, name, way, update, []byte{0}, 0, 0, 0))
				}
				for _, seed := range [][]byte{
					fuzzSeed(kind, name, 0, update, nil, 0, 0, 0, 2, 0, 2, 3, 0, 11),                           // <name>.so, too
					fuzzSeed(kind, name, 0, update, []byte{0}, 0, 0, 0, 5, 0, 2),                               // echo, and etc/a.yaml
					fuzzSeed(kind, name, 0, update, []byte{1}, 0, 0, 0),                                        // upper, which base has
					fuzzSeed(kind, name, 0, update, []byte{5}, 0, 0, 0, 1, 0, 3),                               // basePortables
					fuzzSeed(kind, name, 0, update, []byte{3}, 0, 0, 0),                                        // absent
					fuzzSeed(kind, name, 0, update, nil, 2, 0, 6, 3, 0, 11),                                    // a shared object
					fuzzSeed(kind, name, 0, update, nil, 10, 1, 7, 1, 0, 12, 7, 0, 11),                         // a program
					fuzzSeed(kind, name, 0, update, []byte{0}, 0, 0, 0, 4, 1, 7),                               // a script
					fuzzSeed(kind, name, 0, update, []byte{0}, 0, 0, 9, 11, 0, 0),                              // ../x
					fuzzSeed(kind, name, 0, update, []byte{0, 1}, 0, 0, 0, 5, 3, 2, 6, 0, 2, 8, 4, 0, 7, 5, 0), // a link, a pipe
				} {
					f.Add(seed)
				}
			}
		}
	}
	h := newFuzzHost(f, guest, w.object)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		w.rest = data
		h.t = t
		h.try(w)
	})
}

// fuzzSeed are the bytes of a request: functions, and then entries of the zip, are
// numbers of words; three each are the name of an entry, its mode and its content.
func fuzzSeed(kind, name, way, update byte, functions []byte, entries ...byte) []byte {
	seed := append([]byte{kind, name, way, update, byte(len(functions))}, functions...)
	if way == fuzzBody {
		seed = append(seed, 0, 0)
	}
	return append(append(append(seed, byte(len(entries)/3)), entries...), 0, 0)
}

// fuzzWords are read from the bytes of the fuzzer.
type fuzzWords struct {
	guest, object []byte
	rest          []byte
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

// several are up to n-1 words.
func (w *fuzzWords) several(n byte, words ...string) (all []string) {
	for range w.next() % n {
		all = append(all, w.pick(words...))
	}
	return all
}

// content is what lies in a file of a package.
func (w *fuzzWords) content() []byte {
	switch i := w.next(); i % 16 {
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
		return w.object
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
	case 12:
		return []byte(`{"language":"exec","executable":"p.py","functions":["run"],"capabilities":{"paths":{"data":"/data"},"env":{"A":"b"}}}`)
	case 13:
		return []byte("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 60))
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
		case 1, 2:
			header.SetMode(0o755)
		case 3:
			header.SetMode(os.ModeSymlink | 0o777)
		case 4:
			header.Method = zip.Store
		case 5:
			header.SetMode(os.ModeNamedPipe | 0o644)
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

// The ways in which a plugin, or what else there is, comes to a host.
const (
	fuzzByURI byte = iota
	fuzzByURI2
	fuzzBody
	fuzzRaw
	fuzzRegister
	fuzzImport
	fuzzUpload
	fuzzDrop
	numFuzzWays
)

// fuzzRequest is what is sent.
type fuzzRequest struct {
	method, path, kind string
	body               []byte
}

// request makes a request. save saves a zip and returns its URI.
func (w *fuzzWords) request(save func([]byte) string) fuzzRequest {
	kinds := host.Kinds()
	kind := kinds[int(w.next())%len(kinds)]
	name := w.pick("p", "base", "echo", "Quite-Long_name", "a b", "../up", "")
	way, update := w.next()%numFuzzWays, w.next()%3 == 1
	functions := w.several(4, "echo", "upper", "fail", "absent", "no name", "basePortables")
	r := fuzzRequest{"POST", "/plugins/" + kind.String(), "application/json", nil}
	one := r.path + "/" + url.PathEscape(name)
	if update {
		r.method, r.path = "PUT", one
	}
	switch way {
	case fuzzBody:
		query := url.Values{"name": {name}, "functions": functions, "shellParas": w.several(2, "x", "a,b"), "sha256": w.several(2, "x")}
		r.path, r.kind, r.body = r.path+"?"+query.Encode(), "application/zip", w.zip(name)
	case fuzzRaw:
		r.kind = w.header("application/json", "application/zip", "multipart/form-data; boundary=x", "text/plain")
		r.path += w.pick("", "?name=p", "?stop=1", "/status", "/register")
		r.body = w.rest
	case fuzzRegister:
		r.method, r.path, r.body = "POST", one+"/register", encoded(map[string]any{"functions": functions})
	case fuzzImport:
		data := w.zip(name)
		script := encoded(map[string]any{"name": name, "file": save(data), "functions": functions})
		part := w.pick("nativePlugins", "portablePlugins", "wasmPlugins", "rules")
		key := w.pick(kind.String()+"_"+name, name, "_", "functions_")
		content := encoded(map[string]any{part: map[string]string{key: string(script)}})
		r.method, r.path, r.body = "POST", "/data/import"+w.pick("?partial=1", "", "?partial=true&stop=1"), encoded(map[string]any{"content": string(content)})
	case fuzzUpload:
		r.method, r.path, r.kind = "POST", "/config/uploads?name="+url.QueryEscape(name), w.header("application/json", "application/zip", "multipart/form-data; boundary=x")
		r.body = w.rest
		if w.next()%2 == 0 {
			r.kind, r.body = "application/json", encoded(map[string]any{"name": w.pick("u.zip", name, ".u", "a/b"), "content": string(w.take(100))})
		}
	case fuzzDrop:
		r.method, r.path = "DELETE", one+w.pick("", "?stop=1", "/", "/status")
	default:
		data := w.zip(name)
		body := map[string]any{"name": name, "functions": functions, "file": save(data)}
		switch w.next() % 8 {
		case 1:
			body["sha256"] = w.pick(strings.Repeat("ab", 32), "x", strings.ToUpper(hashOf(string(data))))
		case 2:
			body["signature"] = w.pick("x", "AAAA", strings.Repeat("A", 100))
		case 3:
			body["shellParas"] = w.several(4, "x", "")
		case 4:
			body["file"] = w.pick("file:///", "file:///dev/zero.zip", "file://x/y.zip", "http://127.0.0.1/x.zip", "", "x.zip")
		case 5:
			body["name"] = w.pick("other", "", "a b")
		}
		r.body = encoded(body)
	}
	return r
}

// header is a word that a header can hold.
func (w *fuzzWords) header(words ...string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, w.pick(words...))
}

func encoded(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprint("no JSON can be made of it: ", err))
	}
	return data
}
