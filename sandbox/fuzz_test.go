package sandbox_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"berth/host"
	"berth/sandbox"
)

// FuzzNumeric: any input to a function over numbers is refused as invalid, or
// gives JSON.
func FuzzNumeric(f *testing.F) {
	for _, in := range []string{
		"", "[]", "[1,2]", "[-1,1e2]", "[1.5,2]", "null", "[null,1]", `["1",2]`, "[[1],2]", "[1e400,1]", "[1,18446744073709551615]",
		"[9007199254740993,-0]", "[1,2", "[01,2]", "[0.1,3]", "[1,0]", "[ 1 ,\t2\n]", "[NaN,1]", "[1,2,3]", `[{"a":1},2]`, "\xff", "[1\x00,2]",
	} {
		f.Add([]byte(in))
	}
	add, nomem := loadGuest(f, "add", nil), loadGuest(f, "nomem", nil)
	functions := map[string]host.Function{"wide": bind(f, nomem, "wide")}
	for _, name := range add.Functions() {
		functions[name] = bind(f, add, name)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for name, function := range functions {
			out, err := function.Call(t.Context(), nil, in)
			switch {
			case err == nil && !json.Valid(out):
				t.Errorf("%s(%q): %q is not JSON", name, in, out)
			case err != nil && host.CodeOf(err) != host.CodeInvalid:
				t.Errorf("%s(%q): code %s of %v", name, in, host.CodeOf(err), err)
			case err != nil && out != nil:
				t.Errorf("%s(%q): %q beside the error", name, in, out)
			}
		}
	})
}

// FuzzLoad: any bytes as a build are refused with a reason or give a module, in
// bounded time and memory. What the module's functions do is not asked.
func FuzzLoad(f *testing.F) {
	guests, err := filepath.Glob(filepath.Join("testdata", "guests", "*.wasm"))
	if err != nil || len(guests) == 0 {
		f.Fatalf("no guests: %v", err)
	}
	for _, guest := range guests {
		wasm, err := os.ReadFile(guest)
		if err != nil {
			f.Fatal(err)
		}
		if name := filepath.Base(guest); name == "init_loop.wasm" || name == "start_loop.wasm" {
			continue // each takes as long as it may
		}
		f.Add(wasm, false)
		f.Add(wasm, true)
	}
	f.Fuzz(func(t *testing.T, wasm []byte, compiler bool) {
		p := wasmPackage(t, "x", wasm)
		p.Limits = host.Limits{Memory: 1 << 20, Input: 1 << 20, Output: 1 << 20, Timeout: 100 * time.Millisecond, Instances: 1}
		if !compiler {
			interpreted(p)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		begun := time.Now()
		m, err := sandbox.New().Load(ctx, p)
		if took := time.Since(begun); took > generous/3 {
			t.Errorf("it took %s", took)
		}
		if err == nil {
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			return
		}
		if code := host.CodeOf(err); code != host.CodeInvalid && code != host.CodeTimeout {
			t.Errorf("code %s of %v", code, err)
		}
		if len(err.Error()) > 4<<10 || !utf8.ValidString(err.Error()) {
			t.Errorf("a message of %d bytes, valid UTF-8: %t: %.300q", len(err.Error()), utf8.ValidString(err.Error()), err)
		}
	})
}
