package host

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// matchHost tells whether a pattern matches a host, as an engine is to do it.
func matchHost(pattern, name string) bool {
	globs, err := alternatives(pattern)
	if err != nil {
		return false
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if address, err := netip.ParseAddr(name); err == nil {
		name = address.Unmap().String()
	}
	return slices.ContainsFunc(globs, func(glob string) bool { return matchGlob(glob, name) })
}

func TestMatchHost(t *testing.T) {
	for _, test := range []struct {
		pattern     string
		match, miss []string
	}{
		{"api.example.com", []string{"api.example.com", "API.Example.COM", "api.example.com."}, []string{"example.com", "api.example.com.evil.org", "xapi.example.com", "api-example.com", ""}},
		{"API.example.com.", []string{"api.example.com"}, []string{"api.example.com.x"}},
		{"*.example.com", []string{"a.example.com", "a.b.example.com", ".example.com"}, []string{"example.com", "a.example.com.org", "aexample.com"}},
		{"*", []string{"a", "a.b", "10.0.0.1", "::1", ""}, nil},
		{"a*b*c", []string{"abc", "a.b.c", "axbxbxc"}, []string{"ab", "acb", "xabc"}},
		{"?.io", []string{"a.io", "..io"}, []string{".io", "ab.io"}},
		{"[a-c]x", []string{"ax", "CX"}, []string{"dx", "x", "-x"}},
		{"[!a-c]x", []string{"dx"}, []string{"ax", "x"}},
		{"[a0-3]x", []string{"ax", "2x"}, []string{"bx", "4x"}},
		{"{api,www,*.cdn}.example.com", []string{"api.example.com", "x.cdn.example.com"}, []string{"cdn.example.com", "example.com"}},
		{"{a,{b,c}d}e{,f}", []string{"ae", "bde", "cdef", "aef"}, []string{"be", "ade", "a"}},
		{"10.0.0.*", []string{"10.0.0.7"}, []string{"10.0.1.7"}},
		{"2001:DB8::1", []string{"2001:db8::1", "2001:db8:0:0::1"}, []string{"2001:db8::2"}},
		{"[::1]", []string{"::1"}, []string{"::2", ":", "1"}},
		{"::ffff:10.0.0.1", []string{"10.0.0.1"}, nil},
		{"xn--bcher-kva.example", []string{"xn--bcher-kva.example"}, []string{"bücher.example"}},
	} {
		if err := CheckHostPattern(test.pattern); err != nil {
			t.Errorf("%s: %v", test.pattern, err)
		}
		for _, name := range test.match {
			if !matchHost(test.pattern, name) {
				t.Errorf("%s does not match %q", test.pattern, name)
			}
		}
		for _, name := range test.miss {
			if matchHost(test.pattern, name) {
				t.Errorf("%s matches %q", test.pattern, name)
			}
		}
	}
}

func TestCheckHostPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                             "empty",
		".":                            "stands for an empty name",
		"{a,}":                         "stands for an empty name",
		"https://a":                    "is a URL",
		"a/b":                          "is a URL or a path",
		"a:80":                         "without a port",
		"[::1]:80":                     "without a port",
		"[a-]":                         "character class",
		"[z-a]":                        "character class",
		"[--a]":                        "character class",
		"{{{{{{{{{a}}}}}}}}}":          "more than 8 braces",
		"fe80::1%eth0":                 "is no IPv6 address",
		"a b":                          `the character ' '`,
		"bücher.example":               "in their ASCII form",
		"a\x00":                        "the character",
		"[a":                           "character class",
		"[]":                           "character class",
		"[!]":                          "character class",
		"[a*]":                         "character class",
		"{a,b":                         "a { that no } ends",
		"a}":                           "the character '}'",
		"a,b":                          "the character ','",
		`a\*`:                          "the character",
		strings.Repeat("a", 256):       "longer than 255",
		strings.Repeat("{a,b}", 7):     "more than 64 alternatives",
		strings.Repeat("{,}", 80):      "more than 64 alternatives",
		strings.Repeat("{", 200):       "more than 8 braces",
		strings.Repeat("{a,", 8):       "that no } ends",
		strings.Repeat("[", 200) + "]": "character class",
	} {
		if err := CheckHostPattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", pattern, err, want)
		}
		if matchHost(pattern, "a") {
			t.Errorf("%q is malformed and matches", pattern)
		}
	}
}

