package host_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"berth/host"
	"berth/host/archive"
	"berth/host/enginetest"
)

// refusal is a request that must fail, and how.
type refusal struct {
	name  string
	uri   string
	code  host.Code
	words []string
	more  func(*host.Request)
}

// refusals are the ways in which a package called "echo" can be wrong, for a
// host that has "upper" installed as a function of "taken". It is a table.
func refusals(t *testing.T) []refusal {
	echo := guest(t, "echo")
	with := func(manifest string) string { return packed(t, files{"echo.wasm": echo, "echo.json": manifest}) }
	wasm := func(name string) string { return packed(t, files{"echo.wasm": guest(t, name)}) }
	raw := func(name, body string) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, entry := range []struct{ name, body string }{{"echo.wasm", echo}, {name, body}} {
			f, err := w.Create(entry.name)
			if err == nil {
				_, err = f.Write([]byte(entry.body))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return saved(t, b.Bytes())
	}
	functions := func(names ...string) func(*host.Request) {
		return func(q *host.Request) { q.Functions = names }
	}
	paras := func(q *host.Request) { q.ShellParas = []string{"a", "b"} }
	good := packed(t, files{"echo.wasm": echo})
	gone, folder := "file://"+filepath.Join(t.TempDir(), "gone.zip"), filepath.Join(t.TempDir(), "folder.zip")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	const inv = host.CodeInvalid
	const fail = "fail to install plugin: "
	return []refusal{
		{"not a zip", saved(t, []byte("hello")), inv, []string{fail + "zip: not a valid zip file"}, nil},
		{"empty file", saved(t, nil), inv, []string{"zip: not a valid zip file"}, nil},
		{"empty zip", packed(t, nil), inv, []string{fail + "invalid zip file", "found: nothing"}, nil},
		{"cut off", saved(t, zipOf(t, files{"echo.wasm": echo})[:150]), inv, []string{"not a valid zip"}, nil},
		{"zip slip", raw("../evil", "x"), inv, []string{fail + `entry "../evil": climbs out of the package`}, nil},
		{"absolute path", raw("/tmp/evil", "x"), inv, []string{"absolute"}, nil},
		{"zip bomb", raw("bomb", strings.Repeat("\x00", 8<<20)), inv, []string{`entry "bomb"`, "fold allowed"}, nil},
		{"too many bytes", raw("big", strings.Repeat("abcdefgh\x00\x01", 2<<20)), inv, []string{`entry "big"`}, nil},
		{"no build", packed(t, files{"README.md": "x", "echo.json": "{}"}), inv, []string{`no build of "echo"`, "expected echo.wasm or Echo.so", "found: README.md echo.json"}, nil},
		{"another plugin's build", packed(t, files{"Other.wasm": echo}), inv, []string{`no build of "echo"`, "found: Other.wasm"}, nil},
		{"wrong case", packed(t, files{"Echo.wasm": echo}), inv, []string{"expected echo.wasm", "found: Echo.wasm"}, nil},
		{"native build only", packed(t, files{"Echo.so": "x"}), inv, []string{"no build for the sandbox", "echo.wasm", "only native builds (Echo.so)"}, nil},
		{"manifest", with("version: 1"), inv, []string{fail + "manifest echo.json: invalid character"}, nil},
		{"engine", with(`{"engine":"docker"}`), inv, []string{"manifest echo.json", `"engine" is "docker"`}, nil},
		{"negative limit", with(`{"limits":{"instances":-1}}`), inv, []string{`"limits.instances" must be more than zero`}, nil},
		{"wide limit", with(`{"limits":{"memory":"8GiB"}}`), inv, []string{`"limits.memory" asks for 8GiB, over this host's 64MiB`}, nil},
		{"other name", with(`{"name":"ECHO"}`), inv, []string{fail + "invalid plugin, expect name 'echo' but got 'ECHO'"}, nil},
		{"capability", with(`{"capabilities":{"hosts":["https://x"]}}`), inv, []string{fail + "manifest echo.json", `"capabilities.hosts": the host pattern "https://x" is a URL`}, nil},
		{"invalid wasm", wasm("invalid"), inv, []string{fail + "echo.wasm does not validate"}, nil},
		{"truncated wasm", wasm("truncated"), inv, []string{"echo.wasm does not validate"}, nil},
		{"no wasm", packed(t, files{"echo.wasm": "hello"}), inv, []string{"echo.wasm is not WebAssembly"}, nil},
		{"empty wasm", packed(t, files{"echo.wasm": ""}), inv, []string{"echo.wasm is not WebAssembly"}, nil},
		{"component", wasm("component"), inv, []string{"WASI component", "wasm32-wasip1"}, nil},
		{"imports", wasm("imports"), inv, []string{"env.abort", "env.missing_one", "other.act"}, nil},
		{"imported global", packed(t, files{"echo.wasm": importsGlobal}), inv, []string{"echo.wasm"}, nil},
		{"no exports", wasm("noexports"), inv, []string{"exports no function"}, nil},
		{"start traps", wasm("start_trap"), inv, []string{"could not be initialised", "unreachable"}, nil},
		{"memory", wasm("bigmem"), inv, []string{"more memory than the plugin's limit of 64MiB"}, nil},
		{"declared function", with(`{"functions":["echo","nothere"]}`), inv, []string{"function nothere", "does not export it; its functions are: echo, fail, upper"}, nil},
		{"requested function", good, inv, []string{"function nothere", "does not export it"}, functions("nothere")},
		{"wrong signature", packed(t, files{"echo.wasm": guest(t, "wrongsig")}), inv, []string{"function f", "(i64) -> (i32)"}, functions("f")},
		{"function requested twice", good, inv, []string{"property 'functions'", `"echo" is named twice`}, functions("echo", "echo")},
		{"function name", good, inv, []string{"property 'functions'", "id 'a b' contains invalid"}, functions("a b")},
		{"taken function", good, host.CodeConflict, []string{"function name upper already exists"}, nil},
		{"install.sh", packed(t, files{"echo.wasm": echo, "install.sh": "echo no network >&2\nexit 7"}), inv, []string{fail + "exit status 7: install.sh failed; its output ended with: no network"}, nil},
		{"install.sh and parameters", packed(t, files{"echo.wasm": echo, "install.sh": "echo \"$1-$2\"; kill -9 $$"}), inv, []string{"signal: killed", "a-b"}, paras},
		{"install.sh removes the build", packed(t, files{"echo.wasm": echo, "install.sh": "rm echo.wasm"}), inv, []string{fail, "no build"}, nil},
		{"install.sh too late", packed(t, files{"Echo.wasm": echo, "install.sh": "mv Echo.wasm echo.wasm"}), inv, []string{fail, "name it echo.wasm, or install the plugin under the name Echo"}, nil},
		{"parameters", good, inv, []string{"have shell parameters : [a b] but no install.sh file"}, paras},
		{"gone", gone, inv, []string{"fail to download file " + gone, "no such file"}, nil},
		{"folder", "file://" + folder, inv, []string{"fail to download file", "is not a regular file"}, nil},
	}
}

// importsGlobal is a wasm module that imports a global nobody gives.
const importsGlobal = "\x00asm\x01\x00\x00\x00" + "\x02\x0a\x01\x03env\x01g\x03\x7f\x00" + "\x01\x04\x01\x60\x00\x00"

// refusing opens a host with "taken" installed.
func refusing(t *testing.T) *rig {
	r := newRig(t, func(r *rig) { r.config.Archive = archive.Limits{Unpacked: 16 << 20} })
	r.install("taken", packed(t, files{"taken.wasm": guest(t, "echo")}), "upper")
	return r
}

// TestInstallRefuses: whatever is wrong, the answer says what, and nothing is
// left behind: no file, no record, no name, no goroutine.
func TestInstallRefuses(t *testing.T) {
	r := refusing(t)
	before := r.snapshot()
	for _, test := range refusals(t) {
		t.Run(test.name, func(t *testing.T) {
			r.t = t
			goroutines := runtime.NumGoroutine()
			req := host.Request{Name: "echo", File: test.uri}
			if test.more != nil {
				test.more(&req)
			}
			_, err := r.Install(t.Context(), req)
			enginetest.WantError(t, err, test.code, append(test.words, "install plugin echo: ")...)
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
			r.unchanged(before)
			waitFor(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
			r.answers("upper", "x", "X")
		})
	}
	r.t = t
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}), "echo")
	r.answers("echo", "now", "now")
}

