package host_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
)

func TestInstall(t *testing.T) {
	r := newRig(t, nil)
	uri := packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"version":"v1.2.0"}`, "etc/x.yaml": "a: 1"})
	before := time.Now().Add(-time.Second)
	record := r.install("echo", uri)
	if record.Kind != host.Functions || record.Name != "echo" || record.Version != "v1.2.0" || record.Source != uri || record.Engine != "wasm" ||
		len(record.Digest) != 64 || record.Revision == 0 || record.Preload || len(record.Warnings) != 0 || len(record.Refused) != 0 ||
		record.Installed.Before(before) || record.Installed.Location() != time.UTC {
		t.Errorf("record %+v", record)
	}
	if want := []string{"echo", "fail", "upper"}; !slices.Equal(record.Functions, want) || !slices.Equal(r.FunctionNames(), want) {
		t.Errorf("functions %v, index %v, want %v", record.Functions, r.FunctionNames(), want)
	}
	r.answers("upper", "hello", "HELLO")
	r.fails("fail", "why not", host.CodeRejected, "call plugin echo function fail: why not")
	r.fails("nothing", "", host.CodeNotFound, "call function nothing: no installed plugin has this function")
	if got := r.List(host.Functions); !slices.Equal(got, []string{"echo"}) {
		t.Errorf("list %v", got)
	}
	if got := r.List(host.Sinks); got == nil || len(got) != 0 {
		t.Errorf("the list of a kind with nothing is %v, want an empty one", got)
	}
	record.Functions[0] = "changed" // the caller's own
	described, err := r.Describe(host.Functions, "echo")
	if err != nil || described.Functions[0] != "echo" || described.Digest != record.Digest {
		t.Errorf("described as %+v, %v", described, err)
	}
	if owner, err := r.FunctionPlugin("upper"); err != nil || owner.Name != "echo" {
		t.Errorf("upper belongs to %v, %v", owner.Name, err)
	}
	r.clean()
}

// TestInstallFunctions: the functions are the request's, else the manifest's,
// else what the build exports, else one of the plugin's name.
func TestInstallFunctions(t *testing.T) {
	for _, test := range []struct {
		name      string
		requested []string
		manifest  string
		exported  []string
		want      []string
	}{
		{"request", []string{"c", "a"}, `{"functions":["b"]}`, []string{"a", "b", "c"}, []string{"c", "a"}},
		{"manifest", nil, `{"functions":[{"name":"b"},"a"]}`, []string{"a", "b", "c"}, []string{"b", "a"}},
		{"exports", nil, `{}`, []string{"a", "b"}, []string{"a", "b"}},
		{"no manifest", nil, "", []string{"a"}, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &fakeEngine{}
			r := newRig(t, withFake(e))
			f := files{"p.wasm": fakeBuild{Version: "1", Functions: test.exported}.String()}
			if test.manifest != "" {
				f["p.json"] = test.manifest
			}
			record := r.install("p", packed(t, f), test.requested...)
			if !slices.Equal(record.Functions, test.want) {
				t.Errorf("functions %v, want %v", record.Functions, test.want)
			}
			for _, function := range test.exported {
				if slices.Contains(test.want, function) {
					r.answers(function, "x", "1:"+function+":x")
				} else {
					r.fails(function, "x", host.CodeNotFound)
				}
			}
		})
	}
}

// tellsNothing is an engine whose modules cannot list their functions.
type tellsNothing struct{ *fakeEngine }

type silent struct{ host.Module }

func (silent) Functions() []string { return nil }

func (e tellsNothing) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	m, err := e.fakeEngine.Load(ctx, p)
	if err != nil {
		return nil, err
	}
	return silent{m}, nil
}

func TestInstallFunctionOfPluginName(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Engines = []host.Engine{tellsNothing{&fakeEngine{}}} })
	record := r.install("p", packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"p", "q"}}.String()}))
	if !slices.Equal(record.Functions, []string{"p"}) {
		t.Errorf("functions %v, want the plugin's name", record.Functions)
	}
	r.answers("p", "x", "1:p:x")
}

// TestInstallEngines: the engines are asked in their order, the manifest's
// first; why others refused is kept and told.
func TestInstallEngines(t *testing.T) {
	first, second := &fakeEngine{name: "wasm"}, &fakeEngine{name: "native"}
	refuse := func(context.Context, *host.Package) error { return host.Fail(host.CodeInvalid, "not today") }
	r := newRig(t, func(r *rig) { r.config.Engines = []host.Engine{first, second} })
	build := func(name string) files {
		return files{name + ".wasm": fakeBuild{Version: "1", Functions: []string{name}}.String()}
	}
	if got := r.install("a", packed(t, build("a"))).Engine; got != "wasm" {
		t.Errorf("the first engine is asked first: %s", got)
	}
	prefers := build("b")
	prefers["b.json"] = `{"engine":"native"}`
	if record := r.install("b", packed(t, prefers)); record.Engine != "native" || len(record.Refused) != 0 {
		t.Errorf("the manifest's engine is asked first: %+v", record)
	}
	first.load = refuse
	record := r.install("c", packed(t, build("c")))
	if record.Engine != "native" || len(record.Refused) != 1 || record.Refused[0] != (host.Refusal{Engine: "wasm", Reason: "not today"}) {
		t.Errorf("the second engine, and why not the first: %+v", record)
	}
	before := r.snapshot()
	second.load = refuse
	_, err := r.Install(t.Context(), host.Request{Name: "d", File: packed(t, build("d"))})
	enginetest.WantError(t, err, host.CodeInvalid, "no engine can run it: wasm: not today; native: not today")
	r.unchanged(before)
}

func TestInstallEnclosingFolder(t *testing.T) {
	r := newRig(t, nil)
	record := r.install("echo", packed(t, files{"echo-1.0/echo.wasm": guest(t, "echo"), "echo-1.0/echo.json": `{"version":"v9"}`}))
	if len(record.Warnings) != 1 || !strings.Contains(record.Warnings[0], `lie in a folder "echo-1.0"`) || record.Version != "v9" {
		t.Errorf("record %+v: a warning is to say that the files lie in a folder", record)
	}
	r.answers("echo", "x", "x")
	r.restart()
	if record, err := r.Describe(host.Functions, "echo"); err != nil || len(record.Warnings) != 1 {
		t.Errorf("the warning is lost at a restart: %+v, %v", record, err)
	}
}

func TestInstallOverHTTP(t *testing.T) {
	data := zipOf(t, files{"echo.wasm": guest(t, "echo")})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/echo.zip" {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(data)
	}))
	defer server.Close()
	r := newRig(t, nil)
	before := r.snapshot()
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: server.URL + "/none.zip"})
	enginetest.WantError(t, err, host.CodeInvalid, "fail to download file "+server.URL+"/none.zip: cannot download the file with status: 404 Not Found")
	r.unchanged(before)
	r.install("echo", server.URL+"/echo.zip")
	r.answers("echo", "x", "x")
	r.clean()
}

// TestInstallCanceled has the caller give up while the download hangs.
func TestInstallCanceled(t *testing.T) {
	asked, hang := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = w.Write([]byte("PK"))
		_ = http.NewResponseController(w).Flush()
		asked <- struct{}{}
		select {
		case <-hang:
		case <-q.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	r := newRig(t, nil)
	before := r.snapshot()
	for _, kind := range []string{"install", "host closes"} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := r.Install(ctx, host.Request{Name: "echo", File: server.URL + "/x.zip"})
			result <- err
		}()
		receive(t, "the download begins", asked)
		if kind == "install" {
			cancel()
			enginetest.WantError(t, receive(t, "the install ends", result), host.CodeCanceled, "canceled")
			r.unchanged(before)
			continue
		}
		closed := make(chan error, 1)
		go func() { closed <- r.Close(context.Background()) }()
		enginetest.WantError(t, receive(t, "the install ends", result), host.CodeUnavailable, "the host is shutting down")
		cancel()
		if err := receive(t, "the host closes", closed); err != nil {
			t.Error(err)
		}
	}
}

// TestInstallSameFunctionAtOnce: of two plugins that want one function name at
// the same time exactly one gets it.
func TestInstallSameFunctionAtOnce(t *testing.T) {
	const contenders = 6
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	for round := range 10 {
		var wg sync.WaitGroup
		names, errs := make([]string, contenders), make([]error, contenders)
		start := make(chan struct{})
		for i := range contenders {
			names[i] = "p" + string(rune('a'+i))
			uri := packed(t, files{names[i] + ".wasm": fakeBuild{Version: names[i], Functions: []string{"same", "own" + names[i]}}.String()})
			wg.Go(func() {
				<-start
				_, errs[i] = r.Install(t.Context(), host.Request{Name: names[i], File: uri})
			})
		}
		close(start)
		wg.Wait()
		winner := ""
		for i, err := range errs {
			if err == nil {
				if winner != "" {
					t.Errorf("both %s and %s got it", winner, names[i])
				}
				winner = names[i]
				continue
			}
			enginetest.WantError(t, err, host.CodeConflict, "function name same already exists")
		}
		if winner == "" {
			t.Fatalf("round %d: nobody got it: %v", round, errs)
		}
		r.answers("same", "", winner+":same:")
		if got := r.FunctionNames(); !slices.Equal(got, []string{"own" + winner, "same"}) {
			t.Errorf("functions %v", got)
		}
		r.clean()
		if err := r.Drop(t.Context(), host.Functions, winner); err != nil {
			t.Fatal(err)
		}
		r.clean()
	}
	r.stop()
	e.check(t)
}

// TestInstallSamePluginAtOnce: the same for the name of the plugin itself.
func TestInstallSamePluginAtOnce(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	uri := packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String()})
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.Install(t.Context(), host.Request{Name: "p", File: uri}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		enginetest.WantError(t, err, host.CodeConflict, "invalid name p: duplicate")
	}
	if won != 1 {
		t.Errorf("%d installs of one plugin succeeded", won)
	}
	r.answers("f", "x", "1:f:x")
	r.clean()
}

// TestInstallEncodingOfNoFunction: the manifest checks "encoding" against its
// own list of functions; where the list comes from the build, a misspelt name
// must not be ignored either.
func TestInstallEncodingOfNoFunction(t *testing.T) {
	r := newRig(t, nil)
	before := r.snapshot()
	_, err := r.Install(t.Context(), host.Request{Name: "echo", File: packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"encoding":{"eccho":"json"}}`})})
	enginetest.WantError(t, err, host.CodeInvalid, "encoding", "eccho")
	r.unchanged(before)
}
