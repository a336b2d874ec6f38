package extism

import (
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// GuestError is what a guest said that went wrong: its own failure, not a trap.
type GuestError struct {
	RC   uint32 // what the function returned; 0 if it only set an error
	Text string // what error_set got; empty if it only returned a code
}

// Error implements error.
func (e *GuestError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("the function returned %d and no text", int32(e.RC))
	}
	return e.Text
}

// Result says whether a call that returned rc failed: rc is not 0, or the guest
// set an error. rc is 0 for a function without result, and else the lower half of
// what wazero returns: the upper one is undefined. The error is a *GuestError.
// The output is there in either case.
func (k *Kernel) Result(rc uint32) error {
	text, set := k.Error()
	if rc == 0 && !set {
		return nil
	}
	return &GuestError{RC: rc, Text: text}
}

// Callable says whether an export is a function of the plugin: () -> i32 or
// () -> ().
func Callable(params, results []api.ValueType) bool {
	return len(params) == 0 && (len(results) == 0 || slices.Equal(results, []api.ValueType{api.ValueTypeI32}))
}
