package host_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
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
	then := time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(r.dir, "state", "functions", "a", "empty", "folder"), 0o700),
		os.Chtimes(filepath.Join(r.dir, "state", "functions", "a", "sub", "file"), then, then),
		os.Symlink("/etc/passwd", filepath.Join(r.dir, "state", "functions", "a", "link")),
	); err != nil {
		t.Fatal(err)
	}
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
		if got := read(t, r.dir, "etc", "functions", "a", "a.yaml") + read(t, r.dir, stateDir(a), "sub", "file") + read(t, r.dir, "uploads", "u.zip"); got != "editeddataupload" {
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
	a, _ := r.Describe(host.Functions, "a")
	if _, err := os.Stat(filepath.Join(r.dir, stateDir(a), "new")); err == nil {
		t.Error("data that is not in the backup is there")
	}
	if info, err := os.Stat(filepath.Join(r.dir, stateDir(a), "empty", "folder")); err != nil || !info.IsDir() {
		t.Errorf("an empty folder of its data: %v", err)
	}
	if info, err := os.Stat(filepath.Join(r.dir, stateDir(a), "sub", "file")); err != nil || !info.ModTime().Equal(then) {
		t.Errorf("the time of a file: %v, %v", info.ModTime(), err)
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
	enginetest.WantError(t, got.Failed[host.Ref{Kind: host.Functions, Name: "a"}], host.CodeInvalid, "not today")
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
		enginetest.WantError(t, err, host.CodeInvalid, test.words)
		r.unchanged(before)
	}
	_, err := r.Restore(t.Context(), bytes.NewReader(data), 10)
	enginetest.WantError(t, err, host.CodeTooLarge, "10 bytes")

	// A plugin whose files are hostile fails by itself.
	files := []string{"plugins/functions/x/record.json", record}
	for _, more := range [][]string{
		{"plugins/functions/x/files/../../x", "x"},
		{"plugins/functions/x/files//x", "x"},
		{"plugins/functions/x/etc/.berth.tmp", "x"},
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

// TestRestoreCutShort: a host that is killed at any step of a restore comes back
// with the old version and its data, or with the new and its.
func TestRestoreCutShort(t *testing.T) {
	e := &fakeEngine{}
	s := &memStore{}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.Store = s })
	pack := func(version string) string {
		return packed(t, files{"a.wasm": fakeBuild{Version: version, Functions: []string{"fa"}}.String(), "etc/conf": version})
	}
	r.install("a", pack("1"))
	write(t, "of the backup", r.dir, "state", "functions", "a", "file")
	data := backedUp(t, r)
	r.update("a", pack("2"))
	write(t, "since then", r.dir, "state", "functions", "a", "file")
	write(t, "edited", r.dir, "etc", "functions", "a", "conf")

	killed := func(when string) (killedDir string) {
		t.Helper()
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(r.dir)); err != nil {
			t.Fatal(err)
		}
		return copied
	}
	var before, put string
	e.load = func(context.Context, *host.Package) error { before = killed("while it loads"); return nil }
	s.put = func(host.Record) error { put = killed("before the commit"); return nil }
	if got, err := r.Restore(t.Context(), bytes.NewReader(data), 0); err != nil || len(got.Failed) > 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for when, dir := range map[string]string{"while it loads": before, "before the commit": put} {
		k := newRig(t, func(k *rig) { withFake(&fakeEngine{})(k); k.dir = dir })
		k.answers("fa", "", "2:fa:")
		if got := read(t, dir, "state", "functions", "a", "file") + ", " + read(t, dir, "etc", "functions", "a", "conf"); got != "since then, edited" {
			t.Errorf("killed %s: data and configuration are %q", when, got)
		}
		k.clean()
	}
	e.load, s.put = nil, nil
	r.answers("fa", "", "1:fa:")
	a, _ := r.Describe(host.Functions, "a")
	if got := read(t, r.dir, stateDir(a), "file") + ", " + read(t, r.dir, "etc", "functions", "a", "conf"); got != "of the backup, 1" {
		t.Errorf("restored data and configuration are %q", got)
	}

	// Killed after the commit, before the configuration was put in its place.
	r.stop()
	dir := filepath.Join(r.dir, "etc", "functions")
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "a~"+a.Data)); err != nil {
		t.Fatal(err)
	}
	write(t, "edited", dir, "a", "conf")
	r.start()
	if got := read(t, dir, "a", "conf"); got != "1" {
		t.Errorf("the configuration is %q", got)
	}
	r.update("a", pack("3"))
	if after, _ := r.Describe(host.Functions, "a"); after.Data != a.Data || read(t, r.dir, stateDir(after), "file") != "of the backup" {
		t.Errorf("an update lost the data: %+v", after)
	}
	if err := r.Drop(t.Context(), host.Functions, "a"); err != nil {
		t.Fatal(err)
	}
	r.clean()
}

