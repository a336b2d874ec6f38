//go:build cgo && !race

// The race detector allocates on its own behalf, and so does purego.

package cabi_test

import (
	"context"
	"testing"
	"time"
)

// TestAllocations: a warm call whose result fits allocates nothing, whatever the
// library may be entered by, and whether there is a deadline or not.
func TestAllocations(t *testing.T) {
	in, out := make([]byte, 64), make([]byte, 0, 64)
	deadline, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, thread := range []string{"BERTH_SERIAL", "BERTH_OBJECT", "BERTH_PARALLEL"} {
		l := open(t, options(t, conform(t, thread)))
		for _, name := range []string{"echo", "left"} {
			f := bind(t, l, name)
			for _, ctx := range []context.Context{t.Context(), deadline} {
				n := testing.AllocsPerRun(1000, func() {
					if _, err := f.Call(ctx, out, in); err != nil {
						t.Fatal(err)
					}
				})
				if n != 0 {
					t.Errorf("%s, %s: %v allocations a call, want none", thread, name, n)
				}
			}
		}
	}
	h := installed(t, conform(t, "BERTH_PARALLEL"))
	n := testing.AllocsPerRun(1000, func() {
		if _, err := h.Invoke(t.Context(), "echo", out, in); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("through a host: %v allocations a call, want none", n)
	}
}
