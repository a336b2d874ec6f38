package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

func TestRestart(t *testing.T) {
	r := newRig(t, nil)
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"version":"v1"}`}), "upper")
	r.install("add", packed(t, files{"add.wasm": guest(t, "add")}), "add", "answer")
	r.install("counter", packed(t, files{"counter.wasm": guest(t, "counter")}))
	r.answers("count", "", "1")
	before := r.snapshot()
	for range 3 {
		r.restart()
		r.unchanged(before)
		for _, s := range r.Statuses() {
			if s.State != host.StateIdle {
				t.Errorf("%s is %v before its first call", s.Name, s.State)
			}
		}
		r.answers("upper", "x", "X")
		r.answers("add", "[1,2]", "3")
		r.answers("answer", "", "42")
		r.answers("count", "", "1")
		r.fails("echo", "x", host.CodeNotFound)
	}
	later := r.install("late", packed(t, files{"late.wasm": constant(7, "late")}))
	for _, s := range r.Statuses() {
		if s.Name != "late" && s.Revision >= later.Revision {
			t.Errorf("%s has the revision %d, installed later is %d", s.Name, s.Revision, later.Revision)
		}
	}
}

func TestPreload(t *testing.T) {
	goOn, loading := make(chan struct{}), make(chan string, 8)
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	for _, name := range []string{"a", "b", "broken", "lazy"} {
		f := files{name + ".wasm": fakeBuild{Version: "1", Functions: []string{"f" + name}}.String()}
		if name != "lazy" {
			f[name+".json"] = `{"preload":true}`
		}
		if record := r.install(name, packed(t, f)); record.Preload != (name != "lazy") {
			t.Errorf("%s: preload is %v", name, record.Preload)
		}
	}
	r.stop()
	e.load = func(_ context.Context, p *host.Package) error {
		loading <- p.Name
		<-goOn
		if p.Name == "broken" {
			return host.Fail(host.CodeInternal, "the moon is wrong")
		}
		return nil
	}
	r.start()
	for range 3 {
		if name := receive(t, "a preload begins", loading); name == "lazy" {
			t.Error("a plugin is preloaded that does not ask for it")
		}
	}
	if r.Ready() {
		t.Error("ready before the preloads are over")
	}
	close(goOn)
	waitFor(t, "the host is ready", r.Ready)
	for name, want := range map[string]host.State{"a": host.StateActive, "b": host.StateActive, "broken": host.StateFailed, "lazy": host.StateIdle} {
		if s, err := r.Status(host.Functions, name); err != nil || s.State != want {
			t.Errorf("%s is %v, %v, want %v", name, s.State, err, want)
		}
	}
	r.logged("preloading a plugin failed", "the moon is wrong")
	loads := e.loads.Load()
	r.answers("fa", "x", "1:fa:x")
	if e.loads.Load() != loads {
		t.Error("a preloaded plugin was loaded again for its first call")
	}
	r.stop()
}

// broken removes or damages a plugin's files behind the host's back.
func broken(t *testing.T, r *rig, name, how string) {
	t.Helper()
	record, err := r.Describe(host.Functions, name)
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	dir := filepath.Join(r.dir, "plugins", "functions", name)
	switch how {
	case "everything":
		err = os.RemoveAll(dir)
	case "files":
		err = os.RemoveAll(filepath.Join(dir, record.Digest))
	case "build":
		err = os.Remove(filepath.Join(dir, record.Digest, name+".wasm"))
	case "damaged build":
		err = os.WriteFile(filepath.Join(dir, record.Digest, name+".wasm"), []byte("\x00asm"), 0o600)
		err = errors.Join(err, os.RemoveAll(filepath.Join(r.dir, "cache")))
	}
	if err != nil {
		t.Fatal(err)
	}
	r.start()
}

// TestFilesGone: a plugin whose files were removed by hand is listed, its call
// says what happened, and an update repairs it, also one with the very zip
// that it was installed from.
func TestFilesGone(t *testing.T) {
	for _, how := range []string{"everything", "files", "build", "damaged build"} {
		for _, repair := range []string{"another zip", "same zip", "drop and install"} {
			t.Run(how+", "+repair, func(t *testing.T) {
				r := newRig(t, nil)
				same := packed(t, files{"echo.wasm": guest(t, "echo")})
				other := packed(t, files{"echo.wasm": guest(t, "echo"), "echo.json": `{"version":"v2"}`})
				r.install("echo", same)
				broken(t, r, "echo", how)
				if got := r.List(host.Functions); !slices.Equal(got, []string{"echo"}) {
					t.Errorf("listed are %v", got)
				}
				_, err := r.Invoke(t.Context(), "echo", nil, nil)
				switch how {
				case "everything", "files":
					enginetest.WantError(t, err, host.CodeInternal, "call plugin echo function echo: the plugin's files are gone from the data folder: update it")
					if !strings.Contains(r.log.String(), "a plugin's files are gone") {
						t.Error("the log does not say at start that the plugin's files are gone")
					}
				default: // not the caller's fault, whatever it is called
					if code := host.CodeOf(err); err == nil || code != host.CodeInternal {
						t.Errorf("a call of a plugin whose %s: %v, code %v, want %v", how, err, code, host.CodeInternal)
					}
				}
				if s, err := r.Status(host.Functions, "echo"); err != nil || s.State != host.StateFailed || s.LoadError == nil {
					t.Errorf("state %v, %v", s.State, err)
				}
				switch repair {
				case "another zip":
					r.update("echo", other)
				case "same zip":
					r.update("echo", same)
				case "drop and install":
					if err := r.Drop(t.Context(), host.Functions, "echo"); err != nil {
						t.Fatal(err)
					}
					r.install("echo", same)
				}
				r.answers("upper", "x", "X")
				r.clean()
				r.restart()
				r.answers("upper", "x", "X")
			})
		}
	}
}

// lose makes the store of a stopped host useless.
func lose(t *testing.T, r *rig, how string) {
	t.Helper()
	path := filepath.Join(r.dir, "berth.db")
	var err error
	switch how {
	case "deleted":
		err = os.Remove(path)
	case "emptied":
		err = os.Truncate(path, 0)
	case "cut off":
		err = os.Truncate(path, 5000)
	case "overwritten":
		err = os.WriteFile(path, []byte(strings.Repeat("not a store ", 5000)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestStoreLost: the store is built anew from what lies beside the packages,
// and a damaged one is kept for whoever wants to look at it.
func TestStoreLost(t *testing.T) {
	for _, how := range []string{"deleted", "emptied", "cut off", "overwritten"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, nil)
			r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}), "echo", "upper")
			r.install("one", packed(t, files{"one.wasm": constant(1, "one")}))
			r.update("one", packed(t, files{"one.wasm": constant(2, "one"), "one.json": `{"version":"v2"}`}))
			if err := r.Register(t.Context(), host.Functions, "echo", []string{"upper"}); err != nil {
				t.Fatal(err)
			}
			before := r.snapshot()
			r.stop()
			lose(t, r, how)
			r.start()
			aside, err := filepath.Glob(filepath.Join(r.dir, "berth.db.damaged-*"))
			if err != nil {
				t.Fatal(err)
			}
			if damaged := how == "cut off" || how == "overwritten"; len(aside) > 0 != damaged {
				t.Errorf("set aside: %q", aside)
			}
			for _, path := range aside {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			r.unchanged(before)
			r.answers("upper", "x", "X")
			r.answers("one", "", "2")
			r.fails("echo", "x", host.CodeNotFound)
			r.logged("THE STORE WAS LOST and was rebuilt", "plugins=2")
			r.restart()
			r.unchanged(before)
		})
	}
}

// TestRebuildCutShort: a rebuild that ends half way (the disk is full, or the
// host is killed) must not make the next start take the half for the whole and
// remove the packages of the rest.
func TestRebuildCutShort(t *testing.T) {
	s := &memStore{}
	r := newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.Store = s })
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		r.install(name, packed(t, files{name + ".wasm": fakeBuild{Version: "1", Functions: []string{"f" + name}}.String()}))
	}
	r.stop()
	lose(t, r, "deleted")
	s.put = func(host.Record) error { return errors.New("killed here") }
	if err := r.tryStart(); err == nil {
		t.Fatal("a rebuild that failed is a start that succeeded")
	}
	s.put = nil
	r.start()
	if got := r.List(host.Functions); !slices.Equal(got, names) {
		t.Errorf("after a rebuild that was cut short %v are left of %v", got, names)
	}
}

// TestFreshStoreBeforeRebuild: a store that was made anew and not yet filled
// when the host was killed is still fresh.
func TestFreshStoreBeforeRebuild(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.install("p", fakePackage(t, "1", "f"))
	r.stop()
	lose(t, r, "deleted")
	r.config.Engines = nil // New fails after the store was made
	if err := r.tryStart(); err == nil {
		t.Fatal("it starts without engines")
	}
	withFake(&fakeEngine{})(r)
	r.start()
	r.answers("f", "x", "1:f:x")
}

// TestFirstInstallCutShort: what is left of the very first install, cut short by
// a crash, is removed: the store is not lost, there was never anything in it.
func TestFirstInstallCutShort(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{}))
	r.stop()
	digest := strings.Repeat("ab", 32)
	for _, name := range []string{digest + "/p.wasm", digest + ".json.tmp"} {
		path := filepath.Join(r.dir, "plugins", "functions", "p", filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	r.clean()
}

// TestSweep: what an operation left that was cut short is removed; what is not
// the host's is not touched.
func TestSweep(t *testing.T) {
	r := newRig(t, nil)
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}))
	before := r.snapshot()
	r.stop()
	digest := strings.Repeat("ab", 32)
	garbage := []string{
		"staging/echo-123/package.zip", "staging/echo-123/files/echo.wasm", "staging/file",
		"plugins/functions/echo/" + digest + "/echo.wasm", "plugins/functions/echo/" + digest + ".json", "plugins/functions/echo/" + digest + ".json.tmp",
		"plugins/functions/other/" + digest + "/other.wasm", "plugins/sinks/other/" + digest + ".json",
		"cache/functions/echo/" + digest + "/x", "cache/functions/other/" + digest + "/wazero/x",
	}
	foreign := []string{"notes.txt", "mine/file", "plugins/README", "plugins/mine/x/y", "plugins/functions/README", "plugins/functions/not a name/x", "cache/README"}
	for _, name := range slices.Concat(garbage, foreign) {
		path := filepath.Join(r.dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// What is left when a crash comes between making a plugin's folder and
	// moving the package there.
	for _, name := range []string{"plugins/functions/empty", "cache/functions/empty"} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
			t.Errorf("what is not the host's was touched: %v", err)
		}
		top, _, _ := strings.Cut(name, "/")
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
		if top == "mine" {
			_ = os.Remove(filepath.Join(r.dir, top))
		}
	}
	for _, empty := range []string{"plugins/mine/x", "plugins/mine", "plugins/functions/not a name"} {
		_ = os.Remove(filepath.Join(r.dir, empty))
	}
	r.unchanged(before)
	r.answers("echo", "x", "x")
}

// TestRecordRewritten: the record beside a package is made anew when it is gone
// or not the one in the store.
func TestRecordRewritten(t *testing.T) {
	for _, how := range []string{"gone", "stale", "damaged"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, withFake(&fakeEngine{}))
			record := r.install("p", fakePackage(t, "1", "f", "g"), "f")
			path := filepath.Join(r.dir, "plugins", "functions", "p", record.Digest+".json")
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r.stop()
			switch how {
			case "gone":
				err = os.Remove(path)
			case "stale": // a registration that was killed before it was committed
				err = os.WriteFile(path, []byte(strings.Replace(string(good), `"f"`, `"g"`, 1)), 0o600)
			case "damaged":
				err = os.WriteFile(path, []byte("{"), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			r.start()
			if now, err := os.ReadFile(path); err != nil || string(now) != string(good) {
				t.Errorf("the record beside the package is %s, %v, want %s", now, err, good)
			}
			r.stop()
			lose(t, r, "deleted")
			r.start()
			r.answers("f", "x", "1:f:x")
			r.fails("g", "x", host.CodeNotFound)
		})
	}
}

// TestEngineGone: a plugin of an engine that this host does not have is listed,
// and its call says so.
func TestEngineGone(t *testing.T) {
	r := newRig(t, withFake(&fakeEngine{name: "native"}))
	r.install("p", fakePackage(t, "1", "f"))
	r.stop()
	withFake(&fakeEngine{})(r)
	r.start()
	r.fails("f", "", host.CodeUnavailable, `installed for the engine "native", which this host does not have: update it`)
	r.update("p", fakePackage(t, "1", "f"))
	r.answers("f", "", "1:f:")
}