// TestBackupTakesAnything: whatever a plugin keeps, and whatever an operator puts
// into the uploads by hand, a backup can be restored.
func TestBackupTakesAnything(t *testing.T) {
	r := newRig(t, func(r *rig) {
		withFake(&fakeEngine{})(r)
		r.config.Archive.Files, r.config.Archive.Unpacked = 5, 1<<10
	})
	r.install("a", fakePackageOf(t, "a", "1", "fa"))
	for _, name := range []string{"\xff\xfe", "sp ace", `b\c`, "1", "2", "3", "4"} {
		write(t, strings.Repeat("x", 1<<10), r.dir, "state", "functions", "a", name)
	}
	for _, name := range []string{"my plugin.zip", ".hidden", "dir/x"} {
		write(t, "x", r.dir, "uploads", name)
	}
	if paths, err := r.Uploads(); err != nil || len(paths) > 0 {
		t.Errorf("listed, and nobody could remove them: %q, %v", paths, err)
	}
	data := backedUp(t, r)
	got, err := r.Restore(t.Context(), bytes.NewReader(data), 0)
	if err != nil || len(got.Failed) > 0 || len(got.Uploads) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	a, _ := r.Describe(host.Functions, "a")
	if list, err := os.ReadDir(filepath.Join(r.dir, stateDir(a))); err != nil || len(list) != 7 {
		t.Errorf("%d files, %v", len(list), err)
	}
	if got, err := r.Restore(t.Context(), bytes.NewReader(data), host.Bytes(len(data))); err != nil || len(got.Failed) != 1 {
		t.Errorf("over the limit unpacked: %+v, %v", got, err)
	}
	r.answers("fa", "", "1:fa:")
}

// TestRestoreMovedFunctions: functions that moved from plugin to plugin move back.
func TestRestoreMovedFunctions(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	for i, name := range []string{"a", "b", "c"} {
		r.install(name, fakePackageOf(t, name, "1", fmt.Sprintf("f%d", i)))
	}
	first := backedUp(t, r)
	for i, name := range []string{"c", "b", "a"} {
		r.update(name, fakePackageOf(t, name, "2", fmt.Sprintf("f%d", 3-i)))
	}
	second := backedUp(t, r)
	for i, data := range [][]byte{first, second, first} {
		if got, err := r.Restore(t.Context(), bytes.NewReader(data), 0); err != nil || len(got.Failed) > 0 || len(got.Plugins) != 3 {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
	}
	// A swap is a knot that is told, and undoes nothing.
	r.update("a", fakePackageOf(t, "a", "3", "fx"))
	r.update("b", fakePackageOf(t, "b", "3", "f0"))
	r.update("a", fakePackageOf(t, "a", "3", "f1"))
	got, err := r.Restore(t.Context(), bytes.NewReader(first), 0)
	if err != nil || len(got.Failed) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	enginetest.WantError(t, got.Failed[host.Ref{Kind: host.Functions, Name: "a"}], host.CodeConflict, "drop that one, and restore again")
	r.answers("f1", "", "3:f1:")
	r.clean()
}

// TestRestoreBrokenUpload: an upload that is broken is told, and the rest restored.
func TestRestoreBrokenUpload(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.install("a", fakePackageOf(t, "a", "1", "fa"))
	if _, err := r.SaveUpload(t.Context(), "u.zip", strings.NewReader("UPLOADUPLOAD")); err != nil {
		t.Fatal(err)
	}
	data := backedUp(t, r)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if f.Name == "uploads/u.zip" {
			at, _ := f.DataOffset()
			data[at+2] ^= 0xff
		}
	}
	got, err := r.Restore(t.Context(), bytes.NewReader(data), 0)
	if err != nil || got.Uploads["u.zip"] == nil || len(got.Plugins) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got := read(t, r.dir, "uploads", "u.zip"); got != "UPLOADUPLOAD" {
		t.Errorf("what was there is %q", got)
	}
}

// TestBackupWaitsForNobody: who reads a backup slowly holds up no operation.
func TestBackupWaitsForNobody(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.install("a", fakePackageOf(t, "a", "1", "fa"))
	w := stuckWriter{make(chan struct{}), make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- r.Backup(context.Background(), w) }()
	receive(t, "the backup is being written", w.reached)
	if err := r.Drop(t.Context(), host.Functions, "a"); err != nil {
		t.Error(err)
	}
	close(w.release)
	if err := receive(t, "the backup ends", done); err != nil {
		t.Error(err)
	}
	r.clean()
}

type stuckWriter struct{ release, reached chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) {
	select {
	case w.reached <- struct{}{}:
	default:
	}
	<-w.release
	return len(p), nil
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
