package host_test

import (
	"maps"
	"os"
	"path/filepath"
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
