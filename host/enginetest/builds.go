package enginetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Constant is a build for the sandbox whose functions, of the numeric ABI, give n.
func Constant(n int32, functions ...string) []byte {
	leb := func(n int) (b []byte) {
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	section := func(number byte, content []byte) []byte {
		return append(append([]byte{number}, leb(len(content))...), content...)
	}
	count := leb(len(functions))
	types, exports, code := slices.Clone(count), slices.Clone(count), slices.Clone(count)
	value := int64(n)
	body := []byte{0, 0x41} // no locals, i32.const
	for {
		low := byte(value & 0x7f)
		value >>= 7
		if (value == 0 && low&0x40 == 0) || (value == -1 && low&0x40 != 0) {
			body = append(body, low, 0x0b)
			break
		}
		body = append(body, low|0x80)
	}
	for i, name := range functions {
		types = append(types, 0)
		exports = append(append(append(exports, leb(len(name))...), name...), 0)
		exports = append(exports, leb(i)...)
		code = append(append(code, leb(len(body))...), body...)
	}
	wasm := []byte("\x00asm\x01\x00\x00\x00")
	wasm = append(wasm, section(1, []byte{1, 0x60, 0, 1, 0x7f})...)
	wasm = append(wasm, section(3, types)...)
	wasm = append(wasm, section(7, exports)...)
	return append(wasm, section(10, code)...)
}

// SharedObject is a shared object for this machine, in which nothing is of use.
func SharedObject(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "p.c"), filepath.Join(dir, "p.so")
	if err := os.WriteFile(source, []byte("int p(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("cc", "-shared", "-fPIC", "-s", "-o", out, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
