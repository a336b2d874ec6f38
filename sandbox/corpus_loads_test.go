package sandbox_test

import (
	"strings"
	"testing"

	"berth/host"
	"berth/sandbox"
)

// TestCorpusLoads: guests that attack before they are called.
func TestCorpusLoads(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": nil, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			for _, c := range []struct{ guest, says string }{
				{"start", "stack overflow"},
				{"meddle", "berth:meter"},
			} {
				_, err := sandbox.New().Load(t.Context(), hostilePackage(t, c.guest, change))
				wantFailure(t, err, host.CodeInvalid, c.says)
			}
		})
	}
}

// TestCorpusEarly: host functions that are called while the instance is made,
// before it has what they work on, refuse to in words of their own, or work.
func TestCorpusEarly(t *testing.T) {
	for _, guest := range []string{"early", "early_wapc"} {
		m, err := sandbox.New().Load(t.Context(), hostilePackage(t, guest))
		if err == nil {
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			continue
		}
		wantFailure(t, err, host.CodeInvalid, "initialised")
		if strings.Contains(err.Error(), "nil pointer") || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: %v", guest, err)
		}
	}
}
