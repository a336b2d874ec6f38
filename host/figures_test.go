package host_test

import (
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

func TestStatusFigures(t *testing.T) {
	r := newRig(t, nil)
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}))
	for range 10 {
		r.answers("upper", "x", "X")
	}
	for range 3 {
		r.fails("fail", "no", host.CodeRejected)
	}
	s, err := r.Status(host.Functions, "echo")
	if err != nil || s.State != host.StateActive || s.Module == nil || s.Module.Memory < 64<<10 || s.InFlight != 0 {
		t.Fatalf("status %+v, %v", s, err)
	}
	if s.LastError == nil || s.LastError.Code != host.CodeRejected || s.LastError.Function != "fail" || s.LastError.Message != "no" || s.LastError.Time.IsZero() {
		t.Errorf("last error %+v", s.LastError)
	}
	calls := map[string]uint64{}
	for _, f := range s.Figures {
		calls[f.Function] = f.Calls
		if f.Latency.Count != f.Calls {
			t.Errorf("%s: %d calls, %d of them in the histogram", f.Function, f.Calls, f.Latency.Count)
		}
		if want := map[string]uint64{"fail": 3}[f.Function]; f.Errors[host.CodeRejected] != want {
			t.Errorf("%s: errors %v", f.Function, f.Errors)
		}
	}
	if calls["upper"] != 10 || calls["fail"] != 3 || calls["echo"] != 0 {
		t.Errorf("calls %v", calls)
	}
	all := r.Figures()
	if len(all) != 2 || all[0].Function != "fail" || all[1].Function != "upper" {
		t.Errorf("figures of those that were called, sorted: %+v", all)
	}
	if n := len(r.Statuses()); n != 1 {
		t.Errorf("%d statuses", n)
	}
}

// TestInputLimit: an input over the limit is a failed call, and counted.
func TestInputLimit(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", packed(t, files{"p.wasm": fakeBuild{Version: "1", Functions: []string{"f"}}.String(), "p.json": `{"limits":{"input":4}}`}))
	r.answers("f", "1234", "1:f:1234")
	r.fails("f", "12345", host.CodeTooLarge, "5 bytes: at most 4B are allowed")
	f := r.Figures()
	if len(f) != 1 || f[0].Calls != 2 || f[0].Errors[host.CodeTooLarge] != 1 {
		t.Errorf("figures %+v", f)
	}
}

// ownFigures installs a plugin and tells whether its function gets figures of
// its own, where two may.
func ownFigures(t *testing.T, r *rig, name string) bool {
	t.Helper()
	r.install(name, packed(t, files{name + ".wasm": fakeBuild{Version: "1", Functions: []string{"f" + name}}.String()}))
	r.answers("f"+name, "", "1:f"+name+":")
	s, err := r.Status(host.Functions, name)
	if err != nil {
		t.Fatal(err)
	}
	return len(s.Figures) == 1
}

func cappedRig(t *testing.T) *rig {
	return newRig(t, func(r *rig) { withFake(&fakeEngine{})(r); r.config.FunctionFigures = 2 })
}

func TestFiguresCap(t *testing.T) {
	r := cappedRig(t)
	if !ownFigures(t, r, "a") || !ownFigures(t, r, "b") || ownFigures(t, r, "c") {
		t.Error("the first two functions have figures of their own, the third has not")
	}
	all := r.Figures()
	if len(all) != 3 || all[2].Function != host.OtherFunctions || all[2].Calls != 1 {
		t.Errorf("figures %+v", all)
	}
	if err := r.Drop(t.Context(), host.Functions, "a"); err != nil {
		t.Fatal(err)
	}
	if !ownFigures(t, r, "d") {
		t.Error("a dropped function does not give its room to another")
	}
}

// TestFiguresRoomAfterRefusal: the functions of a package that was refused take
// no room from those that are installed.
func TestFiguresRoomAfterRefusal(t *testing.T) {
	r := cappedRig(t)
	for _, name := range []string{"x", "y", "z"} {
		_, err := r.Install(t.Context(), host.Request{Name: "p", Functions: []string{name, "nothere"}, File: fakePackage(t, "1", name)})
		enginetest.WantError(t, err, host.CodeInvalid, "nothere")
	}
	if !ownFigures(t, r, "a") {
		t.Error("functions that were never installed hold the room for figures")
	}
}

// TestFiguresRoomAfterUpdate: a function that an update or a registration
// removes gives its room back.
func TestFiguresRoomAfterUpdate(t *testing.T) {
	r := cappedRig(t)
	r.install("p", fakePackage(t, "1", "x", "y"))
	r.update("p", fakePackage(t, "2", "y", "z"), "y")
	if !ownFigures(t, r, "a") {
		t.Error("a function that an update removed holds the room for figures")
	}
	r = cappedRig(t)
	r.install("p", fakePackage(t, "1", "x", "y"))
	if err := r.Register(t.Context(), host.Functions, "p", []string{"x"}); err != nil {
		t.Fatal(err)
	}
	if !ownFigures(t, r, "a") {
		t.Error("a function that a registration removed holds the room for figures")
	}
}
