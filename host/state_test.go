package host_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
)

// granting gives the rig the policy that hosts have by default.
func granting(e *fakeEngine) func(*rig) {
	return func(r *rig) {
		r.config.Engines = []host.Engine{e}
		r.config.Policy = host.DefaultPolicy()
	}
}

// stateful is a package with a data folder.
func stateful(t *testing.T, version string) string {
	t.Helper()
	return packed(t, files{"p.wasm": fakeBuild{Version: version, Functions: []string{"f"}}.String(), "p.json": `{"capabilities":{"paths":{"db":"/db"}}}`})
}

func (r *rig) state(parts ...string) string {
	return filepath.Join(append([]string{r.dir, "state", "functions", "p"}, parts...)...)
}

func (r *rig) wantThere(path string, want bool) {
	r.t.Helper()
	if _, err := os.Lstat(path); (err == nil) != want || err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Errorf("%s: %v, want it there: %v", path, err, want)
	}
}

func (r *rig) write(path string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestDataFolderLives: a plugin's data is there from the install to the drop,
// over updates and restarts, and the next plugin of the name does not see it.
func TestDataFolderLives(t *testing.T) {
	r := newRig(t, granting(&fakeEngine{}))
	r.install("p", stateful(t, "1"))
	r.write(r.state("db", "rows"))
	r.update("p", stateful(t, "2"))
	r.restart()
	r.answers("f", "x", "2:f:x")
	r.wantThere(r.state("db", "rows"), true)
	for _, path := range []string{r.state(), r.state("db"), filepath.Join(r.dir, "state")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	r.wantThere(r.state(), false)
	r.install("p", stateful(t, "3"))
	r.wantThere(r.state("db"), true)
	r.wantThere(r.state("db", "rows"), false)
	r.clean()
}

// TestDataFolderOfFailedInstall: it is gone; that of a failed update is not.
func TestDataFolderOfFailedInstall(t *testing.T) {
	r := newRig(t, granting(&fakeEngine{}))
	broken := packed(t, files{"p.wasm": fakeBuild{Fault: "broken"}.String(), "p.json": `{"capabilities":{"paths":{"db":"/db"}}}`})
	if _, err := r.Install(t.Context(), host.Request{Name: "p", File: broken}); err == nil {
		t.Fatal("it is installed")
	}
	r.wantThere(r.state(), false)
	r.install("p", stateful(t, "1"))
	r.write(r.state("db", "rows"))
	if _, err := r.Update(t.Context(), host.Request{Name: "p", File: broken}); err == nil {
		t.Fatal("it is updated")
	}
	r.wantThere(r.state("db", "rows"), true)
	r.clean()
}

// TestDataFolderSwept: what a crash in the middle of a drop leaves is removed at
// the next start, or before the name is used again.
func TestDataFolderSwept(t *testing.T) {
	r := newRig(t, granting(&fakeEngine{}))
	leave := func() {
		if err := os.MkdirAll(r.state("db"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.write(r.state("db", "rows"))
	}
	r.install("q", packed(t, files{"q.wasm": fakeBuild{Version: "1", Functions: []string{"g"}}.String(), "q.json": `{"capabilities":{"paths":{"db":"/db"}}}`}))
	kept := filepath.Join(r.dir, "state", "functions", "q", "db")
	r.stop()
	leave()
	r.start()
	r.wantThere(r.state(), false)
	r.wantThere(kept, true)
	r.clean()
	leave()
	r.install("p", stateful(t, "1"))
	r.wantThere(r.state("db"), true)
	r.wantThere(r.state("db", "rows"), false)
}

// TestDataFolderOfLostStore: a rebuilt store leaves data of the plugins it found
// where it is, and puts other data aside, twice if need be.
func TestDataFolderOfLostStore(t *testing.T) {
	r := newRig(t, granting(&fakeEngine{}))
	r.install("p", stateful(t, "1"))
	r.write(r.state("db", "rows"))
	for range 2 {
		r.stop()
		orphan := filepath.Join(r.dir, "state", "functions", "orphan")
		for _, err := range []error{os.Remove(filepath.Join(r.dir, "berth.db")), os.MkdirAll(orphan, 0o700)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		r.write(filepath.Join(orphan, "rows"))
		r.start()
		r.wantThere(orphan, false)
	}
	r.wantThere(r.state("db", "rows"), true)
	for _, name := range []string{"state", "state-1"} {
		r.wantThere(filepath.Join(r.dir, "lost+found", "functions", "orphan", name, "rows"), true)
	}
	r.answers("f", "x", "1:f:x")
}

// TestCapabilityReport: what is asked for, granted and denied is told before the
// plugin is loaded and after, the install warns of what is denied, and the
// policy of the host that runs now is what counts.
func TestCapabilityReport(t *testing.T) {
	r := newRig(t, granting(&fakeEngine{}))
	r.install("p", packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String(),
		"p.json": `{"capabilities":{"hosts":["api.example.com"],"paths":{"db":"/db:ro"},"env":{"A":"1"},"clock":true}}`}))
	r.logged("not granted all that it asks for", "capability=hosts", "asked=api.example.com", "the policy allows no hosts")
	report := func() *host.CapabilityReport {
		t.Helper()
		s, err := r.Status(host.Functions, "p")
		if err != nil || s.Capabilities == nil {
			t.Fatalf("%+v, %v", s, err)
		}
		return s.Capabilities
	}
	check := func(when string) {
		t.Helper()
		c := report()
		if len(c.Asked.Hosts) != 1 || len(c.Denied) != 1 || c.Denied[0].Capability != "hosts" {
			t.Errorf("%s: %+v", when, c)
		}
		g := c.Granted
		if len(g.Hosts) > 0 || g.Env["A"] != "1" || !g.Clock || len(g.Paths) != 1 || g.Paths[0].Host != r.state("db") || !g.Paths[0].ReadOnly {
			t.Errorf("%s: granted %+v", when, g)
		}
	}
	check("loaded")
	r.restart()
	check("not loaded")
	r.answers("f", "", "1:f:")
	check("loaded again")
	r.stop()
	r.config.Policy = host.Policy{Hosts: []string{"*.example.com"}}
	r.start()
	if c := report(); len(c.Granted.Hosts) != 1 || len(c.Granted.Paths) > 0 || len(c.Denied) != 3 {
		t.Errorf("by another policy: %+v", c)
	}
	if _, err := os.Stat(r.state("db")); err != nil {
		t.Errorf("the data of a plugin that is no longer granted its folder: %v", err)
	}
}

// TestPolicyChecked: a host is not made with a policy that says nothing.
func TestPolicyChecked(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir(), log: &safeBuffer{}}
	r.config = host.Config{Engines: []host.Engine{&fakeEngine{}}, Policy: host.Policy{Paths: []string{"relative"}}}
	if err := r.tryStart(); err == nil || !strings.Contains(err.Error(), `Policy: paths: "relative" is no absolute path`) {
		t.Errorf("%v", err)
	}
}

// TestFuelAddsUp: what calls used is counted over evictions and updates.
func TestFuelAddsUp(t *testing.T) {
	cache := newMapCache()
	engine := &fakeEngine{}
	r := newRig(t, func(r *rig) {
		withFake(engine)(r)
		r.config.Cache = cache
	})
	fuel := func(want uint64) {
		t.Helper()
		if s, err := r.Status(host.Functions, "p"); err != nil || s.Fuel != want {
			t.Errorf("fuel %d, %v, want %d", s.Fuel, err, want)
		}
	}
	r.install("p", stateful(t, "1"))
	fuel(0)
	r.answers("f", "", "1:f:")
	r.answers("f", "", "1:f:")
	fuel(2)
	cache.evictAll()
	waitFor(t, "it is unloaded", func() bool { return engine.open() == 0 })
	fuel(2)
	r.answers("f", "", "1:f:")
	fuel(3)
	r.update("p", stateful(t, "2"))
	r.answers("f", "", "2:f:")
	fuel(4)
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	r.install("p", stateful(t, "1"))
	fuel(0)
}

// TestPluginLogLives: a plugin's log is there over updates and evictions, and
// gone with it.
func TestPluginLogLives(t *testing.T) {
	var pkg *host.Package
	r := newRig(t, withFake(seen(&pkg)))
	logs := func(want ...string) {
		t.Helper()
		lines, err := r.Logs(host.Functions, "p")
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, line := range lines.Lines {
			found = append(found, line.Text)
		}
		if strings.Join(found, "|") != strings.Join(want, "|") {
			t.Errorf("%q, want %q", found, want)
		}
	}
	r.install("p", stateful(t, "1"))
	logs()
	first := pkg.Log
	first.Line(slog.LevelInfo, "one")
	r.update("p", stateful(t, "2"))
	pkg.Log.Line(slog.LevelWarn, "two")
	first.Line(slog.LevelError, "three") // the old version's last words
	logs("one", "two", "three")
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Logs(host.Functions, "p"); host.CodeOf(err) != host.CodeNotFound {
		t.Errorf("of a dropped plugin: %v", err)
	}
	if _, err := r.Logs(host.Functions, "../p"); host.CodeOf(err) != host.CodeInvalid {
		t.Errorf("of no name: %v", err)
	}
	r.install("p", stateful(t, "1"))
	first.Line(slog.LevelError, "a ghost")
	logs()
}
