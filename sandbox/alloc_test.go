//go:build !race

// The race detector allocates on its own behalf, so allocations are counted
// without it only.

package sandbox_test

import (
	"testing"

	"berth/host"
)

// TestAllocations is the budget of a warm call: nothing over the berth ABI,
// whether there is a deadline or not. wazero's interpreter allocates for itself.
func TestAllocations(t *testing.T) {
	skipWithoutCompiler(t)
	for _, c := range []struct {
		guest, function, in string
		deadline            bool
		budget              float64
	}{
		{"echo", "echo", "sixteen bytes in", false, 0},
		{"echo", "echo", "sixteen bytes in", true, 0},
		{"echo", "fail", "sixteen bytes in", false, 8},
		{"extism", "run", "sixteen bytes in", true, 0},
		{"wapc", "wapc", "sixteen bytes in", true, 0},
		{"add", "answer", "", false, 2},
		{"add", "add", "[1,2]", false, 12},
	} {
		m := loadGuest(t, c.guest, func(p *host.Package) {
			if !c.deadline {
				p.Limits.Timeout = 0
			}
		})
		f, in, out := bind(t, m, c.function), []byte(c.in), make([]byte, 0, 64)
		ctx := t.Context()
		got := testing.AllocsPerRun(200, func() { _, _ = f.Call(ctx, out[:0], in) })
		if got > c.budget {
			t.Errorf("%s of %s, deadline %t: %v allocations, want at most %v", c.function, c.guest, c.deadline, got, c.budget)
		}
		t.Logf("%s of %s, deadline %t: %v allocations", c.function, c.guest, c.deadline, got)
	}
}
