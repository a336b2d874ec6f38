//go:build linux && cgo

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/goplugin"
)

// greeter is a plugin in a module of its own that asks for an old contract.
func greeter(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "greeter")
	writeFiles(t, dir, map[string]string{
		"go.mod":        "module example.com/greeter\n\ngo 1.24\n\nrequire github.com/lf-edge/ekuiper/contract/v2 v2.0.0\n",
		"words/word.go": "package words\n\n// Hello is a word.\nconst Hello = \"hello\"\n",
		"greeter.json":  `{"version": "v1.0.0"}`,
		"old.so":        "", "other_test.go": "package main\n", "notes.txt": "",
		"greeter_windows.go": "package main\n\nfunc init() { panic(1) }\n",
		"greeter.go": `package main

import (
	"example.com/greeter/words"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

type greeter struct{}

func (greeter) Validate([]any) error                            { return nil }
func (greeter) IsAggregate() bool                               { return false }
func (greeter) Exec(_ api.FunctionContext, args []any) (any, bool) { return words.Hello, true }

// Greeter greets.
func Greeter() api.Function { return greeter{} }
`,
	})
	return dir
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func wantBuilt(t *testing.T, args ...string) {
	t.Helper()
	if code, out, said := command(t, "", append([]string{"build-plugin"}, args...)...); exitCode(code) != exitOK || !strings.HasPrefix(out, "built ") {
		t.Fatalf("%d: %s%s", code, out, said)
	}
}

// wantGreeting loads a plugin into this process, which is the host it was built
// for, and calls it.
func wantGreeting(t *testing.T, opened *goplugin.Opened, file, want string) {
	t.Helper()
	l, err := goplugin.Open(t.Context(), goplugin.Options{Path: file, Package: enginetest.Unpack(t, host.Functions, "greeter", nil), Functions: []string{"greeter"}, Opened: opened})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Function("greeter")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := f.Call(t.Context(), nil, []byte("[]")); err != nil || string(out) != want {
		t.Errorf("%s, %v; want %s", out, err, want)
	}
}

// TestBuildPlugin: what it builds loads into the host that built it, a changed
// build beside the old one, and the folder stays as it is. Nothing is downloaded.
func TestBuildPlugin(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=vendor -tags=other") // the user's do not count
	dir, out, opened := greeter(t), t.TempDir(), goplugin.NewOpened()
	before := contentOf(t, dir)
	one := filepath.Join(out, "One.so")
	wantBuilt(t, dir, "-o", one)
	wantGreeting(t, opened, one, `"hello"`)
	if err := goplugin.Check(one); err != nil {
		t.Error(err)
	}
	if after := contentOf(t, dir); !slices.Equal(before, after) {
		t.Errorf("the folder changed:\n%q\n%q", before, after)
	}

	source, err := os.ReadFile(filepath.Join(dir, "greeter.go"))
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{"greeter.go": strings.Replace(string(source), "words.Hello,", "words.Hello + \" again\",", 1)})
	two := filepath.Join(out, "Two.so")
	wantBuilt(t, dir, "-o", two)
	wantGreeting(t, opened, two, `"hello again"`)
	wantGreeting(t, opened, one, `"hello"`)

	writeFiles(t, dir, map[string]string{"words/word.go": "package words\n\nconst Hello = \"good morning\"\n"})
	three := filepath.Join(out, "Three.so")
	wantBuilt(t, dir, "-o", three)
	_, err = goplugin.Open(t.Context(), goplugin.Options{Path: three, Package: enginetest.Unpack(t, host.Functions, "greeter", nil), Opened: opened})
	if host.CodeOf(err) != host.CodeConflict || !strings.Contains(err.Error(), "package example.com/greeter/words, which a plugin that was loaded before brought along") {
		t.Errorf("another version of a package that is loaded: %v", err)
	}

	t.Chdir(out)
	wantBuilt(t, dir, "--zip", "--name", "greeter")
	z, err := zip.OpenReader("greeter.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"Greeter.so", "greeter.json"}) {
		t.Errorf("packed %q", names)
	}
	wantBuilt(t, dir, "--name", "other")
	if err := goplugin.Check("Other.so"); err != nil {
		t.Error(err)
	}
}

