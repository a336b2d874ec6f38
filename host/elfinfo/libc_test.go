package elfinfo

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestLibcByInterpreter(t *testing.T) {
	for path, want := range map[string]Libc{
		"/lib64/ld-linux-x86-64.so.2": Glibc, "/lib/ld-linux-armhf.so.3": Glibc, "/lib/ld-musl-aarch64.so.1": Musl, "/lib/ld-uClibc.so.0": UClibc,
		"/system/bin/linker64": NoLibc,
	} {
		c := amd64()
		c.interpreter = path
		data := c.bytes(t)
		if got, err := ReadLibc(bytes.NewReader(data), int64(len(data))); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	if got := UClibc.String() + numLibcs.String(); got != "uClibcLibc(4)" {
		t.Error(got)
	}
}

// TestLibcByLibraries links shared objects with libraries of these names.
func TestLibcByLibraries(t *testing.T) {
	if Host().OS != "linux" {
		t.Skip("toolchains make ELF files on Linux")
	}
	dir := t.TempDir()
	cc := func(args ...string) {
		t.Helper()
		cmd := exec.Command("cc", append([]string{"-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd.Args, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "p.c"), []byte("int one(void) { return 1; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for soname, want := range map[string]Libc{"libc.so.6": Glibc, "libc.musl-x86_64.so.1": Musl, "libc.so": Musl, "libuClibc.so.1": UClibc, "libm.so.6": NoLibc} {
		cc("-Wl,-soname,"+soname, "-o", "libneeded.so", "p.c")
		cc("-Wl,-soname,other.so", "-o", "libother.so", "p.c")
		cc("-o", "out.so", "p.c", "libother.so", "libneeded.so")
		data, err := os.ReadFile(filepath.Join(dir, "out.so"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadLibc(bytes.NewReader(data), int64(len(data))); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", soname, got, err, want)
		}
		for n := range len(data) / 64 { // cut off, it is an error or an answer
			_, _ = ReadLibc(bytes.NewReader(data[:64*n]), int64(64*n))
		}
	}
}
