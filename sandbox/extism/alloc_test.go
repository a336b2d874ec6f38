//go:build !race

// The race detector allocates on its own behalf, so allocations are counted
// without it only.

package extism_test

import (
	"testing"

	"berth/sandbox/extism"
)

// TestAllocations is the budget of a warm call: none, neither in the kernel nor
// on the way through wazero.
func TestAllocations(t *testing.T) {
	for _, c := range []struct{ function, input string }{
		{"noop", ""},
		{"noop", "input"},
		{"upper", "a small text, moved in words of eight bytes"},
		{"echo", "a small text, moved in words and single bytes"},
		{"fail", ""}, // as long as nobody asks for the text
	} {
		t.Run(c.function, func(t *testing.T) {
			g := newGuest(t, "plugin", extism.Config{})
			f, stack, input := g.module.ExportedFunction(c.function), make([]uint64, 1), []byte(c.input)
			call := func() {
				if err := g.kernel.Begin(input); err != nil {
					t.Fatal(err)
				}
				if err := f.CallWithStack(g.ctx, stack); err != nil {
					t.Fatal(err)
				}
				g.kernel.Output()
				g.kernel.Trim()
			}
			call()
			if n := testing.AllocsPerRun(100, call); n != 0 {
				t.Errorf("%v allocations a call", n)
			}
		})
	}
}
