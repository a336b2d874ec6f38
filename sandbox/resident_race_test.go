//go:build race

package sandbox_test

import "testing"

// residentSize does not tell: the race detector's own memory grows with what it
// watches.
func residentSize(testing.TB) int64 { return 0 }
