package peers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// workload is a function of a plugin, what it is called with, and how its
// answer begins.
type workload struct {
	name     string
	function string
	in       []byte
	answer   []byte
}

// guest is a plugin and what is measured of it.
type guest struct {
	name      string
	build     func(testing.TB) []byte
	workloads []workload
}

const sentence = "The quick brown fox jumps over the lazy dog, and nobody counts the vowels."

func guests() []guest {
	page := bytes.Repeat([]byte("berth "), 4096/6+1)[:4096]
	return []guest{
		{"c", buildC, []workload{
			{"nop", "noop", nil, nil},
			{"vowels", "vowels", []byte(sentence), []byte(`{"vowels":19}`)},
			{"echo4k", "mirror", page, page},
		}},
		{"go", buildGo, []workload{
			{"nop", "nop", nil, nil},
			{"vowels", "count_vowels", []byte(sentence), []byte(`{"count":19,"total":`)},
		}},
	}
}

// buildC returns the build of the C example that is checked in.
func buildC(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := os.ReadFile("../../examples/functions/extism-c/letters.wasm")
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// buildGo builds the Go example.
func buildGo(tb testing.TB) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "vowels.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	cmd.Dir = "../../examples/functions/extism-go"
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}
