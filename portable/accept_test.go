package portable_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/portable"
)

type files = enginetest.Files

// program builds a small C program or library for this machine.
func program(t *testing.T, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "p.c"), filepath.Join(dir, "out")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("cc", append(args, "-o", out, source)...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// plugin is a portable plugin "mirror" with the executable "run".
func plugin(t *testing.T, language string, run []byte, mode fs.FileMode) *host.Package {
	t.Helper()
	p := enginetest.Unpack(t, host.Portables, "mirror", files{"run": run})
	p.Manifest.Language, p.Manifest.Executable, p.Manifest.Functions = language, "run", host.Symbols{"echo", "copy"}
	if err := os.Chmod(p.Path("run"), mode); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAcceptExecutable(t *testing.T) {
	pie, library := program(t, "-fPIE", "-pie"), program(t, "-shared", "-fPIC")
	foreign := bytes.Clone(pie)
	foreign[18], foreign[19] = byte(elf.EM_RISCV), 0 // the machine in the header
	linker, _, found := bytes.Cut(pie[bytes.Index(pie, []byte("/lib")):], []byte{0})
	if !found {
		t.Fatal("the program has no interpreter")
	}
	gone := bytes.Replace(pie, linker, bytes.Replace(linker, []byte("/lib"), []byte("/nil"), 1), 1)
	here := "GOOS=" + runtime.GOOS + " GOARCH=" + runtime.GOARCH + " go build"
	for name, c := range map[string]struct {
		run     []byte
		mode    fs.FileMode
		refused []string // what the error says; nil: it is accepted
	}{
		"program":             {pie, 0o755, nil},
		"program, not PIE":    {program(t, "-fno-pie", "-no-pie"), 0o755, nil},
		"program, static":     {program(t, "-static"), 0o755, nil},
		"script":              {[]byte("#!/bin/sh\nexit 0\n"), 0o755, nil},
		"script with options": {[]byte("#! /usr/bin/env -S sh -e\n"), 0o755, nil},
		"script of one line":  {[]byte("#!/bin/sh"), 0o755, nil},
		"script, relative":    {[]byte("#!tool\n"), 0o755, nil},
		"no execute bit":      {pie, 0o644, []string{"the file run in the zip has no execute bit: chmod +x run before zipping"}},
		"script without it":   {[]byte("#!/bin/sh\n"), 0o644, []string{"chmod +x run"}},
		"another machine":     {foreign, 0o755, []string{"run is built for linux/riscv64, this host is linux/" + runtime.GOARCH + ": build it "}},
		"library":             {library, 0o755, []string{"run is an object file or a library, not a program: build it "}},
		"object file":         {program(t, "-c"), 0o755, []string{"run is an object file or a library"}},
		"cut off":             {pie[:len(pie)/4], 0o755, []string{"run is no program (ELF): it is cut off"}},
		"linker that is gone": {gone, 0o755, []string{"run needs the dynamic linker /nil", "CGO_ENABLED=0"}},
		"text":                {[]byte("hello"), 0o755, []string{`run is neither a program (ELF) nor a script that begins with #!: it begins with "hello"; build it `}},
		"empty":               {nil, 0o755, []string{"it is empty"}},
		"Windows":             {[]byte("MZ\x90\x00"), 0o755, []string{"built for Windows"}},
		"script of Windows":   {[]byte("#!/bin/sh\r\nexit 0\r\n"), 0o755, []string{"run end as on Windows", "line feed"}},
		"interpreter unknown": {[]byte("#!/opt/none/tool -x\n"), 0o755, []string{`run needs "/opt/none/tool"`}},
		"interpreter odd":     {[]byte("#!/bin/\x00sh\n"), 0o755, []string{`"/bin/\x00sh"`}},
		"no interpreter":      {[]byte("#!\nexit 0\n"), 0o755, []string{"names no interpreter"}},
		"no interpreter, long": {append([]byte("#!"), bytes.Repeat([]byte(" "), 1<<16)...), 0o755,
			[]string{"names no interpreter"}},
	} {
		for language, build := range map[string]string{"go": here, "exec": "build it for " + runtime.GOOS + "/" + runtime.GOARCH} {
			err := portable.New().Accept(plugin(t, language, c.run, c.mode))
			if c.refused == nil {
				if err != nil {
					t.Errorf("%s, %s: %v", name, language, err)
				}
				continue
			}
			enginetest.WantError(t, err, host.CodeInvalid, c.refused...)
			if err != nil && strings.HasSuffix(c.refused[len(c.refused)-1], "build it ") && !strings.HasSuffix(err.Error(), build) {
				t.Errorf("%s: %v: does not end with %q", name, err, build)
			}
		}
		if err := portable.New().Accept(plugin(t, "python", c.run, c.mode)); err != nil {
			t.Errorf("%s, python: %v", name, err)
		}
	}
}

func TestAcceptManifest(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*host.Package)
		noBuild bool
		says    string
	}{
		"good":                 {func(*host.Package) {}, false, ""},
		"no language":          {func(p *host.Package) { p.Manifest.Language = "" }, false, "invalid plugin, missing language"},
		"unknown language":     {func(p *host.Package) { p.Manifest.Language = "cobol" }, false, "invalid plugin, language 'cobol' is not supported"},
		"long language":        {func(p *host.Package) { p.Manifest.Language = strings.Repeat("x", 1<<20) }, false, "…' is not supported"},
		"wasm":                 {func(p *host.Package) { p.Manifest.Language = "wasm" }, true, `as a program: the language that mirror.json gives is "wasm"`},
		"no executable":        {func(p *host.Package) { p.Manifest.Executable = "" }, false, "invalid plugin, missing executable"},
		"executable not there": {func(p *host.Package) { p.Manifest.Executable = "absent" }, false, "missing absent"},
		"executable outside":   {func(p *host.Package) { p.Manifest.Executable = "../../bin/sh" }, false, "missing ../../bin/sh"},
		"functions":            {func(p *host.Package) { p.Kind, p.Manifest = host.Functions, host.Manifest{} }, true, "as a program: none is named in mirror.json"},
		"functions in wasm":    {func(p *host.Package) { p.Kind, p.Manifest.Language = host.Functions, "wasm" }, true, "as a program"},
		"functions, a program": {func(p *host.Package) { p.Kind = host.Functions }, false, "the program run runs in a plugin of kind portables, not functions: install the package as one"},
	} {
		p := plugin(t, "exec", []byte("#!/bin/sh\n"), 0o755)
		c.change(p)
		err := portable.New().Accept(p)
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		enginetest.WantError(t, err, host.CodeInvalid, c.says)
		if got := errors.Is(err, host.ErrNoBuild); got != c.noBuild {
			t.Errorf("%s: errors.Is(%v, host.ErrNoBuild) = %t", name, err, got)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
	if name := portable.New().Name(); name != "portable" {
		t.Errorf("the engine's name is %q", name)
	}
}

// TestOtherHosts: a program is for the host that it is for; what systems other
// than Linux can start is not known here, but for the execute bit.
func TestOtherHosts(t *testing.T) {
	pie := program(t, "-fPIE", "-pie")
	enginetest.WantError(t, portable.NewFor("linux", "s390x").Accept(plugin(t, "go", pie, 0o755)), host.CodeInvalid,
		"run is built for linux/"+runtime.GOARCH+", this host is linux/s390x: build it with GOOS=linux GOARCH=s390x go build")
	if err := portable.NewFor("darwin", "arm64").Accept(plugin(t, "go", []byte("\xcf\xfa\xed\xfe"), 0o755)); err != nil {
		t.Error(err)
	}
	enginetest.WantError(t, portable.NewFor("darwin", "arm64").Accept(plugin(t, "go", []byte("\xcf\xfa\xed\xfe"), 0o644)), host.CodeInvalid, "chmod +x run")
}

// TestAcceptOddFiles: what a script of the package may have left is no reason to
// hang, and what is gone is no fault of the package.
func TestAcceptOddFiles(t *testing.T) {
	p := plugin(t, "go", nil, 0o755)
	if err := os.Remove(p.Path("run")); err != nil {
		t.Fatal(err)
	}
	if err := portable.New().Accept(p); !errors.Is(err, fs.ErrNotExist) || host.CodeOf(err) != host.CodeInternal {
		t.Errorf("gone: %v", err)
	}
	if err := syscall.Mkfifo(p.Path("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"go", "python"} {
		p.Manifest.Language = language
		enginetest.WantError(t, portable.New().Accept(p), host.CodeInvalid, "run is no regular file")
	}
}
