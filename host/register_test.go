package host_test

import (
	"context"
	"slices"
	"testing"

	"berth/host"
	"berth/host/enginetest"
)

func TestRegister(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "a", "b", "c"), "a")
	r.install("q", packed(t, files{"q.wasm": fakeBuild{Version: "1", Functions: []string{"d", "b"}}.String()}), "d")
	r.fails("b", "", host.CodeNotFound)
	if err := r.Register(t.Context(), host.Functions, "p", []string{"c", "b"}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		r.fails("a", "", host.CodeNotFound)
		r.answers("b", "", "1:b:")
		r.answers("c", "", "1:c:")
		record, err := r.Describe(host.Functions, "p")
		if err != nil || !slices.Equal(record.Functions, []string{"c", "b"}) {
			t.Errorf("functions %v, %v", record.Functions, err)
		}
		r.clean()
	}
	check()
	before := r.snapshot()
	for _, test := range []struct {
		functions []string
		code      host.Code
		word      string
	}{
		{nil, host.CodeInvalid, "property 'functions' must not be empty"},
		{[]string{"b", "b"}, host.CodeInvalid, "named twice"},
		{[]string{"a b"}, host.CodeInvalid, "id 'a b' contains invalid"},
		{[]string{"b", "nothere"}, host.CodeInvalid, "function nothere: it is not there"},
		{[]string{"b", "d"}, host.CodeConflict, "function name d already exists"},
	} {
		enginetest.WantError(t, r.Register(t.Context(), host.Functions, "p", test.functions), test.code, "register plugin p: ", test.word)
		r.unchanged(before)
		r.answers("b", "", "1:b:")
	}
	if _, err := r.Install(t.Context(), host.Request{Kind: host.Sinks, Name: "p", File: fakePackage(t, "1", "a")}); err != nil {
		t.Fatal(err)
	}
	before = r.snapshot()
	enginetest.WantError(t, r.Register(t.Context(), host.Sinks, "p", []string{"a"}), host.CodeInvalid, "plugins of the kind sinks have none")
	r.unchanged(before)
	r.restart()
	check()
	r.stop()
	e.check(t)
}

// TestRegisterWhileCalled: calls of a function that stays never fail.
func TestRegisterWhileCalled(t *testing.T) {
	e := &fakeEngine{}
	r := newRig(t, withFake(e))
	r.install("p", fakePackage(t, "1", "a", "b"))
	stop, done := make(chan struct{}), make(chan error, 2)
	for range cap(done) {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if out, err := r.Invoke(context.Background(), "a", nil, nil); err != nil || string(out) != "1:a:" {
					done <- host.Fail(host.CodeOf(err), "%s, %v", out, err)
					return
				}
			}
		}()
	}
	for i := range 20 {
		if err := r.Register(t.Context(), host.Functions, "p", [][]string{{"a"}, {"b", "a"}}[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	for range cap(done) {
		if err := receive(t, "a caller ends", done); err != nil {
			t.Errorf("a call during a registration: %v", err)
		}
	}
	r.stop()
	e.check(t)
}
