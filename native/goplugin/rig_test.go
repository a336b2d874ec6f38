//go:build linux && cgo

package goplugin

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// plugins are what the tests of this process built and loaded: one registry, as a
// host has one.
type plugins struct {
	dir    string
	opened *Opened

	mu    sync.Mutex // guards built
	built map[string]string
}

var rig = &plugins{opened: NewOpened(), built: map[string]string{}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "goplugin")
	if err != nil {
		panic(err)
	}
	rig.dir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// build builds a file of testdata as a plugin for this test binary: with its flags,
// -race too, since a plugin without the race detector does not fit a host with it.
// change are texts to replace before, and by what.
func build(t testing.TB, source string, change ...string) (file string) {
	t.Helper()
	rig.mu.Lock()
	defer rig.mu.Unlock()
	key := source + strings.Join(change, "\x00")
	if file, ok := rig.built[key]; ok {
		return file
	}
	text, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(source)))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(change...).Replace(string(text))
	if len(change) > 0 && changed == string(text) {
		t.Fatalf("%s: nothing to replace", source)
	}
	dir, err := os.MkdirTemp(rig.dir, "")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "Plugin.so")
	write(t, filepath.Join(dir, "plugin.go"), changed)
	goBuild(t, ".", file, filepath.Join(dir, "plugin.go"))
	rig.built[key] = file
	return file
}

func goBuild(t testing.TB, dir, out string, what ...string) {
	t.Helper()
	b := hostBuild(t)
	args := append([]string{"build"}, b.Flags()...)
	cmd := exec.Command("go", append(append(args, "-o", out), what...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), b.Environ()...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, text)
	}
}

func hostBuild(t testing.TB) Build {
	t.Helper()
	b, err := HostBuild()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pack is a package with nothing in it; the build lies elsewhere.
func pack(t testing.TB, change ...func(*host.Package)) *host.Package {
	t.Helper()
	p := enginetest.Unpack(t, host.Functions, "tests", nil)
	for _, c := range change {
		c(p)
	}
	return p
}

// open opens the plugin of a file of testdata.
func open(t testing.TB, source string, functions []string, change ...func(*host.Package)) *Library {
	t.Helper()
	l, err := Open(t.Context(), Options{Path: build(t, source), Package: pack(t, change...), Functions: functions, Opened: rig.opened})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func bind(t testing.TB, l *Library, name string) host.Function {
	t.Helper()
	f, err := l.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantCall calls a function, and checks what it answers behind what was there.
func wantCall(t testing.TB, f host.Function, in, want string) {
	t.Helper()
	out, err := f.Call(t.Context(), []byte("kept "), []byte(in))
	if err != nil || string(out) != "kept "+want {
		t.Errorf("%s: %q, %v; want %q", in, bytes.TrimPrefix(out, []byte("kept ")), err, want)
	}
}

// wantFail calls a function that fails.
func wantFail(t testing.TB, f host.Function, in string, code host.Code, words ...string) {
	t.Helper()
	out, err := f.Call(t.Context(), []byte("kept"), []byte(in))
	if string(out) != "kept" {
		t.Errorf("%s: dst is %q after a failure", in, out)
	}
	enginetest.WantError(t, err, code, words...)
}
