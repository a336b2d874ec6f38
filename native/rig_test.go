package native_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"berth/host/enginetest"
)

type files = enginetest.Files

// object builds a shared object for this machine, or what other arguments of
// the C compiler make of the same source.
func object(t *testing.T, args ...string) []byte {
	t.Helper()
	if args == nil {
		args = []string{"-shared", "-fPIC"}
	}
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

// guest is one of the sandbox's test guests.
func guest(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "sandbox", "testdata", "guests", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
