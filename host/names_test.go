package host

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCheckName holds eKuiper's words: its clients show them.
func TestCheckName(t *testing.T) {
	const invalid = "contains invalid characters: only alphanumeric, hyphens and underscores are allowed"
	const space = "contains leading or trailing whitespace"
	for _, test := range []struct{ name, want string }{
		{"a", ""}, {"Echo_2-b", ""}, {"-", ""}, {"9", ""}, {strings.Repeat("x", 128), ""},
		{"", "id cannot be empty"},
		{" a", "id ' a' " + space}, {"a\n", "id 'a\n' " + space}, {"\u00a0a", "id '\u00a0a' " + space}, {" ", "id ' ' " + space},
		{"a b", "id 'a b' " + invalid}, {"a/b", "id 'a/b' " + invalid}, {"..", "id '..' " + invalid}, {".", "id '.' " + invalid},
		{"é", "id 'é' " + invalid}, {"a\x00b", "id 'a\x00b' " + invalid}, {"~other", "id '~other' " + invalid},
		{strings.Repeat("x", 129), "id '" + strings.Repeat("x", 129) + "' is longer than 128 characters"},
	} {
		err := CheckName(test.name)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%q is refused: %v", test.name, err)
		case test.want != "" && (err == nil || err.Error() != test.want):
			t.Errorf("%q: %v, want %s", test.name, err, test.want)
		case err != nil && CodeOf(err) != CodeInvalid:
			t.Errorf("%q: code %v", test.name, CodeOf(err))
		}
	}
	if CheckName(OtherFunctions) == nil {
		t.Error("a function could be called like the figures of all others")
	}
}

func TestClip(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", 200), strings.Repeat("é", 150), strings.Repeat("\xff", 500)} {
		got := clip(s)
		if len(s) <= 200 && got != s {
			t.Errorf("%q was cut", s)
		}
		if len(got) > 210 || utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("clip gave %d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
}
