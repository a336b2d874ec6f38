package cabi_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native/cabi"
)

// TestUnload: a closed library is out of the process, and calls of it fail.
func TestUnload(t *testing.T) {
	for _, thread := range []string{"BERTH_SERIAL", "BERTH_OBJECT", "BERTH_PARALLEL"} {
		o := options(t, conform(t, thread))
		l := open(t, o)
		echo := bind(t, l, "echo")
		call(t, l, "echo", "in")
		if mapped(t, o.Path) == 0 {
			t.Fatal("the library is not in the list of mappings: the test sees nothing")
		}
		for range 2 {
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if n := mapped(t, o.Path); n != 0 {
				t.Errorf("%s: %d mappings are left", thread, n)
			}
			out, err := echo.Call(t.Context(), []byte("kept"), []byte("in"))
			enginetest.WantError(t, err, host.CodeUnavailable, "being unloaded")
			if string(out) != "kept" {
				t.Errorf("dst is %q", out)
			}
		}
		if n := strings.Count(o.Package.Log.(*lines).all(), "closed"); n != 1 {
			t.Errorf("%s: %d objects were closed, want 1", thread, n)
		}
	}
}

// TestCloseDuringCall: Close waits for a call that is inside, and refuses others.
func TestCloseDuringCall(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	l := open(t, o)
	inside, release := held(t, l)
	echo := bind(t, l, "echo")
	closed := make(chan error, 1)
	go func() { closed <- l.Close(context.Background()) }()
	enginetest.WaitFor(t, generous, func() bool {
		_, err := echo.Call(t.Context(), nil, nil)
		return host.CodeOf(err) == host.CodeUnavailable
	})
	select {
	case err := <-closed:
		t.Fatalf("Close returned with a call inside: %v", err)
	default:
	}
	release()
	if r := receive(t, inside); r.err != nil || r.out != "held" {
		t.Errorf("the call inside: %q, %v", r.out, r.err)
	}
	if err := <-closed; err != nil || mapped(t, o.Path) != 0 {
		t.Errorf("%v, %d mappings", err, mapped(t, o.Path))
	}
}

