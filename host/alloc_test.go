//go:build !race

package host_test

import (
	"testing"

	"berth/host"
)

// TestWarmInvokeAllocatesNothing: a call of a loaded function without a
// timeout, into a buffer that is large enough.
func TestWarmInvokeAllocatesNothing(t *testing.T) {
	r := newRig(t, func(r *rig) { r.config.Limits = host.DefaultLimits(); r.config.Limits.Timeout = 0 })
	r.install("echo", packed(t, files{"echo.wasm": guest(t, "echo")}))
	in, dst := []byte("sixteen bytes..."), make([]byte, 0, 64)
	for _, function := range []string{"echo", "upper"} {
		allocs := testing.AllocsPerRun(1000, func() {
			out, err := r.Invoke(t.Context(), function, dst, in)
			if err != nil || len(out) != len(in) {
				t.Fatal(string(out), err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations a call, want none", function, allocs)
		}
	}
}
