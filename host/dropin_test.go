package host_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// dropIn is a drop-in folder that a test changes.
type dropIn struct {
	t   *testing.T
	dir string
}

func (d dropIn) put(file, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d dropIn) remove(file string) {
	d.t.Helper()
	if err := os.RemoveAll(filepath.Join(d.dir, filepath.FromSlash(file))); err != nil {
		d.t.Fatal(err)
	}
}

// reload fails the test unless the reload does what is wanted.
func (d dropIn) reload(r *rig, installed, updated, dropped []string, failed ...string) {
	d.t.Helper()
	got, err := r.Reload(d.t.Context())
	var faults []string
	for name := range got.Failed {
		faults = append(faults, name)
	}
	slices.Sort(faults)
	if err != nil || !slices.Equal(got.Installed, installed) || !slices.Equal(got.Updated, updated) || !slices.Equal(got.Dropped, dropped) || !slices.Equal(faults, failed) {
		d.t.Errorf("reload: %+v, %v\nwant installed %v, updated %v, dropped %v, failed %v", got, err, installed, updated, dropped, failed)
	}
}

// TestDropIn: plugins are those that lie in the folder, at the start and after
// each reload; those that came by a request are left alone.
func TestDropIn(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	build := func(version string, functions ...string) string {
		return fakeBuild{Version: version, Functions: functions}.String()
	}
	d.put("functions/a.wasm", build("1", "fa"))
	d.put("functions/b.wasm", build("1", "fb1", "fb2"))
	d.put("functions/b.json", `{"version":"v7","functions":["fb1"]}`)
	d.put("functions/README.md", "no plugin")
	d.put("functions/no name.wasm", "no plugin")
	d.put("sources/s.wasm", build("1"))
	d.put("sources/s.yaml", "default: {}")
	d.put("portable/p/p.json", `{"language":"wasm","executable":"bin/p.wasm","functions":["fp"],"sources":["x"]}`)
	d.put("portable/p/bin/p.wasm", build("1", "fp"))
	d.put("portable/p/sources/x.yaml", "")
	d.put("portable/p/install.sh", "exit 1")
	d.put("wasm/w/w.wasm", build("1", "fw"))
	e := &fakeEngine{}
	r := newRig(t, func(r *rig) { withFake(e)(r); r.config.DropIn = d.dir })
	waitFor(t, "the host is ready", r.Ready)
	for function, want := range map[string]string{"fa": "1:fa:", "fb1": "1:fb1:", "fp": "1:fp:", "fw": "1:fw:"} {
		r.answers(function, "", want)
	}
	r.fails("fb2", "", host.CodeNotFound)
	if record, err := r.Describe(host.Functions, "b"); err != nil || record.Version != "v7" || record.Source != host.SourceDropIn {
		t.Errorf("%+v, %v", record, err)
	}
	d.reload(r, nil, nil, nil)

	if err := r.Register(t.Context(), host.Functions, "b", []string{"fb1", "fb2"}); err != nil {
		t.Fatal(err)
	}
	r.install("mine", fakePackageOf(t, "mine", "1", "fm"))
	d.put("functions/mine.wasm", build("2", "fm"))
	d.put("functions/a.wasm", build("2", "fa"))
	d.put("functions/b.wasm", build("2", "fb1", "fb2"))
	d.put("functions/bad.wasm", "no build")
	d.put("functions/clash.wasm", build("1", "fa"))
	d.put("functions/new.wasm", build("1", "fn"))
	d.remove("portable/p")
	d.reload(r, []string{"functions/new"}, []string{"functions/a", "functions/b"}, []string{"portables/p"}, "functions/bad", "functions/clash")
	for function, want := range map[string]string{"fa": "2:fa:", "fb2": "2:fb2:", "fm": "1:fm:", "fn": "1:fn:"} {
		r.answers(function, "", want)
	}
	d.remove("functions/bad.wasm")
	d.remove("functions/clash.wasm")

	// A new version that does not load leaves the old one serving.
	d.put("functions/a.wasm", "broken")
	d.reload(r, nil, nil, nil, "functions/a")
	r.answers("fa", "", "2:fa:")
	d.put("functions/a.wasm", build("3", "fa"))

	// What changed while the host was not there is noticed when it starts.
	r.stop()
	d.remove("wasm/w")
	r.start()
	waitFor(t, "the host is ready", r.Ready)
	r.answers("fa", "", "3:fa:")
	r.answers("fm", "", "1:fm:")
	r.fails("fw", "", host.CodeNotFound)

	// What is dropped by a request does not come back.
	if err := r.Drop(t.Context(), host.Functions, "b"); err != nil {
		t.Fatal(err)
	}
	d.reload(r, nil, nil, nil)
	if left, err := filepath.Glob(filepath.Join(d.dir, "functions", "b.*")); err != nil || len(left) > 0 {
		t.Errorf("left in the drop-in folder: %v, %v", left, err)
	}

	// A folder that is gone is no reason to drop everything.
	if err := os.Rename(d.dir, d.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Reload(t.Context())
	enginetest.WantError(t, err, host.CodeUnavailable, "read the drop-in folder", "no such file")
	r.answers("fa", "", "3:fa:")
	r.clean()
}

// fakePackageOf is the package of a plugin with these functions.
func fakePackageOf(t *testing.T, name, version string, functions ...string) string {
	return packed(t, files{name + ".wasm": fakeBuild{Version: version, Functions: functions}.String()})
}

// TestDropInOutOfReach: a plugin that cannot be removed from the folder is not
// dropped, because the next start would bring it back.
func TestDropInOutOfReach(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	d.put("wasm/w/w.wasm", fakeBuild{Version: "1", Functions: []string{"fw"}}.String())
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.DropIn = d.dir })
	waitFor(t, "the host is ready", r.Ready)
	if err := os.Rename(d.dir, d.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	err := r.Drop(t.Context(), host.Wasm, "w")
	enginetest.WantError(t, err, host.CodeForbidden, "drop-in folder", "remove it there")
	r.answers("fw", "", "1:fw:")
}

