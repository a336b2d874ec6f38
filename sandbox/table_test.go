package sandbox_test

import (
	"strconv"
	"testing"

	"berth/host"
)

// TestTableGrowth: a table cannot take more than linear memory may.
func TestTableGrowth(t *testing.T) {
	for form, change := range map[string]func(*host.Package){"compiled": func(*host.Package) {}, "interpreted": interpreted} {
		t.Run(form, func(t *testing.T) {
			m := loadGuest(t, "table", func(p *host.Package) {
				p.Limits.Memory = 1 << 20 // 131,072 entries of 8 bytes
				change(p)
			})
			for _, step := range []struct {
				entries int
				before  int
			}{{60_000_000, -1}, {131_072, -1}, {131_071, 1}, {1, -1}, {0, 131_072}} {
				got, err := call(t, m, "grow", []byte("["+strconv.Itoa(step.entries)+"]"))
				if err != nil || string(got) != strconv.Itoa(step.before) {
					t.Errorf("grow by %d: %s, %v; want %d", step.entries, got, err, step.before)
				}
			}
		})
	}
}
