//go:build linux && cgo

package goplugin

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/host/elfinfo"
	"berth/host/enginetest"
)

func TestCheckFits(t *testing.T) {
	if err := Check(build(t, functions)); err != nil {
		t.Error(err)
	}
}

// TestCheckRefuses: what differs is named, with what both have, and how to build
// a plugin that fits.
func TestCheckRefuses(t *testing.T) {
	const contract = "github.com/lf-edge/ekuiper/contract/v2"
	file, own := build(t, functions), hostBuild(t)
	libc, err := hostLibc()
	if err != nil || libc == elfinfo.NoLibc {
		t.Fatalf("%v, %v", libc, err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plugin, err := ReadBuild(f)
	if err != nil || plugin.Mode != "plugin" {
		t.Fatalf("%+v, %v", plugin, err)
	}
	own.Modules = plugin.Modules // a test binary does not know those of its own
	sum, ok := own.Module(contract)
	if !ok {
		t.Fatalf("%+v", plugin)
	}
	for words, change := range map[string]func(*Build){
		"Go version: the plugin has " + own.Go + ", the host has go1.99.0":                                          func(b *Build) { b.Go = "go1.99.0" },
		"-trimpath: the plugin has none, the host has true":                                                         func(b *Build) { b.Settings["-trimpath"] = "true" },
		"-tags: the plugin has none, the host has a,b":                                                              func(b *Build) { b.Settings["-tags"] = "a,b" },
		"CGO_ENABLED: the plugin has 1, the host has 0":                                                             func(b *Build) { b.Settings["CGO_ENABLED"] = "0" },
		"GOAMD64: the plugin has " + setting(own.Settings["GOAMD64"]) + ", the host has v4":                         func(b *Build) { b.Settings["GOAMD64"] = "v4" },
		"GOARM: the plugin has none, the host has 7":                                                                func(b *Build) { b.Settings["GOARM"] = "7" },
		"module " + contract + ": the plugin has v2.3.1, the host has v2.9.0":                                       func(b *Build) { b.Modules = []Module{{contract, "v2.9.0", ""}} },
		"module " + contract + ": the plugin has v2.3.1 with sum " + sum.Sum + ", the host has v2.3.1 with sum h1:": func(b *Build) { b.Modules = []Module{{contract, "v2.3.1", "h1:"}} },
	} {
		b := own
		b.Settings = maps.Clone(own.Settings)
		change(&b)
		err := check(file, b, libc)
		enginetest.WantError(t, err, host.CodeInvalid, "Plugin.so does not fit this host: ", words, "; build it with berth build-plugin <folder>")
		if errors.Is(err, ErrNotPlugin) {
			t.Errorf("%v: it is one", err)
		}
	}
	enginetest.WantError(t, check(file, own, elfinfo.UClibc), host.CodeInvalid, "C library: the plugin has "+libc.String()+", the host has uClibc")
	both := own
	both.Go, both.Modules = "go1.2", nil
	if err := check(file, both, elfinfo.NoLibc); err == nil || strings.Contains(err.Error(), "module") || strings.Contains(err.Error(), "library") {
		t.Errorf("%v: a module that the host does not have is no difference", err)
	}
}

func TestDifferencesAreBounded(t *testing.T) {
	var own, plugin Build
	for i := range 20 {
		path := "m" + string(rune('a'+i))
		own.Modules, plugin.Modules = append(own.Modules, Module{path, "v1", ""}), append(plugin.Modules, Module{path, strings.Repeat("v", 1000) + "\x1b", ""})
	}
	list := own.differences(plugin)
	if len(list) != maxDifferences+1 || list[maxDifferences] != "12 more modules" || len(list[0]) > 200 || strings.Contains(list[0], "\x1b") {
		t.Errorf("%q", list)
	}
}

// TestCheckNoPlugin: what is no Go plugin is told from one that does not fit.
func TestCheckNoPlugin(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p.c"), "int f(void) { return 0; }\n")
	write(t, filepath.Join(dir, "p.go"), "package main\n\nimport \"C\"\n\n//export F\nfunc F() {}\n\nfunc main() {}\n")
	library, shared := filepath.Join(dir, "C.so"), filepath.Join(dir, "Shared.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, filepath.Join(dir, "p.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("go", "build", "-buildmode=c-shared", "-o", shared, filepath.Join(dir, "p.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(dir, "text.so"), "text")
	write(t, filepath.Join(dir, "empty.so"), "")
	for file, words := range map[string]string{
		library: "C.so is no Go plugin: ", shared: "Shared.so is no Go plugin: it was built with -buildmode=c-shared; build it with berth build-plugin",
		filepath.Join(dir, "text.so"): "is no Go plugin", filepath.Join(dir, "empty.so"): "is no Go plugin", dir: "it is no regular file",
	} {
		err := Check(file)
		enginetest.WantError(t, err, host.CodeInvalid, words)
		if !errors.Is(err, ErrNotPlugin) {
			t.Errorf("%v is not ErrNotPlugin", err)
		}
	}
	if err := Check(filepath.Join(dir, "none.so")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestReadIsBounded(t *testing.T) {
	r := &bounded{r: bytes.NewReader(nil), left: 3 * least}
	for i, want := range []error{io.EOF, io.EOF, errTooMuch} {
		if _, err := r.ReadAt(make([]byte, least+i*(least-1)), 0); !errors.Is(err, want) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestFlags(t *testing.T) {
	b := Build{Settings: map[string]string{"-trimpath": "true", "-race": "true", "-msan": "false", "-tags": "a,b", "-compiler": "gc", "GOARM": "7", "CGO_ENABLED": "1"}}
	if got := strings.Join(append(b.Flags(), b.Environ()...), " "); got != "-buildmode=plugin -buildvcs=false -trimpath -race -tags=a,b CGO_ENABLED=1 GOARM=7" {
		t.Error(got)
	}
	if !slices.Contains(hostBuild(t).Environ(), "CGO_ENABLED=1") || sortedTags("b,a,b") != "a,b" {
		t.Error("the host's own")
	}
}

// FuzzReadBuild: whatever a file claims, reading it is an answer or an error, and
// bounded.
func FuzzReadBuild(f *testing.F) {
	dir := f.TempDir()
	write(f, filepath.Join(dir, "p.c"), "int f(void) { return 0; }\n")
	small := filepath.Join(dir, "C.so")
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-nostdlib", "-Wl,-s", "-o", small, filepath.Join(dir, "p.c")).CombinedOutput(); err != nil {
		f.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	// The smallest file with build information: the magic in a section's place.
	info := append([]byte("\xff Go buildinf:\x08\x02"), make([]byte, 16)...)
	f.Add(append(bytes.Clone(data), append(info, "\x08go1.26.0\x30xxxxxxxxxxxxxxxxpath\tx\nbuild\t-buildmode=plugin\nyyyyyyyyyyyyyyyy"...)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ReadBuild(bytes.NewReader(data))
		if err != nil && (b.Go != "" || len(b.Modules) > 0) {
			t.Errorf("%+v, %v", b, err)
		}
	})
}
