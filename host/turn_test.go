package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

// heldLoad is a hook for loads that wait for the test, of one build.
type heldLoad struct {
	marker  string // a file that only this package has
	entered chan struct{}
	leave   chan struct{}
}

func (l *heldLoad) load(_ context.Context, p *host.Package) error {
	if p.Has(l.marker) {
		l.entered <- struct{}{}
		<-l.leave
	}
	return nil
}

// TestReloadInTurn: what a look into the drop-in folder does to a plugin is decided
// when it is its turn, not before an operation that is under way.
func TestReloadInTurn(t *testing.T) {
	build := func(version string) string {
		return fakeBuild{Version: version, Functions: []string{"f", "g"}}.String()
	}
	held := func(t *testing.T) string {
		return packed(t, files{"p.wasm": build("request"), "held": ""})
	}
	for name, c := range map[string]struct {
		before  string // what lies in the folder at first; empty: nothing
		during  func(*testing.T, *rig) error
		folder  string // what lies there when Reload looks; empty: nothing
		want    host.Reloaded
		answer  string
		has     []string
		dropped bool
	}{
		"a registration": {before: "1", folder: "2", answer: "2:f:", has: []string{"f"}, want: host.Reloaded{Updated: []string{"functions/p"}},
			during: func(t *testing.T, r *rig) error {
				return r.Register(t.Context(), host.Functions, "p", []string{"f"})
			}},
		"an install": {folder: "2", answer: "request:f:", has: []string{"f", "g"},
			during: func(t *testing.T, r *rig) error {
				_, err := r.Install(t.Context(), host.Request{Name: "p", File: held(t)})
				return err
			}},
		"an update": {before: "1", folder: "2", answer: "request:f:", has: []string{"f", "g"},
			during: func(t *testing.T, r *rig) error {
				_, err := r.Update(t.Context(), host.Request{Name: "p", File: held(t)})
				return err
			}},
		"an update of what was taken out": {before: "1", answer: "request:f:", has: []string{"f", "g"},
			during: func(t *testing.T, r *rig) error {
				_, err := r.Update(t.Context(), host.Request{Name: "p", File: held(t)})
				return err
			}},
	} {
		t.Run(name, func(t *testing.T) {
			d := dropIn{t, t.TempDir()}
			hold := &heldLoad{marker: "held", entered: make(chan struct{}), leave: make(chan struct{})}
			r := newRig(t, func(r *rig) { withFake(&fakeEngine{load: hold.load})(r); r.config.DropIn = d.dir })
			waitFor(t, "the host is ready", r.Ready)
			if c.before != "" {
				d.put("functions/p.wasm", build(c.before))
				d.reload(r, []string{"functions/p"}, nil, nil)
			}
			if name == "a registration" {
				hold.marker = "p.wasm"
			}
			operation, reload := make(chan error, 1), make(chan host.Reloaded, 1)
			go func() { operation <- c.during(t, r) }()
			receive(t, "the operation loads a build", hold.entered)
			hold.marker = "none"
			if c.folder == "" {
				d.remove("functions/p.wasm")
			} else {
				d.put("functions/p.wasm", build(c.folder))
			}
			go func() {
				got, err := r.Reload(context.Background())
				if err != nil || len(got.Failed) > 0 {
					t.Errorf("reload: %+v, %v", got, err)
				}
				reload <- got
			}()
			r.AwaitOperations(t, host.Functions, "p", 2)
			close(hold.leave)
			if err := receive(t, "the operation ends", operation); err != nil {
				t.Error(err)
			}
			got := receive(t, "the reload ends", reload)
			if !slices.Equal(got.Installed, c.want.Installed) || !slices.Equal(got.Updated, c.want.Updated) || !slices.Equal(got.Dropped, c.want.Dropped) {
				t.Errorf("reload: %+v, want %+v", got, c.want)
			}
			r.answers("f", "", c.answer)
			if record, err := r.Describe(host.Functions, "p"); err != nil || !slices.Equal(record.Functions, c.has) {
				t.Errorf("%+v, %v", record, err)
			}
			r.clean()
		})
	}
}