// TestCloseGivesUp: a library that a call does not leave stays loaded for good.
func TestCloseGivesUp(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	l, err := cabi.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	inside, release := held(t, l)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		err = l.Close(ended)
		enginetest.WantError(t, err, host.CodeCanceled, "stays loaded until the host restarts: calls inside: 1, sources and sinks open: 0")
	}
	if log := o.Package.Log.(*lines).all(); strings.Count(log, "WARN Plugin.so stays loaded until the host restarts") != 1 {
		t.Errorf("the log: %q", log)
	}
	release()
	if r := receive(t, inside); r.err != nil || r.out != "held" {
		t.Errorf("the call inside: %q, %v", r.out, r.err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if mapped(t, o.Path) == 0 {
		t.Error("it was unloaded all the same")
	}
	if notes := strings.Join(l.Status().Notes, "\n"); !strings.Contains(notes, "stays loaded until") {
		t.Errorf("%q", notes)
	}
	again := open(t, o) // a library of its own
	if n := call(t, again, "count", ""); n != "1" {
		t.Errorf("the next one shares its variables: %s", n)
	}
}

// TestTwice: who opens the same file twice has two libraries; nothing of the copy
// is left behind.
func TestTwice(t *testing.T) {
	o := options(t, conform(t, "BERTH_PARALLEL"))
	libraries := []*cabi.Library{open(t, o), open(t, o), open(t, o)}
	for i, l := range libraries {
		for range i + 1 {
			call(t, l, "hold", "")
		}
	}
	done, release := held(t, libraries[0])
	for i, l := range libraries {
		if library, _, objects := figures(t, l); objects != 1 || library > 1 {
			t.Errorf("library %d: %d objects, %d calls at once: it shares its variables", i, objects, library)
		}
	}
	release()
	receive(t, done)
	if left, err := os.ReadDir(o.Package.Cache); err != nil || len(left) != 0 {
		t.Errorf("%v are left of the copies, %v", left, err)
	}
	for _, l := range libraries {
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := mapped(t, o.Package.Cache) + mapped(t, o.Path); n != 0 {
		t.Errorf("%d mappings are left", n)
	}
}

// TestTwiceWithLibraryBeside: a copy, too, finds what lies beside the library.
func TestTwiceWithLibraryBeside(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cc := func(args ...string) {
		if text, err := exec.Command("cc", append(args, "-shared", "-fPIC", "-I", filepath.Join("..", "..", "sdk", "c"))...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	cc("-o", filepath.Join(dir, "libberthbeside.so"), write("beside.c", "int beside(void) { return 42; }\n"))
	path := filepath.Join(dir, "Plugin.so")
	cc("-o", path, write("plugin.c", `#include "berth_plugin.h"
		extern int beside(void);
		static int32_t ask(void *self, berth_call *call) { (void)self; return berth_printf(call, "%d", beside()); }
		static const berth_function functions[] = {{"ask", ask, BERTH_RAW, 0}};
		BERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), "p", NULL, BERTH_PARALLEL, NULL, NULL, functions, 1, NULL, 0, NULL, 0};
	`), "-L", dir, "-lberthbeside", "-Wl,-rpath,$ORIGIN")
	for range 2 {
		if out := call(t, open(t, options(t, path)), "ask", ""); out != "42" {
			t.Errorf("%q", out)
		}
	}
}

// TestUpdate: a new version at the path of the old one is what is loaded, and
// both are there.
func TestUpdate(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	old := open(t, o)
	next := conform(t, "BERTH_OBJECT", `-DVERSION="v2"`)
	if err := os.Rename(next, o.Path); err != nil {
		t.Fatal(err)
	}
	new := open(t, o)
	if a, b := call(t, old, "version", ""), call(t, new, "version", ""); a != "v1" || b != "v2" {
		t.Errorf("the old one is %s, the new one %s", a, b)
	}
	if notes := strings.Join(new.Status().Notes, ""); !strings.Contains(notes, "conform v2") {
		t.Errorf("%q", notes)
	}
}

// TestOpenRefused: a library that does not want to be opened says why, and goes.
func TestOpenRefused(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	o.Package.Grants.Config = map[string]string{"refuse": "no licence"}
	_, err := cabi.Open(t.Context(), o)
	enginetest.WantError(t, err, host.CodeInvalid, "Plugin.so", "configured to refuse: no licence")
	if mapped(t, o.Path) != 0 {
		t.Error("it is still loaded")
	}
}

// TestObjectRefused: an object that cannot be made fails the call that needs it,
// and no other.
func TestObjectRefused(t *testing.T) {
	o := options(t, compileText(t, `
		#include <unistd.h>
		static int made;
		static int32_t start(berth_call *call, void **self) {
			*self = &made;
			return ++made > 1 ? berth_fail(call, "only one of me") : BERTH_OK;
		}
		static int32_t hold(void *self, berth_call *call) {
			char c;
			(void)self;
			int fd = 0;
			for (size_t i = 0; i < call->in_length && call->in[i]; i++) fd = fd * 10 + (call->in[i] - '0');
			while (read(fd, &c, 1) > 0) {}
			return berth_text(call, "held");
		}
		static const berth_function functions[] = {{"hold", hold, BERTH_RAW, 0}};
		BERTH_EXPORT const berth_plugin berth_plugin_v1 = {BERTH_ABI, sizeof(berth_plugin), "p", NULL, BERTH_OBJECT, start, NULL, functions, 1, NULL, 0, NULL, 0};`))
	l := open(t, o)
	inside, release := held(t, l)
	_, err := bind(t, l, "hold").Call(t.Context(), nil, []byte("0"))
	enginetest.WantError(t, err, host.CodeTrap, "its open failed: only one of me")
	release()
	if r := receive(t, inside); r.err != nil {
		t.Error(r.err)
	}
	if status := l.Status(); status.Instances != 1 || status.Busy != 0 {
		t.Errorf("%+v", status)
	}
}

func TestOpenGivenUp(t *testing.T) {
	o := options(t, conform(t, "BERTH_OBJECT"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cabi.Open(ctx, o)
	enginetest.WantError(t, err, host.CodeCanceled)
	if mapped(t, o.Path) != 0 {
		t.Error("it was loaded")
	}
}

// TestOpenGivenUpLate: when its open returns, nobody waits any more.
func TestOpenGivenUpLate(t *testing.T) {
	o := options(t, conform(t, "BERTH_PARALLEL"))
	o.Package.Grants.Config = map[string]string{"a": "value"} // which open logs
	ctx, cancel := context.WithCancel(t.Context())
	log := &whenLogged{do: cancel}
	o.Package.Log = log
	_, err := cabi.Open(ctx, o)
	enginetest.WantError(t, err, host.CodeCanceled)
	if n := strings.Count(log.all(), "closed"); n != 1 || mapped(t, o.Path) != 0 {
		t.Errorf("%d objects were closed, %d mappings are left", n, mapped(t, o.Path))
	}
}

// whenLogged does something at each line.
type whenLogged struct {
	lines
	do func()
}

func (l *whenLogged) Line(level slog.Level, text string) {
	l.do()
	l.lines.Line(level, text)
}

// TestInHost: a host installs a library, calls it, updates it while it is called,
// and drops it.
func TestInHost(t *testing.T) {
	h := installed(t, conform(t, "BERTH_OBJECT"))
	ctx := t.Context()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if out, err := h.Invoke(ctx, "version", nil, nil); err != nil || string(out) != "v1" && string(out) != "v2" {
				t.Errorf("%q, %v", out, err)
				return
			}
		}
	}()
	data, err := os.ReadFile(conform(t, "BERTH_OBJECT", `-DVERSION="v2"`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Update(ctx, host.Request{Kind: host.Functions, Name: "plugin", File: enginetest.Pack(t, enginetest.Files{"Plugin.so": data})})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h.Invoke(ctx, "version", nil, nil); err != nil || string(out) != "v2" {
		t.Errorf("after the update: %q, %v", out, err)
	}
	close(stop)
	<-stopped
	if err := h.Drop(ctx, host.Functions, "plugin"); err != nil {
		t.Error(err)
	}
}
