package host

import "testing"

// AwaitOperations waits until n operations on a plugin run or wait for their turn.
func (h *Host) AwaitOperations(t *testing.T, kind Kind, name string, n int) {
	h.ops.awaitUsers(t, id{kind, name}, n)
}