// TestDropInUnmounted: a kind whose folder is not there keeps its plugins, and
// their data; one whose folder is empty does not.
func TestDropInUnmounted(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	d.put("functions/p.wasm", fakeBuild{Version: "1", Functions: []string{"f"}}.String())
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.DropIn = d.dir })
	waitFor(t, "the host is ready", r.Ready)
	write(t, "precious", r.dir, "state", "functions", "p", "file")
	if err := os.Rename(filepath.Join(d.dir, "functions"), filepath.Join(d.dir, "away")); err != nil {
		t.Fatal(err)
	}
	d.reload(r, nil, nil, nil)
	r.answers("f", "", "1:f:")
	if got := read(t, r.dir, "state", "functions", "p", "file"); got != "precious" {
		t.Errorf("its data is %q", got)
	}
	d.put("functions/README", "")
	d.reload(r, nil, nil, []string{"functions/p"})
}

// TestDropInAndRequests: what a request installs while the folder is read is left
// alone, and what a request drops does not come back, in no version.
func TestDropInAndRequests(t *testing.T) {
	for _, gone := range []bool{true, false} {
		d := dropIn{t, t.TempDir()}
		d.put("functions/p.wasm", fakeBuild{Version: "1", Functions: []string{"f"}}.String())
		r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.DropIn = d.dir })
		waitFor(t, "the host is ready", r.Ready)
		from, to := io.Pipe()
		updated := make(chan error, 1)
		go func() {
			_, err := r.Update(context.Background(), host.Request{Name: "p", Upload: from})
			updated <- err
		}()
		data := zipOf(t, files{"p.wasm": fakeBuild{Version: "request", Functions: []string{"f"}}.String()})
		if _, err := to.Write(data[:10]); err != nil { // now it has the plugin's turn
			t.Fatal(err)
		}
		d.remove("functions/p.wasm")
		d.put("functions/other", "")
		if !gone {
			d.put("functions/p.wasm", fakeBuild{Version: "2", Functions: []string{"f"}}.String())
		}
		reloaded := make(chan host.Reloaded, 1)
		go func() {
			got, err := r.Reload(context.Background())
			if err != nil {
				t.Error(err)
			}
			reloaded <- got
		}()
		go func() {
			_, _ = to.Write(data[10:])
			_ = to.Close()
		}()
		if err := receive(t, "the update ends", updated); err != nil {
			t.Error(err)
		}
		if got := receive(t, "the reload ends", reloaded); len(got.Dropped)+len(got.Failed) > 0 {
			t.Errorf("reloaded %+v", got)
		}
		d.reload(r, nil, nil, nil)
		r.answers("f", "", "request:f:")
		if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
			t.Fatal(err)
		}
		d.reload(r, nil, nil, nil)
		r.clean()
	}
}

// TestDropInVersions: of several versions the last is taken, and all go with it.
func TestDropInVersions(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	for _, file := range []string{"Echo.so", "Echo@v1.so", "Echo@v2.so", "echo.wasm"} {
		d.put("functions/"+file, fakeBuild{Version: "1", Functions: []string{"f"}}.String())
	}
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.DropIn = d.dir })
	waitFor(t, "the host is ready", r.Ready)
	if record, err := r.Describe(host.Functions, "echo"); err != nil || record.Version != "v2" {
		t.Errorf("%+v, %v", record, err)
	}
	if err := r.Drop(t.Context(), host.Functions, "echo"); err != nil {
		t.Fatal(err)
	}
	d.reload(r, nil, nil, nil)
	if left, err := os.ReadDir(filepath.Join(d.dir, "functions")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDropInHostile: what is no regular file is not opened, and sizes are bounded.
func TestDropInHostile(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	d.put("wasm/big/big.wasm", fakeBuild{Version: string(make([]byte, 2<<20)), Functions: []string{"f"}}.String())
	d.put("wasm/many/many.wasm", fakeBuild{Version: "1", Functions: []string{"g"}}.String())
	for _, name := range []string{"1", "2", "3", "4", "5"} {
		d.put("wasm/many/"+name, "")
	}
	d.put("functions/pipe.wasm", "")
	d.remove("functions/pipe.wasm")
	if err := syscall.Mkfifo(filepath.Join(d.dir, "functions", "pipe.wasm"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop.wasm", filepath.Join(d.dir, "functions", "loop.wasm")); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(r *rig) {
		withFake(&fakeEngine{})(r)
		r.config.Archive.Unpacked, r.config.Archive.Files = 1<<20, 5
	})
	if _, err := r.Reload(context.Background()); err == nil {
		t.Error("a host without a drop-in folder reloads")
	}
	r.stop()
	r.config.DropIn = d.dir
	r.start()
	waitFor(t, "the host is ready", r.Ready)
	r.logged("over the limit of a package's size", "at most 5 are allowed")
	if n := len(r.Statuses()); n > 0 {
		t.Errorf("%d plugins", n)
	}
	r.clean()
}
