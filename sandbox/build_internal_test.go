package sandbox

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/host"
	"berth/sandbox/meter"
)

// codeOf is a build of one function without parameters, of these instructions.
func codeOf(instructions string) []byte {
	body := "\x00" + instructions + "\x0b"
	body = string(binary.AppendUvarint(nil, uint64(len(body)))) + body
	return append([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00"), repeatedly(codeSection, 1, body)[8:]...)
}

// packageOf writes builds into a package: the last is its own, the others are
// linked with it.
func packageOf(t *testing.T, builds ...[]byte) *host.Package {
	t.Helper()
	dir := t.TempDir()
	p := &host.Package{Name: "x", Dir: dir, Cache: filepath.Join(dir, "cache"), Limits: host.DefaultLimits()}
	for i, wasm := range builds {
		name, file := fmt.Sprintf("m%d", i), fmt.Sprintf("m%d.wasm", i)
		if i == len(builds)-1 {
			name, file = "main", "x.wasm"
		}
		p.Manifest.Wasm.Modules = append(p.Manifest.Wasm.Modules, host.WasmModule{Name: name, Path: file})
		if err := os.WriteFile(filepath.Join(dir, file), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Files = []string{"x.wasm"}
	return p
}

// TestInstrument: what takes too long to compile is refused, whether the meter
// knows all of it or not, and all modules of a build count together.
func TestInstrument(t *testing.T) {
	const nop, branch, unknown = "\x01", "\x41\x00\x0d\x00", "\x27"
	half := strings.Repeat(branch, 20_000) // 8 of 15 s
	for name, c := range map[string]struct {
		builds [][]byte
		says   string
		raw    bool // the build runs unmetered
	}{
		"small":                    {[][]byte{codeOf(nop)}, "", false},
		"a function too large":     {[][]byte{codeOf(strings.Repeat(nop, meter.MaxInstructions))}, "x.wasm is too large to compile: function 0 has more than 150000 instructions", false},
		"half":                     {[][]byte{codeOf(half)}, "", false},
		"two halves":               {[][]byte{codeOf(half), codeOf(half)}, "x.wasm is too large to compile: to compile all functions", false},
		"unknown":                  {[][]byte{codeOf(unknown)}, "", true},
		"unknown and long":         {[][]byte{codeOf(unknown + strings.Repeat(nop, 10_000))}, "too large to compile", false},
		"two halves, one unknown":  {[][]byte{codeOf(unknown + strings.Repeat(nop, 4000)), codeOf(half)}, "x.wasm is too large to compile", false},
		"unknown section":          {[][]byte{append(codeOf(nop), 14, 0)}, "x.wasm does not validate", false},
		"unknown, in a large file": {[][]byte{append(codeOf(nop), string(repeatedly(14, maxWords, nop)[8:])...)}, "x.wasm cannot be metered: meter: unknown section", false},
		"ends inside a try_table":  {[][]byte{codeOf("\x1f\x40\x00")}, "x.wasm ", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := packageOf(t, c.builds...)
			b, err := readBuild(p)
			if err != nil {
				t.Fatal(err)
			}
			err = b.instrument(p)
			if c.says != "" {
				wantCodeOf(t, err, host.CodeInvalid)
				if !strings.Contains(err.Error(), c.says) {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil || (b.unmetered != "") != c.raw {
				t.Errorf("unmetered because of %q, %v", b.unmetered, err)
			}
		})
	}
}