func TestAllowedHosts(t *testing.T) {
	list := func(s string) []string { return strings.Fields(s) }
	for _, test := range []struct {
		asked, policy, granted string
		whole                  bool
	}{
		{"api.example.com", "", "", false},
		{"api.example.com", "*", "api.example.com", true},
		{"api.example.com", "api.example.com", "api.example.com", true},
		{"API.example.com", "api.EXAMPLE.com", "API.example.com", true},
		{"api.example.com", "*.example.com", "api.example.com", true},
		{"api.example.com", "*.example.org x", "", false},
		{"example.com", "*.example.com", "", false},
		{"*", "api.example.com other.org", "api.example.com other.org", false},
		{"*", "*", "*", true},
		{"*", "*.example.com", "*.example.com", false},
		{"*.example.com", "*", "*.example.com", true},
		{"*.example.com", "*.example.com", "*.example.com", true},
		{"*.eu.example.com", "*.example.com", "*.eu.example.com", true},
		{"*.example.com", "*.eu.example.com api.example.com example.com", "*.eu.example.com api.example.com", false},
		{"*.example.com", "*.com.evil.org", "", false},
		{"a*.example.com", "*.example.com", "a*.example.com", true},
		{"a?b", "a?b", "a?b", true},
		{"a?b", "a*b", "", false}, // it is covered, but that is not proven
		{"a*b", "a?b", "", false},
		{"*.example.com", "[a-z].example.com", "[a-z].example.com", false},
		{"{api,www}.example.com", "api.example.com", "api.example.com", false},
		{"{api,www}.example.com", "*.example.com", "{api,www}.example.com", true},
		{"api.example.com", "{api,www}.example.com", "api.example.com", true},
		{"*", "{api,www}.example.com", "api.example.com www.example.com", false},
		{"::1", "*:*", "", false}, // malformed: it allows nothing
		{"::1", "*", "", false},   // it may lie inside: no glob covers it
		{"10.0.0.1", "* 10.*", "", false},
		{"localhost", "*", "", false},
		{"LOCALHOST.", "*", "", false},
		{"{localhost,a}", "*", "a", false},
		{"localhost", "localhost", "localhost", true},
		{"[::1]", "::1", "[::1]", true},
		{"*", "127.0.0.1 localhost", "127.0.0.1 localhost", false},
		{"10.0.0.*", "*", "10.0.0.*", true}, // a glob lets nobody inside
		{"::1", "0:0::1", "::1", true},
	} {
		granted, whole := allowedHosts(test.asked, list(test.policy))
		if !slices.Equal(granted, list(test.granted)) || whole != test.whole {
			t.Errorf("%s of %q: %q, %v, want %q, %v", test.asked, test.policy, granted, whole, test.granted, test.whole)
		}
	}
}

// FuzzAllowedHosts: a host that the granted patterns match is matched by the
// asked pattern and by the policy; and a glob matches as the same thing written
// as a regular expression.
func FuzzAllowedHosts(f *testing.F) {
	f.Add("*.example.com", "*.eu.example.com", "x.eu.example.com")
	f.Add("{a,b[!c-d]}*", "a?{,x}", "aax")
	f.Add("*", "::1", "::1")
	f.Fuzz(func(t *testing.T, asked, policy, name string) {
		if CheckHostPattern(asked) != nil || CheckHostPattern(policy) != nil {
			return
		}
		granted, whole := allowedHosts(asked, []string{policy})
		for _, g := range granted {
			if err := CheckHostPattern(g); err != nil {
				t.Fatalf("granted %q: %v", g, err)
			}
			if matchHost(g, name) && !(matchHost(asked, name) && matchHost(policy, name)) {
				t.Errorf("%q of %q grants %q, which matches %q", asked, policy, g, name)
			}
		}
		if whole && matchHost(asked, name) && !matchHost(policy, name) {
			t.Errorf("%q is granted whole by %q, but not %q", asked, policy, name)
		}
		globs, _ := alternatives(asked)
		for _, glob := range globs {
			if strings.Contains(glob, ":") || strings.Contains(glob, "[") || strings.ContainsRune(name, '\n') {
				continue
			}
			text := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(glob))
			if isASCII(name) && matchGlob(glob, name) != regexp.MustCompile(`\A`+text+`\z`).MatchString(name) {
				t.Errorf("%q and %q: %v", glob, name, matchGlob(glob, name))
			}
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
