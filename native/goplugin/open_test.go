//go:build linux && cgo

package goplugin

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

func openFile(t testing.TB, file string, functions ...string) (*Library, error) {
	t.Helper()
	return Open(t.Context(), Options{Path: file, Package: pack(t), Functions: functions, Opened: rig.opened})
}

// TestSideBySide: another build of the same plugin loads beside the old one.
func TestSideBySide(t *testing.T) {
	one := open(t, functions, []string{"version"})
	l, err := openFile(t, build(t, functions, "const version = 1", "const version = 2"), "version")
	if err != nil {
		t.Fatal(err)
	}
	wantCall(t, bind(t, l, "version"), `[]`, `2`)
	wantCall(t, bind(t, one, "version"), `[]`, `1`)
}

// TestAgain: the same bytes under another path are the same plugin, also after
// they were closed; other bytes under a path that was loaded are refused.
func TestAgain(t *testing.T) {
	first := open(t, functions, []string{"own"})
	wantCall(t, bind(t, first, "own"), `[]`, `1`)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(build(t, functions))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "Copy.so")
	write(t, copied, string(data))
	for range 2 {
		l, err := openFile(t, copied, "own", "version")
		if err != nil {
			t.Fatal(err)
		}
		wantCall(t, bind(t, l, "version"), `[]`, `1`)
		wantCall(t, bind(t, l, "own"), `[]`, `1`) // an object of its own
	}
	write(t, copied, string(data)+"more")
	_, err = openFile(t, copied)
	enginetest.WantError(t, err, host.CodeConflict, "was loaded with other contents: the host must restart for the change to take effect")
}

// TestSamePluginPath: a build of a package has the package's path, and the next
// build of it cannot be loaded beside it. What is loaded stays.
func TestSamePluginPath(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module same/"+rand.Text()+"\n\ngo 1.26\n")
	var files []string
	for _, version := range []string{"1", "2"} {
		write(t, filepath.Join(dir, "same.go"), "package main\n\nvar Version = "+version+"\n\nfunc main() {}\n")
		files = append(files, filepath.Join(dir, version+".so"))
		goBuild(t, dir, files[len(files)-1], ".")
	}
	if _, err := openFile(t, files[0]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := openFile(t, files[1])
		enginetest.WantError(t, err, host.CodeConflict, "what is loaded stays: the host must restart for the change to take effect", "berth build-plugin <folder>")
	}
	if _, err := openFile(t, files[0]); err != nil {
		t.Error(err)
	}
}

func TestOpenFails(t *testing.T) {
	for range 2 { // the second time it is not loaded again: the runtime would wait for ever
		_, err := openFile(t, build(t, "initpanic/initpanic.go"))
		enginetest.WantError(t, err, host.CodeInvalid, "an init function panicked: panic: not on this host in ", "init.0 (plugin.go:", "the host must restart")
	}
	if _, err := openFile(t, filepath.Join(t.TempDir(), "none.so")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage.so")
	write(t, garbage, "garbage")
	_, err := openFile(t, garbage)
	enginetest.WantError(t, err, host.CodeInvalid, "garbage.so")
}

// TestOpenEndless: Open waits for init functions no longer than its caller says.
func TestOpenEndless(t *testing.T) {
	o := NewOpened()
	path, sum, err := identify(build(t, functions))
	if err != nil {
		t.Fatal(err)
	}
	o.paths[path], o.content[sum] = sum, &opening{done: make(chan struct{})} // as one that does not end
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, Options{Path: path, Package: pack(t), Opened: o})
	enginetest.WantError(t, err, host.CodeCanceled, "the plugin's init functions do not end")
}
