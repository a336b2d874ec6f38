package enginetest

import (
	"strings"
	"testing"

	"berth/host"
)

// WantError fails the test unless the error has the code and says all words.
func WantError(t testing.TB, err error, code host.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want code %s", code)
		return
	}
	if got := host.CodeOf(err); got != code {
		t.Errorf("code %s of %q, want %s", got, err, code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
