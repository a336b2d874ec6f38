package elfinfo

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func read(data []byte) (Info, error) { return Read(bytes.NewReader(data), int64(len(data))) }

func TestTargets(t *testing.T) {
	for m, arch := range architectures {
		c := amd64()
		c.machine = m
		for abi, system := range map[elf.OSABI]string{elf.ELFOSABI_NONE: "linux", elf.ELFOSABI_LINUX: "linux", elf.ELFOSABI_FREEBSD: "freebsd",
			elf.ELFOSABI_NETBSD: "netbsd", elf.ELFOSABI_OPENBSD: "openbsd", elf.ELFOSABI_SOLARIS: "solaris", elf.ELFOSABI_HPUX: "hpux"} {
			c.abi = abi
			if info, err := read(c.bytes(t)); err != nil || info != (Info{Target: Target{system, arch}, Form: Shared}) {
				t.Errorf("%v of %v: %+v, %v; want %s/%s", m, abi, info, err, system, arch)
			}
		}
	}
	c := amd64()
	c.machine = machine{elf.EM_SPARCV9, elf.ELFCLASS64, elf.ELFDATA2MSB}
	if info, err := read(c.bytes(t)); err != nil || info.Target.String() != "linux/sparcv9 (64-bit, big-endian)" {
		t.Errorf("a machine that Go has no name for: %+v, %v", info, err)
	}
	if got := (Target{"linux", "arm"}).Folder(); got != "linux-arm" {
		t.Errorf("folder %s", got)
	}
}

func TestForms(t *testing.T) {
	flags := uint64(elf.DT_FLAGS_1)
	for name, c := range map[string]struct {
		change func(*craft)
		want   Info
	}{
		"shared object":                  {func(*craft) {}, Info{Form: Shared}},
		"shared object with other flags": {func(c *craft) { c.dynamic = []uint64{1, 1, flags, uint64(elf.DF_1_NOW)} }, Info{Form: Shared}},
		"shared object to be started":    {func(c *craft) { c.interpreter = "/lib/ld.so" }, Info{Form: Shared, Interpreter: "/lib/ld.so"}},
		"dynamic section without an end": {func(c *craft) { c.dynamic = []uint64{1, 1, 1} }, Info{Form: Shared}},
		"flags behind the end":           {func(c *craft) { c.dynamic = []uint64{0, 0, flags, uint64(elf.DF_1_PIE)} }, Info{Form: Shared}},
		"static PIE":                     {func(c *craft) { c.dynamic = []uint64{flags, uint64(elf.DF_1_PIE | elf.DF_1_NOW)} }, Info{Form: Program}},
		"program":                        {func(c *craft) { c.form, c.interpreter = elf.ET_EXEC, "/l" }, Info{Form: Program, Interpreter: "/l"}},
		"static program":                 {func(c *craft) { c.form, c.dynamic = elf.ET_EXEC, nil }, Info{Form: Program}},
		"no dynamic section":             {func(c *craft) { c.dynamic = nil }, Info{Form: Other}},
		"object file":                    {func(c *craft) { c.form = elf.ET_REL }, Info{Form: Other}},
		"core dump":                      {func(c *craft) { c.form = elf.ET_CORE }, Info{Form: Other}},
	} {
		for _, m := range []machine{{elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB}, {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}} {
			file := amd64()
			file.machine = m
			c.change(&file)
			want := c.want
			want.Target = Target{"linux", architectures[m]}
			if info, err := read(file.bytes(t)); err != nil || info != want {
				t.Errorf("%s, %s: %+v, %v; want %+v", name, want.Target, info, err, want)
			}
		}
	}
}

// TestForeign: what is no ELF file is named.
func TestForeign(t *testing.T) {
	for head, says := range map[string]string{
		"": "it is empty", "x": `it begins with "x"`, "\x00\x01": `it begins with "\x00\x01"`, "this is no shared object": `it begins with "this is no share"`,
		"\xcf\xfa\xed\xfe\x0c": "macOS", "\xca\xfe\xba\xbe": "macOS", "\xfe\xed\xfa\xce": "macOS", "MZ\x90": "Windows", "\x00asm\x01": "WebAssembly",
		"!<arch>\n": "archive", "#!/bin/sh\n": "script", "\x7fEL": `it begins with "\x7fEL"`,
	} {
		_, err := read([]byte(head))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want that it says %q", head, err, says)
		}
	}
}

