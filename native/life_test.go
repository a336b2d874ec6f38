package native_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native"
	"berth/sandbox"
)

const notRun = "which this version of Berth installs and describes but does not run yet: add a .wasm build to the package"

// TestLife: a native build is installed, described, and there again after a
// restart; a call says what is missing; an update to a build that runs serves;
// and after the plugin is dropped nothing is left of it.
func TestLife(t *testing.T) {
	enginetest.NoGoroutines(t)
	dir := t.TempDir()
	ctx := t.Context()
	engines := func() []host.Engine { return []host.Engine{sandbox.New(), native.New()} }
	build := enginetest.Pack(t, files{"Echo@v1.2.0.so": object(t), "echo.yaml": []byte("default: {}\n")})

	t.Run("install", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		record, err := h.Install(ctx, host.Request{Kind: host.Functions, Name: "echo", File: build, Functions: []string{"upper", "echo"}})
		if err != nil {
			t.Fatal(err)
		}
		if record.Engine != "native" || record.Version != "v1.2.0" || !slices.Equal(record.Functions, []string{"upper", "echo"}) {
			t.Errorf("%+v", record)
		}
		if _, err := h.Install(ctx, host.Request{Kind: host.Sources, Name: "echo", File: build}); err != nil {
			t.Errorf("a source: %v", err)
		}
		if _, err := h.Install(ctx, host.Request{Kind: host.Sinks, Name: "echo", File: build}); err != nil {
			t.Errorf("a sink: %v", err)
		}
	})
	t.Run("call", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...) // a restart
		for _, kind := range []host.Kind{host.Functions, host.Sources, host.Sinks} {
			if names := h.List(kind); !slices.Equal(names, []string{"echo"}) {
				t.Errorf("%s: %q", kind, names)
			}
		}
		out, err := h.Invoke(ctx, "upper", []byte("kept"), []byte(`["x"]`))
		enginetest.WantError(t, err, host.CodeUnavailable, "function upper is in a native build (Echo@v1.2.0.so), "+notRun)
		if string(out) != "kept" {
			t.Errorf("dst is %q, want it as it was", out)
		}
		status, err := h.Status(host.Functions, "echo")
		if err != nil || status.State != host.StateActive || status.Module == nil {
			t.Fatalf("%+v, %v", status, err)
		}
		if m := status.Module; m.Form != "native, Echo@v1.2.0.so, not run" || m.Unavailable == "" || m.Instances != 0 || m.Busy != 0 {
			t.Errorf("%+v", m)
		}
		if status.LastError == nil || status.LastError.Code != host.CodeUnavailable {
			t.Errorf("the last error: %+v", status.LastError)
		}
		if f, err := h.Acquire(ctx, "echo"); err != nil || f.Encoding() != host.EncodingJSON {
			t.Errorf("%v", err)
		} else {
			f.Release()
		}
		if err := h.Register(ctx, host.Functions, "echo", []string{"echo", "twin"}); err != nil {
			t.Error(err)
		}
		_, err = h.Invoke(ctx, "twin", nil, nil)
		enginetest.WantError(t, err, host.CodeUnavailable, notRun)
	})
	t.Run("update to a build that runs", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		record, err := h.Update(ctx, host.Request{Kind: host.Functions, Name: "echo", File: enginetest.Pack(t, files{"Echo.so": object(t), "echo.wasm": guest(t, "echo")})})
		if err != nil || record.Engine != "wasm" {
			t.Fatalf("%+v, %v", record, err)
		}
		if out, err := h.Invoke(ctx, "upper", nil, []byte("in")); err != nil || string(out) != "IN" {
			t.Errorf("upper: %q, %v", out, err)
		}
		if _, err := h.Update(ctx, host.Request{Kind: host.Functions, Name: "echo", File: enginetest.Pack(t, files{"Echo.so": []byte("x")})}); err == nil {
			t.Error("an update to a file that is no build is taken")
		}
		if out, err := h.Invoke(ctx, "upper", nil, []byte("in")); err != nil || string(out) != "IN" {
			t.Errorf("upper after an update that failed: %q, %v", out, err)
		}
	})
	t.Run("drop", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		for _, kind := range []host.Kind{host.Functions, host.Sources, host.Sinks} {
			if err := h.Drop(ctx, kind, "echo"); err != nil {
				t.Error(err)
			}
		}
		_, err := h.Invoke(ctx, "upper", nil, nil)
		enginetest.WantError(t, err, host.CodeNotFound)
		if left := enginetest.Installed(t, dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

// TestInstallRefused: what is refused leaves nothing behind.
func TestInstallRefused(t *testing.T) {
	dir := t.TempDir()
	h := enginetest.OpenHost(t, dir, sandbox.New(), native.New())
	_, err := h.Install(t.Context(), host.Request{Kind: host.Functions, Name: "echo", File: enginetest.Pack(t, files{"Echo.so": []byte("not an elf file")})})
	enginetest.WantError(t, err, host.CodeInvalid, "Echo.so is no shared object (ELF)")
	if left := enginetest.Installed(t, dir); len(left) > 0 || len(h.List(host.Functions)) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestSandboxFirst: where both builds are there the sandboxed one runs, also if
// the manifest prefers the other, because that one would not; and a sandboxed
// build that is broken is not hidden by it.
func TestSandboxFirst(t *testing.T) {
	h := enginetest.OpenHost(t, t.TempDir(), sandbox.New(), native.New())
	both := files{"Echo.so": object(t), "echo.wasm": guest(t, "echo"), "echo.json": []byte(`{"engine": "native"}`)}
	record, err := h.Install(t.Context(), host.Request{Kind: host.Functions, Name: "echo", File: enginetest.Pack(t, both)})
	if err != nil || record.Engine != "wasm" {
		t.Fatalf("%+v, %v", record, err)
	}
	if len(record.Refused) != 1 || record.Refused[0].Engine != "native" || !strings.Contains(record.Refused[0].Reason, "it leaves the functions of Echo.so to echo.wasm") {
		t.Errorf("refused: %+v", record.Refused)
	}
	both["echo.wasm"] = guest(t, "start_trap")
	_, err = h.Update(t.Context(), host.Request{Kind: host.Functions, Name: "echo", File: enginetest.Pack(t, both)})
	enginetest.WantError(t, err, host.CodeInvalid, "fail to install plugin: echo.wasm could not be initialised")
}

// TestModule: what the host does not do with a module, an embedder may.
func TestModule(t *testing.T) {
	p := unpacked(t, host.Functions, files{"Echo.so": object(t)})
	p.Manifest.Encoding = map[string]host.Encoding{"blob": host.EncodingRaw}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := native.New().Load(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if names := m.Functions(); len(names) != 0 {
		t.Errorf("functions %q", names)
	}
	for range 2 {
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		f, err := m.Function("blob")
		if err != nil || f.Encoding() != host.EncodingRaw {
			t.Fatalf("%v", err)
		}
		_, err = f.Call(ctx, nil, nil)
		enginetest.WantError(t, err, host.CodeUnavailable, notRun)
	}
	cancel()
	if _, err := native.New().Load(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("Load when its context has ended: %v", err)
	}
}