// TestUpdateRefuses: the same with an old version, which keeps serving.
func TestUpdateRefuses(t *testing.T) {
	r := refusing(t)
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"version":"old"}`}), "echo", "fail")
	before := r.snapshot()
	for _, test := range refusals(t) {
		t.Run(test.name, func(t *testing.T) {
			r.t = t
			r.answers("echo", "before", "before")
			stop, calls := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				for ; ; n++ {
					select {
					case <-stop:
						calls <- n
						return
					default:
						r.answers("echo", "during", "during")
					}
				}
			}()
			req := host.Request{Name: "echo", File: test.uri}
			if test.more != nil {
				test.more(&req)
			}
			_, err := r.Update(t.Context(), req)
			close(stop)
			receive(t, "the caller ends", calls)
			enginetest.WantError(t, err, test.code, append(test.words, "update plugin echo: ")...)
			r.unchanged(before)
			r.answers("echo", "after", "after")
		})
	}
	r.t = t
}

// TestRefusesNamesAndURIs: what is checked before anything is fetched.
func TestRefusesNamesAndURIs(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	good := packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String()})
	r.install("p", good)
	before := r.snapshot()
	for _, test := range []struct {
		name, uri string
		words     []string
	}{
		{"", good, []string{"id cannot be empty"}},
		{"a b", good, []string{"id 'a b' contains invalid characters"}},
		{" p", good, []string{"leading or trailing whitespace"}},
		{"../p", good, []string{"invalid characters"}},
		{strings.Repeat("n", 129), good, []string{"longer than 128"}},
		{"p", "", []string{"invalid uri "}},
		{"p", "/tmp/x.zip", []string{"invalid uri /tmp/x.zip"}},
		{"p", "ftp://x/y.zip", []string{"invalid uri ftp://x/y.zip"}},
		{"p", "http:///y.zip", []string{"invalid uri"}},
		{"p", "http://x/y.tar", []string{"invalid uri http://x/y.tar"}},
		{"p", "file://host/y.zip", []string{"invalid uri"}},
		{"p", "http://x/y.zip?z", []string{"invalid uri"}},
	} {
		_, err := r.Install(t.Context(), host.Request{Name: test.name, File: test.uri})
		enginetest.WantError(t, err, host.CodeInvalid, test.words...)
		_, err = r.Update(t.Context(), host.Request{Name: test.name, File: test.uri})
		enginetest.WantError(t, err, host.CodeInvalid, test.words...)
		if test.name == "p" {
			continue
		}
		enginetest.WantError(t, r.Drop(t.Context(), host.Functions, test.name), host.CodeInvalid, test.words...)
		enginetest.WantError(t, r.Register(t.Context(), host.Functions, test.name, []string{"f"}), host.CodeInvalid, test.words...)
		_, err = r.Describe(host.Functions, test.name)
		enginetest.WantError(t, err, host.CodeInvalid, test.words...)
		_, err = r.Status(host.Functions, test.name)
		enginetest.WantError(t, err, host.CodeInvalid, test.words...)
		_, err = r.FunctionPlugin(test.name)
		enginetest.WantError(t, err, host.CodeInvalid, test.words...)
	}
	r.unchanged(before)
}

func TestRefusesWhatIsOrIsNotThere(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	uri := packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String()})
	r.install("p", uri)
	before := r.snapshot()
	_, err := r.Install(t.Context(), host.Request{Name: "p", File: uri})
	enginetest.WantError(t, err, host.CodeConflict, "install plugin p: invalid name p: duplicate")
	_, err = r.Update(t.Context(), host.Request{Name: "q", File: uri})
	enginetest.WantError(t, err, host.CodeNotFound, "update plugin q: invalid name q: not exist")
	enginetest.WantError(t, r.Drop(t.Context(), host.Functions, "q"), host.CodeNotFound, "drop plugin q: invalid name q: not exist")
	enginetest.WantError(t, r.Drop(t.Context(), host.Sources, "p"), host.CodeNotFound, "not exist")
	enginetest.WantError(t, r.Register(t.Context(), host.Functions, "q", []string{"f"}), host.CodeNotFound, "register plugin q: not found")
	_, err = r.Describe(host.Functions, "q")
	enginetest.WantError(t, err, host.CodeNotFound, "not found")
	_, err = r.Status(host.Sinks, "p")
	enginetest.WantError(t, err, host.CodeNotFound, "not found")
	_, err = r.FunctionPlugin("q")
	enginetest.WantError(t, err, host.CodeNotFound, "not found")
	if !errors.Is(err, host.ErrNotFound) {
		t.Errorf("%v does not wrap ErrNotFound", err)
	}
	r.unchanged(before)
}

func TestDownloadLimit(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Archive = archive.Limits{Download: 1000} })
	before := r.snapshot()
	_, err := r.Install(t.Context(), host.Request{Name: "p", File: saved(t, make([]byte, 1001))})
	enginetest.WantError(t, err, host.CodeInvalid, "fail to download file", "1001 bytes, the limit is 1000")
	r.unchanged(before)
}

// TestStoreFails: what cannot be committed is not installed, updated, dropped
// or registered; what was there serves on.
func TestStoreFails(t *testing.T) {
	e := &fakeEngine{}
	s := &memStore{}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.Store = s })
	build := func(version string) string {
		return packed(t, files{"p.wasm": fakeBuild{Version: version, Functions: []string{"f", "g"}}.String()})
	}
	for _, test := range []struct {
		cause error
		code  host.Code
		word  string
	}{{errors.New("it broke"), host.CodeInternal, "it broke"}, {syscall.ENOSPC, host.CodeUnavailable, "disk that holds the data folder is full"}} {
		fail := func(host.Record) error { return test.cause }
		empty := r.snapshot()
		s.put = fail
		_, err := r.Install(t.Context(), host.Request{Name: "p", File: build("1")})
		enginetest.WantError(t, err, test.code, test.word)
		r.unchanged(empty)
		s.put = nil
		r.install("p", build("1"), "f")
		before := r.snapshot()
		s.put, s.delete = fail, func() error { return test.cause }
		for _, uri := range []string{build("2"), build("1")} {
			_, err = r.Update(t.Context(), host.Request{Name: "p", File: uri, Functions: []string{"g"}})
			enginetest.WantError(t, err, test.code, test.word)
			r.unchanged(before)
		}
		enginetest.WantError(t, r.Register(t.Context(), host.Functions, "p", []string{"g"}), test.code, test.word)
		enginetest.WantError(t, r.Drop(t.Context(), host.Functions, "p"), test.code, test.word)
		r.unchanged(before)
		r.answers("f", "x", "1:f:x")
		s.put, s.delete = nil, nil
		if err := r.Drop(context.Background(), host.Functions, "p"); err != nil {
			t.Fatal(err)
		}
		r.unchanged(empty)
	}
	r.stop()
	e.check(t)
}
