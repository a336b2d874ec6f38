package host_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
)

// etcOf reads what lies in a plugin's data/etc, without the host's own note.
func etcOf(t *testing.T, r *rig, plugin string) map[string]string {
	t.Helper()
	dir := filepath.Join(r.dir, "etc", "functions", plugin)
	found := map[string]string{}
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == ".berth.json" {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	return found
}

func wantEtc(t *testing.T, r *rig, when string, want map[string]string) {
	t.Helper()
	if got := etcOf(t, r, "p"); !maps.Equal(got, want) {
		t.Errorf("%s: data/etc has %q, want %q", when, got, want)
	}
}

// TestEtc: a package's etc/ is copied to where the operator edits it; what was
// edited stays, what was not follows the package, and all goes with the plugin.
func TestEtc(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	pack := func(version string, etc files) string {
		f := files{"p.wasm": fakeBuild{Version: version, Functions: []string{"f"}}.String()}
		for name, text := range etc {
			f["etc/"+name] = text
		}
		return packed(t, f)
	}
	r.install("p", pack("1", files{"a.yaml": "a1", "sub/b.yaml": "b1", "c.yaml": "c1", "d.yaml": "d1"}))
	wantEtc(t, r, "installed", map[string]string{"a.yaml": "a1", "sub/b.yaml": "b1", "c.yaml": "c1", "d.yaml": "d1"})
	edit := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(r.dir, "etc", "functions", "p", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("a.yaml", "mine")
	edit("d.yaml", "mine, too")
	r.update("p", pack("2", files{"a.yaml": "a2", "sub/b.yaml": "b2", "e.yaml": "e2"}))
	want := map[string]string{"a.yaml": "mine", "sub/b.yaml": "b2", "d.yaml": "mine, too", "e.yaml": "e2"}
	wantEtc(t, r, "updated", want)
	r.logged("configuration was changed here", "a.yaml")
	r.update("p", pack("3", files{"a.yaml": "a3", "sub/b.yaml": "b3"}))
	want = map[string]string{"a.yaml": "mine", "sub/b.yaml": "b3", "d.yaml": "mine, too"}
	wantEtc(t, r, "updated again", want)
	r.restart()
	wantEtc(t, r, "after a restart", want)

	// A crash after the commit, before the configuration was written.
	r.stop()
	if err := os.RemoveAll(filepath.Join(r.dir, "etc", "functions", "p")); err != nil {
		t.Fatal(err)
	}
	r.start()
	wantEtc(t, r, "settled at the start", map[string]string{"a.yaml": "a3", "sub/b.yaml": "b3"})

	r.update("p", pack("4", nil))
	wantEtc(t, r, "a package without", map[string]string{})
	r.update("p", pack("5", files{"a.yaml": "a5"}))
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	wantEtc(t, r, "dropped", map[string]string{})
	if _, err := os.Stat(filepath.Join(r.dir, "etc", "functions", "p")); err == nil {
		t.Error("the folder of a plugin that was dropped is there")
	}
	r.clean()
}

// TestEtcChangesShape: where one version has a file another may have a folder, and
// none leaves anything that is its own.
func TestEtcChangesShape(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	version := 0
	pack := func(etc files) string {
		version++
		f := files{"p.wasm": fakeBuild{Version: fmt.Sprint(version), Functions: []string{"f"}}.String()}
		for name, text := range etc {
			f["etc/"+name] = text
		}
		return packed(t, f)
	}
	dir := filepath.Join(r.dir, "etc", "functions", "p")
	r.install("p", pack(files{"x": "file", "y/deep/z": "deep", "y/w": "w"}))
	r.update("p", pack(files{"x/a": "a", "x/b": "b", "y/deep": "file"}))
	wantEtc(t, r, "a file became a folder, and a folder a file", map[string]string{"x/a": "a", "x/b": "b", "y/deep": "file"})
	r.update("p", pack(files{"x": "file"}))
	wantEtc(t, r, "and back", map[string]string{"x": "file"})
	if _, err := os.Stat(filepath.Join(dir, "y")); err == nil {
		t.Error("an empty folder is left")
	}

	// What the operator changed, or put there, stays; the rest is written.
	write(t, "mine", dir, "x")
	r.update("p", pack(files{"x/a": "a", "c": "c", "d": "d"}))
	wantEtc(t, r, "an edited file is where a folder would be", map[string]string{"x": "mine", "c": "c", "d": "d"})
	r.logged("configuration was changed here", "x/a")
	write(t, "mine, too", dir, "c.own")
	if err := os.Remove(filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	write(t, "my own", dir, "d", "own")
	r.update("p", pack(files{"c": "c2", "d": "d2"}))
	wantEtc(t, r, "a folder is where a file would be", map[string]string{"x": "mine", "c": "c2", "c.own": "mine, too", "d/own": "my own"})

	// Names that look like the host's own, or like those of files being written.
	r.update("p", pack(files{".berth.json/x": "no", ".berth.tmp": "no", "c": "c3", "c.tmp": "c.tmp"}))
	write(t, "edited", dir, "c.tmp")
	r.update("p", pack(files{"c": "c4", "c.tmp": "c.tmp 2"}))
	wantEtc(t, r, "odd names", map[string]string{"x": "mine", "c": "c4", "c.tmp": "edited", "c.own": "mine, too", "d/own": "my own"})
	if strings.Contains(r.log.String(), "writing a plugin's configuration failed") {
		t.Error(r.log)
	}
}

// TestEtcOfLostStore: configuration of a plugin in no record is kept aside when
// the store was lost.
func TestEtcOfLostStore(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.stop()
	lose(t, r, "deleted")
	orphan := filepath.Join(r.dir, "etc", "functions", "p")
	if err := os.MkdirAll(orphan, 0o700); err != nil {
		t.Fatal(err)
	}
	r.start()
	if _, err := os.Stat(filepath.Join(r.dir, "lost+found", "functions", "p", "etc")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(r.dir, "etc", "functions")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
