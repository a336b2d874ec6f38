package sandbox_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"berth/host"
	"berth/host/enginetest"
	"berth/sandbox"
)

// TestLoadRefuses: what cannot run is refused when it is loaded, with a reason.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		guest string
		says  []string
	}{
		{"imports", []string{"imports.wasm", "env.abort", "env.missing_one", "other.act", "wasi_snapshot_preview1"}},
		{"start_trap", []string{"start_trap.wasm", "could not be initialised", "unreachable"}},
		{"init_trap", []string{"init_trap.wasm", "could not be initialised", "unreachable"}},
		{"noberth", []string{"noberth.wasm", "exports \"alloc\"", "(i32, i32) -> (i64)", "numeric"}},
		{"noexports", []string{"noexports.wasm", "exports no function that can be called"}},
		{"bigmem", []string{"bigmem.wasm", "64MiB", "limits.memory"}},
		{"component", []string{"component.wasm", "component", "wasm32-wasip1"}},
		{"invalid", []string{"invalid.wasm", "does not validate", "alloc"}},
		{"truncated", []string{"truncated.wasm", "does not validate"}},
	} {
		t.Run(c.guest, func(t *testing.T) {
			refused(t, guestPackage(t, c.guest), c.says...)
			p := guestPackage(t, c.guest)
			interpreted(p)
			refused(t, p, c.says...)
		})
	}
}

func TestLoadRefusesWhatIsNoModule(t *testing.T) {
	for name, c := range map[string]struct{ build, says string }{
		"empty":          {"", "not WebAssembly"},
		"text":           {"#!/bin/sh\necho hello\n", "not WebAssembly"},
		"ELF":            {"\x7fELF\x02\x01\x01", "not WebAssembly"},
		"magic only":     {"\x00asm", "version"},
		"half a version": {"\x00asm\x01\x00", "version"},
		"later version":  {"\x00asm\x02\x00\x00\x00", "version"},
		"no sections":    {"\x00asm\x01\x00\x00\x00", "exports no function"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, wasmPackage(t, "x", []byte(c.build)), "x.wasm", c.says)
		})
	}
}

// TestLoadRefusesManyLocals: a few bytes must not make the compiler take
// gigabytes.
func TestLoadRefusesManyLocals(t *testing.T) {
	build := func(groups ...string) []byte { // one function "f", (i32) -> (i32)
		body := string([]byte{byte(len(groups))}) + strings.Join(groups, "") + "\x20\x00\x0b"
		code := "\x01" + string([]byte{byte(len(body))}) + body
		return []byte("\x00asm\x01\x00\x00\x00\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\x00\x07\x05\x01\x01f\x00\x00\x0a" + string([]byte{byte(len(code))}) + code)
	}
	const million, thousand = "\xc0\x84\x3d\x7f", "\xe8\x07\x7e"
	for name, groups := range map[string][]string{
		"at once":     {"\xff\xff\xff\xff\x0f\x7f"},
		"a million":   {million},
		"in groups":   {"\xe0\xd4\x03\x7f", thousand, "\x01\x7d"},
		"over uint32": {"\xff\xff\xff\xff\x0f\x7f", "\xff\xff\xff\xff\x0f\x7f"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, wasmPackage(t, "x", build(groups...)), "x.wasm", "50000 local variables")
		})
	}
	m := load(t, wasmPackage(t, "x", build(thousand, "\x01\x7d")))
	if out, err := call(t, m, "f", []byte("[7]")); err != nil || string(out) != "7" {
		t.Errorf("a thousand and one: %q, %v", out, err)
	}
}

// refused checks that Load refuses a package and leaves nothing behind.
func refused(t *testing.T, p *host.Package, says ...string) {
	t.Helper()
	enginetest.NoGoroutines(t)
	begun := time.Now()
	m, err := sandbox.New().Load(t.Context(), p)
	if m != nil {
		t.Errorf("a module beside the error: %v", m)
	}
	wantFailure(t, err, host.CodeInvalid, says...)
	if took := time.Since(begun); took > generous/3 {
		t.Errorf("it took %s", took)
	}
}

func TestLoadWithoutBuild(t *testing.T) {
	p := guestPackage(t, "echo")
	if err := os.Remove(p.Path("echo.wasm")); err != nil {
		t.Fatal(err)
	}
	_, err := sandbox.New().Load(t.Context(), p)
	wantFailure(t, err, host.CodeInternal, "echo.wasm")
}

