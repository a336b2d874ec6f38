//go:build linux && cgo

package goplugin

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"berth/host"
	"berth/host/enginetest"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// engine runs packages whose only build is Calc.so.
type engine struct{ opened *Opened }

func (engine) Name() string               { return "native" }
func (engine) Accept(*host.Package) error { return nil }
func (e engine) Load(ctx context.Context, p *host.Package) (host.Module, error) {
	return Open(ctx, Options{Path: p.Path("Calc.so"), Package: p, Functions: []string{"add"}, Opened: e.opened})
}

const twoNumbers = `[1.5,2.25]`

// inHost installs the functions in a host.
func inHost(t testing.TB) *host.Host {
	t.Helper()
	data, err := os.ReadFile(build(t, functions))
	if err != nil {
		t.Fatal(err)
	}
	h := enginetest.OpenHost(t, t.TempDir(), engine{rig.opened})
	if _, err := h.Install(t.Context(), host.Request{Kind: host.Functions, Name: "calc", Functions: []string{"add"}, File: enginetest.Pack(t, enginetest.Files{"Calc.so": data})}); err != nil {
		t.Fatal(err)
	}
	return h
}

func invoke(t testing.TB, h *host.Host, out []byte) []byte {
	out, err := h.Invoke(t.Context(), "add", out[:0], []byte(twoNumbers))
	if err != nil || string(out) != "3.75" {
		t.Fatalf("%s, %v", out, err)
	}
	return out
}

// plainly is the least that a call of the plugin costs: decoding, the plugin's own
// work, encoding.
func plainly(t testing.TB, add api.Function, out []byte) []byte {
	var args []any
	if err := json.Unmarshal([]byte(twoNumbers), &args); err != nil {
		t.Fatal(err)
	}
	result, ok := add.Exec(nil, args)
	text, err := json.Marshal(result)
	if !ok || err != nil {
		t.Fatal(err)
	}
	return append(out[:0], text...)
}

func plainAdd(t testing.TB) api.Function {
	t.Helper()
	return bind(t, open(t, functions, nil), "add").(*function).all[0].Function
}

// BenchmarkCall is a function of two numbers, called through a host and plainly.
func BenchmarkCall(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		add, out := plainAdd(b), make([]byte, 0, 64)
		b.ReportAllocs()
		for b.Loop() {
			out = plainly(b, add, out)
		}
	})
	b.Run("host", func(b *testing.B) {
		h, out := inHost(b), make([]byte, 0, 64)
		b.ReportAllocs()
		for b.Loop() {
			out = invoke(b, h, out)
		}
	})
}

// TestAllocations: a call allocates little beside what decoding takes.
func TestAllocations(t *testing.T) {
	if hostBuild(t).Settings["-race"] == "true" {
		t.Skip("the race detector allocates")
	}
	h, add, out := inHost(t), plainAdd(t), make([]byte, 0, 64)
	plain := testing.AllocsPerRun(1000, func() { out = plainly(t, add, out) })
	through := testing.AllocsPerRun(1000, func() { out = invoke(t, h, out) })
	t.Logf("plain %g, through a host %g", plain, through)
	if through > plain+6 {
		t.Errorf("%g allocations, and %g plainly", through, plain)
	}
}
