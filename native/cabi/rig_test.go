package cabi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// generous bounds what ought to happen at once.
const generous = 30 * time.Second

// compile builds a library of a C source, with the warnings that a plugin's
// author may have on.
func compile(t testing.TB, source string, args ...string) (path string) {
	t.Helper()
	args = append([]string{"-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-pedantic", "-Werror"}, args...)
	return build(t, "cc", source, args...)
}

func build(t testing.TB, compiler, source string, args ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "Plugin.so")
	args = append([]string{source, "-O1", "-shared", "-fPIC", "-I", filepath.Join("..", "..", "sdk", "c"), "-o", path}, args...)
	if text, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", compiler, err, text)
	}
	return path
}

// compileText builds a library of a source that is text.
func compileText(t testing.TB, text string) (path string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "plugin.c")
	if err := os.WriteFile(source, []byte("#include \"berth_plugin.h\"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return compile(t, source)
}

// conform builds the test plugin; thread is BERTH_SERIAL, BERTH_OBJECT or
// BERTH_PARALLEL.
func conform(t testing.TB, thread string, args ...string) (path string) {
	t.Helper()
	return compile(t, filepath.Join("testdata", "conform.c"), append(args, "-DCONCURRENCY="+thread)...)
}

// lines are a plugin's log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Line(level slog.Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprintf("%s %s", level, text))
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// state is a State in memory.
type state struct {
	mu     sync.Mutex
	values map[string][]byte
	broken error
}

func (s *state) Get(key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[key]
	return value, ok, s.broken
}

func (s *state) Put(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == "panic" {
		panic("of the state")
	}
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[key] = value
	return s.broken
}

func (s *state) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return s.broken
}

// options are those of a package without anything special.
func options(t testing.TB, path string) cabi.Options {
	t.Helper()
	p := &host.Package{Kind: host.Functions, Name: "plugin", Dir: filepath.Dir(path), Cache: filepath.Join(t.TempDir(), "cache"),
		Limits: host.DefaultLimits(), Log: &lines{}}
	return cabi.Options{Path: path, Package: p, State: &state{}}
}

// open opens a library until the test ends.
func open(t testing.TB, o cabi.Options) *cabi.Library {
	t.Helper()
	l, err := cabi.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("Close at the end of the test: %v", err)
		}
	})
	return l
}

func bind(t testing.TB, l *cabi.Library, name string) host.Function {
	t.Helper()
	f, err := l.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// call calls a function that must answer.
func call(t testing.TB, l *cabi.Library, name, in string) string {
	t.Helper()
	out, err := bind(t, l, name).Call(t.Context(), nil, []byte(in))
	if err != nil {
		t.Errorf("%s(%.40q): %v", name, in, err)
	}
	return string(out)
}

// result is what a call in the background came to.
type result struct {
	out string
	err error
}

// held begins a call that stays inside until release is called.
func held(t testing.TB, l *cabi.Library) (done <-chan result, release func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := l.Status().Busy
	ended := make(chan result, 1)
	hold := bind(t, l, "hold")
	go func() {
		out, err := hold.Call(context.WithoutCancel(t.Context()), nil, fmt.Appendf(nil, "%d\x00", r.Fd()))
		ended <- result{string(out), err}
	}()
	enginetest.WaitFor(t, generous, func() bool { return l.Status().Busy > before })
	release = sync.OnceFunc(func() { _ = w.Close() })
	t.Cleanup(func() {
		release()
		_ = r.Close()
	})
	return ended, release
}

func receive(t testing.TB, done <-chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(generous):
		t.Fatal("the call did not end")
		return result{}
	}
}

// mapped tells whether a file is mapped into this process, by how often its
// name stands in the list of mappings.
func mapped(t testing.TB, path string) (times int) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), path)
}

var errBroken = errors.New("the disk is full")