// TestForcedABI: the manifest says which ABI, and the build does not have it.
func TestForcedABI(t *testing.T) {
	for _, c := range []struct {
		guest, abi string
		says       []string
	}{
		{"add", "berth", []string{"does not have the berth ABI", "alloc"}},
		{"nomem", "berth", []string{"does not have the berth ABI", "memory"}},
		{"noexports", "numeric", []string{"does not have the numeric ABI"}},
		{"noexports", "extism", []string{"does not have the extism ABI", "() -> (i32)"}},
		{"echo", "command", []string{"does not have the command ABI", "_start"}},
		{"echo", "wapc", []string{"does not have the wapc ABI", "__guest_call"}},
	} {
		p := guestPackage(t, c.guest)
		p.Manifest.Wasm.ABI = c.abi
		refused(t, p, c.says...)
	}
	m := loadGuest(t, "wrongsig", func(p *host.Package) { p.Manifest.Wasm.ABI = "numeric" })
	if out, err := call(t, m, "f", []byte("[7]")); err != nil || string(out) != "7" {
		t.Errorf("f by the numeric ABI: %q, %v", out, err)
	}
}

func TestFunctionOfWrongType(t *testing.T) {
	m := loadGuest(t, "wrongsig", nil)
	_, err := m.Function("f")
	wantFailure(t, err, host.CodeInvalid, "wrongsig.wasm", "(i64) -> (i32)", "(i32, i32) -> (i64)")
	if out, err := call(t, m, "g", []byte("in")); err != nil || string(out) != "in" {
		t.Errorf("g: %q, %v", out, err)
	}
	_, err = m.Function("alloc")
	wantFailure(t, err, host.CodeInvalid, "(i32) -> (i32)")
	_, err = m.Function("h")
	wantFailure(t, err, host.CodeInvalid, "does not export it", "g")
}

func TestAccept(t *testing.T) {
	portable := func(language, executable string) func(*host.Package) {
		return func(p *host.Package) {
			p.Kind, p.Manifest.Language, p.Manifest.Executable = host.Portables, language, executable
		}
	}
	const notYet = "sources and sinks cannot be written in WebAssembly yet"
	for name, c := range map[string]struct {
		change  func(*host.Package)
		noBuild bool
		says    []string
	}{
		"good":          {func(*host.Package) {}, false, nil},
		"good portable": {portable("wasm", "echo.wasm"), false, nil},
		"kind wasm":     {func(p *host.Package) { p.Kind = host.Wasm }, false, nil},
		"kind sources":  {func(p *host.Package) { p.Kind = host.Sources }, false, []string{notYet}},
		"kind sinks":    {func(p *host.Package) { p.Kind = host.Sinks }, false, []string{notYet}},
		"portable with a source": {func(p *host.Package) {
			portable("wasm", "echo.wasm")(p)
			p.Manifest.Sources = host.Symbols{"random"}
		}, false, []string{notYet}},
		"portable in Go":         {portable("go", "echo.wasm"), true, []string{"for the sandbox", "echo.json", `not "wasm"`}},
		"portable without build": {portable("wasm", "run.wasm"), true, []string{"for the sandbox", "no run.wasm"}},
		"no build":               {func(p *host.Package) { p.Files = []string{"Echo.so"} }, true, []string{"for the sandbox", "no echo.wasm", "Echo.so"}},
		"source without build": {func(p *host.Package) {
			p.Kind, p.Files = host.Sources, nil
		}, true, []string{"no echo.wasm"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := guestPackage(t, "echo")
			c.change(p)
			err := sandbox.New().Accept(p)
			if _, err := os.Stat(p.Cache); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Accept made the cache folder (%v)", err)
			}
			if c.says == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFailure(t, err, host.CodeInvalid, c.says...)
			if got := errors.Is(err, host.ErrNoBuild); got != c.noBuild {
				t.Errorf("%v: errors.Is(err, host.ErrNoBuild) = %v", err, got)
			}
		})
	}
	if name := sandbox.New().Name(); name != "wasm" {
		t.Errorf("the engine's name is %q", name)
	}
}

// TestPortable: a portable plugin in WebAssembly has its build where its manifest
// says, and runs like any other.
func TestPortable(t *testing.T) {
	m := loadGuest(t, "echo", func(p *host.Package) {
		if err := os.Rename(p.Path("echo.wasm"), p.Path("main.wasm")); err != nil {
			t.Fatal(err)
		}
		p.Kind, p.Files = host.Portables, []string{"main.wasm"}
		p.Manifest.Language, p.Manifest.Executable = "wasm", "main.wasm"
	})
	if out, err := call(t, m, "upper", []byte("in")); err != nil || string(out) != "IN" {
		t.Errorf("upper: %q, %v", out, err)
	}
}
