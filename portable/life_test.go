package portable_test

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
	"berth/portable"
	"berth/sandbox"
)

const notRun = "which this version of Berth installs and describes but does not run yet"

const manifest = `{"version": "v1.0.0", "language": "go", "executable": "mirror", "sources": ["random"], "sinks": ["file"], "functions": ["echo", "copy"]}`

// mirror is a portable plugin, its program with the execute bit.
func mirror(t *testing.T) string {
	t.Helper()
	content := files{"mirror.json": []byte(manifest), "mirror": program(t, "-fPIE", "-pie"), "sources/random.yaml": []byte("default:\n"), "sources/random.json": []byte("{}")}
	return enginetest.Pack(t, content, "mirror")
}

// TestLife: a portable plugin is installed, described, and there again after a
// restart; a call says what is missing; an update to one in WebAssembly serves;
// and after it is dropped nothing is left of it.
func TestLife(t *testing.T) {
	enginetest.NoGoroutines(t)
	dir := t.TempDir()
	ctx := t.Context()
	engines := func() []host.Engine { return []host.Engine{sandbox.New(), portable.New()} }
	request := func(file string) host.Request {
		return host.Request{Kind: host.Portables, Name: "mirror", File: file}
	}

	t.Run("install", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		record, err := h.Install(ctx, request(mirror(t)))
		if err != nil {
			t.Fatal(err)
		}
		if record.Engine != "portable" || record.Version != "v1.0.0" || !slices.Equal(record.Functions, []string{"echo", "copy"}) {
			t.Errorf("%+v", record)
		}
	})
	t.Run("call", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...) // a restart
		if names := h.List(host.Portables); !slices.Equal(names, []string{"mirror"}) {
			t.Errorf("%q", names)
		}
		out, err := h.Invoke(ctx, "copy", []byte("kept"), []byte(`["x"]`))
		enginetest.WantError(t, err, host.CodeUnavailable, "function copy is in a portable build (mirror), "+notRun, `its language "wasm"`)
		if string(out) != "kept" {
			t.Errorf("dst is %q, want it as it was", out)
		}
		status, err := h.Status(host.Portables, "mirror")
		if err != nil || status.State != host.StateActive || status.Module == nil {
			t.Fatalf("%+v, %v", status, err)
		}
		if m := status.Module; m.Form != "portable, mirror (go), not run" || m.Unavailable == "" || m.Pid != 0 || m.Instances != 0 {
			t.Errorf("%+v", m)
		}
		enginetest.WantError(t, h.Register(ctx, host.Portables, "mirror", []string{"other"}), host.CodeInvalid, "mirror.json does not declare it", "copy, echo")
		if f, err := h.Acquire(ctx, "echo"); err != nil || f.Encoding() != host.EncodingJSON {
			t.Errorf("%v", err)
		} else {
			f.Release()
		}
	})
	t.Run("update to a build that runs", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		guest, err := os.ReadFile(filepath.Join("..", "sandbox", "testdata", "guests", "echo.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		wasm := files{"mirror.json": []byte(`{"language": "wasm", "executable": "main.wasm", "functions": ["upper"]}`), "main.wasm": guest}
		record, err := h.Update(ctx, request(enginetest.Pack(t, wasm)))
		if err != nil || record.Engine != "wasm" {
			t.Fatalf("%+v, %v", record, err)
		}
		if out, err := h.Invoke(ctx, "upper", nil, []byte("in")); err != nil || string(out) != "IN" {
			t.Errorf("upper: %q, %v", out, err)
		}
		broken := files{"mirror.json": []byte(manifest), "mirror": []byte("#!/bin/sh\n"), "sources/random.yaml": nil}
		_, err = h.Update(ctx, request(enginetest.Pack(t, broken)))
		enginetest.WantError(t, err, host.CodeInvalid, "chmod +x mirror before zipping")
		if out, err := h.Invoke(ctx, "upper", nil, []byte("in")); err != nil || string(out) != "IN" {
			t.Errorf("upper after an update that failed: %q, %v", out, err)
		}
	})
	t.Run("drop", func(t *testing.T) {
		h := enginetest.OpenHost(t, dir, engines()...)
		if err := h.Drop(ctx, host.Portables, "mirror"); err != nil {
			t.Error(err)
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
	h := enginetest.OpenHost(t, dir, sandbox.New(), portable.New())
	content := files{"mirror.json": []byte(manifest), "mirror": []byte("not an elf file"), "sources/random.yaml": nil}
	_, err := h.Install(t.Context(), host.Request{Kind: host.Portables, Name: "mirror", File: enginetest.Pack(t, content, "mirror")})
	enginetest.WantError(t, err, host.CodeInvalid, "mirror is neither a program (ELF) nor a script")
	if left := enginetest.Installed(t, dir); len(left) > 0 || len(h.List(host.Portables)) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestModule: what the host does not do with a module, an embedder may.
func TestModule(t *testing.T) {
	p := plugin(t, "exec", []byte("#!/bin/sh\n"), 0o755)
	ctx, cancel := context.WithCancel(t.Context())
	m, err := portable.New().Load(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	if names := m.Functions(); !slices.Equal(names, []string{"copy", "echo"}) {
		t.Errorf("functions %q", names)
	}
	for range 2 {
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		f, err := m.Function("echo")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Call(ctx, nil, nil)
		enginetest.WantError(t, err, host.CodeUnavailable, notRun)
	}
	_, err = m.Function("other")
	enginetest.WantError(t, err, host.CodeInvalid, "copy, echo")
	cancel()
	if _, err := portable.New().Load(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("Load when its context has ended: %v", err)
	}

	p.Manifest.Functions = nil
	for i := range 100 {
		p.Manifest.Functions = append(p.Manifest.Functions, strings.Repeat("f", i+1))
	}
	many, err := portable.New().Load(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = many.Function("other")
	enginetest.WantError(t, err, host.CodeInvalid, "and 80 more")
	p.Manifest.Functions = nil
	none, err := portable.New().Load(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.Function("other")
	enginetest.WantError(t, err, host.CodeInvalid, "none")
}
