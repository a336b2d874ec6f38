package native_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"berth/host"
	"berth/host/enginetest"
	"berth/native"
)

func unpacked(t *testing.T, kind host.Kind, content files) *host.Package {
	t.Helper()
	return enginetest.Unpack(t, kind, "echo", content)
}

func TestAccept(t *testing.T) {
	here := runtime.GOOS + "-" + runtime.GOARCH + "/"
	build := "GOOS=" + runtime.GOOS + " GOARCH=" + runtime.GOARCH + " go build -buildmode=plugin"
	good := object(t)
	change := func(at int, to ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], to)
		return data
	}
	const machine, abi = 18, elf.EI_OSABI // where they stand in the header
	riscv, sparc := change(machine, byte(elf.EM_RISCV), 0), change(machine, byte(elf.EM_SPARCV9), 0)
	for name, c := range map[string]struct {
		files   files
		refused []string // what the error says; nil: it is accepted
	}{
		"plain":                 {files{"Echo.so": good}, nil},
		"lower case, versioned": {files{"echo@v1.0.0.so": good}, nil},
		"in its folder":         {files{here + "Echo.so": good}, nil},
		"folder first":          {files{here + "Echo.so": good, "Echo.so": riscv}, nil},
		"folder first, though the plain one is good": {files{here + "Echo.so": riscv, "Echo.so": good}, []string{here + "Echo.so is built for linux/riscv64"}},
		"others beside": {files{"Echo.so": good, "linux-riscv64/Echo.so": nil, "linux-riscv64/Echo@v2.so": nil}, nil},
		"another machine": {files{"Echo@v1.so": riscv}, []string{"Echo@v1.so is built for linux/riscv64, this host is linux/" + runtime.GOARCH,
			"build it with " + build + ", or put it into linux-riscv64/"}},
		"a machine without a folder": {files{"Echo.so": sparc}, []string{"is built for linux/sparcv9", build}},
		"another system":             {files{"Echo.so": change(abi, byte(elf.ELFOSABI_FREEBSD))}, []string{"is built for freebsd/" + runtime.GOARCH, "put it into freebsd-"}},
		"other machines only": {files{"linux-riscv64/Echo.so": riscv, "darwin-arm64/Echo.so": nil},
			[]string{"no native build in the package is for this host", "darwin-arm64/Echo.so, linux-riscv64/Echo.so", build, "put it into " + here}},
		"two that may be meant": {files{"Echo.so": good, "echo@v2.so": good}, []string{"several native builds", "Echo.so, echo@v2.so", "leave one"}},
		"text":                  {files{"Echo.so": []byte("not an elf file")}, []string{`Echo.so is no shared object (ELF): it begins with "not an elf file"; build it with ` + build}},
		"empty":                 {files{"Echo.so": nil}, []string{"Echo.so is no shared object (ELF): it is empty"}},
		"macOS":                 {files{"Echo.so": []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00")}, []string{"macOS", build}},
		"cut off in its header": {files{"Echo.so": good[:40]}, []string{"is no shared object (ELF): it is cut off", build}},
		"cut off":               {files{"Echo.so": good[:len(good)/4]}, []string{"is no shared object (ELF): it is cut off", build}},
		"program":               {files{"Echo.so": object(t, "-fPIE", "-pie")}, []string{"Echo.so is a program, not a shared object: build it with " + build}},
		"program, not PIE":      {files{"Echo.so": object(t, "-fno-pie", "-no-pie")}, []string{"is a program"}},
		"object file":           {files{"Echo.so": object(t, "-c")}, []string{"is an object file"}},
	} {
		for _, kind := range []host.Kind{host.Functions, host.Sources, host.Sinks} {
			err := native.New().Accept(unpacked(t, kind, c.files))
			switch {
			case c.refused == nil && err != nil:
				t.Errorf("%s: %v", name, err)
			case c.refused != nil:
				enginetest.WantError(t, err, host.CodeInvalid, c.refused...)
				if errors.Is(err, host.ErrNoBuild) {
					t.Errorf("%s: %v: there is a build", name, err)
				}
			}
		}
	}
	err := native.New().Accept(unpacked(t, host.Functions, files{"Echo.so": sparc}))
	if err == nil || strings.Contains(err.Error(), "put it into") {
		t.Errorf("%v: there is no folder for it", err)
	}
	if name := native.New().Name(); name != "native" {
		t.Errorf("the engine's name is %q", name)
	}
}

func TestAcceptFindsNoBuild(t *testing.T) {
	for _, c := range []struct {
		kind  host.Kind
		files files
		says  string
	}{
		{host.Functions, files{"echo.wasm": nil}, "neither Echo.so nor " + runtime.GOOS + "-" + runtime.GOARCH + "/Echo.so"},
		{host.Sinks, files{"Other.so": nil, "lib/Echo.so": nil}, "as a shared object"},
		{host.Portables, files{"Echo.so": nil}, "portables"},
	} {
		err := native.New().Accept(unpacked(t, c.kind, c.files))
		enginetest.WantError(t, err, host.CodeInvalid, c.says)
		if !errors.Is(err, host.ErrNoBuild) {
			t.Errorf("%v is not ErrNoBuild", err)
		}
	}
}

// TestOtherHosts: each host takes the build that is for it; but for Linux, none
// has any.
func TestOtherHosts(t *testing.T) {
	good := object(t)
	arm := bytes.Clone(good)
	arm[elf.EI_CLASS], arm[18], arm[19] = byte(elf.ELFCLASS32), byte(elf.EM_ARM), 0
	all := files{"linux-arm/Echo.so": arm, "linux-" + runtime.GOARCH + "/Echo.so": good}
	err := native.NewFor("linux", "arm").Accept(unpacked(t, host.Functions, all))
	enginetest.WantError(t, err, host.CodeInvalid, "linux-arm/Echo.so is no shared object (ELF): it is damaged") // chosen; it has a header of 64 bits
	enginetest.WantError(t, native.NewFor("linux", "s390x").Accept(unpacked(t, host.Functions, all)), host.CodeInvalid, "linux/s390x", "linux-s390x/")
	for _, system := range []string{"darwin", "windows"} {
		e := native.NewFor(system, "arm64")
		enginetest.WantError(t, e.Accept(unpacked(t, host.Functions, files{"Echo.so": good, system + "-arm64/Echo.so": good})),
			host.CodeInvalid, "native builds run on Linux, this host is "+system+"/arm64")
		if err := e.Accept(unpacked(t, host.Functions, files{"echo.wasm": nil})); !errors.Is(err, host.ErrNoBuild) {
			t.Errorf("without a native build: %v", err)
		}
	}
}

// TestAcceptOddFiles: what a script of the package may have left is no reason to
// hang, and what is gone is no fault of the package.
func TestAcceptOddFiles(t *testing.T) {
	p := unpacked(t, host.Functions, files{"Echo.so": nil})
	if err := os.Remove(p.Path("Echo.so")); err != nil {
		t.Fatal(err)
	}
	if err := native.New().Accept(p); !errors.Is(err, fs.ErrNotExist) || host.CodeOf(err) != host.CodeInternal {
		t.Errorf("gone: %v", err)
	}
	if err := os.Mkdir(p.Path("Echo.so"), 0o700); err != nil {
		t.Fatal(err)
	}
	enginetest.WantError(t, native.New().Accept(p), host.CodeInvalid, "it is no regular file")
}