// TestInTurn: whether a plugin is installed is decided when it is its turn.
func TestInTurn(t *testing.T) {
	hold := &heldLoad{marker: "held", entered: make(chan struct{}), leave: make(chan struct{})}
	r := newRig(t, withFake(&fakeEngine{load: hold.load}))
	held := host.Request{Name: "p", File: packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String(), "held": ""})}
	second := host.Request{Name: "p", File: fakePackageOf(t, "p", "2", "f")}
	done := make(chan error, 3)
	go func() { _, err := r.Upsert(context.Background(), held); done <- err }()
	receive(t, "the first is being installed", hold.entered)
	go func() {
		for _, err := range r.Import(context.Background(), []host.Request{second}, true) {
			done <- err
			return
		}
		done <- nil
	}()
	r.AwaitOperations(t, host.Functions, "p", 2)
	go func() { _, err := r.Upsert(context.Background(), second); done <- err }()
	r.AwaitOperations(t, host.Functions, "p", 3)
	close(hold.leave)
	for range 3 {
		if err := receive(t, "an operation ends", done); err != nil {
			t.Error(err)
		}
	}
	r.answers("f", "", "2:f:")
	if err := r.Drop(t.Context(), host.Functions, "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Upsert(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	r.answers("f", "", "2:f:")
	_, err := r.Upsert(t.Context(), host.Request{Name: "p", File: "nowhere"})
	enginetest.WantError(t, err, host.CodeInvalid, "update plugin p: invalid uri nowhere")
	r.clean()
}

// TestDropInDropCutShort: a drop of a plugin in the drop-in folder that was cut
// short half way is finished by the next start.
func TestDropInDropCutShort(t *testing.T) {
	d := dropIn{t, t.TempDir()}
	whole := func() {
		d.put("wasm/w/w.wasm", fakeBuild{Version: "1", Functions: []string{"fw"}}.String())
		d.put("wasm/w/w.json", `{"version":"v1"}`)
		d.put("functions/p.wasm", fakeBuild{Version: "1", Functions: []string{"fp"}}.String())
		d.put("functions/P.so", "")
		d.put("functions/P@v0.so", "")
		d.put("functions/p.json", `{"version":"v1"}`)
	}
	whole()
	s := &memStore{}
	r := newRig(t, func(r *rig) {
		withFake(&fakeEngine{})(r)
		r.config.DropIn, r.config.Store = d.dir, s
	})
	waitFor(t, "the host is ready", r.Ready)
	s.delete = func() error { return errors.New("killed") }
	for kind, name := range map[host.Kind]string{host.Wasm: "w", host.Functions: "p"} {
		enginetest.WantError(t, r.Drop(t.Context(), kind, name), host.CodeInternal, "killed")
	}
	s.delete = nil
	r.stop()
	whole() // none, or not all, of the files were removed
	d.remove("wasm/w/w.json")
	d.remove("functions/P.so")
	r.start()
	waitFor(t, "the host is ready", r.Ready)
	if n := len(r.Statuses()); n > 0 {
		t.Errorf("%d plugins are there", n)
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the drop-in folder: %q, %v", left, err)
	}
	r.clean()

	// What cannot be removed is there again, whole.
	whole()
	d.reload(r, []string{"functions/p", "wasm/w"}, nil, nil)
	if err := os.Rename(d.dir, d.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	enginetest.WantError(t, r.Drop(t.Context(), host.Wasm, "w"), host.CodeForbidden, "drop-in folder")
	if err := os.Rename(d.dir+"-away", d.dir); err != nil {
		t.Fatal(err)
	}
	r.restart()
	waitFor(t, "the host is ready", r.Ready)
	r.answers("fw", "", "1:fw:")
}
