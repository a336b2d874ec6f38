package enginetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"berth/host"
)

// Subject is an engine under test and the test plugin built for it.
type Subject struct {
	// Engine makes the engine. It is called once for each case.
	Engine func(testing.TB) host.Engine

	// Package unpacks the test plugin into folders of its own, with the limits
	// given.
	Package func(testing.TB, host.Limits) *host.Package

	// Functions names the functions of the plugin; an empty name is a function
	// that the plugin does not have, and skips the cases that need it.
	Functions Functions

	Traits Traits
}

// Functions are the names of what the test plugin must have. All are raw.
type Functions struct {
	Echo  string // the input back
	Fail  string // the input as the text of the function's own error
	Crash string // traps, aborts, ends the process: whatever is worst
	Spin  string // never returns
}

// Traits are what an engine can and cannot do.
type Traits struct {
	// Interruptible: a call that runs is stopped by limits.timeout, by the
	// caller's context and by Close.
	Interruptible bool
	// Survives: after a crash of the guest the module takes calls again.
	Survives bool
	// Bounded: limits.memory holds, and limits.instances with it.
	Bounded bool
}

// generous bounds what ought to happen at once: only a failure takes that long,
// and a machine that does nothing else must not fail for being slow.
const generous = 30 * time.Second

// shortly is a deadline that a test waits out.
const shortly = 60 * time.Millisecond

// testCase is one case of the suite.
type testCase struct {
	name  string
	needs func(Subject) bool // nil: nothing special
	run   func(*testing.T, Subject)
}

// Run runs the suite.
func Run(t *testing.T, subject Subject) {
	groups := [][]testCase{callCases(), faultCases(), capacityCases(), lifeCases(), leakCases()}
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				if c.needs != nil && !c.needs(subject) {
					t.Skip("the engine does not have what this case needs: see Subject")
				}
				NoGoroutines(t)
				c.run(t, subject)
			})
		}
	}
}

func interruptible(s Subject) bool { return s.Traits.Interruptible && s.Functions.Spin != "" }

func crashes(s Subject) bool { return s.Functions.Crash != "" }

// limits are those of a case that does not mean any.
func limits() host.Limits {
	return host.Limits{Memory: 16 << 20, Input: 16 << 20, Output: 16 << 20, Timeout: generous, Instances: 4}
}

// load accepts and loads the plugin; the module is closed when the test ends.
func (s Subject) load(t testing.TB, l host.Limits) host.Module {
	t.Helper()
	engine, p := s.Engine(t), s.Package(t, l)
	if err := engine.Accept(p); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	m, err := engine.Load(t.Context(), p)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("Close at the end of the test: %v", err)
		}
	})
	return m
}

// bind returns one function of a module.
func bind(t testing.TB, m host.Module, name string) host.Function {
	t.Helper()
	f, err := m.Function(name)
	if err != nil {
		t.Fatalf("Function(%q): %v", name, err)
	}
	return f
}

// wantEcho checks that the module takes a call.
func (s Subject) wantEcho(t testing.TB, m host.Module) {
	t.Helper()
	in := []byte("does it still work?")
	out, err := bind(t, m, s.Functions.Echo).Call(t.Context(), nil, in)
	if err != nil || !bytes.Equal(out, in) {
		t.Errorf("a good call: %q, %v; want %q", out, err, in)
	}
}

// wantCode checks the code of an error.
func wantCode(t testing.TB, err error, want host.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one of code %s", want)
	}
	if got := host.CodeOf(err); got != want {
		t.Errorf("code %s of %q; want %s", got, err, want)
	}
}

// result is what a call in the background came to.
type result struct {
	out []byte
	err error
}

// begin calls in the background, and returns when the call is in the guest.
// Nothing else may be in a call of the module.
func begin(ctx context.Context, t testing.TB, m host.Module, f host.Function, in []byte) <-chan result {
	t.Helper()
	done := make(chan result, 1)
	go func() {
		out, err := f.Call(ctx, nil, in)
		done <- result{out, err}
	}()
	WaitFor(t, generous, func() bool { return m.Status().Busy > 0 })
	return done
}

// receive waits for the result of a call in the background.
func receive(t testing.TB, done <-chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(generous):
		t.Fatalf("the call did not end within %s", generous)
		return result{}
	}
}
