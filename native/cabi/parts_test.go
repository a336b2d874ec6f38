package cabi_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// everyThreadSafety runs a test over a library of each kind.
func everyThreadSafety(t *testing.T, run func(*testing.T, cabi.Options)) {
	for _, thread := range []string{"BERTH_SERIAL", "BERTH_OBJECT", "BERTH_PARALLEL"} {
		path := compile(t, filepath.Join("testdata", "parts.c"), "-DCONCURRENCY="+thread, "-pthread")
		t.Run(thread, func(t *testing.T) {
			enginetest.NoGoroutines(t)
			run(t, options(t, path))
		})
	}
}

func source(t *testing.T, l *cabi.Library, name, config string) cabi.Source {
	t.Helper()
	s, err := l.Source(t.Context(), name, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// collect runs a source, and gathers what it delivers, at most most of it.
func collect(ctx context.Context, s cabi.Source, most int) (messages []string, err error) {
	err = s.Run(ctx, func(m []byte) error {
		messages = append(messages, string(m))
		if len(messages) == most {
			return errEnough
		}
		return nil
	})
	return messages, err
}

var errEnough = errors.New("that is enough")

func TestPullSource(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		l := open(t, o)
		if got := l.Sources(); !slices.Equal(got, []string{"burst", "count", "quiet", "tick"}) {
			t.Errorf("%q", got)
		}
		s := source(t, l, "count", `{"n":5}`)
		if s.Encoding() != host.EncodingJSON {
			t.Errorf("%s", s.Encoding())
		}
		two, err := collect(t.Context(), s, 2)
		if !errors.Is(err, errEnough) || !slices.Equal(two, []string{"1", "2"}) {
			t.Errorf("%q, %v", two, err)
		}
		rest, err := collect(t.Context(), s, 0) // it goes on where it was
		if err != nil || !slices.Equal(rest, []string{"3", "4", "5"}) {
			t.Errorf("%q, %v", rest, err)
		}
		if out := call(t, l, "echo", "beside it"); out != "beside it" {
			t.Errorf("%q", out)
		}
		failing, err := collect(t.Context(), source(t, l, "count", `{"n":20}`), 0)
		enginetest.WantError(t, err, host.CodeRejected, "thirteen")
		if len(failing) != 12 {
			t.Errorf("%q before it failed", failing)
		}
		_, err = l.Source(t.Context(), "count", []byte("{}"))
		enginetest.WantError(t, err, host.CodeInvalid, "count what? {}")
		_, err = l.Source(t.Context(), "other", nil)
		enginetest.WantError(t, err, host.CodeInvalid, "has no source other; its sources are: burst, count, quiet, tick")
	})
}

// TestSourceEnds: with its caller's context, with Close, and with the library.
func TestSourceEnds(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		for _, name := range []string{"quiet", "tick"} {
			l, err := cabi.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			run := func(ctx context.Context, s cabi.Source) <-chan error {
				done := make(chan error, 1)
				begun := make(chan struct{})
				go func() {
					close(begun)
					done <- s.Run(ctx, func([]byte) error { return nil })
				}()
				<-begun
				return done
			}
			first, second, third := source(t, l, name, "{}"), source(t, l, name, "{}"), source(t, l, name, "{}")
			ctx, cancel := context.WithCancel(t.Context())
			done := run(ctx, first)
			cancel()
			if err := <-done; host.CodeOf(err) != host.CodeCanceled {
				t.Errorf("%s, its caller gave up: %v", name, err)
			}
			done = run(t.Context(), second)
			if err := second.Close(t.Context()); err != nil {
				t.Error(err)
			}
			enginetest.WantError(t, <-done, host.CodeUnavailable, "it is closed")
			enginetest.WantError(t, second.Run(t.Context(), nil), host.CodeUnavailable, "it is closed")
			done = run(t.Context(), third)
			closed := make(chan error, 1)
			go func() { closed <- l.Close(context.Background()) }()
			enginetest.WantError(t, <-done, host.CodeUnavailable, "being unloaded")
			select {
			case err := <-closed:
				t.Errorf("%s: the library was closed before its sources: %v", name, err)
			default:
			}
			for _, s := range []cabi.Source{first, third} {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := <-closed; err != nil || mapped(t, o.Path) != 0 {
				t.Errorf("%s: %v, %d mappings", name, err, mapped(t, o.Path))
			}
			_, err = l.Source(t.Context(), name, nil)
			enginetest.WantError(t, err, host.CodeUnavailable, "being unloaded")
		}
		if n := strings.Count(o.Package.Log.(*lines).all(), "tick closed"); n != 6 {
			t.Errorf("%d sources were closed, want 6", n)
		}
	})
}