// TestDamaged: whatever a file claims, reading it is an error or an answer. Cut
// off anywhere, it is an error.
func TestDamaged(t *testing.T) {
	whole := amd64()
	whole.interpreter = "/lib64/ld-linux-x86-64.so.2"
	data := whole.bytes(t)
	for n := range data {
		if info, err := read(data[:n]); err == nil {
			t.Errorf("the first %d bytes of %d: %+v", n, len(data), info)
		}
	}
	const class, order, phoff, phentsize, phnum, segments = 4, 5, 32, 54, 56, 64
	for name, c := range map[string]struct {
		at   int
		put  string
		says string
	}{
		"class":                    {class, "\x03", "its class is 3"},
		"byte order":               {order, "\x00", "its byte order is 0"},
		"no program headers":       {phnum, "\x00", "0 program headers"},
		"many program headers":     {phnum, "\xff\xff", "65535 program headers"},
		"width of program headers": {phentsize, "\x20\x00", "of 32 bytes"},
		"far program headers":      {phoff, "\xff\xff\xff\xff\xff\xff\xff\xff", "table of program headers lies behind its end"},
		"long path":                {segments + 32, "\xff\xff", "the path of its interpreter has 65535 bytes"},
		"no path":                  {segments + 32, "\x01", "the path of its interpreter has 1 bytes"},
		"path without end":         {segments + 32, "\x1b", "has no end"},
		"far path":                 {segments + 8, "\xff\xff\xff\xff", "interpreter's path lies behind its end"},
		"far code":                 {segments + 56 + 8, "\xff\xff\xff\xff", "part of what is loaded"},
		"long code":                {segments + 56 + 32, "\xff\xff\xff\xff\xff\xff\xff\xff", "part of what is loaded"},
		"far dynamic section":      {segments + 2*56 + 8, "\xff\xff\xff\xff", "dynamic section lies behind its end"},
		"long dynamic section":     {segments + 2*56 + 32, "\xff\xff\xff\xff", "dynamic section lies behind its end"},
		"two interpreters":         {segments + 56, "\x03", "two program headers of type PT_INTERP"},
	} {
		damaged := bytes.Clone(data)
		copy(damaged[c.at:], c.put)
		if info, err := read(damaged); err == nil || errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v; want %q", name, info, err, c.says)
		}
	}
	if _, err := Read(bytes.NewReader(nil), 1000); err == nil {
		t.Error("a file that became shorter is taken")
	}
	if _, err := Read(bytes.NewReader(data), -1); !errors.Is(err, ErrFormat) {
		t.Errorf("a negative size: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestReadFails(t *testing.T) {
	if _, err := Read(failing{}, 1000); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

// TestRealFiles: what toolchains make is what it is.
func TestRealFiles(t *testing.T) {
	if Host().OS != "linux" {
		t.Skip("toolchains make ELF files on Linux")
	}
	dir := t.TempDir()
	for name, source := range map[string]string{"p.c": "int main(void) { return 0; }\n", "p.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		target  Target
		form    Form
		dynamic bool // it has an interpreter
		build   []string
	}{
		"shared":  {Host(), Shared, false, []string{"cc", "-shared", "-fPIC", "p.c"}},
		"pie":     {Host(), Program, true, []string{"cc", "-fPIE", "-pie", "p.c"}},
		"no pie":  {Host(), Program, true, []string{"cc", "-fno-pie", "-no-pie", "p.c"}},
		"object":  {Host(), Other, false, []string{"cc", "-c", "p.c"}},
		"go":      {Host(), Program, false, []string{"go", "build", "p.go"}},
		"arm64":   {Target{"linux", "arm64"}, Program, false, []string{"env", "GOARCH=arm64", "go", "build", "p.go"}},
		"freebsd": {Target{"freebsd", "amd64"}, Program, false, []string{"env", "GOOS=freebsd", "GOARCH=amd64", "go", "build", "p.go"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			source := len(c.build) - 1
			cmd := exec.Command(c.build[0], append(c.build[1:source:source], "-o", out, c.build[source])...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			info, err := read(data)
			if err != nil || info.Target != c.target || info.Form != c.form || (info.Interpreter != "") != c.dynamic {
				t.Errorf("%+v, %v; want %s, form %d, interpreter %t", info, err, c.target, c.form, c.dynamic)
			}
			if info.Interpreter != "" {
				if _, err := os.Stat(info.Interpreter); err != nil {
					t.Errorf("the interpreter: %v", err)
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	whole := amd64()
	whole.interpreter = "/lib64/ld-linux-x86-64.so.2"
	f.Add(whole.bytes(f))
	whole.dynamic = []uint64{1, 2, uint64(elf.DT_FLAGS_1), uint64(elf.DF_1_PIE)}
	f.Add(whole.bytes(f))
	whole.machine = machine{elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB}
	f.Add(whole.bytes(f))
	f.Add([]byte("#!/bin/sh\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &counting{Reader: bytes.NewReader(data)}
		info, err := Read(r, int64(len(data)))
		if r.n > 150<<10 {
			t.Errorf("%d bytes were read", r.n)
		}
		if err != nil && (info != Info{} || len(err.Error()) > 300) {
			t.Errorf("%+v, %v", info, err)
		}
		if err == nil && (info.Target.OS == "" || info.Target.Arch == "" || len(info.Interpreter) > maxPath || len(info.Target.String()) > 100) {
			t.Errorf("%+v", info)
		}
		r.n = 0
		if libc, err := ReadLibc(r, int64(len(data))); r.n > 200<<10 || err != nil && libc != NoLibc {
			t.Errorf("%s, %v; %d bytes were read", libc, err, r.n)
		}
	})
}

// counting counts the bytes that are read.
type counting struct {
	*bytes.Reader
	n int
}

func (c *counting) ReadAt(p []byte, offset int64) (int, error) {
	c.n += len(p)
	return c.Reader.ReadAt(p, offset)
}
