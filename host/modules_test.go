package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"berth/host"
	"berth/host/archive"
	"berth/host/enginetest"
)

func hashOf(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// seen is a fake engine that keeps the package it loaded last.
func seen(into **host.Package) *fakeEngine {
	return &fakeEngine{load: func(_ context.Context, p *host.Package) error {
		*into = p
		return nil
	}}
}

// TestModulesFromEverywhere installs an Extism manifest whose modules lie in the
// package, in the manifest and on a server; later the server is not needed.
func TestModulesFromEverywhere(t *testing.T) {
	main := fakeBuild{Version: "1", Functions: []string{"f"}}.String()
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("X-Token") != "secret" || r.Method != http.MethodGet {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, main)
	}))
	defer server.Close()
	var pkg *host.Package
	engine := seen(&pkg)
	r := newRig(t, withFake(engine))
	manifest := fmt.Sprintf(`{"wasm":[{"path":"./lib/a.wasm","name":"a","hash":%q},{"data":%q,"name":"b","hash":%q},{"url":"%s/m.wasm?x=1","headers":{"X-Token":"secret"},"hash":%q}]}`,
		hashOf("A"), base64.StdEncoding.EncodeToString([]byte("B")), hashOf("B"), server.URL, hashOf(main))
	uri := packed(t, files{"p.json": manifest, "lib/a.wasm": "A"})
	r.install("p", uri)
	r.answers("f", "x", "1:f:x")
	if got := requests.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
	server.Close()
	r.restart()
	r.answers("f", "x", "1:f:x")
	want := []host.LinkedModule{{Name: "a", File: "lib/a.wasm"}, {Name: "b", File: ".modules/1.wasm"}}
	if got := pkg.Modules(); !slices.Equal(got, want) || pkg.Wasm() != ".modules/2.wasm" || pkg.Manifest.Wasm.ABI != "extism" {
		t.Errorf("main %s, linked %v, ABI %s", pkg.Wasm(), got, pkg.Manifest.Wasm.ABI)
	}
	if data, err := os.ReadFile(pkg.Path(".modules/1.wasm")); err != nil || string(data) != "B" {
		t.Errorf("%q, %v", data, err)
	}
	r.clean()
	engine.load = nil
}

func TestModulesOfOwnForm(t *testing.T) {
	var pkg *host.Package
	r := newRig(t, withFake(seen(&pkg)))
	build := fakeBuild{Version: "1", Functions: []string{"f"}}.String()
	r.install("p", packed(t, files{"p.json": fmt.Sprintf(`{"version":"v3","wasm":{"modules":[{"path":"m.wasm","name":"main","hash":%q},{"path":"l.wasm","name":"lib"}]}}`, hashOf(build)),
		"m.wasm": build, "l.wasm": "x"}))
	r.answers("f", "x", "1:f:x")
	if pkg.Wasm() != "m.wasm" || pkg.Version != "v3" || !slices.Equal(pkg.Modules(), []host.LinkedModule{{Name: "lib", File: "l.wasm"}}) {
		t.Errorf("%s, %s, %v", pkg.Wasm(), pkg.Version, pkg.Modules())
	}
}

func TestModulesRefused(t *testing.T) {
	var target *httptest.Server
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/big":
			fmt.Fprint(w, strings.Repeat("x", 2000))
		case "/away":
			http.Redirect(w, r, target.URL+"/m", http.StatusFound)
		default:
			fmt.Fprint(w, "not what was hashed")
		}
	}))
	defer server.Close()
	leaked := ""
	target = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked += r.Header.Get("X-Token") }))
	defer target.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	r := newRig(t, func(r *rig) {
		withFake(&fakeEngine{})(r)
		r.config.Archive = archive.Limits{Download: 1500}
	})
	url := func(path string) string { return fmt.Sprintf(`{"wasm":[{"url":"%s%s"}]}`, server.URL, path) }
	for _, test := range []struct {
		name     string
		manifest string
		more     files
		want     []string
	}{
		{"no file", `{"wasm":[{"path":"a.wasm"}]}`, nil, []string{"module 0 (a.wasm)", "has no such file"}},
		{"a folder", `{"wasm":[{"path":"d"}]}`, files{"d/x": ""}, []string{"module 0 (d)", "it is a folder"}},
		{"another hash", `{"wasm":[{"path":"a.wasm","hash":"` + hashOf("y") + `"}]}`, files{"a.wasm": "x"}, []string{hashOf("x"), hashOf("y")}},
		{"another hash of own form", `{"wasm":{"modules":[{"path":"a.wasm","hash":"` + hashOf("y") + `"}]}}`, files{"a.wasm": "x"}, []string{hashOf("x"), hashOf("y")}},
		{"another hash inside", `{"wasm":[{"data":"eA==","hash":"` + hashOf("y") + `"}]}`, nil, []string{"module 0 (data)", hashOf("x")}},
		{"another hash fetched", `{"wasm":[{"url":"` + server.URL + `/m","hash":"` + hashOf("y") + `"}]}`, nil, []string{server.URL + "/m", hashOf("not what was hashed")}},
		{"not found", url("/gone"), nil, []string{"it cannot be fetched: cannot download the file with status: 404"}},
		{"too big", url("/big"), nil, []string{"the file has", "1500"}},
		{"nobody there", `{"wasm":[{"url":"` + closed.URL + `"}]}`, nil, []string{"it cannot be fetched", "refused"}},
		{"the host's folder", `{"wasm":[{"data":"eA=="}]}`, files{".modules/0.wasm": "x"}, []string{"the package has an entry .modules"}},
		{"headers go nowhere else", `{"wasm":[{"url":"` + server.URL + `/away","headers":{"X-Token":"secret"},"hash":"` + hashOf("y") + `"}]}`, nil, []string{"its hash is"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := files{"p.json": test.manifest}
			for name, text := range test.more {
				content[name] = text
			}
			_, err := r.Install(t.Context(), host.Request{Name: "p", File: packed(t, content)})
			enginetest.WantError(t, err, host.CodeInvalid, append(test.want, "fail to install plugin: ")...)
			r.clean()
		})
	}
	if leaked != "" {
		t.Errorf("the server that a redirect led to got the header %q", leaked)
	}
}
