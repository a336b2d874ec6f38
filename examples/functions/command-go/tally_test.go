package main

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 0, ""},
		{"b\na\nb\n", 0, "2 b\n1 a\n"},
		{"b\na\nb", 1, "2 b\n"},
		{"a\n\n\n", 0, "2 \n1 a\n"},
		{"x", 5, "1 x\n"},
	} {
		var out strings.Builder
		if err := tally(&out, strings.NewReader(c.in), c.most); err != nil || out.String() != c.want {
			t.Errorf("tally(%q, %d) = %q, %v, want %q", c.in, c.most, out.String(), err, c.want)
		}
	}
}

func TestTallyRefuses(t *testing.T) {
	var out strings.Builder
	if err := tally(&out, strings.NewReader("x"), -1); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("-n -1: %v", err)
	}
	if err := tally(&out, strings.NewReader(strings.Repeat("x", 1<<20)), 0); err == nil {
		t.Error("a line of 1 MiB was taken")
	}
}