func TestPushSource(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		l := open(t, o)
		s := source(t, l, "tick", `{"n":1000}`)
		messages, err := collect(t.Context(), s, 1000)
		if !errors.Is(err, errEnough) || len(messages) != 1000 {
			t.Fatalf("%d messages, %v", len(messages), err)
		}
		for i, m := range messages {
			if want := fmt.Sprintf("tick %d", i+1); m != want {
				t.Fatalf("message %d is %q", i, m)
			}
		}
		_, err = collect(t.Context(), s, 1)
		enginetest.WantError(t, err, host.CodeInvalid, "runs once")
		_, err = collect(t.Context(), source(t, l, "tick", `{"n":13}`), 1)
		enginetest.WantError(t, err, host.CodeRejected, "thirteen")
		endless := source(t, l, "tick", "{}")
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err = endless.Run(ctx, func([]byte) error {
			if n++; n == 100 {
				cancel()
			}
			return nil
		})
		enginetest.WantError(t, err, host.CodeCanceled)
		after := n
		if err := endless.Close(t.Context()); err != nil { // its thread pushes until here
			t.Error(err)
		}
		if n != after {
			t.Errorf("%d messages were delivered after Run had returned", n-after)
		}
	})
}

// TestPushFaults: what a source pushes is not trusted.
func TestPushFaults(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		l := open(t, o)
		for config, says := range map[string]string{`{"n":1}`: "pushed 5 bytes at NULL", `{"n":2}`: "pushed 1099511627776 bytes: at most 16MiB"} {
			messages, err := collect(t.Context(), source(t, l, "burst", config), 0)
			enginetest.WantError(t, err, host.CodeTrap, says)
			if !slices.Equal(messages, []string{"one", ""}) {
				t.Errorf("%q", messages)
			}
		}
		err := source(t, l, "burst", "{}").Run(t.Context(), func([]byte) error { panic("of a receiver") })
		enginetest.WantError(t, err, host.CodeInternal, "of a receiver")
	})
}

func TestSink(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		l := open(t, o)
		if got := l.Sinks(); !slices.Equal(got, []string{"keep"}) {
			t.Errorf("%q", got)
		}
		s, err := l.Sink(t.Context(), "keep", []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if s.Encoding() != host.EncodingJSON {
			t.Errorf("%s", s.Encoding())
		}
		for _, m := range []string{`{"a":1}`, `{"a":2}`} {
			if err := s.Collect(t.Context(), []byte(m)); err != nil {
				t.Error(err)
			}
		}
		enginetest.WantError(t, s.Collect(t.Context(), nil), host.CodeRejected, "an empty message")
		if kept := o.State.(*state).values; string(kept["1"]) != `{"a":1}` || string(kept["2"]) != `{"a":2}` {
			t.Errorf("%q", kept)
		}
		for range 2 {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			enginetest.WantError(t, s.Collect(t.Context(), []byte("late")), host.CodeUnavailable, "it is closed")
		}
		if n := strings.Count(o.Package.Log.(*lines).all(), "keep closed"); n != 1 {
			t.Errorf("closed %d times", n)
		}
		_, err = l.Sink(t.Context(), "other", nil)
		enginetest.WantError(t, err, host.CodeInvalid, "its sinks are: keep")
	})
}

// TestLibraryOutlivedByParts: a library whose sources nobody closes stays loaded.
func TestLibraryOutlivedByParts(t *testing.T) {
	everyThreadSafety(t, func(t *testing.T, o cabi.Options) {
		l, err := cabi.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s := source(t, l, "count", `{"n":5}`)
		brief, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		enginetest.WantError(t, l.Close(brief), host.CodeTimeout, "sources and sinks open: 1")
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if mapped(t, o.Path) == 0 {
			t.Error("it was unloaded all the same")
		}
	})
}
