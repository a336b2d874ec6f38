package host_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
)

// backedUp returns a backup of the rig.
func backedUp(t *testing.T, r *rig) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, text string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// TestBackup: a backup made of one host while it runs makes another host the
// same, and the first what it was, with data, configuration and uploads.
func TestBackup(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	pack := func(name, version string, more files, functions ...string) string {
		f := files{name + ".wasm": fakeBuild{Version: version, Functions: functions}.String()}
		maps.Copy(f, more)
		return packed(t, f)
	}
	r.install("a", pack("a", "1", files{"etc/a.yaml": "a1", "bin/tool": "x"}, "fa", "fa2"), "fa")
	if _, err := r.Install(t.Context(), host.Request{Kind: host.Wasm, Name: "w", File: pack("w", "1", files{"install.sh": "ln -s w.wasm link"}, "fw"), ShellParas: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	r.install("moved", pack("moved", "1", nil, "fm"))
	write(t, "edited", r.dir, "etc", "functions", "a", "a.yaml")
	write(t, "data", r.dir, "state", "functions", "a", "sub", "file")
	if _, err := r.SaveUpload(t.Context(), "u.zip", strings.NewReader("upload")); err != nil {
		t.Fatal(err)
	}
	data := backedUp(t, r)

	check := func(r *rig, where string) {
		t.Helper()
		for function, want := range map[string]string{"fa": "1:fa:", "fw": "1:fw:", "fm": "1:fm:"} {
			r.answers(function, "", want)
		}
		if got := r.FunctionNames(); !slices.Equal(got, []string{"fa", "fm", "fw"}) {
			t.Errorf("%s: functions %q", where, got)
		}
		a, _ := r.Describe(host.Functions, "a")
		if !slices.Equal(a.Requested, []string{"fa"}) || !strings.HasPrefix(a.Source, "file://") {
			t.Errorf("%s: %+v", where, a)
		}
		w, _ := r.Describe(host.Wasm, "w")
		if target, err := os.Readlink(r.File(w, "link")); err != nil || target != "w.wasm" || !slices.Equal(w.ShellParas, []string{"x"}) {
			t.Errorf("%s: what the script made: %q, %v, %q", where, target, err, w.ShellParas)
		}
		if got := read(t, r.dir, "etc", "functions", "a", "a.yaml") + read(t, r.dir, "state", "functions", "a", "sub", "file") + read(t, r.dir, "uploads", "u.zip"); got != "editeddataupload" {
			t.Errorf("%s: configuration, data and upload are %q", where, got)
		}
	}
	check(r, "at first")

	// Everything changes, also a function moves to another plugin.
	r.update("a", pack("a", "2", files{"etc/b.yaml": "b"}, "fa", "fx"), "fx")
	if err := r.Drop(t.Context(), host.Wasm, "w"); err != nil {
		t.Fatal(err)
	}
	if err := r.Drop(t.Context(), host.Functions, "moved"); err != nil {
		t.Fatal(err)
	}
	r.install("later", pack("later", "1", nil, "fm"))
	write(t, "changed", r.dir, "state", "functions", "a", "sub", "file")
	write(t, "new", r.dir, "state", "functions", "a", "new")
	if err := r.RemoveUpload("u.zip"); err != nil {
		t.Fatal(err)
	}
	got, err := r.Restore(t.Context(), bytes.NewReader(data), 0)
	if err != nil || len(got.Failed) > 0 || len(got.Plugins) != 3 || len(got.Dropped) != 1 || got.Dropped[0].String() != "functions/later" {
		t.Errorf("restored %+v, %v", got, err)
	}
	check(r, "restored")
	if _, err := os.Stat(filepath.Join(r.dir, "state", "functions", "a", "new")); err == nil {
		t.Error("data that is not in the backup is there")
	}
	_ = os.RemoveAll(filepath.Join(r.dir, "uploads"))
	r.clean()

	other := newRig(t, withFake(&fakeEngine{}))
	if got, err := other.Restore(t.Context(), bytes.NewReader(data), 0); err != nil || len(got.Failed) > 0 || len(got.Plugins) != 3 {
		t.Errorf("restored elsewhere: %+v, %v", got, err)
	}
	check(other, "elsewhere")
	other.restart()
	check(other, "elsewhere, after a restart")
}

// TestRestoreFails: a plugin that cannot be restored is as it was, with its data,
// and what is not in the backup is not dropped then.
func TestRestoreFails(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("a", fakePackageOf(t, "a", "1", "fa"))
	r.install("b", fakePackageOf(t, "b", "1", "fb"))
	write(t, "old", r.dir, "state", "functions", "a", "file")
	data := backedUp(t, r)
	r.update("a", fakePackageOf(t, "a", "2", "fa"))
	r.update("b", fakePackageOf(t, "b", "2", "fb"))
	r.install("c", fakePackageOf(t, "c", "1", "fc"))
	write(t, "new", r.dir, "state", "functions", "a", "file")
	refused := host.Fail(host.CodeInvalid, "not today")
	e.load = func(_ context.Context, p *host.Package) error {
		if p.Name == "a" {
			return refused
		}
		return nil
	}
	got, err := r.Restore(t.Context(), bytes.NewReader(data), 0)
	if err != nil || len(got.Failed) != 1 || len(got.Dropped) != 0 || len(got.Plugins) != 1 {
		t.Errorf("restored %+v, %v", got, err)
	}
	wantError(t, got.Failed[host.Ref{Kind: host.Functions, Name: "a"}], host.CodeInvalid, "not today")
	e.load = nil
	r.answers("fa", "", "2:fa:")
	r.answers("fb", "", "1:fb:")
	r.answers("fc", "", "1:fc:")
	if got := read(t, r.dir, "state", "functions", "a", "file"); got != "new" {
		t.Errorf("its data is %q", got)
	}
	r.clean()
}

// TestRestoreRefuses: what is no whole backup changes nothing.
func TestRestoreRefuses(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.install("a", fakePackageOf(t, "a", "1", "fa"))
	data := backedUp(t, r)
	before := r.snapshot()
	note := `{"format":1,"plugins":1}`
	record := `{"kind":"functions","name":"x","digest":"` + strings.Repeat("ab", 32) + `"}`
	for _, test := range []struct {
		name  string
		data  []byte
		words string
	}{
		{"empty", nil, "it is no backup"},
		{"cut off", data[:len(data)/2], "it is no backup"},
		{"a package", zipOf(t, files{"a.wasm": ""}), "whose last entry is backup.json"},
		{"another format", entries(t, "backup.json", `{"format":2}`), "of format 2"},
		{"fewer plugins than it says", entries(t, "backup.json", note), "it has 0 plugins and says that there are 1"},
		{"a strange entry", entries(t, "etc/passwd", "x", "backup.json", note), "it is not one of a backup"},
		{"a path out of it", entries(t, "plugins/functions/x/record.json", record, "plugins/functions/x/files/../../x", "x", "backup.json", note), "it is not one of a backup"},
		{"a plugin without a record", entries(t, "plugins/functions/x/files/x", "x", "backup.json", note), "it is not one of a backup"},
		{"a record of another", entries(t, "plugins/functions/y/record.json", record, "backup.json", note), "it is about functions/x"},
		{"a name that is none", entries(t, "plugins/functions/../record.json", strings.Replace(record, `"x"`, `".."`, 1), "backup.json", note), "invalid characters"},
		{"no digest", entries(t, "plugins/functions/x/record.json", `{"name":"x"}`, "backup.json", note), "it has no digest"},
	} {
		_, err := r.Restore(t.Context(), bytes.NewReader(test.data), 0)
		if err == nil {
			t.Errorf("%s: restored", test.name)
			continue
		}
		wantError(t, err, host.CodeInvalid, test.words)
		r.unchanged(before)
	}
	_, err := r.Restore(t.Context(), bytes.NewReader(data), 10)
	wantError(t, err, host.CodeTooLarge, "10 bytes")

	// A plugin whose files are hostile fails by itself.
	files := []string{"plugins/functions/x/record.json", record}
	for _, more := range [][]string{
		{"plugins/functions/x/files/a", "x", "plugins/functions/x/files/a", "y"},
		{"plugins/functions/x/files/a", "x", "plugins/functions/x/files/a/b", "y"},
	} {
		got, err := r.Restore(t.Context(), bytes.NewReader(entries(t, append(append(slices.Clone(files), more...), "backup.json", note)...)), 0)
		if err != nil || len(got.Failed) != 1 {
			t.Errorf("%q: %+v, %v", more, got, err)
		}
		r.unchanged(before)
	}
}

// entries is a zip of names and contents, in their order.
func entries(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.Create(pairs[i])
		if err == nil {
			_, err = f.Write([]byte(pairs[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