func contentOf(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		list = append(list, path+": "+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestBuildPluginRefuses(t *testing.T) {
	b, err := goplugin.HostBuild()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		code  exitCode
		says  string
	}{
		"nothing":      {map[string]string{"a.txt": ""}, exitUsage, "holds no Go files for " + runtime.GOOS + "/" + runtime.GOARCH},
		"a library":    {map[string]string{"a.go": "package a\n"}, exitRefused, "is a: a plugin is a package main"},
		"C beside":     {map[string]string{"a.go": "package main\n\nimport \"C\"\n", "a.c": ""}, exitRefused, "holds files of C or assembly"},
		"no such code": {map[string]string{"a.go": "package main\n\nvar X = y\n"}, exitRefused, "undefined: y"},
		"unknown module": {map[string]string{"go.mod": "module a\n\ngo 1.24\n", "a.go": "package main\n\nimport _ \"example.com/none\"\n"}, exitRefused,
			"example.com/none"},
	} {
		dir := filepath.Join(t.TempDir(), "plugin")
		writeFiles(t, dir, c.files)
		t.Setenv("GOPROXY", "off")
		out := filepath.Join(t.TempDir(), "out.so")
		if code, _, said := command(t, "", "build-plugin", dir, "-o", out); exitCode(code) != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d, %q; want %d, %q", name, code, said, c.code, c.says)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: there is a file", name)
		}
	}
	dir := greeter(t)
	if code, _, said := command(t, "", "build-plugin", dir, "--name", "no/name"); exitCode(code) == exitOK {
		t.Error(said)
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if code, _, said := command(t, "", "build-plugin", dir); exitCode(code) != exitFailure || !strings.Contains(said, "there is no go command: install "+b.Go) {
		t.Errorf("%d, %q", code, said)
	}
	fake := func(version, cc string) {
		t.Helper()
		script := "#!/bin/sh\necho '{\"GOVERSION\": \"" + version + "\", \"CC\": \"" + cc + "\"}'\n"
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fake("go1.2.3", "cc")
	if code, _, said := command(t, "", "build-plugin", dir); exitCode(code) != exitRefused || !strings.Contains(said, "the go command is of go1.2.3") || !strings.Contains(said, "GOTOOLCHAIN="+b.Go) {
		t.Errorf("%d, %q", code, said)
	}
	fake(b.Go, "nocc -m64")
	if code, _, said := command(t, "", "build-plugin", dir); exitCode(code) != exitFailure || !strings.Contains(said, "there is no C compiler nocc") {
		t.Errorf("%d, %q", code, said)
	}
}

// TestBuildPluginNeedsLater: a plugin that cannot do with the host's version of a
// module is refused. The modules come from a proxy of files and, those that the
// host has, from the module cache.
func TestBuildPluginNeedsLater(t *testing.T) {
	const sys = "golang.org/x/sys"
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	proxy, modules := t.TempDir(), filepath.Join(t.TempDir(), "modules")
	publish(t, proxy, "example.com/dep", "v1.0.0", map[string]string{
		"go.mod": "module example.com/dep\n\ngo 1.24\n\nrequire " + sys + " v0.999.0\n", "dep.go": "package dep\n\nimport _ \"" + sys + "/later\"\n",
	})
	publish(t, proxy, sys, "v0.999.0", map[string]string{"go.mod": "module " + sys + "\n\ngo 1.24\n", "later/later.go": "package later\n"})
	t.Setenv("GOMODCACHE", modules)
	t.Setenv("GOPROXY", "file://"+proxy+",file://"+strings.TrimSpace(string(cache))+"/cache/download,off")
	t.Setenv("GONOSUMDB", "example.com/*")
	t.Cleanup(func() { makeWritable(t, modules) })
	dir := filepath.Join(t.TempDir(), "plugin")
	writeFiles(t, dir, map[string]string{
		"go.mod": "module plugin\n\ngo 1.24\n\nrequire example.com/dep v1.0.0\n", "plugin.go": "package main\n\nimport _ \"example.com/dep\"\n",
	})
	code, _, said := command(t, "", "build-plugin", dir, "-o", filepath.Join(t.TempDir(), "out.so"))
	if exitCode(code) != exitRefused || !strings.Contains(said, "the plugin uses, or something that it uses needs, "+sys+" v0.999.0, and this berth has v0.") {
		t.Errorf("%d, %q", code, said)
	}
}

// publish puts a module into a proxy.
func publish(t *testing.T, proxy, path, version string, files map[string]string) {
	t.Helper()
	var module bytes.Buffer
	z := zip.NewWriter(&module)
	for name, text := range files {
		w, err := z.Create(path + "@" + version + "/" + name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, filepath.Join(proxy, path, "@v"), map[string]string{
		"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`, version + ".mod": files["go.mod"], version + ".zip": module.String(),
	})
}

// makeWritable lets a module cache be removed.
func makeWritable(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPluginEnv: what it prints is what a plugin needs.
func TestPluginEnv(t *testing.T) {
	code, out, _ := command(t, "", "version", "--plugin-env", "--json")
	var e pluginEnv
	if err := json.Unmarshal([]byte(out), &e); err != nil || exitCode(code) != exitOK {
		t.Fatalf("%d, %v: %s", code, err, out)
	}
	contract := func(m goplugin.Module) bool {
		return m.Path == "github.com/lf-edge/ekuiper/contract/v2" && m.Version != ""
	}
	if e.Go != runtime.Version() || !slices.Contains(e.Flags, "-buildmode=plugin") || !slices.Contains(e.Environ, "GOARCH="+runtime.GOARCH) || !slices.ContainsFunc(e.Modules, contract) {
		t.Errorf("%+v", e)
	}
	_, out, _ = command(t, "", "version", "--plugin-env")
	if !strings.Contains(out, " go build -buildmode=plugin ") || !strings.Contains(out, "\ngithub.com/lf-edge/ekuiper/contract/v2 v") {
		t.Error(out)
	}
}
